/* Prints the ns of writing to one page of 256 MiB of fresh memory. */
#include "ns.h"
#include <stdlib.h>
#include <sys/mman.h>

int main(void)
{
	enum { PAGE = 4096 };
	const long size = 256L << 20;
	double start = now_ns();
	volatile char *memory = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		abort();
	for (long i = 0; i < size; i += PAGE)
		memory[i] = 1;
	report((now_ns() - start) / (size / PAGE));
}
