/* Prints the ns of making a thread and waiting for its end. */
#include "ns.h"
#include <pthread.h>
#include <stdlib.h>

static void *empty(void *argument)
{
	return argument;
}

int main(void)
{
	enum { COUNT = 2000 };
	double start = now_ns();
	for (int i = 0; i < COUNT; i++) {
		pthread_t thread;
		if (pthread_create(&thread, 0, empty, 0) || pthread_join(thread, 0))
			abort();
	}
	report((now_ns() - start) / COUNT);
}
