/* Waiting for descriptors: poll, select, epoll, eventfd, timerfd, all in one process. */
#include "check.h"
#include <limits.h>

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/timerfd.h>
#include <time.h>

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void polling(void) {
  int ends[2];
  SHOW(pipe(ends));
  struct pollfd set[4] = {{ends[0], POLLIN, 0}, {ends[1], POLLOUT, 0}, {99, POLLIN, 0}, {-1, POLLIN, 7}};
  SHOW(poll(set, 4, 1000));
  printf("%x %x %x %x\n", set[0].revents, set[1].revents, set[2].revents, set[3].revents);
  int64_t before = now();
  SHOW(poll(set, 1, 30));
  OK(now() - before >= 30 && now() - before < 1000);
  SHOW(poll(0, 0, 10));
  SHOW(write(ends[1], "x", 1));
  SHOW(poll(set, 1, -1));
  SHOW(set[0].revents);
  SHOW(close(ends[1]));
  SHOW(poll(set, 1, -1));
  SHOW(set[0].revents);
  SHOW(ppoll(set, 1, &(struct timespec){0, 0}, 0));
  SHOW(ppoll(set + 3, 1, &(struct timespec){0, 5000000}, 0));
  SHOW(ppoll(set, 1, &(struct timespec){0, -1}, 0));
  SHOW(syscall(SYS_poll, set, 1UL << 30, 0));
}

static void selecting(void) {
  int ends[2];
  fd_set reading, writing;
  SHOW(pipe(ends));
  FD_ZERO(&reading);
  FD_ZERO(&writing);
  FD_SET(ends[0], &reading);
  FD_SET(ends[1], &writing);
  SHOW(select(10, &reading, &writing, 0, &(struct timeval){1, 0}));
  OK(!FD_ISSET(ends[0], &reading) && FD_ISSET(ends[1], &writing));
  FD_SET(ends[0], &reading);
  int64_t before = now();
  SHOW(select(10, &reading, 0, 0, &(struct timeval){0, 30000}));
  OK(now() - before >= 30 && now() - before < 1000);
  SHOW(write(ends[1], "x", 1));
  FD_SET(ends[0], &reading);
  SHOW(select(10, &reading, 0, 0, 0));
  OK(FD_ISSET(ends[0], &reading));
  /* Below 64: Linux looks no further than a table that small. */
  FD_SET(50, &reading);
  SHOW(select(100, &reading, 0, 0, &(struct timeval){0, 0}));
  SHOW(select(-1, 0, 0, 0, 0));
  SHOW(select(0, 0, 0, 0, &(struct timeval){0, 5000}));
  FD_ZERO(&reading);
  FD_SET(ends[0], &reading);
  SHOW(pselect(10, &reading, 0, 0, &(struct timespec){0, 0}, &(sigset_t){0}));
}

static void counting(void) {
  uint64_t value = 0;
  int fd = eventfd(3, EFD_NONBLOCK);
  SHOW(fd);
  SHOW(read(fd, &value, 8));
  SHOW(value);
  SHOW(read(fd, &value, 8));
  SHOW(read(fd, &value, 4));
  value = 7;
  SHOW(write(fd, &value, 8) + write(fd, &value, 8));
  SHOW(read(fd, &value, 8));
  SHOW(value);
  value = UINT64_MAX;
  SHOW(write(fd, &value, 8));
  int counter = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);
  SHOW(read(counter, &value, 8));
  SHOW(value);
  SHOW(read(counter, &value, 8));
  SHOW(read(counter, &value, 8));
  SHOW(eventfd(0, 0x7777));
}

static void epolling(void) {
  struct epoll_event events[8] = {0};
  int ends[2], epoll = epoll_create1(EPOLL_CLOEXEC), counter = eventfd(0, 0);
  SHOW(pipe(ends));
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &(struct epoll_event){EPOLLIN, {.u64 = 0x1122334455667788}}));
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &(struct epoll_event){EPOLLIN, {.u64 = 0}}));
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, counter, &(struct epoll_event){EPOLLIN | EPOLLET, {.u64 = 2}}));
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, epoll, &(struct epoll_event){EPOLLIN, {.u64 = 2}}));
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, open("/dev/null", O_RDONLY), &(struct epoll_event){EPOLLIN, {.u64 = 2}}));
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, open("file", O_CREAT | O_RDWR, 0600), &(struct epoll_event){EPOLLIN, {.u64 = 2}}));
  SHOW(epoll_ctl(epoll, EPOLL_CTL_DEL, 99, 0));
  int64_t before = now();
  SHOW(epoll_wait(epoll, events, 8, 30));
  OK(now() - before >= 30 && now() - before < 1000);
  SHOW(write(ends[1], "x", 1));
  SHOW(write(counter, &(uint64_t){1}, 8));
  SHOW(epoll_wait(epoll, events, 8, -1));
  OK(events[0].data.u64 + events[1].data.u64 == 0x112233445566778a);
  SHOW(epoll_wait(epoll, events, 8, -1));
  OK(events[0].data.u64 == 0x1122334455667788 && events[0].events == EPOLLIN);
  SHOW(epoll_ctl(epoll, EPOLL_CTL_MOD, ends[0], &(struct epoll_event){EPOLLIN | EPOLLONESHOT, {.u64 = 9}}));
  SHOW(epoll_wait(epoll, events, 1, -1));
  SHOW(epoll_pwait(epoll, events, 8, 0, 0));
  SHOW(epoll_ctl(epoll, EPOLL_CTL_DEL, ends[0], 0));
  SHOW(epoll_wait(epoll, events, 0, 0));
  /* Of which the compiler does not know. */
  volatile int minus = -1, least = INT_MIN, most = INT_MAX;
  SHOW(epoll_wait(epoll, events, minus, 0));
  SHOW(epoll_pwait(epoll, events, least, 0, NULL));
  SHOW(epoll_pwait2(epoll, events, least, &(struct timespec){0}, NULL));
  SHOW(epoll_wait(epoll, events, most, 0));
  SHOW(syscall(SYS_getgroups, minus, NULL));
  SHOW(epoll_wait(ends[0], events, 8, 0));
  SHOW(epoll_create1(0x7777));
  SHOW(syscall(SYS_epoll_create, 0));
}

static void timing(void) {
  uint64_t count = 0;
  struct itimerspec left;
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  SHOW(fd);
  SHOW(read(fd, &count, 8));
  SHOW(timerfd_settime(fd, 0, &(struct itimerspec){{0, 0}, {0, 20000000}}, 0));
  SHOW(timerfd_gettime(fd, &left));
  OK(left.it_value.tv_nsec > 0 && left.it_value.tv_nsec <= 20000000);
  SHOW(poll(&(struct pollfd){fd, POLLIN, 0}, 1, 2000));
  SHOW(read(fd, &count, 8));
  SHOW(count);
  int blocking = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC);
  SHOW(timerfd_settime(blocking, 0, &(struct itimerspec){{0, 1000000}, {0, 1000000}}, &left));
  SHOW(read(blocking, &count, 8));
  OK(count >= 1);
  SHOW(timerfd_settime(blocking, 0, &(struct itimerspec){{0, 0}, {0, -5}}, 0));
  SHOW(timerfd_create(99, 0));
}

TESTS({"polling", polling}, {"selecting", selecting}, {"counting", counting}, {"epolling", epolling}, {"timing", timing})
