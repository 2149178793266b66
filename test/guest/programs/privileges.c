/* What prctl(2) says and sets of privileges, parents and children. */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static void telling(void) {
  int value = -1;
  SHOW(prctl(PR_GET_PDEATHSIG, &value));
  SHOW(value);
  SHOW(prctl(PR_SET_PDEATHSIG, SIGTERM));
  SHOW(prctl(PR_GET_PDEATHSIG, &value));
  SHOW(value);
  SHOW(prctl(PR_SET_PDEATHSIG, 65));
  SHOW(prctl(PR_SET_PDEATHSIG, 0));
  SHOW(prctl(PR_SET_CHILD_SUBREAPER, 1));
  SHOW(prctl(PR_GET_CHILD_SUBREAPER, &value));
  SHOW(value);
  SHOW(prctl(PR_CAPBSET_READ, 0));
  SHOW(prctl(PR_CAPBSET_READ, 200));
  SHOW(prctl(PR_GET_SECUREBITS));
  SHOW(prctl(PR_GET_KEEPCAPS));
  SHOW(prctl(PR_SET_KEEPCAPS, 2));
  SHOW(prctl(PR_SET_KEEPCAPS, 1));
  SHOW(prctl(PR_GET_KEEPCAPS));
  SHOW(prctl(PR_GET_SECUREBITS));
  SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 0, 0));
  SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 0, 0, 0));
  SHOW(prctl(PR_CAP_AMBIENT, 9, 0, 0, 0));
  SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  SHOW(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
  SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  SHOW(prctl(PR_SET_DUMPABLE, 2));
  SHOW(prctl(PR_GET_DUMPABLE));
  SHOW(prctl(12345));
  SHOW(personality(0xffffffff));
  SHOW(personality(ADDR_NO_RANDOMIZE));
  SHOW(personality(0xffffffff));
}

static void *in_thread(void *unused) {
  (void)unused;
  SHOW(prctl(PR_CAPBSET_READ, 21));
  char buffer[10];
  int fd = open("secret", O_RDONLY);
  show("open", fd < 0 ? -1 : 0);
  if (fd >= 0) show("read", read(fd, buffer, sizeof buffer));
  return NULL;
}

/* Capabilities are kept over a change of users, if that is asked for. */
static void keeping(void) {
  int fd = open("secret", O_CREAT | O_WRONLY, 0600);
  SHOW(write(fd, "x", 1));
  SHOW(prctl(PR_SET_KEEPCAPS, 1));
  SHOW(setresuid(1000, 1000, 1000));
  SHOW(prctl(PR_GET_KEEPCAPS));
  uint32_t header[2] = {0x20080522, 0}, sets[6];
  SHOW(syscall(SYS_capget, header, sets));
  OK(sets[0] == 0 && sets[1] != 0);
  SHOW(access("secret", R_OK));
  SHOW(open("secret", O_RDONLY));
  sets[0] = sets[1];
  SHOW(syscall(SYS_capset, header, sets));
  SHOW(prctl(PR_CAPBSET_DROP, 21));
  SHOW(prctl(PR_CAPBSET_READ, 21));
  pthread_t thread;
  pthread_create(&thread, NULL, in_thread, NULL);
  pthread_join(thread, NULL);
}

/* A child's parent dies. */
static void orphaned(void) {
  int pipes[2], ready[2];
  SHOW(pipe(pipes) | pipe(ready));
  pid_t parent = fork();
  if (parent == 0) {
    if (fork() == 0) {
      close(pipes[0]);
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (write(ready[1], "r", 1) == 1)
        for (;;) pause();
    }
    char byte;
    _exit(read(ready[0], &byte, 1) != 1);
  }
  close(pipes[1]);
  int status;
  OK(waitpid(parent, &status, 0) == parent && status == 0);
  char byte;
  /* The end of the file: the grandchild had the other end. */
  SHOW(read(pipes[0], &byte, 1));
}

TESTS({"telling", telling}, {"keeping", keeping}, {"orphaned", orphaned})
