/* Executes a command and tells it, in PINION_EXEC_TICKS, the time-stamp counter of that moment. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <x86intrin.h>

int main(int argc, char **argv)
{
	char ticks[32];
	(void)argc;
	snprintf(ticks, sizeof ticks, "%llu", (unsigned long long)__rdtsc());
	setenv("PINION_EXEC_TICKS", ticks, 1);
	execv(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
