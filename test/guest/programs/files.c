/* Files by name: opening, linking, renaming. */
#include "check.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void contents(const char *name) {
  char text[256] = {0};
  int fd = open(name, O_RDONLY);
  ssize_t bytes = read(fd, text, 255);
  printf("%s has %zd bytes: %s\n", name, bytes, text);
  close(fd);
}

static int make(const char *name, const char *text) {
  int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
  if (write(fd, text, strlen(text)) < 0) perror(name);
  return fd;
}

static void mode(const char *name) {
  struct stat stat;
  SHOW(lstat(name, &stat));
  printf("%s: mode %o, links %ld, %ld bytes, %ld blocks\n", name, stat.st_mode, (long)stat.st_nlink,
         S_ISDIR(stat.st_mode) ? 0 : (long)stat.st_size, S_ISDIR(stat.st_mode) ? 0 : (long)stat.st_blocks);
}

static void opening(void) {
  umask(022);
  SHOW(open("new", O_RDWR));
  SHOW(open("new", O_RDWR | O_CREAT | O_EXCL, 0666));
  SHOW(open("new", O_RDWR | O_CREAT | O_EXCL, 0666));
  mode("new");
  SHOW(umask(077));
  SHOW(close(open("private", O_WRONLY | O_CREAT, 0777)));
  mode("private");
  SHOW(umask(0));
  SHOW(write(3, "hello", 5));
  SHOW(open("new", O_WRONLY | O_APPEND));
  SHOW(lseek(4, 0, SEEK_SET));
  SHOW(write(4, " world", 6));
  contents("new");
  SHOW(read(4, (char[8]){0}, 8));
  SHOW(fcntl(4, F_GETFL) & (O_ACCMODE | O_APPEND));
  SHOW(open("new", O_RDWR | O_TRUNC));
  contents("new");
  SHOW(mkdir("directory", 0750));
  mode("directory");
  SHOW(open("directory", O_RDWR));
  SHOW(open("new", O_RDONLY | O_DIRECTORY));
  SHOW(open("new/", O_RDONLY));
  SHOW(open("new/below", O_RDONLY));
  SHOW(symlink("new", "link"));
  SHOW(symlink("nowhere", "dangling"));
  SHOW(symlink("loop", "loop"));
  SHOW(open("link", O_RDONLY | O_NOFOLLOW));
  SHOW(open("loop", O_RDONLY));
  SHOW(open("dangling", O_RDWR | O_CREAT | O_EXCL, 0600));
  SHOW(close(open("dangling", O_RDWR | O_CREAT, 0600)));
  mode("nowhere");
  SHOW(open("directory", O_PATH | O_DIRECTORY));
  SHOW(openat(6, "inside", O_WRONLY | O_CREAT, 0644));
  mode("directory/inside");
  SHOW(read(6, (char[8]){0}, 8));
  SHOW(openat(3, "inside", O_RDONLY));
  SHOW(openat(77, "inside", O_RDONLY));
  SHOW(open("directory", O_TMPFILE | O_RDWR, 0600));
  SHOW(write(8, "temporary", 9));
  SHOW(linkat(8, "", AT_FDCWD, "kept", AT_EMPTY_PATH));
  contents("kept");
  SHOW(open("", O_RDONLY));
  SHOW(open(".", O_RDWR | O_CREAT, 0600));
  SHOW(open("/dev/null", O_WRONLY));
  SHOW(write(9, "gone", 4));
}

static void names(void) {
  char name[5000], path[9000];
  memset(name, 'n', sizeof name);
  name[255] = 0;
  SHOW(close(open(name, O_CREAT | O_RDWR, 0600)));
  name[255] = 'n', name[256] = 0;
  SHOW(open(name, O_CREAT | O_RDWR, 0600));
  for (int i = 0; i < 4094; i += 2) memcpy(path + i, "./", 2);
  strcpy(path + 4094, ".");
  SHOW(open(path, O_RDONLY) > 0);
  strcpy(path + 4094, "..");
  SHOW(open(path, O_RDONLY));
  SHOW(mkdir("deep", 0700));
  name[200] = 0;
  for (int i = 0; i < 30; i++) {
    if (mkdir(name, 0700) || chdir(name)) perror("deeper");
  }
  SHOW(syscall(SYS_getcwd, path, sizeof path));
  SHOW(syscall(SYS_getcwd, path, 4096));
  SHOW(close(open("file", O_CREAT | O_RDWR, 0600)));
  mode("file");
  SHOW(chdir("/"));
  OK(getcwd(path, 2) && !strcmp(path, "/"));
  SHOW(syscall(SYS_getcwd, path, 1));
  SHOW(chdir("/nowhere"));
  SHOW(chdir("/dev/null"));
  int fd = open("/usr", O_RDONLY | O_DIRECTORY);
  SHOW(fchdir(fd));
  OK(getcwd(path, sizeof path) && !strcmp(path, "/usr"));
  SHOW(fchdir(99));
}

static void linking(void) {
  close(make("a", "one"));
  SHOW(link("a", "b"));
  SHOW(link("a", "b"));
  SHOW(link("nowhere", "c"));
  mode("b");
  SHOW(rename("a", "b"));
  mode("a");
  SHOW(unlink("a"));
  close(make("c", "three"));
  SHOW(rename("c", "d"));
  SHOW(renameat2(AT_FDCWD, "b", AT_FDCWD, "d", RENAME_NOREPLACE));
  SHOW(renameat2(AT_FDCWD, "b", AT_FDCWD, "d", RENAME_EXCHANGE));
  contents("b");
  contents("d");
  SHOW(renameat2(AT_FDCWD, "b", AT_FDCWD, "d", 0xff));
  SHOW(mkdir("full", 0755) + mkdir("empty", 0755) + mkdir("full/below", 0755));
  SHOW(rename("empty", "full"));
  SHOW(rename("full", "full/below/inside"));
  SHOW(rename("full", "empty"));
  SHOW(rename("d", "empty"));
  SHOW(rmdir("empty"));
  SHOW(unlinkat(AT_FDCWD, "empty/below", AT_REMOVEDIR));
  SHOW(unlink("empty"));
  SHOW(rmdir("empty"));
  SHOW(rmdir("d"));
  SHOW(rmdir("."));
  SHOW(symlink("d", "s"));
  char text[16] = {0};
  SHOW(readlink("s", text, 15));
  SHOW(readlink("s", text, 0));
  SHOW(readlink("d", text, 15));
  SHOW(readlinkat(AT_FDCWD, "s", text, 1));
  puts(text);
  SHOW(link("s", "t"));
  mode("t");
  SHOW(linkat(AT_FDCWD, "s", AT_FDCWD, "u", AT_SYMLINK_FOLLOW));
  mode("u");
  SHOW(mknod("pipe", S_IFIFO | 0640, 0));
  mode("pipe");
  SHOW(unlink("nowhere"));
  SHOW(unlink("d/"));
}

static volatile int exceeded;

static void count_exceeded(int signal) {
  (void)signal;
  exceeded++;
}

/* RLIMIT_FSIZE: of files that the program writes, not of what else it needs. */
static void sizes(void) {
  struct rlimit limit = {8192, RLIM_INFINITY};
  int fd = open("sized", O_RDWR | O_CREAT | O_TRUNC, 0600);
  char text[64] = "";
  signal(SIGXFSZ, count_exceeded);
  SHOW(setrlimit(RLIMIT_FSIZE, &limit));
  SHOW(fallocate(fd, 0, 4096, 8192));
  SHOW(ftruncate(fd, 8193));
  SHOW(pwrite(fd, text, 10, 8190));
  SHOW(pwrite(fd, text, 10, 8192));
  SHOW(exceeded);
  limit.rlim_cur = 0;
  SHOW(setrlimit(RLIMIT_FSIZE, &limit));
  int status = open("/proc/self/status", O_RDONLY);
  OK(read(status, text, sizeof text) == sizeof text);
  pid_t child = fork();
  if (child == 0) execl("/proc/self/exe", "files", "none", NULL);
  int end = 0;
  waitpid(child, &end, 0);
  SHOW(end);
}

TESTS({"opening", opening}, {"names", names}, {"linking", linking}, {"sizes", sizes})
