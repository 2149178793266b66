/* Prints the ns of one pread(2) of 4 KiB that the page cache has. */
#include "ns.h"
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int main(void)
{
	enum { COUNT = 20000, SIZE = 4096, BLOCKS = 256 };
	static char buffer[SIZE];
	int fd = open("/data", O_RDONLY);
	if (fd < 0)
		abort();
	for (int i = 0; i < BLOCKS; i++)
		if (pread(fd, buffer, SIZE, (off_t)i * SIZE) != SIZE)
			abort();
	double start = now_ns();
	for (int i = 0; i < COUNT; i++)
		if (pread(fd, buffer, SIZE, (off_t)(i % BLOCKS) * SIZE) != SIZE)
			abort();
	report((now_ns() - start) / COUNT);
}
