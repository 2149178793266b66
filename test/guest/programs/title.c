/* A program that writes over its arguments (setproctitle(3bsd)): /proc/PID/cmdline and environ tell what stands
 * there, to itself and to others. */
#define _GNU_SOURCE
#include <sys/wait.h>
#include "check.h"

static char text[1 << 16];

/* Its strings, up to the first few. */
static void tell(const char *path) {
  int fd = open(path, O_RDONLY);
  long bytes = read(fd, text, sizeof text);
  close(fd);
  printf("%ld:", bytes);
  for (long at = 0, count = 0; at < bytes && count < 6; at += strlen(text + at) + 1, count++)
    printf(" [%s]", text + at);
  printf("\n");
}

static void both(void) {
  char path[64];
  tell("/proc/self/cmdline");
  fflush(stdout);
  pid_t parent = getpid(), child = fork();
  if (child == 0) {
    snprintf(path, sizeof path, "/proc/%d/cmdline", parent);
    tell(path);
    tell("/proc/self/cmdline");
    fflush(stdout);
    _exit(0);
  }
  waitpid(child, 0, 0);
}

int main(int argc, char **argv, char **environment) {
  char *const again[] = {"title", "one", "", "two words", 0};
  char *const variables[] = {"FIRST=1", "SECOND=2", 0};
  if (argc != 4) return execve("/proc/self/exe", again, variables);
  both();
  tell("/proc/self/environ");
  memset(argv[1], 'x', 3);
  environment[0][0] = 'W';
  both();
  tell("/proc/self/environ");
  /* One longer string, as long as the last byte is none of the arguments'. */
  char *end = argv[3] + strlen(argv[3]);
  memset(argv[0], 't', end - argv[0] + 3);
  both();
  memset(argv[0], 0, end - argv[0] + 1);
  strcpy(argv[0], "master");
  both();
  return 0;
}
