/* Threads that share a counter, wait for each other, keep the processor, block, and end. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 8, TURNS = 20000 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long counter, turn;
static _Thread_local long own;

static void *count(void *argument)
{
	for (int i = 0; i < TURNS; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		own++;
		pthread_mutex_unlock(&mutex);
	}
	return own == TURNS ? argument : NULL;
}

static void counting(void)
{
	pthread_t threads[THREADS];
	for (long i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, count, (void *)(i + 1));
	for (long i = 0; i < THREADS; i++) {
		void *result;
		pthread_join(threads[i], &result);
		printf("%ld ", (long)result);
	}
	printf("counted %ld\n", counter);
}

static void *alternate(void *argument)
{
	for (int i = 0; i < TURNS / 4; i++) {
		pthread_mutex_lock(&mutex);
		while (turn % 2 != (long)argument)
			pthread_cond_wait(&changed, &mutex);
		turn++;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void alternating(void)
{
	pthread_t threads[2];
	for (long i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, alternate, (void *)i);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	printf("alternated %ld\n", turn);
}

static void *spin(void *argument)
{
	atomic_int *stop = argument;
	while (!atomic_load(stop))
		;
	return NULL;
}

/* A thread that never gives the processor away does not starve the others. */
static void spinning(void)
{
	pthread_t threads[3];
	atomic_int stop = 0;
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, spin, &stop);
	struct timespec pause = { 0, 20000000 };
	nanosleep(&pause, NULL);
	atomic_store(&stop, 1);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	puts("spun");
}

static void *read_byte(void *argument)
{
	char byte = 0;
	long count = read(*(int *)argument, &byte, 1);
	printf("read %ld %c\n", count, byte);
	return NULL;
}

static void blocking(void)
{
	int ends[2];
	pthread_t thread;
	if (pipe(ends))
		return;
	pthread_create(&thread, NULL, read_byte, &ends[0]);
	usleep(10000);
	if (write(ends[1], "x", 1) != 1)
		perror("write");
	pthread_join(thread, NULL);
	struct timespec soon;
	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_nsec = (soon.tv_nsec + 1000000) % 1000000000;
	pthread_mutex_lock(&mutex);
	printf("timed wait: %s\n", strerror(pthread_cond_timedwait(&changed, &mutex, &soon)));
	pthread_mutex_unlock(&mutex);
}

static void *nothing(void *argument)
{
	return argument;
}

static void many(void)
{
	int made = 0;
	for (int i = 0; i < 2000; i++) {
		pthread_t thread;
		made += pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0;
	}
	printf("made %d\n", made);
}

int main(void)
{
	counting();
	alternating();
	spinning();
	blocking();
	many();
	return 0;
}
