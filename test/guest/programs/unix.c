/* Unix sockets: kinds, names, descriptors and credentials that travel with messages. */
#include "check.h"

#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static socklen_t named(struct sockaddr_un *address, const char *path) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path, path, strlen(path) + 1);
  return offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1;
}

static socklen_t abstract(struct sockaddr_un *address, const char *name) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  /* Of this process alone: the name is seen by all of the network namespace. */
  int bytes = snprintf(address->sun_path + 1, 100, "%s.%d", name, getpid());
  return offsetof(struct sockaddr_un, sun_path) + 1 + bytes;
}

static void pairs(void) {
  char buffer[64];
  int pair[2];
  static const int kinds[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
  for (int i = 0; i < 3; i++) {
    SHOW(socketpair(AF_UNIX, kinds[i], 0, pair));
    SHOW(send(pair[0], "hello", 5, 0));
    SHOW(write(pair[0], "world", 5));
    SHOW(recv(pair[1], buffer, 3, MSG_PEEK));
    SHOW(recv(pair[1], buffer, 3, MSG_TRUNC));
    SHOW(read(pair[1], buffer, sizeof buffer));
    printf("%.5s\n", buffer);
    SHOW(recv(pair[1], buffer, sizeof buffer, MSG_DONTWAIT));
    SHOW(recv(pair[1], buffer, sizeof buffer, MSG_DONTWAIT));
    SHOW(send(pair[0], 0, 0, 0));
    SHOW(shutdown(pair[0], SHUT_WR));
    SHOW(recv(pair[1], buffer, sizeof buffer, MSG_DONTWAIT));
    SHOW(send(pair[0], "x", 1, MSG_NOSIGNAL));
    SHOW(close(pair[1]));
    SHOW(send(pair[0], "x", 1, MSG_NOSIGNAL));
    SHOW(close(pair[0]));
  }
  SHOW(socketpair(AF_INET, SOCK_STREAM, 0, pair));
  SHOW(socketpair(AF_UNIX, 99, 0, pair));
  SHOW(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair));
  SHOW(fcntl(pair[0], F_GETFD));
  SHOW(fcntl(pair[1], F_GETFL));
  SHOW(recv(pair[1], buffer, 1, 0));
  SHOW(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, 8L));
  SHOW(socket(AF_UNIX, SOCK_STREAM, 5));
  SHOW(socket(999, SOCK_STREAM, 0));
  SHOW(dup(0));
}

static void names(void) {
  struct sockaddr_un address, other;
  socklen_t bytes = named(&address, "server");
  int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
  SHOW(connect(client, (void *)&address, bytes));
  SHOW(bind(server, (void *)&address, bytes));
  SHOW(bind(client, (void *)&address, bytes));
  SHOW(connect(client, (void *)&address, bytes));
  SHOW(accept(server, 0, 0));
  SHOW(listen(server, 3));
  SHOW(connect(client, (void *)&address, bytes));
  SHOW(connect(client, (void *)&address, bytes));
  socklen_t room = sizeof other;
  int peer = accept4(server, (void *)&other, &room, SOCK_CLOEXEC | SOCK_NONBLOCK);
  SHOW(peer);
  SHOW(room);
  SHOW(fcntl(peer, F_GETFD));
  SHOW(fcntl(peer, F_GETFL));
  room = sizeof other;
  SHOW(getpeername(client, (void *)&other, &room));
  printf("%u %s\n", room, other.sun_path);
  room = 4;
  memset(&other, 0x55, sizeof other);
  SHOW(getsockname(peer, (void *)&other, &room));
  printf("%u %.4s\n", room, other.sun_path);
  room = sizeof other;
  SHOW(getsockname(client, (void *)&other, &room));
  SHOW(room);
  room = -1;
  SHOW(getsockname(client, (void *)&other, &room));
  SHOW(getsockname(client, (void *)8, &(socklen_t){9}));
  SHOW(getsockname(client, (void *)&other, (void *)8));
  SHOW(getpeername(server, (void *)&other, &(socklen_t){9}));
  /* Elsewhere in the file system. */
  SHOW(mkdir("dir", 0700));
  SHOW(symlink("../server", "dir/link"));
  bytes = named(&address, "dir/link");
  int second = socket(AF_UNIX, SOCK_STREAM, 0);
  SHOW(connect(second, (void *)&address, bytes));
  bytes = named(&address, "/proc/self/cwd/server");
  SHOW(connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&address, bytes));
  bytes = named(&address, "/proc/self/cwd/dir/other");
  SHOW(bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&address, bytes));
  SHOW(unlink("dir/other"));
  bytes = named(&address, "/proc/self/fd/3");
  SHOW(connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&address, bytes));
  bytes = named(&address, "missing/name");
  SHOW(bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&address, bytes));
  memset(address.sun_path, 'a', sizeof address.sun_path);
  SHOW(bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&address, sizeof address));
  SHOW(bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&address, sizeof address + 1));
  SHOW(bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&address, 500));
  SHOW(bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&address, -1));
  SHOW(bind(socket(AF_UNIX, SOCK_STREAM, 0), 0, 10));
  SHOW(bind(plain_file(), (void *)&address, 20));
  SHOW(bind(99, (void *)&address, 20));
  struct stat about;
  SHOW(lstat("server", &about));
  SHOW(about.st_mode & S_IFMT);
}

static void abstracts(void) {
  struct sockaddr_un address, other;
  char buffer[16];
  socklen_t bytes = abstract(&address, "pinion"), room = sizeof other;
  int server = socket(AF_UNIX, SOCK_DGRAM, 0), client = socket(AF_UNIX, SOCK_DGRAM, 0);
  SHOW(bind(server, (void *)&address, bytes));
  SHOW(bind(client, (void *)&address, bytes));
  /* A name of the host's choice. */
  SHOW(bind(client, (void *)&address, sizeof(sa_family_t)));
  SHOW(sendto(client, "one", 3, 0, (void *)&address, bytes));
  SHOW(recvfrom(server, buffer, sizeof buffer, 0, (void *)&other, &room));
  SHOW(room);
  SHOW(other.sun_path[0]);
  SHOW(sendto(server, "two", 3, 0, (void *)&other, room));
  room = 1;
  SHOW(recvfrom(client, buffer, sizeof buffer, MSG_TRUNC, (void *)&other, &room));
  OK(room == bytes);
  SHOW(sendto(client, "x", 1, 0, 0, 0));
  SHOW(sendto(client, "x", 1, 0, (void *)8, 20));
  address.sun_path[1] = '-';
  SHOW(sendto(client, "x", 1, 0, (void *)&address, bytes));
  bytes = named(&address, "socket");
  SHOW(sendto(client, "x", 1, 0, (void *)&address, bytes));
  int file = socket(AF_UNIX, SOCK_DGRAM, 0);
  SHOW(bind(file, (void *)&address, bytes));
  SHOW(sendto(client, "x", 1, 0, (void *)&address, bytes));
  SHOW(recv(file, buffer, sizeof buffer, 0));
  SHOW(recvfrom(file, buffer, sizeof buffer, MSG_DONTWAIT, (void *)&other, &room));
}

static ssize_t pass(int to, const int *fds, int count) {
  char control[CMSG_SPACE(64 * sizeof(int))] = {0};
  struct iovec piece = {"m", 1};
  struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control};
  message.msg_controllen = CMSG_SPACE(count * sizeof(int));
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET, header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(count * sizeof(int));
  memcpy(CMSG_DATA(header), fds, count * sizeof(int));
  return sendmsg(to, &message, 0);
}

static ssize_t take(int from, int room, int flags) {
  char buffer[8];
  _Alignas(8) char control[CMSG_SPACE(64 * sizeof(int))];
  struct iovec piece = {buffer, sizeof buffer};
  struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = room};
  ssize_t got = recvmsg(from, &message, flags);
  if (got < 0) return got;
  printf("%zd bytes, control %zu, flags %x:", got, message.msg_controllen, message.msg_flags);
  for (struct cmsghdr *one = CMSG_FIRSTHDR(&message); one; one = CMSG_NXTHDR(&message, one)) {
    printf(" [%zu %d %d", one->cmsg_len, one->cmsg_level, one->cmsg_type);
    if (one->cmsg_type == SCM_RIGHTS)
      for (size_t i = 0; CMSG_LEN((i + 1) * 4) <= one->cmsg_len; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(one) + 4 * i, 4);
        printf(" %d%s", fd, fcntl(fd, F_GETFD) ? "c" : "");
      }
    if (one->cmsg_type == SCM_CREDENTIALS) {
      struct ucred who;
      memcpy(&who, CMSG_DATA(one), sizeof who);
      printf(" %s %u %u", who.pid == getpid() ? "mine" : "other", who.uid, who.gid);
    }
    printf("]");
  }
  printf("\n");
  return got;
}

static void rights(void) {
  char buffer[16] = "";
  int pair[2], ends[2];
  SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  SHOW(pipe(ends));
  SHOW(pass(pair[0], ends, 2));
  SHOW(take(pair[1], 64, MSG_CMSG_CLOEXEC));
  SHOW(write(8, "through", 7));
  SHOW(read(7, buffer, sizeof buffer));
  puts(buffer);
  int file = open("file", O_CREAT | O_RDWR, 0600);
  SHOW(file);
  SHOW(pass(pair[0], (int[]){file, file, file}, 3));
  SHOW(take(pair[1], CMSG_LEN(8), 0));
  SHOW(pass(pair[0], (int[]){99}, 1));
  SHOW(pass(pair[0], (int[]){-1}, 1));
  SHOW(pass(pair[0], (int[]){1 << 20}, 1));
  SHOW(pass(pair[0], (int[]){file}, 1));
  SHOW(read(pair[1], buffer, sizeof buffer));
  SHOW(pass(pair[0], (int[]){file}, 1));
  SHOW(take(pair[1], 0, 0));
  SHOW(pass(pair[0], (int[]){file}, 1));
  SHOW(take(pair[1], 64, MSG_PEEK));
  SHOW(take(pair[1], 64, 0));
  SHOW(lseek(12, 5, SEEK_SET));
  SHOW(lseek(file, 0, SEEK_CUR));
  SHOW(dup(0));
  /* None of the others' can be named. */
  for (int fd = 16; fd < 4096; fd++)
    if (pass(pair[0], &fd, 1) != -1 || errno != EBADF) printf("%d was sent\n", fd);
  char control[32] = {1};
  struct msghdr message = {.msg_control = control, .msg_controllen = sizeof control};
  SHOW(sendmsg(pair[0], &message, 0));
  message.msg_controllen = 1UL << 40;
  SHOW(sendmsg(pair[0], &message, 0));
  message.msg_control = (void *)8, message.msg_controllen = 32;
  SHOW(sendmsg(pair[0], &message, 0));
}

static void limits(void) {
  int pair[2], fds[8];
  SHOW(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
  for (int i = 0; i < 8; i++) fds[i] = 0;
  struct rlimit { unsigned long soft, hard; } limit = {9, 9};
  SHOW(syscall(SYS_setrlimit, 7, &limit));
  SHOW(pass(pair[0], fds, 8));
  SHOW(take(pair[1], CMSG_SPACE(32), 0));
  SHOW(socket(AF_UNIX, SOCK_STREAM, 0));
  SHOW(pass(pair[0], fds, 1));
  SHOW(take(pair[1], CMSG_SPACE(4), 0));
  SHOW(close(8));
  int server = socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un address;
  SHOW(bind(server, (void *)&address, abstract(&address, "limits")));
  SHOW(listen(server, 3));
  SHOW(close(7));
  int client = socket(AF_UNIX, SOCK_STREAM, 0);
  SHOW(connect(client, (void *)&address, abstract(&address, "limits")));
  SHOW(accept(server, 0, 0));
  SHOW(close(6));
  SHOW(accept(server, 0, 0));
}

static void credentials(void) {
  int pair[2], on = 1;
  struct ucred who;
  socklen_t room = sizeof who;
  SHOW(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
  SHOW(getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &who, &room));
  OK(who.pid == getpid() && who.uid == getuid() && who.gid == getgid());
  SHOW(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
  SHOW(send(pair[0], "x", 1, 0));
  SHOW(take(pair[1], 128, 0));
  SHOW(pass(pair[0], (int[]){1}, 1));
  SHOW(take(pair[1], 128, 0));
  _Alignas(8) char control[CMSG_SPACE(sizeof who)] = {0};
  struct iovec piece = {"m", 1};
  struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET, header->cmsg_type = SCM_CREDENTIALS, header->cmsg_len = CMSG_LEN(sizeof who);
  memcpy(CMSG_DATA(header), &who, sizeof who);
  SHOW(sendmsg(pair[0], &message, 0));
  SHOW(take(pair[1], 128, 0));
  who.pid = 1 << 21;
  memcpy(CMSG_DATA(header), &who, sizeof who);
  SHOW(sendmsg(pair[0], &message, 0));
}

static volatile int handled;
static void handle(int signal) { handled = signal; }

static void broken(void) {
  int pair[2];
  struct sigaction action = {.sa_handler = handle};
  SHOW(sigaction(SIGPIPE, &action, 0));
  SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  SHOW(close(pair[1]));
  SHOW(send(pair[0], "x", 1, MSG_NOSIGNAL));
  SHOW(handled);
  SHOW(send(pair[0], "x", 1, 0));
  SHOW(handled);
  handled = 0;
  SHOW(write(pair[0], "x", 1));
  SHOW(handled);
  signal(SIGPIPE, SIG_DFL);
  SHOW(send(pair[0], "x", 1, 0));
}

TESTS({"pairs", pairs}, {"names", names}, {"abstracts", abstracts}, {"rights", rights}, {"limits", limits},
      {"credentials", credentials}, {"broken", broken})
