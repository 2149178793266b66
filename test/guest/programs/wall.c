/* Tries every way that Linux has from one process to another, and to what holds it up: "attack" tells
 * which of them worked. For its victims it has itself, pid 1 ("wait"), and a child. */
#include "check.h"

#include <dirent.h>
#include <stdarg.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

static int tried, worked;

/* One attempt, which must have failed. */
static void attempt(int succeeded, const char *format, ...) {
  tried++;
  if (!succeeded) return;
  worked++;
  va_list rest;
  va_start(rest, format);
  vprintf(format, rest);
  va_end(rest);
  printf(" worked\n");
}

/* Whether the file is a program of the host's: the monitor's is larger than any here, and no part of it
 * is this program. */
static int is_foreign(int fd) {
  struct stat file, own;
  return fstat(fd, &file) == 0 && stat("/bin/wall", &own) == 0 && S_ISREG(file.st_mode) &&
         (file.st_dev != own.st_dev || file.st_ino != own.st_ino);
}

/* Whether what was opened holds memory of a process or a file of the host's. */
static int leads_out(const char *entry, int fd) {
  char page[4096];
  if (!strcmp(entry, "exe")) return is_foreign(fd);
  /* This process' own memory, as it sees it, is its own; the monitor's is not. */
  uint64_t word = 0;
  static volatile uint64_t mark = 0x5ec2e7a115ec2e7;
  if (!strcmp(entry, "mem"))
    return pread(fd, &word, 8, (long)&mark) == 8 ? word != mark : pread(fd, page, 8, 0x400000) > 0;
  return 1;
}

static void through_proc(const char *process, int own) {
  static const char *const entries[] = {"exe", "mem", "maps", "smaps", "pagemap", "auxv", "stack", "syscall", "environ",
                                        "personality", "clear_refs", "map_files", "cwd", "root", "fd", "fdinfo",
                                        "cwd/bin", "root/bin", "root/proc/1/root", "task/1/mem", "task/1/fd", "exe/",
                                        "fd/0", "fd/3", "fd/16256", "fd/16300", "fdinfo/16300", "ns/mnt", "attr/current"};
  static const int flags[] = {O_RDONLY, O_RDWR, O_WRONLY | O_CREAT, O_RDONLY | O_DIRECTORY, O_WRONLY | O_TRUNC};
  char path[128];
  for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
    const char *entry = entries[i];
    snprintf(path, sizeof path, "/proc/%s/%s", process, entry);
    for (size_t j = 0; j < sizeof flags / sizeof *flags; j++) {
      /* Its own program would be empty then. */
      if (flags[j] & O_TRUNC && strstr(entry, "exe")) continue;
      int fd = open(path, flags[j], 0600);
      /* What a process may see of itself is the guest's truth, which others test. */
      int fine = own && strcmp(entry, "exe") && strcmp(entry, "mem") && strncmp(entry, "fd/16", 5) && strncmp(entry, "fdinfo/16", 9);
      attempt(fd >= 0 && !fine && leads_out(entry, fd), "open %s with %#o", path, flags[j]);
      struct open_how { uint64_t flags, mode, resolve; } how = {.flags = flags[j], .mode = flags[j] & O_CREAT ? 0600 : 0};
      int second = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
      attempt(second >= 0 && !fine && leads_out(entry, second), "openat2 %s with %#o", path, flags[j]);
      if (fd >= 0) close(fd);
      if (second >= 0) close(second);
    }
  }
  if (own) return;
  snprintf(path, sizeof path, "/proc/%s/cwd", process);
  attempt(chdir(path) == 0, "chdir %s", path);
  attempt(chroot(path) == 0, "chroot %s", path);
  snprintf(path, sizeof path, "/proc/%s/exe", process);
  attempt(truncate(path, 0) == 0, "truncate %s", path);
  attempt(chmod(path, 0777) == 0, "chmod %s", path);
  attempt(link(path, "/tmp/stolen") == 0 && linkat(AT_FDCWD, path, AT_FDCWD, "/tmp/stolen2", AT_SYMLINK_FOLLOW) == 0, "link %s", path);
  attempt(linkat(AT_FDCWD, path, AT_FDCWD, "/tmp/stolen3", AT_SYMLINK_FOLLOW) == 0, "linkat %s", path);
  char *const none[] = {path, "--version", 0};
  int child = fork(), status = 0;
  if (child == 0) {
    execve(path, none, none + 2);
    _exit(77);
  }
  waitpid(child, &status, 0);
  attempt(WEXITSTATUS(status) != 77, "execve %s", path);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "/proc/%s/root/tmp/socket", process);
  int socket_fd = socket(AF_UNIX, SOCK_STREAM, 0);
  attempt(bind(socket_fd, (void *)&address, sizeof address) == 0, "bind %s", address.sun_path);
  close(socket_fd);
}

static void by_calls(int pid) {
  char buffer[64];
  struct iovec local = {buffer, sizeof buffer};
  for (uintptr_t at = 0x400000; at < 0x500000; at += 0x80000) {
    struct iovec remote = {(void *)at, sizeof buffer};
    attempt(process_vm_readv(pid, &local, 1, &remote, 1, 0) > 0, "process_vm_readv %d", pid);
    attempt(process_vm_writev(pid, &local, 1, &remote, 1, 0) > 0, "process_vm_writev %d", pid);
  }
  attempt(ptrace(PTRACE_ATTACH, pid, 0, 0) == 0, "PTRACE_ATTACH %d", pid);
  attempt(ptrace(PTRACE_SEIZE, pid, 0, 0) == 0, "PTRACE_SEIZE %d", pid);
  int pidfd = syscall(SYS_pidfd_open, pid, 0);
  for (int fd = pidfd < 0 ? 0 : pidfd; fd < 64; fd++)
    attempt(pid != getpid() && syscall(SYS_pidfd_getfd, pidfd, fd, 0) >= 0, "pidfd_getfd %d %d", pid, fd);
  for (int fd = 16256; fd < 16384; fd++) attempt(syscall(SYS_pidfd_getfd, pidfd, fd, 0) >= 0, "pidfd_getfd %d %d", pid, fd);
  attempt(syscall(SYS_kcmp, pid, getpid(), 0, 0, 0) >= 0, "kcmp %d", pid);
  attempt(syscall(SYS_process_madvise, pidfd, &local, 1, MADV_COLD, 0) >= 0, "process_madvise %d", pid);
  attempt(syscall(SYS_move_pages, pid, 0, 0, 0, 0, 0) >= 0 && pid != getpid(), "move_pages %d", pid);
  attempt(syscall(SYS_perf_event_open, buffer, pid, -1, -1, 0) >= 0, "perf_event_open %d", pid);
  attempt(setns(pidfd, CLONE_NEWNS) == 0, "setns %d", pid);
}

/* The monitor's own descriptors, by their numbers. */
static void by_numbers(void) {
  struct stat file;
  char byte;
  for (int fd = 64; fd < 20000; fd += fd < 16200 ? 61 : 1) {
    attempt(fstat(fd, &file) == 0, "fstat %d", fd);
    attempt(dup(fd) >= 0, "dup %d", fd);
    attempt(fcntl(fd, F_GETFD) >= 0, "fcntl %d", fd);
    attempt(read(fd, &byte, 1) >= 0, "read %d", fd);
    attempt(ioctl(fd, 0xae00) >= 0, "KVM_GET_API_VERSION %d", fd);
    attempt(openat(fd, ".", O_RDONLY) >= 0, "openat %d", fd);
    attempt(mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED, "mmap %d", fd);
    attempt(close(fd) == 0, "close %d", fd);
    attempt(syscall(SYS_execveat, fd, "", (char *[]){0}, (char *[]){0}, AT_EMPTY_PATH) == 0, "execveat %d", fd);
    int pair[2];
    struct { struct cmsghdr header; int fd; int pad; } control = {{CMSG_LEN(4), SOL_SOCKET, SCM_RIGHTS}, fd, 0};
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0) {
      attempt(sendmsg(pair[0], &message, 0) > 0, "SCM_RIGHTS of %d", fd);
      close(pair[0]), close(pair[1]);
    }
  }
  DIR *list = opendir("/proc/self/fd");
  for (struct dirent *entry; list && (entry = readdir(list));)
    attempt(atoi(entry->d_name) > 64, "/proc/self/fd lists %s", entry->d_name);
}

/* Out of the container altogether. */
static void outside(void) {
  struct io_uring_params ring = {0};
  attempt(syscall(SYS_io_uring_setup, 8, &ring) >= 0, "io_uring_setup");
  attempt(unshare(CLONE_NEWNS) == 0, "unshare(CLONE_NEWNS)");
  attempt(unshare(CLONE_NEWUSER) == 0, "unshare(CLONE_NEWUSER)");
  for (uint64_t flag = CLONE_NEWNS; flag; flag = flag == CLONE_NEWNS ? CLONE_NEWUSER : 0) {
    int pid = syscall(SYS_clone, flag | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) _exit(0);
    attempt(pid > 0, "clone with %#lx", flag);
  }
  attempt(mount("/", "/tmp", 0, MS_BIND, 0) == 0, "mount");
  attempt(mount("proc", "/tmp", "proc", 0, 0) == 0, "mount proc");
  attempt(syscall(SYS_open_tree, AT_FDCWD, "/", 1) >= 0, "open_tree");
  attempt(syscall(SYS_fsopen, "proc", 0) >= 0, "fsopen");
  attempt(syscall(SYS_bpf, 0, 0, 0) >= 0, "bpf");
  attempt(syscall(SYS_userfaultfd, 0) >= 0, "userfaultfd");
  union { struct file_handle handle; char bytes[128]; } handle = {.handle = {.handle_bytes = 64}};
  int mount_id, root = open("/", O_RDONLY);
  if (name_to_handle_at(AT_FDCWD, "/bin/wall", &handle.handle, &mount_id, 0) == 0)
    attempt(open_by_handle_at(root, &handle.handle, O_RDONLY) >= 0, "open_by_handle_at");
  handle.handle = (struct file_handle){.handle_bytes = 8, .handle_type = 1};
  memcpy(handle.handle.f_handle, (uint32_t[]){2, 0}, 8);
  attempt(open_by_handle_at(root, &handle.handle, O_RDONLY) >= 0, "open_by_handle_at of the root");
  attempt(mknod("/tmp/kvm", S_IFCHR | 0600, 10 << 8 | 232) == 0 && open("/tmp/kvm", O_RDWR) >= 0, "mknod of kvm");
  /* Files that a memory file's program would be. */
  int memory = memfd_create("x", 0), own = open("/proc/self/exe", O_RDONLY), fd;
  char bytes[65536];
  for (ssize_t n; (n = read(own, bytes, sizeof bytes)) > 0;) (void)!write(memory, bytes, n);
  int child = fork(), status = 0;
  if (child == 0) {
    fexecve(memory, (char *[]){"wall", "look", 0}, (char *[]){0});
    _exit(1);
  }
  waitpid(child, &status, 0);
  attempt(WEXITSTATUS(status) == 66, "what a memory file executes");
  chdir("/");
  for (int i = 0; i < 40; i++) chdir("..");
  fd = open("bin/wall", O_RDONLY);
  attempt(fd < 0, "..");
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  if (!strcmp(argv[1], "wait")) {
    for (;;) pause();
  }
  if (!strcmp(argv[1], "look")) { /* What a program that has just begun finds left over. */
    for (int fd = 64; fd < 20000; fd++)
      if (fcntl(fd, F_GETFD) >= 0) return 66;
    return 0;
  }
  mkdir("/tmp", 0777);
  int child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  char own[16], other[16];
  snprintf(own, sizeof own, "%d", getpid()), snprintf(other, sizeof other, "%d", child);
  through_proc("self", 1), through_proc("thread-self", 1), through_proc(own, 1);
  through_proc("1", 0), through_proc(other, 0);
  by_calls(1), by_calls(child), by_calls(getpid());
  by_numbers();
  outside();
  kill(child, SIGKILL), waitpid(child, 0, 0);
  if (worked == 0) printf("%d tried, none worked\n", tried);
  return worked != 0;
}
