/* What the programs share: a clock, and one number on stdout as the result. */
#include <stdio.h>
#include <time.h>

static inline double now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static inline void report(double ns)
{
	printf("%.3f\n", ns);
}
