/* Prints the ns of writing to one page of 256 MiB of fresh memory. A first round, which does not count, has the
 * machine find the memory: what it has not used before costs far more, under any runtime. */
#include "ns.h"
#include <stdlib.h>
#include <sys/mman.h>

enum { PAGE = 4096 };

static const long size = 256L << 20;

static double touch(void)
{
	double start = now_ns();
	volatile char *memory = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		abort();
	for (long i = 0; i < size; i += PAGE)
		memory[i] = 1;
	double end = now_ns();
	munmap((void *)memory, size);
	return (end - start) / (size / PAGE);
}

int main(void)
{
	touch();
	report(touch());
}
