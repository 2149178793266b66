/* Prints the ns of one getpid(2), which glibc does not remember. */
#include "ns.h"
#include <unistd.h>

int main(void)
{
	enum { COUNT = 1000000 };
	for (int i = 0; i < 1000; i++)
		getpid();
	double start = now_ns();
	for (int i = 0; i < COUNT; i++)
		getpid();
	report((now_ns() - start) / COUNT);
}
