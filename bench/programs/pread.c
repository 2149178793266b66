/* Prints the ns of one pread(2) of so many bytes (first argument) that the page cache has. */
#include "ns.h"
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	enum { COUNT = 20000, BLOCKS = 256 };
	long size = argc > 1 ? atol(argv[1]) : 4096;
	char *buffer = calloc(1, size);
	int fd = open("/data", O_RDONLY);
	if (fd < 0 || !buffer)
		abort();
	for (int i = 0; i < BLOCKS; i++)
		if (pread(fd, buffer, size, (off_t)i * size) != size)
			abort();
	double start = now_ns();
	for (int i = 0; i < COUNT; i++)
		if (pread(fd, buffer, size, (off_t)(i % BLOCKS) * size) != size)
			abort();
	report((now_ns() - start) / COUNT);
}
