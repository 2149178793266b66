/* Signals that come while threads are made, which blocks all of them for a moment: none is lost, and none
 * comes while it is blocked. */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void *nothing(void *argument)
{
	return argument;
}

static void make(int count)
{
	for (int i = 0; i < count; i++) {
		pthread_t thread;
		if (pthread_create(&thread, 0, nothing, 0) || pthread_join(thread, 0))
			abort();
	}
}

static void *wait_for_end(void *end)
{
	read(*(int *)end, &(char){0}, 1);
	return 0;
}

/* How a process ends that is sent the signal after so many microseconds; the process tells when it begins. */
static int end_of(void (*process)(int), int signal, int after)
{
	int ready[2];
	if (pipe(ready))
		abort();
	pid_t child = fork();
	if (!child) {
		process(ready[1]);
		_exit(0);
	}
	read(ready[0], &(char){0}, 1);
	usleep(after);
	kill(child, signal);
	int status;
	waitpid(child, &status, 0);
	close(ready[0]);
	close(ready[1]);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void make_for_ever(int ready)
{
	write(ready, "", 1);
	for (;;)
		make(1);
}

static void make_and_compute(int ready)
{
	make(5);
	write(ready, "", 1);
	make(5);
	for (volatile unsigned i = 0;; i++)
		;
}

static void *compute(void *argument)
{
	for (volatile unsigned i = 0;; i++)
		;
	return argument;
}

/* The first thread waits for ever, and another one computes. */
static void make_and_sleep(int ready)
{
	pthread_t thread;
	pthread_create(&thread, 0, compute, 0);
	write(ready, "", 1);
	pthread_join(thread, 0);
}

static void deaths(void)
{
	int died = 0;
	for (int i = 0; i < 8; i++) {
		died += end_of(make_for_ever, SIGTERM, i * 700) == SIGTERM;
		died += end_of(make_and_compute, SIGTERM, i * 700) == SIGTERM;
		died += end_of(make_and_sleep, SIGTERM, i * 700) == SIGTERM;
	}
	SHOW(died);
}

static atomic_int handled;

static void count(int signal)
{
	(void)signal;
	handled++;
}

/* Queued signals, each of which has to come. */
static void queue(void)
{
	enum { SENT = 500 };
	signal(SIGRTMIN + 3, count);
	pid_t parent = getpid(), child = fork();
	if (!child) {
		for (int i = 0; i < SENT; i++) {
			while (sigqueue(parent, SIGRTMIN + 3, (union sigval){.sival_int = i}))
				usleep(100);
			if (i % 50 == 0)
				usleep(500);
		}
		_exit(0);
	}
	int status = -1;
	while (waitpid(child, &status, WNOHANG) == 0)
		make(1);
	SHOW(status);
	for (int i = 0; i < 1000 && handled < SENT; i++)
		usleep(1000);
	SHOW(handled == SENT);
}

/* Sends itself a signal from another process, and waits until that has ended. */
static void send_from_another(int signal)
{
	pid_t parent = getpid(), child = fork();
	if (!child) {
		kill(parent, signal);
		_exit(0);
	}
	waitpid(child, 0, 0);
}

/* A signal that came while all threads blocked it kills the process with the unblocking, not after. */
static void hold(int ready)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, 0);
	int end[2];
	pthread_t thread;
	if (pipe(end) || pthread_create(&thread, 0, wait_for_end, &end[0]))
		abort();
	make(3);
	send_from_another(SIGTERM);
	make(3);
	sigset_t pending;
	sigpending(&pending);
	int waits = sigismember(&pending, SIGTERM);
	/* While it is blocked nothing happens. */
	usleep(20000);
	write(end[1], "", 1);
	pthread_join(thread, 0);
	write(ready, "", 1);
	if (!waits)
		_exit(2);
	pthread_sigmask(SIG_UNBLOCK, &set, 0);
	_exit(1);
}

/* The same of a signal of the process's own group, sent just before. */
static void send_to_group(int ready)
{
	setpgid(0, 0);
	make(3);
	write(ready, "", 1);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, 0);
	kill(0, SIGUSR2);
	pthread_sigmask(SIG_UNBLOCK, &set, 0);
	_exit(1);
}

/* What a write causes is its thread's: one that blocks SIGPIPE lives, whatever the others do. */
static void break_pipe(int ready)
{
	int end[2], broken[2];
	pthread_t thread;
	if (pipe(end) || pipe(broken) || pthread_create(&thread, 0, wait_for_end, &end[0]))
		abort();
	close(broken[0]);
	write(ready, "", 1);
	sigset_t set, pending;
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, 0);
	int failed = 0;
	for (int i = 0; i < 500; i++)
		failed += write(broken[1], "", 1) == -1 && errno == EPIPE;
	sigpending(&pending);
	int waits = sigismember(&pending, SIGPIPE);
	int taken = sigtimedwait(&set, 0, &(struct timespec){0}) == SIGPIPE;
	write(broken[1], "", 1);
	if (failed != 500 || !waits || !taken)
		_exit(2);
	pthread_sigmask(SIG_UNBLOCK, &set, 0);
	_exit(1);
}

static long milliseconds(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static atomic_int runs, stop;

static void *compute_for_a_while(void *argument)
{
	runs = 1;
	while (!stop)
		;
	return argument;
}

/* The only thread that is left waits, on whichever CPU it was when the other one ended. */
static void wait_alone(void)
{
	int in_time = 0, pipes[2];
	struct sigaction action = {.sa_handler = count};
	sigaction(SIGALRM, &action, 0);
	if (pipe(pipes))
		abort();
	/* Who is not interrupted reads something in the end. */
	pid_t child = fork();
	while (!child) {
		sleep(2);
		write(pipes[1], "", 1);
	}
	for (int i = 0; i < 5; i++) {
		pthread_t thread;
		runs = stop = 0;
		pthread_create(&thread, 0, compute_for_a_while, 0);
		while (!runs)
			;
		long start = milliseconds();
		while (milliseconds() - start < 20)
			;
		stop = 1;
		pthread_detach(thread);
		start = milliseconds();
		while (milliseconds() - start < 20)
			;
		struct itimerval time = {.it_value = {.tv_usec = 20000}};
		setitimer(ITIMER_REAL, &time, 0);
		in_time += read(pipes[0], &(char){0}, 1) == -1 && errno == EINTR;
	}
	kill(child, SIGKILL);
	waitpid(child, 0, 0);
	SHOW(in_time);
}

int main(void)
{
	deaths();
	queue();
	SHOW(end_of(hold, 0, 0) == SIGTERM);
	SHOW(end_of(send_to_group, 0, 0) == SIGUSR2);
	SHOW(end_of(break_pipe, 0, 0) == SIGPIPE);
	wait_alone();
	return 0;
}
