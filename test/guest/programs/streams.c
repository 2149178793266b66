/* Servers that wait with epoll: what they read and write, and what else has their sockets meanwhile. */
#include "check.h"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

static int epoll;

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* A connection's ends: a client's, and one that was accepted and is watched. */
static void connected(int ends[2]) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t room = sizeof address;
  int server = socket(AF_INET, SOCK_STREAM, 0);
  bind(server, (void *)&address, sizeof address);
  getsockname(server, (void *)&address, &room);
  listen(server, 5);
  ends[0] = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(ends[0], (void *)&address, sizeof address)) puts("not connected");
  ends[1] = accept(server, 0, 0);
  close(server);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = ends[1]};
  if (!epoll) epoll = epoll_create1(0);
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, ends[1], &event)) puts("not watched");
}

/* Sends a text to the watched end, and waits until it is there. */
static void say(const int ends[2], const char *text) {
  struct epoll_event event;
  if (write(ends[0], text, strlen(text)) != (ssize_t)strlen(text)) puts("not sent");
  if (epoll_wait(epoll, &event, 1, 5000) != 1 || event.data.fd != ends[1]) puts("nothing came");
}

/* Reads up to `most` bytes from a descriptor and prints them. */
static void hear(int fd, size_t most) {
  char buffer[256] = "";
  ssize_t bytes = read(fd, buffer, most);
  if (bytes < 0) printf("%s\n", strerrorname_np(errno));
  else printf("%zd <%.*s>\n", bytes, (int)bytes, buffer);
}

static void reading(void) {
  int ends[2], left;
  char one[3] = "", two[8] = "";
  connected(ends);
  say(ends, "abcdefghijklmnopqrstuvwxyz");
  hear(ends[1], 3);
  hear(ends[1], 0);
  SHOW(ioctl(ends[1], FIONREAD, &left));
  SHOW(left);
  hear(ends[1], 3);
  SHOW(recv(ends[1], two, 4, MSG_PEEK));
  hear(ends[1], 4);
  say(ends, "0123456789");
  struct iovec parts[] = {{one, 2}, {two, 4}};
  SHOW(readv(ends[1], parts, 2));
  printf("%.2s %.4s\n", one, two);
  hear(ends[1], 3);
  SHOW(recv(ends[1], two, 4, MSG_DONTWAIT));
  SHOW(syscall(SYS_recvfrom, ends[1], 8, 4, 0, 0, 0));
  hear(ends[1], 256);
  SHOW(recv(ends[1], two, 4, MSG_DONTWAIT));
  /* More than is told at once. */
  char *much = malloc(60000);
  size_t sum = 0;
  fill(much, 60000);
  TRY(write(ends[0], much, 60000));
  struct epoll_event event;
  for (ssize_t bytes; sum < 60000 && epoll_wait(epoll, &event, 1, 5000) == 1; sum += bytes) {
    char part[1777];
    bytes = read(ends[1], part, sizeof part);
    if (bytes <= 0 || memcmp(part, much + sum, bytes)) break;
  }
  OK(sum == 60000);
}

static void shared(void) {
  int ends[2], status;
  connected(ends);
  say(ends, "abcdefghi");
  hear(ends[1], 3);
  fflush(stdout);
  if (!fork()) {
    hear(ends[1], 3);
    exit(0);
  }
  wait(&status);
  hear(ends[1], 10);
  connected(ends);
  say(ends, "abcdefghi");
  int other = dup(ends[1]);
  hear(other, 3);
  hear(ends[1], 3);
  say(ends, "jkl");
  hear(ends[1], 2);
  hear(other, 10);
  close(other);
  connected(ends);
  say(ends, "abcdefghi");
  hear(ends[1], 2);
  SHOW(dup2(ends[0], ends[1]) == ends[1]);
  close(ends[1]);
  close(ends[0]);
  /* Passed to another process. */
  int pair[2];
  connected(ends);
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  if (!fork()) {
    char byte, control[CMSG_SPACE(4)];
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    if (recvmsg(pair[1], &message, 0) == 1) hear(*(int *)CMSG_DATA(CMSG_FIRSTHDR(&message)), 3);
    exit(0);
  }
  int late[2];
  connected(late);
  say(late, "abcdefghi");
  hear(late[1], 3);
  fflush(stdout);
  char control[CMSG_SPACE(4)] = {0};
  struct iovec part = {"x", 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
  *rights = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(4)};
  memcpy(CMSG_DATA(rights), &late[1], 4);
  long sent = sendmsg(pair[0], &message, 0);
  wait(&status);
  SHOW(sent);
  hear(late[1], 10);
}

static void writing(void) {
  int ends[2], left;
  connected(ends);
  say(ends, "ready?");
  hear(ends[1], 10);
  SHOW(write(ends[1], "one ", 4));
  SHOW(send(ends[1], "two ", 4, MSG_NOSIGNAL));
  struct iovec parts[] = {{"thr", 3}, {"", 0}, {"ee ", 3}};
  SHOW(writev(ends[1], parts, 3));
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
  SHOW(sendmsg(ends[1], &message, 0));
  SHOW(syscall(SYS_write, ends[1], 8, 4));
  SHOW(write(ends[1], "", 0));
  SHOW(syscall(SYS_writev, ends[1], parts, -1));
  hear(ends[0], 200);
  SHOW(write(ends[1], "before ", 7));
  SHOW(shutdown(ends[1], SHUT_WR));
  hear(ends[0], 200);
  hear(ends[0], 200);
  signal(SIGPIPE, SIG_IGN);
  SHOW(write(ends[1], "x", 1));
  connected(ends);
  say(ends, "ready?");
  hear(ends[1], 10);
  SHOW(write(ends[1], "last", 4));
  SHOW(close(ends[1]));
  hear(ends[0], 200);
  hear(ends[0], 200);
  SHOW(write(ends[1], "x", 1));
  SHOW(ioctl(ends[0], SIOCOUTQ, &left));
}

/* What was written arrives whatever becomes of the process. */
static void ending(void) {
  for (int way = 0; way < 4; way++) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t room = sizeof address;
    int server = socket(AF_INET, SOCK_STREAM, 0), status;
    bind(server, (void *)&address, sizeof address);
    getsockname(server, (void *)&address, &room);
    listen(server, 5);
    fflush(stdout);
    if (!fork()) {
      struct epoll_event event = {.events = EPOLLIN};
      char buffer[16];
      int fd = event.data.fd = accept(server, 0, 0);
      epoll = epoll_create1(0);
      epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
      epoll_wait(epoll, &event, 1, 5000);
      if (read(fd, buffer, 3) != 3 || write(fd, "answer", 6) != 6) puts("no answer");
      if (way == 0) _exit(0);
      if (way == 1) abort();
      if (way == 2) *(volatile int *)8 = 1;
      char number[16];
      sprintf(number, "%d", fd);
      execl("/proc/self/exe", "streams", "rest", number, NULL);
      puts("no program");
      _exit(1);
    }
    int client = socket(AF_INET, SOCK_STREAM, 0);
    connect(client, (void *)&address, sizeof address);
    long written = write(client, "request", 7);
    wait(&status);
    SHOW(written);
    hear(client, 100);
    printf("status %x\n", status & 0x7f);
    close(client);
    close(server);
  }
}

/* A program that computes after it has written. */
static void *answer(void *argument) {
  const int *ends = argument;
  struct epoll_event event;
  char byte;
  if (epoll_wait(epoll, &event, 1, 5000) != 1 || read(ends[1], &byte, 1) != 1) puts("nothing came");
  if (write(ends[1], "x", 1) != 1) puts("not written");
  for (int64_t end = now() + 400; now() < end;) {
  }
  return 0;
}

static void soon(void) {
  int ends[2];
  char byte;
  pthread_t thread;
  connected(ends);
  fflush(stdout);
  pid_t child = fork();
  if (!child) {
    close(ends[1]);
    int64_t start = now();
    if (write(ends[0], "?", 1) != 1 || read(ends[0], &byte, 1) != 1) puts("no answer");
    OK(now() - start < 250);
    exit(0);
  }
  answer(ends);
  waitpid(child, 0, 0);
  connected(ends);
  pthread_create(&thread, 0, answer, ends);
  int64_t start = now();
  if (write(ends[0], "?", 1) != 1 || read(ends[0], &byte, 1) != 1) puts("no answer");
  OK(now() - start < 250);
  pthread_join(thread, 0);
}

/* The other side is gone. */
static void reset(void) {
  int ends[2];
  signal(SIGPIPE, SIG_IGN);
  connected(ends);
  say(ends, "hello");
  hear(ends[1], 2);
  struct linger linger = {1, 0};
  setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  close(ends[0]);
  int tries = 0;
  while (write(ends[1], "x", 1) == 1 && tries++ < 1000) {
  }
  printf("%s\n", strerrorname_np(errno));
  SHOW(write(ends[1], "x", 1));
  SHOW(send(ends[1], "x", 1, MSG_NOSIGNAL));
}

/* A file that is sent in a round, and one that changes meanwhile. */
/* A connection that nobody takes: what epoll(7) says of it leaves its error to the program. */
static void refused(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address, bytes = sizeof(int);
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
  int error = 0, listener = socket(AF_INET, SOCK_STREAM, 0);
  bind(listener, (struct sockaddr *)&address, sizeof address);
  getsockname(listener, (struct sockaddr *)&address, &length);
  close(listener);
  epoll = epoll_create1(0);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  SHOW(connect(fd, (struct sockaddr *)&address, sizeof address));
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
  SHOW(epoll_wait(epoll, &event, 1, 1000));
  printf("%x\n", event.events);
  SHOW(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes));
  SHOW(error);
  SHOW(error);
}

static void sending(void) {
  int ends[2], copy[2];
  char name[] = "/tmp/streams.XXXXXX", text[700], got[1400];
  struct stat state, other;
  int file = mkstemp(name);
  fill(text, sizeof text);
  SHOW(write(file, text, sizeof text));
  connected(ends);
  say(ends, "?");
  hear(ends[1], 1);
  int fd = open(name, O_RDONLY);
  SHOW(fstat(fd, &state));
  SHOW(fstat(file, &other));
  OK(!memcmp(&state, &other, sizeof state) && state.st_size == 700);
  off_t offset = 100;
  SHOW(send(ends[1], "head", 4, 0));
  SHOW(sendfile(ends[1], fd, &offset, 600));
  SHOW(offset);
  SHOW(sendfile(ends[1], fd, &offset, 600));
  SHOW(close(fd));
  SHOW(close(fd));
  SHOW(recv(ends[0], got, 604, MSG_WAITALL));
  OK(!memcmp(got, "head", 4) && !memcmp(got + 4, text + 100, 600));
  say(ends, "?");
  hear(ends[1], 1);
  fd = open(name, O_RDONLY);
  SHOW(ftruncate(file, 300));
  SHOW(fstat(fd, &state));
  SHOW(state.st_size);
  offset = 0;
  SHOW(sendfile(ends[1], fd, &offset, 600));
  SHOW(offset);
  SHOW(close(fd));
  SHOW(fstat(fd, &state));
  fd = open(name, O_RDONLY);
  SHOW(dup2(file, fd) == fd);
  SHOW(write(fd, "more", 4));
  SHOW(fstat(fd, &state));
  SHOW(close(fd));
  SHOW(open(name, O_RDONLY) == fd);
  SHOW(pipe(copy));
  SHOW(fstat(fd, (void *)8));
  SHOW(sendfile(copy[1], fd, 0, 300));
  SHOW(close(fd));
  SHOW(open("/dev/null", O_RDONLY) == fd);
  SHOW(fstat(fd, &state));
  OK(S_ISCHR(state.st_mode));
  unlink(name);
}

enum { CLIENTS = 40, TURNS = 60 };

static unsigned next(unsigned *state) { return (*state = *state * 1103515245 + 12345) >> 8; }

static void *client(void *argument) {
  struct sockaddr_in *address = argument;
  static int bad;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  unsigned state = (unsigned)(uintptr_t)&state;
  connect(fd, (void *)address, sizeof *address);
  char out[3000], in[3000];
  for (int turn = 0; turn < TURNS; turn++) {
    size_t bytes = 1 + next(&state) % sizeof out, got = 0;
    for (size_t i = 0; i < bytes; i++) out[i] = (char)next(&state);
    if (write(fd, out, bytes) != (ssize_t)bytes) bad = 1;
    for (ssize_t part; got < bytes; got += part)
      if ((part = read(fd, in + got, bytes - got)) <= 0) return bad = 1, &bad;
    if (memcmp(in, out, bytes)) bad = 1;
  }
  close(fd);
  return bad ? &bad : 0;
}

/* Many clients of another process, whose server gives back what they send, by threads. */
static void *serve(void *argument) {
  int own = *(int *)argument, ended = 0;
  struct epoll_event events[16];
  char buffer[1024];
  while (ended < CLIENTS) {
    int count = epoll_wait(own, events, 16, 200);
    if (count <= 0) return 0;
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      ssize_t bytes = read(fd, buffer, sizeof buffer);
      if (bytes > 0 && write(fd, buffer, bytes) != bytes) puts("not written");
      if (bytes <= 0) ended++, close(fd);
    }
  }
  return 0;
}

static void echo(int threads) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t room = sizeof address;
  int server = socket(AF_INET, SOCK_STREAM, 0), status, own[4];
  bind(server, (void *)&address, sizeof address);
  getsockname(server, (void *)&address, &room);
  listen(server, CLIENTS);
  fflush(stdout);
  pid_t child = fork();
  if (!child) {
    pthread_t clients[CLIENTS];
    void *bad = 0, *all = 0;
    for (int i = 0; i < CLIENTS; i++) pthread_create(&clients[i], 0, client, &address);
    for (int i = 0; i < CLIENTS; i++) pthread_join(clients[i], &bad), all = bad ? bad : all;
    exit(all != 0);
  }
  for (int i = 0; i < threads; i++) own[i] = epoll_create1(0);
  for (int i = 0; i < CLIENTS; i++) {
    struct epoll_event event = {.events = EPOLLIN};
    event.data.fd = accept(server, 0, 0);
    epoll_ctl(own[i % threads], EPOLL_CTL_ADD, event.data.fd, &event);
  }
  pthread_t servers[4];
  for (int i = 0; i < threads; i++) pthread_create(&servers[i], 0, serve, &own[i]);
  waitpid(child, &status, 0);
  SHOW(status);
  for (int i = 0; i < threads; i++) pthread_join(servers[i], 0);
}

/* A file with this text takes another's place. */
static void put(const char *path, const char *text) {
  int fd = open("new", O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (write(fd, text, strlen(text)) != (ssize_t)strlen(text) || rename("new", path)) puts("not put");
  close(fd);
}

/* Answers a request by a file, as nginx does. */
static void send_page(const int ends[2], const char *path) {
  char buffer[256] = "";
  struct stat status = {0};
  off_t from = 0;
  if (read(ends[1], buffer, sizeof buffer) <= 0) puts("no request");
  int fd = open(path, O_RDONLY | O_NONBLOCK);
  if (fd < 0) {
    printf("%s\n", strerrorname_np(errno));
    return;
  }
  SHOW(fstat(fd, &status));
  ssize_t head = write(ends[1], "head ", 5), body = sendfile(ends[1], fd, &from, status.st_size);
  printf("%d: %lld: %zd, %zd, %lld\n", fd, (long long)status.st_size, head, body, (long long)from);
  SHOW(close(fd));
  if (S_ISREG(status.st_mode)) hear(ends[0], 5), hear(ends[0], 100);
}

/* The descriptors that there are. */
static void list(void) {
  for (int fd = 0; fd < 64; fd++)
    if (fcntl(fd, F_GETFD) >= 0) printf("%d ", fd);
  puts("");
}

/* The same file for each request: is it opened when the program says so, and only then? */
static void files(void) {
  char folder[] = "/tmp/streams-XXXXXX", path[64];
  int ends[2], fds[3];
  /* What is printed makes no calls in between. */
  setvbuf(stdout, 0, _IOFBF, 1 << 16);
  if (!mkdtemp(folder) || chdir(folder)) puts("no folder");
  snprintf(path, sizeof path, "%s/page", folder);
  connected(ends);
  put(path, "first");
  for (int i = 0; i < 4; i++) say(ends, "get"), send_page(ends, path);
  /* Another one. */
  put(path, "the second");
  for (int i = 0; i < 3; i++) say(ends, "get"), send_page(ends, path);
  say(ends, "get");
  for (int i = 0; i < 3; i++) send_page(ends, path), write(ends[0], "more", 4);
  /* Several at once, and what else is done with one. */
  say(ends, "get");
  for (int i = 0; i < 3; i++) SHOW(fds[i] = open(path, O_RDONLY | O_NONBLOCK));
  for (int i = 0; i < 3; i++) hear(fds[i], 4);
  SHOW(lseek(fds[0], 0, SEEK_CUR));
  for (int i = 0; i < 3; i++) close(fds[i]);
  say(ends, "get");
  SHOW(fds[0] = open(path, O_RDONLY | O_NONBLOCK));
  SHOW(close(fds[0]));
  SHOW(close(fds[0]));
  SHOW(fcntl(fds[0], F_GETFD));
  say(ends, "get");
  SHOW(fds[0] = open(path, O_RDONLY | O_NONBLOCK));
  SHOW(fds[1] = dup(fds[0]));
  SHOW(close(fds[0]));
  hear(fds[1], 10);
  SHOW(close(fds[1]));
  /* Not opened after all: nothing is there that the program did not open. */
  for (int i = 0; i < 2; i++) send_page(ends, path), say(ends, "get");
  list();
  send_page(ends, path);
  say(ends, "get");
  SHOW(fds[0] = open("/dev/null", O_RDONLY));
  SHOW(close(fds[0]));
  SHOW(open(path, O_RDONLY | O_NONBLOCK | O_DIRECTORY) < 0 ? errno : 0);
  send_page(ends, path);
  say(ends, "get");
  fflush(stdout);
  if (!fork()) {
    list();
    fflush(stdout);
    _exit(0);
  }
  wait(0);
  send_page(ends, path);
  /* Another folder, no file, a folder, a FIFO. */
  for (int i = 0; i < 2; i++) say(ends, "get"), send_page(ends, "page");
  mkdir("below", 0700);
  put("below/page", "below");
  say(ends, "get");
  SHOW(chdir("below"));
  for (int i = 0; i < 2; i++) send_page(ends, "page"), say(ends, "get");
  send_page(ends, path);
  say(ends, "get");
  SHOW(unlink(path));
  for (int i = 0; i < 2; i++) send_page(ends, path), say(ends, "get");
  mkdir(path, 0700);
  SHOW(fds[0] = open(path, O_RDONLY | O_NONBLOCK));
  SHOW(close(fds[0]));
  rmdir(path);
  mkfifo(path, 0600);
  for (int i = 0; i < 2; i++) say(ends, "get"), SHOW(fds[0] = open(path, O_RDONLY | O_NONBLOCK)), close(fds[0]);
  list();
  unlink(path), unlink("page"), chdir(".."), rmdir("below"), chdir("/"), rmdir(folder);
}

enum { RACED = 300000, PRIME = 251 };
static pthread_mutex_t taking = PTHREAD_MUTEX_INITIALIZER;
static int raced, got, wrong, ended_race;

/* Reads what is there, and looks whether it is what comes next. */
static void take(void) {
  unsigned char buffer[64];
  pthread_mutex_lock(&taking);
  ssize_t bytes = recv(raced, buffer, sizeof buffer, MSG_DONTWAIT);
  for (ssize_t i = 0; i < bytes; i++) wrong += buffer[i] != (got + i) % PRIME;
  if (bytes > 0) got += bytes;
  if (bytes == 0) ended_race = 1;
  pthread_mutex_unlock(&taking);
}

static void *takes(void *unused) {
  for (; !ended_race; sched_yield()) take();
  return unused;
}

/* One thread waits for a socket that two read, one at a time. */
static void racing(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t room = sizeof address;
  int server = socket(AF_INET, SOCK_STREAM, 0), status;
  bind(server, (void *)&address, sizeof address);
  getsockname(server, (void *)&address, &room);
  listen(server, 1);
  pid_t child = fork();
  if (!child) {
    static unsigned char sent[RACED];
    int client = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(client, (void *)&address, sizeof address)) _exit(1);
    for (int i = 0; i < RACED; i++) sent[i] = i % PRIME;
    for (int i = 0, bytes; i < RACED; i += bytes) {
      bytes = 1 + i % 90 < RACED - i ? 1 + i % 90 : RACED - i;
      if (write(client, sent + i, bytes) != bytes) _exit(2);
    }
    _exit(0);
  }
  struct epoll_event event = {.events = EPOLLIN};
  raced = accept(server, 0, 0);
  epoll = epoll_create1(0);
  epoll_ctl(epoll, EPOLL_CTL_ADD, raced, &event);
  pthread_t other;
  pthread_create(&other, 0, takes, 0);
  for (; !ended_race; take()) epoll_wait(epoll, &event, 1, 100);
  pthread_join(other, 0);
  waitpid(child, &status, 0);
  SHOW(status);
  SHOW(got);
  SHOW(wrong);
}

static void one(void) { echo(1); }
static void several(void) { echo(4); }

int main(int argc, char **argv) {
  static const struct test tests[] = {
      {"reading", reading}, {"shared", shared}, {"writing", writing}, {"ending", ending},
      {"files", files},     {"racing", racing},   {"soon", soon},       {"reset", reset},   {"refused", refused},
      {"sending", sending}, {"one", one},         {"several", several},
  };
  setvbuf(stdout, 0, _IOLBF, 0);
  if (argc == 3) {
    hear(atoi(argv[2]), 100);
    return 0;
  }
  for (size_t i = 0; argc > 1 && i < sizeof tests / sizeof *tests; i++)
    if (!strcmp(argv[1], tests[i].name)) {
      tests[i].run();
      return 0;
    }
  return 2;
}
