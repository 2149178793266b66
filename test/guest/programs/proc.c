/* What /proc tells of the process itself: the same as the process knows of itself. */
#define _GNU_SOURCE
#include <dirent.h>
#include <elf.h>
#include <pthread.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "check.h"

static char text[1 << 20];

static long slurp(const char *path) {
  int fd = open(path, O_RDONLY);
  if (fd < 0) return -1;
  long bytes = 0, got;
  while ((got = read(fd, text + bytes, sizeof text - 1 - bytes)) > 0) bytes += got;
  text[bytes] = 0;
  close(fd);
  return got < 0 ? -1 : bytes;
}

/* The line of maps that an address stands in: its permissions and its name. */
static int mapped(const void *address, char *permissions, char *name, unsigned long *offset) {
  if (slurp("/proc/self/maps") < 0) return 0;
  for (char *line = text; *line; line = strchr(line, '\n') + 1) {
    unsigned long start, end;
    char end_of_name;
    *name = 0;
    if (sscanf(line, "%lx-%lx %4s %lx %*s %*s%c", &start, &end, permissions, offset, &end_of_name) < 4)
      continue;
    if ((unsigned long)address < start || (unsigned long)address >= end) continue;
    char copy[512];
    snprintf(copy, sizeof copy, "%.*s", (int)(strchr(line, '\n') - line), line);
    char *last = strpbrk(copy, "/[");
    strcpy(name, last ? last : "");
    return 1;
  }
  return 0;
}

static void tell(const char *what, const void *address) {
  char permissions[8], name[512];
  unsigned long offset;
  if (mapped(address, permissions, name, &offset))
    printf("%s: %s %s %lx\n", what, permissions, strrchr(name, '/') ? strrchr(name, '/') : name, offset);
  else
    printf("%s: not mapped\n", what);
}

static int initialised = 1;

static void maps(void) {
  tell("text", (void *)maps);
  tell("data", &initialised);
  tell("stack", &(int){0});
  void *heap = malloc(1000);
  char *page = mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  tell("heap", heap);
  tell("anonymous", page);
  mprotect(page + 4096, 4096, PROT_NONE);
  tell("none", page + 4096);
  tell("behind it", page + 8192);
  munmap(page, 4096);
  tell("unmapped", page);
  void *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  tell("shared", shared);
  int fd = open("file", O_RDWR | O_CREAT, 0600);
  ftruncate(fd, 4 * 4096);
  char *file = mmap(0, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 2 * 4096);
  tell("file", file);
  tell("its second page", file + 4096);
  char *of_all = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4096);
  tell("shared file", of_all);
  tell("vdso", (void *)getauxval(AT_SYSINFO_EHDR));
  if (fork() == 0) {
    tell("child", file);
    exit(0);
  }
  wait(0);
  OK(slurp("/proc/self/smaps") > 0 && strstr(text, "[stack]") && strstr(text, "Rss:"));
  OK(slurp("/proc/self/smaps_rollup") > 0 && strstr(text, "[rollup]"));
}

static void stack(void) {
  pthread_attr_t attributes;
  void *low;
  size_t bytes;
  SHOW(pthread_getattr_np(pthread_self(), &attributes));
  SHOW(pthread_attr_getstack(&attributes, &low, &bytes));
  char here;
  OK(&here > (char *)low && &here < (char *)low + bytes);
  OK(bytes >= 64 << 10 && bytes <= 8 << 20);
}

static void auxv(void) {
  long bytes = slurp("/proc/self/auxv");
  OK(bytes > 0 && bytes % sizeof(Elf64_auxv_t) == 0);
  Elf64_auxv_t *entries = (void *)text;
  int same = 0, count = bytes / sizeof *entries;
  for (int i = 0; i < count; i++)
    switch (entries[i].a_type) {
      case AT_PHDR: case AT_ENTRY: case AT_RANDOM: case AT_PAGESZ: case AT_UID: case AT_EXECFN:
        same += getauxval(entries[i].a_type) == entries[i].a_un.a_val;
    }
  SHOW(same);
  OK(count > 10 && entries[count - 1].a_type == AT_NULL);
}

static long field(const char *name) {
  slurp("/proc/self/status");
  char *line = strstr(text, name);
  return line ? strtol(line + strlen(name), 0, strncmp(name, "Sig", 3) ? 10 : 16) : -1;
}

/* One of stat's numbers, as proc(5) counts them. */
static unsigned long number(int which) {
  slurp("/proc/self/stat");
  char *at = strrchr(text, ')');
  for (int i = 2; i < which; i++) at = strchr(at + 1, ' ');
  return strtoul(at + 1, 0, 10);
}

static void handle(int signal) { (void)signal; }

static pthread_barrier_t begun, done;

static void *wait_for_the_end(void *name) {
  prctl(PR_SET_NAME, name);
  pthread_barrier_wait(&begun);
  pthread_barrier_wait(&done);
  return 0;
}

static void status(void) {
  SHOW(field("\nThreads:"));
  signal(SIGUSR1, handle);
  signal(SIGUSR2, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, 0);
  printf("caught %lx ignored %lx blocked %lx\n", field("SigCgt:"), field("SigIgn:"), field("SigBlk:"));
  SHOW(field("\nSeccomp:"));
  SHOW(field("\nNoNewPrivs:"));
  long before = field("\nVmSize:"), resident = field("\nVmRSS:");
  char *more = mmap(0, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  SHOW(field("\nVmSize:") - before);
  OK(field("\nVmRSS:") - resident < 4096);
  memset(more, 1, 64 << 20);
  OK(field("\nVmRSS:") - resident >= 64 << 10 && field("\nVmRSS:") - resident < 72 << 10);
  OK(field("\nVmSize:") < 100 << 10);
  printf("blocked %lx ignored %lx caught %lx\n", number(32), number(33), number(34));
  OK(number(23) / 1024 == (unsigned long)field("\nVmSize:"));
  OK(number(26) <= (unsigned long)status && number(27) > (unsigned long)status);
  OK(number(28) > (unsigned long)&set);
  slurp("/proc/self/statm");
  OK(strtoul(text, 0, 10) * 4 == (unsigned long)field("\nVmSize:"));
}

static void tasks(void) {
  enum { THREADS = 3 };
  static char names[THREADS][8];
  pthread_t threads[THREADS];
  pthread_barrier_init(&begun, 0, THREADS + 1);
  pthread_barrier_init(&done, 0, THREADS + 1);
  for (int i = 0; i < THREADS; i++) {
    sprintf(names[i], "task-%d", i);
    pthread_create(&threads[i], 0, wait_for_the_end, names[i]);
  }
  pthread_barrier_wait(&begun);
  SHOW(field("\nThreads:"));
  SHOW(number(20));
  struct stat state;
  SHOW(stat("/proc/self/task", &state));
  DIR *directory = opendir("/proc/self/task");
  int count = 0, own = 0, found[THREADS] = {0};
  for (struct dirent *entry; (entry = readdir(directory));) {
    if (*entry->d_name == '.') continue;
    count++;
    own += atoi(entry->d_name) == getpid();
    char path[300];
    snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
    if (slurp(path) < 0) printf("no comm\n");
    for (int i = 0; i < THREADS; i++)
      found[i] += !strncmp(text, names[i], 6);
    snprintf(path, sizeof path, "/proc/self/task/%s/stat", entry->d_name);
    if (slurp(path) < 0 || atoi(text) != atoi(entry->d_name)) printf("another one's stat\n");
    snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
    char pid[300];
    snprintf(pid, sizeof pid, "\nPid:\t%s\n", entry->d_name);
    if (slurp(path) < 0 || !strstr(text, pid)) printf("another one's status\n");
    snprintf(path, sizeof path, "/proc/self/task/%s", entry->d_name);
    if (stat(path, &state)) printf("no directory\n");
  }
  SHOW(count);
  SHOW(own);
  SHOW(found[0] + found[1] + found[2]);
  rewinddir(directory);
  OK(readdir(directory) != 0);
  closedir(directory);
  SHOW(open("/proc/self/task/4194304/comm", O_RDONLY));
  pthread_barrier_wait(&done);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], 0);
  SHOW(field("\nThreads:"));
}

static void limits(void) {
  struct rlimit limit = {123456789, 987654321};
  SHOW(setrlimit(RLIMIT_AS, &limit));
  SHOW(slurp("/proc/self/limits") > 0);
  char *line = strstr(text, "Max address space");
  if (line) printf("%.*s\n", (int)(strchr(line, '\n') - line), line);
  line = strchr(text, '\n');
  printf("%.*s\n", (int)(line - text), text);
}

static void *rest(void *unused) {
  pause();
  return unused;
}

/* The limit of a user who has no other tasks. */
static void nproc(void) {
  struct rlimit limit = {5, 5};
  setrlimit(RLIMIT_NPROC, &limit);
  SHOW(setuid(54321));
  int children = 0, threads = 0;
  pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  children += child > 0;
  pthread_t thread;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 64 << 10);
  while (threads < 10 && !(errno = pthread_create(&thread, &attributes, rest, 0))) threads++;
  printf("%d child, %d threads, then %s\n", children, threads, strerrorname_np(errno));
  SHOW(fork());
  kill(child, SIGKILL);
  waitpid(child, 0, 0);
  SHOW(pthread_create(&thread, &attributes, rest, 0));
  SHOW(fork());
}

/* Whoever the user is. */
static void others(void) {
  SHOW(setgid(54321));
  SHOW(setuid(54321));
  maps();
  status();
  limits();
}

TESTS({"maps", maps}, {"stack", stack}, {"auxv", auxv}, {"status", status}, {"tasks", tasks},
      {"limits", limits}, {"nproc", nproc},
      {"others", others})
