/* What a program's file gives to who executes it: set-user-ID, set-group-ID, file capabilities. */
#include "check.h"

#include <sys/auxv.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#define CAP_KILL 5
#define CAP_SYS_ADMIN 21

static void told(void) {
  unsigned user[3], group[3], header[2] = {0x20080522, 0}, sets[6];
  getresuid(&user[0], &user[1], &user[2]);
  getresgid(&group[0], &group[1], &group[2]);
  printf("users %u %u %u %d, groups %u %u %u %d\n", user[0], user[1], user[2], setfsuid(-1), group[0], group[1],
         group[2], setfsgid(-1));
  SHOW(syscall(SYS_capget, header, sets));
  printf("effective %x, permitted %x, inheritable %x\n", sets[0], sets[1], sets[2]);
  SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0));
  SHOW(prctl(PR_GET_KEEPCAPS));
  SHOW(prctl(PR_GET_DUMPABLE) == 1);
  SHOW(getauxval(AT_SECURE));
  int signal = -1;
  SHOW(prctl(PR_GET_PDEATHSIG, &signal));
  SHOW(signal);
  char name[16];
  SHOW(prctl(PR_GET_NAME, name));
  puts(name);
}

/* A copy of this program. */
static void copy(const char *name, int mode, int user, int group) {
  static char bytes[1 << 16];
  int from = open("/proc/self/exe", O_RDONLY), to = open(name, O_CREAT | O_EXCL | O_WRONLY, 0700);
  for (ssize_t count; (count = read(from, bytes, sizeof bytes)) > 0;)
    if (write(to, bytes, count) != count) perror(name);
  if (fchown(to, user, group) != 0 || fchmod(to, mode) != 0) perror(name);
  close(from);
  close(to);
}

static void give(const char *name, unsigned permitted, unsigned inheritable, int effective) {
  unsigned data[5] = {0x02000000 | effective, permitted, inheritable, 0, 0};
  SHOW(setxattr(name, "security.capability", data, sizeof data, 0));
}

static void execute(const char *title, const char *name, int user, void (*before)(void)) {
  printf("-- %s\n", title);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, 10);
    if (user) {
      unsigned header[2] = {0x20080522, 0}, sets[6];
      prctl(PR_SET_KEEPCAPS, 1);
      if (setresgid(user, user, user) | setresuid(user, user, user)) _exit(9);
      syscall(SYS_capget, header, sets);
      prctl(PR_SET_PDEATHSIG, 10);
      sets[2] = before ? 1 << CAP_KILL : 0;
      sets[0] = sets[1] = before ? 1 << CAP_KILL : 0;
      sets[3] = sets[4] = sets[5] = 0;
      if (syscall(SYS_capset, header, sets)) _exit(8);
    }
    if (before) before();
    execl(name, name, "told", NULL);
    show("execl", -1);
    fflush(stdout);
    _exit(1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  SHOW(status);
}

static void ambient(void) { SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0)); fflush(stdout); }
static void bound(void) { SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)); fflush(stdout); }
static void no_root(void) { SHOW(prctl(PR_SET_SECUREBITS, 1)); fflush(stdout); }

static void files(void) {
  umask(0);
  chmod(".", 0755);
  copy("plain", 0755, 0, 0);
  copy("root", 04755, 0, 0);
  copy("group", 02755, 0, 7);
  copy("no-group", 02745, 0, 7);
  copy("both", 06755, 33, 34);
  copy("kill", 0755, 0, 0);
  give("kill", 1 << CAP_KILL, 0, 1);
  copy("permitted", 0755, 0, 0);
  give("permitted", 1 << CAP_KILL | 1 << CAP_SYS_ADMIN, 0, 0);
  copy("too-much", 0755, 0, 0);
  give("too-much", 1 << CAP_SYS_ADMIN, 0, 1);
  copy("inherited", 0755, 0, 0);
  give("inherited", 0, 1 << CAP_KILL, 1);
  copy("root-kill", 04755, 0, 0);
  give("root-kill", 1 << CAP_KILL, 0, 1);
  copy("unreadable", 0111, 0, 0);
  copy("root-unreadable", 04711, 0, 0);
  int fd = open("script", O_CREAT | O_WRONLY, 0755);
  dprintf(fd, "#!/tmp/plain told\n");
  fchmod(fd, 04755);
  close(fd);
  execute("root, plain", "./plain", 0, NULL);
  execute("root, both", "./both", 0, NULL);
  execute("root, kill", "./kill", 0, NULL);
  execute("root without its rights, kill", "./kill", 0, no_root);
  execute("root without its rights, root", "./root", 0, no_root);
  execute("root, bound, both", "./both", 0, bound);
  const char *names[] = {"./plain",     "./root",     "./group",     "./no-group",  "./both",
                         "./kill",      "./permitted", "./too-much",  "./inherited", "./root-kill",
                         "./unreadable", "./root-unreadable", "./script"};
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) execute(names[i], names[i], 1000, NULL);
  execute("ambient, plain", "./plain", 1000, ambient);
  execute("ambient, root", "./root", 1000, ambient);
  execute("ambient, group", "./group", 1000, ambient);
  execute("ambient, inherited", "./inherited", 1000, ambient);
  execute("bound, root", "./root", 1000, bound);
  execute("bound, kill", "./kill", 1000, bound);
}

TESTS({"files", files}, {"told", told})
