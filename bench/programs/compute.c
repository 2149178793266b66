/* Prints the ns of one round of integer work that touches no memory and makes no system call. */
#include "ns.h"
#include <stdint.h>

int main(void)
{
	enum { COUNT = 300000000 };
	uint64_t x = 88172645463325252ULL;
	double start = now_ns();
	for (int i = 0; i < COUNT; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	double ns = (now_ns() - start) / COUNT;
	report(x ? ns : 0);
}
