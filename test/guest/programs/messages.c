/* sendmsg, recvmsg and their kin: parts, lengths, flags, timeouts, threads that wait. */
#include "check.h"

#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void parts(void) {
  int pair[2];
  char one[4] = "", two[8] = "", three[8] = "";
  SHOW(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
  struct iovec out[3] = {{"ab", 2}, {0, 0}, {"cdefgh", 6}}, in[3] = {{one, 3}, {two, 2}, {three, 1}};
  struct msghdr send = {.msg_iov = out, .msg_iovlen = 3}, receive = {.msg_iov = in, .msg_iovlen = 3};
  char name[32];
  SHOW(sendmsg(pair[0], &send, 0));
  receive.msg_name = name, receive.msg_namelen = sizeof name, receive.msg_flags = 0x7777;
  SHOW(recvmsg(pair[1], &receive, MSG_PEEK));
  printf("%s %s %s %x %u %zu\n", one, two, three, receive.msg_flags, receive.msg_namelen, receive.msg_controllen);
  SHOW(recvmsg(pair[1], &receive, MSG_TRUNC));
  SHOW(sendmsg(pair[0], &send, 0));
  in[2].iov_len = 8;
  SHOW(recvmsg(pair[1], &receive, MSG_TRUNC | MSG_CMSG_CLOEXEC));
  printf("%s %s %.3s %x\n", one, two, three, receive.msg_flags);
  SHOW(recvmsg(pair[1], &receive, MSG_DONTWAIT));
  SHOW(recvmsg(pair[1], 0, MSG_DONTWAIT));
  SHOW(recvmsg(99, &receive, MSG_DONTWAIT));
  SHOW(recvmsg(plain_file(), &receive, MSG_DONTWAIT));
  receive.msg_namelen = -1;
  SHOW(recvmsg(pair[1], &receive, MSG_DONTWAIT));
  receive.msg_namelen = 0, receive.msg_iovlen = 1025;
  SHOW(recvmsg(pair[1], &receive, MSG_DONTWAIT));
  send.msg_iovlen = 1025;
  SHOW(sendmsg(pair[0], &send, 0));
  send.msg_iovlen = 3, out[1] = (struct iovec){(void *)8, 5};
  SHOW(sendmsg(pair[0], &send, 0));
  out[1] = (struct iovec){"x", -1};
  SHOW(sendmsg(pair[0], &send, 0));
  send.msg_iovlen = 0;
  SHOW(sendmsg(pair[0], &send, 0));
  receive.msg_iovlen = 0;
  SHOW(recvmsg(pair[1], &receive, MSG_DONTWAIT));
  SHOW(sendmsg(pair[0], (void *)8, 0));
}

/* More than a request can carry in itself. */
static void large(void) {
  enum { BYTES = 4 << 20 };
  char *from = malloc(BYTES), *to = malloc(BYTES);
  int pair[2];
  fill(from, BYTES);
  SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  SHOW(fcntl(pair[0], F_SETFL, O_NONBLOCK));
  long sent = 0, got = 0;
  while (got < BYTES) {
    struct iovec pieces[2] = {{from + sent, (BYTES - sent) / 2}, {from + sent + (BYTES - sent) / 2, (BYTES - sent + 1) / 2}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    long now = sendmsg(pair[0], &message, 0);
    if (now > 0) sent += now;
    now = recv(pair[1], to + got, BYTES - got, MSG_DONTWAIT);
    if (now > 0) got += now;
  }
  SHOW(sent);
  OK(!memcmp(from, to, BYTES));
  SHOW(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
  SHOW(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &(int){1 << 20}, 4));
  SHOW(send(pair[0], from, 150000, 0));
  memset(to, 0, BYTES);
  SHOW(recv(pair[1], to, BYTES, 0));
  OK(filled(to, 150000));
}

static void several(void) {
  char text[4][8] = {"one", "second", "third", "4"}, back[6][8] = {0};
  int pair[2];
  SHOW(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
  struct iovec out[4], in[6];
  struct mmsghdr send[4] = {0}, receive[6] = {0};
  for (int i = 0; i < 4; i++) out[i] = (struct iovec){text[i], strlen(text[i])}, send[i].msg_hdr = (struct msghdr){.msg_iov = out + i, .msg_iovlen = 1};
  for (int i = 0; i < 6; i++) in[i] = (struct iovec){back[i], 7}, receive[i].msg_hdr = (struct msghdr){.msg_iov = in + i, .msg_iovlen = 1};
  SHOW(sendmmsg(pair[0], send, 4, 0));
  printf("%u %u\n", send[1].msg_len, send[3].msg_len);
  SHOW(recvmmsg(pair[1], receive, 2, 0, 0));
  SHOW(recvmmsg(pair[1], receive + 2, 4, MSG_WAITFORONE, 0));
  printf("%s %s %s %s %u\n", back[0], back[1], back[2], back[3], receive[1].msg_len);
  SHOW(recvmmsg(pair[1], receive, 4, MSG_DONTWAIT, 0));
  SHOW(recvmmsg(pair[1], receive, 0, 0, 0));
  struct timespec timeout = {0, 1000};
  SHOW(sendmmsg(pair[0], send, 3, 0));
  SHOW(recvmmsg(pair[1], receive, 1, 0, &(struct timespec){5, 0}));
  SHOW(recvmmsg(pair[1], receive, 4, MSG_DONTWAIT, &(struct timespec){5, 0}));
  SHOW(recvmmsg(pair[1], receive, 4, 0, &(struct timespec){0, -1}));
  SHOW(recvmmsg(pair[1], receive, 4, 0, (void *)8));
  SHOW(send[0].msg_len = 0);
  send[1].msg_hdr.msg_iov = (void *)8;
  SHOW(sendmmsg(pair[0], send, 4, 0));
  SHOW(recvmmsg(pair[1], receive, 1, 0, &timeout));
  OK(timeout.tv_sec == 0 && timeout.tv_nsec <= 1000);
  SHOW(sendmmsg(pair[0], send + 1, 1, 0));
  SHOW(sendmmsg(99, send, 1, 0));
  SHOW(sendmmsg(pair[0], (void *)8, 1, 0));
}

/* What goes with a message of the internet's protocols. */
static void ancillary(void) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, from;
  socklen_t room = sizeof address;
  SHOW(bind(fd, (void *)&address, sizeof address));
  SHOW(getsockname(fd, (void *)&address, &room));
  SHOW(setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on));
  SHOW(setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof on));
  SHOW(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on));
  _Alignas(8) char control[256] = {0}, data[16];
  struct iovec out = {"text", 4}, in = {data, sizeof data};
  struct msghdr send = {&address, sizeof address, &out, 1, control, CMSG_SPACE(sizeof(int)), 0};
  struct cmsghdr *header = CMSG_FIRSTHDR(&send);
  header->cmsg_level = IPPROTO_IP, header->cmsg_type = IP_TTL, header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &(int){42}, sizeof(int));
  SHOW(sendmsg(fd, &send, 0));
  struct msghdr receive = {&from, sizeof from, &in, 1, control, sizeof control, 0};
  SHOW(recvmsg(fd, &receive, 0));
  OK(receive.msg_namelen == sizeof from && from.sin_port == address.sin_port);
  printf("%zu %x:", receive.msg_controllen, receive.msg_flags);
  for (header = CMSG_FIRSTHDR(&receive); header; header = CMSG_NXTHDR(&receive, header)) {
    printf(" %d/%d %zu", header->cmsg_level, header->cmsg_type, header->cmsg_len);
    if (header->cmsg_type == IP_TTL) printf(" = %d", *(int *)CMSG_DATA(header));
  }
  puts("");
  /* Errors that come back, by the error queue. */
  int gone = socket(AF_INET, SOCK_DGRAM, 0);
  SHOW(setsockopt(gone, IPPROTO_IP, IP_RECVERR, &on, sizeof on));
  address.sin_port = htons(1);
  SHOW(sendto(gone, "x", 1, 0, (void *)&address, sizeof address));
  receive = (struct msghdr){&from, sizeof from, &in, 1, control, sizeof control, 0};
  for (int tries = 0; tries < 100 && recvmsg(gone, &receive, MSG_ERRQUEUE) < 0; tries++) usleep(1000);
  printf("%zu %x %d\n", receive.msg_controllen, receive.msg_flags, ntohs(from.sin_port));
}

static volatile int handled;
static void handle(int signal) { handled += signal == SIGALRM; }

static void alarm_in(int milliseconds, int flags) {
  struct sigaction action = {.sa_handler = handle, .sa_flags = flags};
  sigaction(SIGALRM, &action, 0);
  setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, milliseconds * 1000}}, 0);
}

static void timeouts(void) {
  int pair[2];
  char buffer[8];
  SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  struct timeval timeout = {0, 50000};
  SHOW(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout));
  int64_t before = now();
  SHOW(recv(pair[0], buffer, 1, 0));
  OK(now() - before >= 49 && now() - before < 2000);
  SHOW(read(pair[0], buffer, 1));
  timeout.tv_sec = 3;
  SHOW(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout));
  /* With a timeout nothing is begun anew; without one it is as the handler wants it. */
  alarm_in(30, SA_RESTART);
  SHOW(recv(pair[0], buffer, 1, 0));
  SHOW(handled);
  alarm_in(30, SA_RESTART);
  SHOW(read(pair[0], buffer, 1));
  alarm_in(30, 0);
  SHOW(recv(pair[1], buffer, 1, 0));
  SHOW(handled);
  alarm_in(30, 0);
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  int server = socket(AF_UNIX, SOCK_STREAM, 0);
  SHOW(bind(server, (void *)&name, sizeof(sa_family_t)));
  SHOW(listen(server, 1));
  SHOW(accept(server, 0, 0));
  timeout = (struct timeval){0, 20000};
  SHOW(setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout));
  SHOW(accept(server, 0, 0));
  SHOW(handled);
}

static int sockets[2];

static void *say(void *text) {
  usleep(50000);
  return (void *)(long)send(sockets[1], text, strlen(text), 0);
}

static void *echo(void *end) {
  char buffer[32];
  long got, total = 0;
  while ((got = recv(*(int *)end, buffer, sizeof buffer, 0)) > 0) total += got, send(*(int *)end, buffer, got, 0);
  return (void *)total;
}

static void *spin(void *stop) {
  long turns = 0;
  while (!__atomic_load_n((int *)stop, __ATOMIC_RELAXED)) turns++;
  return (void *)turns;
}

static void *answer(void *server) {
  int peer = accept(*(int *)server, 0, 0);
  long got = echo(&peer) != 0;
  close(peer);
  return (void *)got;
}

static void threads(void) {
  char buffer[64];
  pthread_t thread[9];
  void *result;
  int stop = 0;
  SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
  SHOW(pthread_create(thread, 0, say, "hello"));
  SHOW(recv(sockets[0], buffer, sizeof buffer, 0));
  SHOW(pthread_join(thread[0], &result));
  SHOW((long)result);
  /* The restarted wait of one while another works. */
  alarm_in(20, SA_RESTART);
  SHOW(pthread_create(thread, 0, say, "again"));
  SHOW(recv(sockets[0], buffer, 5, MSG_WAITALL));
  SHOW(pthread_join(thread[0], &result));
  SHOW(handled);
  /* Eight that wait, one that spins, and this one. */
  static int pairs[8][2];
  SHOW(pthread_create(thread + 8, 0, spin, &stop));
  for (int i = 0; i < 8; i++)
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]) || pthread_create(thread + i, 0, echo, &pairs[i][1])) puts("no");
  long total = 0;
  for (int round = 0; round < 50; round++)
    for (int i = 0; i < 8; i++) send(pairs[i][0], "question", 8, 0), total += recv(pairs[i][0], buffer, 8, MSG_WAITALL);
  SHOW(total);
  for (int i = 0; i < 8; i++) {
    shutdown(pairs[i][0], SHUT_WR);
    pthread_join(thread[i], &result);
    total -= (long)result;
  }
  SHOW(total);
  stop = 1;
  SHOW(pthread_join(thread[8], &result));
  OK((long)result > 0);
  /* Connections that are taken by threads. */
  int server = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t room = sizeof address;
  SHOW(bind(server, (void *)&address, sizeof address) + getsockname(server, (void *)&address, &room) + listen(server, 9));
  for (int i = 0; i < 4; i++) pthread_create(thread + i, 0, answer, &server);
  total = 0;
  for (int i = 0; i < 4; i++) {
    int client = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(client, (void *)&address, sizeof address)) puts("not connected");
    for (int round = 0; round < 20; round++) send(client, "x", 1, 0), total += recv(client, buffer, 1, 0);
    close(client);
  }
  for (int i = 0; i < 4; i++) pthread_join(thread[i], &result), total += (long)result;
  SHOW(total);
}

/* A blocking send sends everything, however long that takes. */
static void *drain(void *end) {
  static char buffer[5000];
  long got, total = 0, wrong = 0;
  while ((got = recv(*(int *)end, buffer, sizeof buffer, 0)) > 0) {
    for (long i = 0; i < got; i++) wrong += (unsigned char)buffer[i] != pattern(total + i);
    total += got;
  }
  SHOW(wrong);
  return (void *)total;
}

static void blocking(void) {
  enum { BYTES = 3 << 20 };
  char *data = malloc(BYTES);
  int pair[2];
  pthread_t thread;
  void *result;
  fill(data, BYTES);
  SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  SHOW(pthread_create(&thread, 0, drain, pair + 1));
  SHOW(send(pair[0], data, BYTES / 3, 0));
  struct iovec pieces[2] = {{data + BYTES / 3, 77}, {data + BYTES / 3 + 77, BYTES / 3 - 77}};
  SHOW(sendmsg(pair[0], &(struct msghdr){.msg_iov = pieces, .msg_iovlen = 2}, 0));
  SHOW(write(pair[0], data + 2 * (BYTES / 3), BYTES / 3));
  int ended = shutdown(pair[0], SHUT_WR);
  SHOW(pthread_join(thread, &result));
  SHOW(ended);
  SHOW((long)result);
}

TESTS({"parts", parts}, {"large", large}, {"several", several}, {"ancillary", ancillary}, {"timeouts", timeouts},
      {"threads", threads}, {"blocking", blocking})
