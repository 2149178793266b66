/* Handlers of signals: sent, timed, of faults, on a stack of their own, blocked, awaited, in calls. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t got;
static siginfo_t last;
static sigjmp_buf before;
static const struct itimerval soon = { .it_value = { 0, 30000 } };

static void note(int signal, siginfo_t *info, void *context)
{
	(void)context;
	got = signal;
	last = *info;
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };
	sigaction(signal, &action, NULL);
}

static void sending(void)
{
	handle(SIGUSR1, note, 0);
	raise(SIGUSR1);
	printf("raise: %d, code %d\n", got, last.si_code);
	got = 0;
	kill(getpid(), SIGUSR1);
	printf("kill: %d, code %d, own %d\n", got, last.si_code, last.si_pid == getpid());
}

/* A handler leaves the registers of what it interrupts as they were. */
static void timing(void)
{
	handle(SIGALRM, note, 0);
	got = 0;
	setitimer(ITIMER_REAL, &soon, NULL);
	int result = pause();
	printf("pause: %d %s, %d\n", result, strerror(errno), got);
	for (int round = 0; round < 3; round++) {
		double value = 1.5, other = 2.25;
		unsigned long sum = 0, turns = 0;
		got = 0;
		setitimer(ITIMER_REAL, &soon, NULL);
		while (!got) {
			value = value * 2 - value;
			other = other / 2 + other / 2;
			sum += ++turns;
		}
		printf("busy: %d %g %g %d\n", got, value, other, sum == turns * (turns + 1) / 2);
	}
}

static void jump(int signal, siginfo_t *info, void *context)
{
	(void)context;
	last = *info;
	siglongjmp(before, signal);
}

static void faulting(void)
{
	static volatile int zero, five = 5;
	for (int round = 0; round < 3; round++) {
		handle(SIGSEGV, jump, 0);
		handle(SIGFPE, jump, SA_NODEFER);
		int signal = sigsetjmp(before, 1);
		if (signal == 0)
			*(volatile int *)(16L + round) = 1;
		printf("fault: %d, code %d, address %d\n", signal, last.si_code, (int)(long)last.si_addr);
		signal = sigsetjmp(before, 1);
		if (signal == 0)
			zero = five / zero;
		printf("fault: %d, code %d\n", signal, last.si_code);
	}
}

static void on_stack(int signal, siginfo_t *info, void *context)
{
	char here;
	stack_t stack;
	note(signal, info, context);
	sigaltstack(NULL, &stack);
	printf("on the alternate stack: %d\n", &here > (char *)stack.ss_sp && &here < (char *)stack.ss_sp + stack.ss_size);
}

static void overflow(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)info, (void)context;
	siglongjmp(before, 1);
}

static int __attribute__((noinline)) deep(volatile long depth)
{
	volatile char room[4096];
	room[0] = depth % 2;
	return depth == 0 ? 0 : deep(depth - 1) + room[0];
}

static void stacks(void)
{
	static char area[65536];
	stack_t stack = { .ss_sp = area, .ss_size = sizeof area };
	sigaltstack(&stack, NULL);
	handle(SIGUSR2, on_stack, SA_ONSTACK);
	raise(SIGUSR2);
	handle(SIGSEGV, overflow, SA_ONSTACK);
	if (sigsetjmp(before, 1) == 0)
		deep(1L << 40);
	puts("survived the end of the stack");
}

static void masks(void)
{
	sigset_t set, old, pending;
	siginfo_t info;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	got = 0;
	raise(SIGUSR1);
	sigpending(&pending);
	printf("blocked: %d, pending %d\n", got, sigismember(&pending, SIGUSR1));
	sigsuspend(&old);
	printf("suspended: %d\n", got);
	kill(getpid(), SIGUSR1);
	printf("awaited: %d\n", sigwaitinfo(&set, &info));
	const struct timespec short_time = { 0, 1000000 };
	int result = sigtimedwait(&set, &info, &short_time);
	printf("awaited in vain: %d %s\n", result, strerror(errno));
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	kill(getpid(), SIGTERM);
	printf("awaited without a handler: %d\n", sigwaitinfo(&set, &info));
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static void *write_later(void *end)
{
	usleep(60000);
	if (write(*(int *)end, "x", 1) != 1)
		perror("write");
	return NULL;
}

static void *read_alone(void *end)
{
	char byte;
	long count = read(*(int *)end, &byte, 1);
	printf("a thread's read: %ld %s\n", count, strerror(errno));
	return NULL;
}

static void calls(void)
{
	int ends[2];
	char byte;
	pthread_t thread;
	const struct timespec long_time = { 5, 0 };
	struct timespec left = { 0, 0 };
	if (pipe(ends))
		return;
	handle(SIGALRM, note, 0);
	setitimer(ITIMER_REAL, &soon, NULL);
	long result = read(ends[0], &byte, 1);
	printf("read: %ld %s\n", result, strerror(errno));
	setitimer(ITIMER_REAL, &soon, NULL);
	result = nanosleep(&long_time, &left);
	printf("nanosleep: %ld %s, %d\n", result, strerror(errno), left.tv_sec == 4);
	handle(SIGALRM, note, SA_RESTART);
	setitimer(ITIMER_REAL, &soon, NULL);
	pthread_create(&thread, NULL, write_later, &ends[1]);
	got = 0;
	result = read(ends[0], &byte, 1);
	pthread_join(thread, NULL);
	printf("restarted read: %ld, %d\n", result, got);
	pthread_create(&thread, NULL, read_alone, &ends[0]);
	usleep(20000);
	got = 0;
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	printf("pthread_kill: %d\n", got);
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	sending();
	timing();
	faulting();
	stacks();
	masks();
	calls();
	return 0;
}
