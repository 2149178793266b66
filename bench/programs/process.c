/* Prints the ns of a child process, from its making until it was waited for: one that ends at once (fork), one that
 * executes busybox (exec, spawn). */
#define _GNU_SOURCE
#include "ns.h"
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char *const TRUE[] = {"true", 0};

static pid_t make(const char *how)
{
	pid_t child;
	if (!strcmp(how, "spawn")) {
		if (posix_spawn(&child, "/bin/true", 0, 0, TRUE, environ))
			abort();
		return child;
	}
	child = fork();
	if (child == 0) {
		if (!strcmp(how, "exec"))
			execv("/bin/true", TRUE);
		_exit(!strcmp(how, "exec"));
	}
	return child;
}

int main(int argc, char **argv)
{
	enum { COUNT = 50 };
	const char *how = argc > 1 ? argv[1] : "fork";
	double start = now_ns();
	for (int i = 0; i < COUNT; i++) {
		int status;
		pid_t child = make(how);
		if (child < 0 || waitpid(child, &status, 0) != child || status)
			abort();
	}
	report((now_ns() - start) / COUNT);
}
