/* Prints the ns of writing so many bytes (first argument) to a file in memory. */
#define _GNU_SOURCE
#include "ns.h"
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	long bytes = argc > 1 ? atol(argv[1]) : 4096, count = (1L << 31) / (bytes + 20000);
	char *data = calloc(1, bytes);
	int file = memfd_create("file", 0);
	if (!data || file < 0)
		abort();
	double start = 0;
	for (long i = -100; i < count; i++) {
		if (i == 0)
			start = now_ns();
		if (pwrite(file, data, bytes, (i & 63) * bytes) != bytes)
			abort();
	}
	report((now_ns() - start) / count);
}
