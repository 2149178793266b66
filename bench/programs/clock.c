/* Prints the ns of one clock_gettime(2). */
#include "ns.h"

int main(void)
{
	enum { COUNT = 1000000 };
	struct timespec t;
	double start = now_ns();
	for (int i = 0; i < COUNT; i++)
		clock_gettime(CLOCK_REALTIME, &t);
	report((now_ns() - start) / COUNT);
}
