/* Watching files, moving bytes between descriptors, what the host says of scheduling. */
#include "check.h"

#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <time.h>

static void touch(const char *name, const char *text) {
  int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0644);
  if (write(fd, text, strlen(text)) < 0) puts("write");
  close(fd);
}

static void watching(void) {
  int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  TRY(fd);
  mkdir("d", 0755);
  touch("d/old", "x");
  symlink("d", "link");
  SHOW(inotify_add_watch(fd, "d", IN_CREATE | IN_MODIFY | IN_DELETE | IN_MOVE));
  SHOW(inotify_add_watch(fd, "link", IN_ATTRIB));
  SHOW(inotify_add_watch(fd, "link", IN_ATTRIB | IN_DONT_FOLLOW));
  SHOW(inotify_add_watch(fd, "d/old", IN_CLOSE_WRITE));
  SHOW(inotify_add_watch(fd, "d/old", IN_ONLYDIR));
  SHOW(inotify_add_watch(fd, "none", IN_CREATE));
  SHOW(inotify_add_watch(1, "d", IN_CREATE));
  SHOW(inotify_add_watch(fd, "d", 0));
  SHOW(inotify_add_watch(fd, "d", IN_CREATE | IN_MODIFY | IN_DELETE | IN_MOVE));
  touch("d/new", "text");
  touch("d/old", "more");
  rename("d/new", "d/newer");
  unlink("d/newer");
  unlink("link");
  char buffer[4096] __attribute__((aligned(8)));
  ssize_t bytes = read(fd, buffer, sizeof buffer);
  for (char *at = buffer; at < buffer + bytes;) {
    struct inotify_event *event = (void *)at;
    printf("%d %x %s\n", event->wd, event->mask, event->len ? event->name : "-");
    at += sizeof *event + event->len;
  }
  SHOW(read(fd, buffer, sizeof buffer));
  SHOW(inotify_rm_watch(fd, 1));
  SHOW(inotify_rm_watch(fd, 99));
}

static void moving(void) {
  int in = open("in", O_RDWR | O_CREAT, 0644), out = open("out", O_RDWR | O_CREAT, 0644);
  char data[10000], back[10000] = {0};
  fill(data, sizeof data);
  SHOW(write(in, data, sizeof data));
  int pipes[2], others[2];
  SHOW(pipe(pipes) | pipe(others));
  loff_t at = 100, to = 50;
  SHOW(splice(in, &at, pipes[1], NULL, 5000, 0));
  SHOW(at);
  SHOW(tee(pipes[0], others[1], 3000, 0));
  SHOW(splice(pipes[0], NULL, out, &to, 5000, SPLICE_F_MOVE));
  SHOW(to);
  SHOW(pread(out, back, 5000, 50));
  OK(!memcmp(back, data + 100, 5000));
  SHOW(read(others[0], back, sizeof back));
  OK(!memcmp(back, data + 100, 3000));
  struct iovec pieces[2] = {{data, 1000}, {data + 5000, 1000}};
  SHOW(vmsplice(pipes[1], pieces, 2, 0));
  SHOW(read(pipes[0], back, sizeof back));
  OK(!memcmp(back, data, 1000) && !memcmp(back + 1000, data + 5000, 1000));
  SHOW(splice(in, &at, out, &to, 10, 0));
  SHOW(splice(pipes[0], NULL, out, NULL, 10, SPLICE_F_NONBLOCK));
  SHOW(tee(in, out, 10, 0));
  at = 0, to = 20000;
  SHOW(copy_file_range(in, &at, out, &to, 10000, 0));
  SHOW(pread(out, back, sizeof back, 20000));
  OK(!memcmp(back, data, sizeof data));
  struct iovec piece = {back, 100};
  SHOW(preadv2(in, &piece, 1, 0, RWF_HIPRI));
  SHOW(preadv2(in, &piece, 1, 0, 0x40000000));
  SHOW(pwritev2(in, &piece, 1, 0, RWF_APPEND));
  SHOW(pwritev2(in, &piece, 1, -1, RWF_DSYNC));
  SHOW(preadv2(in, &piece, 1, -2, 0));
  SHOW(lseek(in, 0, SEEK_END));
  SHOW(fallocate(in, FALLOC_FL_KEEP_SIZE, 0, 1 << 20));
  SHOW(fallocate(in, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
  SHOW(pread(in, back, 4096, 0));
  OK(all(back, 0, 4096));
  SHOW(fallocate(in, 0x8000, 0, 4096));
  SHOW(sync_file_range(in, 0, 4096, SYNC_FILE_RANGE_WRITE));
  SHOW(syncfs(in));
  SHOW(fdatasync(in));
}

static void sealing(void) {
  int fd = memfd_create("sealed", MFD_ALLOW_SEALING | MFD_CLOEXEC);
  TRY(fd);
  SHOW(ftruncate(fd, 8192));
  SHOW(fcntl(fd, F_GET_SEALS));
  char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  strcpy(map, "through the mapping");
  SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
  SHOW(ftruncate(fd, 4096));
  SHOW(ftruncate(fd, 16384));
  SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
  SHOW(munmap(map, 8192));
  SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
  SHOW(write(fd, "x", 1));
  SHOW(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
  char got[20];
  SHOW(pread(fd, got, 20, 0));
  OK(!strcmp(got, "through the mapping"));
  SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
  SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
  SHOW(memfd_create("x", 0x8000));
}

static void locking(void) {
  int first = open("lock", O_RDWR | O_CREAT, 0644), second = open("lock", O_RDWR);
  SHOW(flock(first, LOCK_EX));
  SHOW(flock(second, LOCK_SH | LOCK_NB));
  SHOW(flock(first, LOCK_SH));
  SHOW(flock(second, LOCK_SH | LOCK_NB));
  SHOW(flock(second, LOCK_EX | LOCK_NB));
  SHOW(close(first));
  SHOW(flock(second, LOCK_EX | LOCK_NB));
  SHOW(flock(second, 99));
  SHOW(setxattr("lock", "user.note", "value", 5, XATTR_CREATE) == 0 || errno == EOPNOTSUPP);
  char got[10];
  long bytes = getxattr("lock", "user.note", got, sizeof got);
  SHOW(bytes == 5 || errno == EOPNOTSUPP || errno == ENODATA);
  SHOW(getxattr("none", "user.note", got, sizeof got));
  SHOW(getxattr("lock", "user.other", NULL, 0));
  struct statfs state;
  SHOW(statfs("lock", &state) | fstatfs(second, &state));
  OK(state.f_bsize > 0);
}

static void handles(void) {
  struct {
    struct file_handle head;
    unsigned char bytes[128];
  } handle = {.head.handle_bytes = 0};
  int mount = -1;
  touch("file", "x");
  SHOW(name_to_handle_at(AT_FDCWD, "file", &handle.head, &mount, 0));
  OK(handle.head.handle_bytes > 0 && mount > 0);
  SHOW(name_to_handle_at(AT_FDCWD, "file", &handle.head, &mount, 0));
  int fd = open("file", O_RDONLY);
  SHOW(name_to_handle_at(fd, "", &handle.head, &mount, AT_EMPTY_PATH));
  SHOW(name_to_handle_at(fd, "", &handle.head, &mount, 0));
  SHOW(name_to_handle_at(AT_FDCWD, "none", &handle.head, &mount, 0));
  handle.head.handle_bytes = 129;
  SHOW(name_to_handle_at(AT_FDCWD, "file", &handle.head, &mount, 0));
}

static void closing(void) {
  int fds[4];
  for (int i = 0; i < 4; i++) fds[i] = open("/dev/null", O_RDONLY);
  SHOW(close_range(fds[1], fds[2], 0));
  SHOW(fcntl(fds[0], F_GETFD));
  SHOW(fcntl(fds[1], F_GETFD));
  SHOW(close_range(fds[3], ~0u, CLOSE_RANGE_CLOEXEC));
  SHOW(fcntl(fds[3], F_GETFD));
  SHOW(close_range(9, 8, 0));
  SHOW(close_range(3, ~0u, CLOSE_RANGE_UNSHARE));
  SHOW(fcntl(fds[0], F_GETFD));
  SHOW(eventfd(3, EFD_NONBLOCK));
  SHOW(syscall(SYS_eventfd, 1));
  /* The old way to list a directory. */
  mkdir("list", 0755);
  touch("list/a", "");
  touch("list/bb", "");
  char buffer[1024], types[8] = "";
  int dir = open("list", O_RDONLY | O_DIRECTORY), count = 0, known = 0;
  long bytes = syscall(SYS_getdents, dir, buffer, sizeof buffer);
  for (long at = 0; at < bytes; count++) {
    unsigned short length = *(unsigned short *)(buffer + at + 16);
    const char *name = buffer + at + 18;
    known += !strcmp(name, "a") || !strcmp(name, "bb") || !strcmp(name, ".") || !strcmp(name, "..");
    types[count & 7] = buffer[at + length - 1] == (name[0] == '.' ? DT_DIR : DT_REG);
    at += length;
  }
  OK(count == 4 && known == 4 && types[0] && types[1] && types[2] && types[3]);
}

static void scheduling(void) {
  SHOW(sched_get_priority_max(SCHED_FIFO));
  SHOW(sched_get_priority_min(SCHED_RR));
  SHOW(sched_get_priority_max(77));
  SHOW(sched_getscheduler(0));
  SHOW(sched_getscheduler(getpid()));
  SHOW(sched_getscheduler(-1));
  struct sched_param param = {5};
  SHOW(sched_getparam(0, &param));
  SHOW(param.sched_priority);
  SHOW(sched_setscheduler(0, SCHED_BATCH, &param));
  SHOW(sched_getscheduler(0));
  param.sched_priority = 1;
  SHOW(sched_setscheduler(0, SCHED_OTHER, &param));
  struct timespec interval;
  SHOW(sched_rr_get_interval(0, &interval));
  cpu_set_t set, back;
  SHOW(sched_getaffinity(0, sizeof set, &set));
  int cpu = 0;
  while (!CPU_ISSET(cpu, &set)) cpu++;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  SHOW(sched_setaffinity(0, sizeof set, &set));
  SHOW(sched_getaffinity(getpid(), sizeof back, &back));
  OK(CPU_EQUAL(&set, &back));
  CPU_ZERO(&set);
  SHOW(sched_setaffinity(0, sizeof set, &set));
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
  } attributes = {0};
  SHOW(syscall(SYS_sched_getattr, 0, &attributes, 48, 0));
  SHOW(attributes.size);
  SHOW(attributes.policy);
  attributes.nice = 3;
  SHOW(syscall(SYS_sched_setattr, 0, &attributes, 0));
  SHOW(getpriority(PRIO_PROCESS, 0));
  SHOW(syscall(SYS_ioprio_get, 1, 0));
  SHOW(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 6));
  SHOW(syscall(SYS_ioprio_get, 1, 0));
  struct timex timex = {0};
  TRY(adjtimex(&timex));
  struct rusage usage;
  SHOW(getrusage(RUSAGE_THREAD, &usage));
  SHOW(getrusage(RUSAGE_CHILDREN, &usage));
  SHOW(getrusage(5, &usage));
}

static volatile int told;

static void tell(int signal) { told += signal == SIGIO; }

/* fcntl(2), F_NOTIFY. */
static void noting(void) {
  signal(SIGIO, tell);
  SHOW(mkdir("noted", 0700));
  int fd = open("noted", O_RDONLY | O_DIRECTORY);
  SHOW(fcntl(fd, F_NOTIFY, DN_CREATE));
  touch("noted/one", "x");
  for (int i = 0; i < 1000 && !told; i++) usleep(1000);
  SHOW(told);
  touch("noted/two", "x");
  SHOW(fcntl(fd, F_NOTIFY, 0));
  SHOW(fcntl(open("noted/one", O_RDONLY), F_NOTIFY, DN_CREATE));
  SHOW(told);
}

TESTS({"watching", watching}, {"noting", noting}, {"moving", moving}, {"sealing", sealing}, {"locking", locking},
      {"handles", handles}, {"closing", closing}, {"scheduling", scheduling})
