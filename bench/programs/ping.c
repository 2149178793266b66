/* Prints the ns of handing a turn to another and getting it back: between two threads by futex(2), or between two
 * processes by pipes (first argument: thread, process). */
#define _GNU_SOURCE
#include "ns.h"
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_int turn;

static void pass(int mine, int count)
{
	for (int i = 0; i < count; i++) {
		int now;
		while ((now = atomic_load(&turn)) != mine)
			syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, now, 0, 0, 0);
		atomic_store(&turn, !mine);
		syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
	}
}

enum { COUNT = 20000 };

static void *other(void *unused)
{
	pass(1, COUNT);
	return unused;
}

static double threads(void)
{
	pthread_t thread;
	pthread_create(&thread, 0, other, 0);
	double start = now_ns();
	pass(0, COUNT);
	double end = now_ns();
	pthread_join(thread, 0);
	return (end - start) / COUNT;
}

static double processes(void)
{
	int to[2], from[2];
	char byte = 0;
	if (pipe(to) || pipe(from))
		abort();
	if (fork() == 0) {
		close(to[1]);
		while (read(to[0], &byte, 1) == 1)
			if (write(from[1], &byte, 1) != 1)
				abort();
		_exit(0);
	}
	double start = now_ns();
	for (int i = 0; i < COUNT; i++)
		if (write(to[1], &byte, 1) != 1 || read(from[0], &byte, 1) != 1)
			abort();
	return (now_ns() - start) / COUNT;
}

int main(int argc, char **argv)
{
	report(argc > 1 && !strcmp(argv[1], "process") ? processes() : threads());
}
