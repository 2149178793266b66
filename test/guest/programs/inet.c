/* Internet sockets over the loopback interface, their options, and netlink. Port numbers are the host's
 * choice, so none is printed. */
#include "check.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

static struct sockaddr_in local(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = port};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

/* A socket that is bound to a port of the host's choice; the port. */
static int bound(int socket) {
  struct sockaddr_in address = local(0);
  socklen_t room = sizeof address;
  if (bind(socket, (void *)&address, sizeof address) || getsockname(socket, (void *)&address, &room)) return -1;
  return address.sin_port;
}

/* A connection's two ends. */
static void connected(int ends[2]) {
  int server = socket(AF_INET, SOCK_STREAM, 0), port = bound(server);
  struct sockaddr_in address = local(port);
  listen(server, 5);
  ends[0] = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(ends[0], (void *)&address, sizeof address)) puts("not connected");
  ends[1] = accept(server, 0, 0);
  close(server);
}

static void tcp(void) {
  char buffer[64];
  struct sockaddr_in address, other;
  socklen_t room = sizeof other;
  int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
  SHOW(server);
  int port = bound(server);
  address = local(port);
  int client = socket(AF_INET, SOCK_STREAM, 0);
  SHOW(connect(client, (void *)&address, sizeof address));
  SHOW(listen(server, 5));
  SHOW(connect(client, (void *)&address, 7));
  SHOW(connect(client, (void *)&address, sizeof address));
  int peer = accept(server, (void *)&other, &room);
  SHOW(peer);
  OK(room == 16 && other.sin_family == AF_INET && other.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
  room = sizeof other;
  SHOW(getpeername(client, (void *)&other, &room));
  OK(other.sin_port == port);
  SHOW(send(client, "question", 8, 0));
  room = sizeof other;
  SHOW(recvfrom(peer, buffer, sizeof buffer, 0, (void *)&other, &room));
  SHOW(room);
  SHOW(write(peer, "answer", 6));
  SHOW(recv(client, buffer, 3, MSG_WAITALL));
  SHOW(recv(client, buffer, sizeof buffer, MSG_DONTWAIT | MSG_WAITALL));
  SHOW(recv(client, buffer, sizeof buffer, MSG_DONTWAIT));
  SHOW(send(client, "!", 1, MSG_OOB));
  SHOW(poll(&(struct pollfd){peer, POLLPRI, 0}, 1, 1000));
  SHOW(recv(peer, buffer, 1, MSG_OOB));
  SHOW(ioctl(peer, SIOCATMARK, &port));
  SHOW(port);
  SHOW(send(client, "12345", 5, 0));
  SHOW(poll(&(struct pollfd){peer, POLLIN, 0}, 1, 1000));
  int waiting = 0;
  SHOW(ioctl(peer, FIONREAD, &waiting));
  SHOW(waiting);
  SHOW(recv(peer, buffer, 5, MSG_TRUNC));
  SHOW(shutdown(client, SHUT_WR));
  SHOW(recv(peer, buffer, sizeof buffer, 0));
  SHOW(send(peer, "late", 4, 0));
  SHOW(recv(client, buffer, sizeof buffer, 0));
  SHOW(shutdown(client, 7));
  SHOW(shutdown(plain_file(), SHUT_RD));
  /* Not yet connected. */
  int third = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  SHOW(send(third, "x", 1, MSG_NOSIGNAL));
  SHOW(recv(third, buffer, 1, 0));
  SHOW(getpeername(third, (void *)&other, &room));
  SHOW(shutdown(third, SHUT_RD));
  SHOW(accept(third, 0, 0));
  SHOW(accept4(server, 0, 0, 0x12345));
  SHOW(accept(plain_file(), 0, 0));
  /* An address that cannot be told costs the connection. */
  int fourth = socket(AF_INET, SOCK_STREAM, 0);
  SHOW(connect(fourth, (void *)&address, sizeof address));
  SHOW(accept(server, (void *)8, &(socklen_t){16}));
  SHOW(recv(fourth, buffer, 1, 0));
  SHOW(dup(0));
}

static void asynchronous(void) {
  struct epoll_event events[4];
  int epoll = epoll_create1(0), error;
  socklen_t room = sizeof error;
  int server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), port = bound(server);
  struct sockaddr_in address = local(port);
  SHOW(listen(server, 5));
  SHOW(accept(server, 0, 0));
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, server, &(struct epoll_event){EPOLLIN, {.u32 = 1}}));
  int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  SHOW(connect(client, (void *)&address, sizeof address));
  SHOW(epoll_wait(epoll, events, 4, 1000));
  SHOW(events[0].data.u32);
  int peer = accept4(server, 0, 0, SOCK_NONBLOCK);
  SHOW(peer);
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, client, &(struct epoll_event){EPOLLIN | EPOLLOUT | EPOLLET, {.u32 = 2}}));
  SHOW(epoll_wait(epoll, events, 4, 1000));
  SHOW(events[0].events);
  SHOW(getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &room));
  SHOW(error);
  SHOW(connect(client, (void *)&address, sizeof address));
  SHOW(epoll_wait(epoll, events, 4, 0));
  SHOW(write(peer, "x", 1));
  SHOW(epoll_wait(epoll, events, 4, 1000));
  SHOW(events[0].events);
  SHOW(close(peer));
  SHOW(epoll_wait(epoll, events, 4, 1000));
  SHOW(events[0].events);
  /* Nobody listens. */
  SHOW(close(server));
  int third = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  SHOW(connect(third, (void *)&address, sizeof address));
  SHOW(poll(&(struct pollfd){third, POLLOUT, 0}, 1, 1000));
  SHOW(getsockopt(third, SOL_SOCKET, SO_ERROR, &error, &room));
  SHOW(error);
  /* As much as goes in. */
  int ends[2];
  static char block[1 << 16];
  connected(ends);
  SHOW(fcntl(ends[0], F_SETFL, O_NONBLOCK));
  long total = 0, got;
  while ((got = send(ends[0], block, sizeof block, 0)) > 0) total += got;
  SHOW(got);
  OK(total > 65536);
  SHOW(fcntl(ends[1], F_SETFL, O_NONBLOCK));
  long read_back = 0;
  for (int tries = 0; read_back < total && tries < 1000; tries++) {
    while ((got = recv(ends[1], block, sizeof block, 0)) > 0) read_back += got;
    poll(&(struct pollfd){ends[1], POLLIN, 0}, 1, 10);
  }
  OK(read_back == total);
}

static void udp(void) {
  char buffer[64];
  struct sockaddr_in address, other = {0};
  socklen_t room = sizeof other;
  int server = socket(AF_INET, SOCK_DGRAM, 0), port = bound(server), client = socket(AF_INET, SOCK_DGRAM, 0);
  address = local(port);
  SHOW(sendto(client, "first", 5, 0, (void *)&address, sizeof address));
  SHOW(recvfrom(server, buffer, 2, MSG_PEEK | MSG_TRUNC, (void *)&other, &room));
  SHOW(recvfrom(server, buffer, 2, 0, (void *)&other, &room));
  SHOW(room);
  SHOW(recvfrom(server, buffer, 2, MSG_DONTWAIT, (void *)&other, &room));
  SHOW(sendto(server, "back", 4, 0, (void *)&other, room));
  SHOW(recv(client, buffer, sizeof buffer, 0));
  SHOW(send(client, "x", 1, 0));
  SHOW(connect(client, (void *)&address, sizeof address));
  SHOW(send(client, "x", 1, 0));
  SHOW(send(client, 0, 0, 0));
  SHOW(recv(server, buffer, sizeof buffer, 0));
  SHOW(recv(server, buffer, sizeof buffer, 0));
  SHOW(sendto(client, "x", 1, 0, (void *)&address, 5));
  SHOW(sendto(client, "x", 1, 0, (void *)&address, 200));
  static char large[70000];
  fill(large, sizeof large);
  SHOW(send(client, large, sizeof large, 0));
  SHOW(send(client, large, 60000, 0));
  memset(large, 0, sizeof large);
  SHOW(recv(server, large, sizeof large, 0));
  OK(filled(large, 60000));
  /* A datagram with a hole in it is none. */
  char *pages = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  SHOW(munmap(pages + 4096, 4096));
  SHOW(send(client, pages + 4000, 200, 0));
  SHOW(send(client, pages + 4000, 96, 0));
  SHOW(recv(server, large, sizeof large, MSG_DONTWAIT));
  SHOW(connect(client, (void *)&(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr)));
  SHOW(getpeername(client, (void *)&other, &room));
  /* An error that comes back. */
  SHOW(connect(client, (void *)&address, sizeof address));
  SHOW(close(server));
  SHOW(send(client, "x", 1, 0));
  SHOW(poll(&(struct pollfd){client, POLLIN, 0}, 1, 1000));
  SHOW(recv(client, buffer, 1, 0));
}

static void show_option(int fd, int level, int name, const char *text) {
  int value = 0;
  socklen_t room = sizeof value;
  int result = getsockopt(fd, level, name, &value, &room);
  printf("%s: ", text);
  if (result)
    printf("%s\n", strerrorname_np(errno));
  else
    printf("%d, %u bytes\n", value, room);
}
#define GET(fd, level, name) show_option(fd, level, name, #name)
#define SET(fd, level, name, number) SHOW(setsockopt(fd, level, name, &(int){number}, sizeof(int)))

static void options(void) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), datagram = socket(AF_INET6, SOCK_DGRAM, 0);
  GET(fd, SOL_SOCKET, SO_TYPE);
  GET(fd, SOL_SOCKET, SO_DOMAIN);
  GET(fd, SOL_SOCKET, SO_PROTOCOL);
  GET(fd, SOL_SOCKET, SO_ACCEPTCONN);
  GET(fd, SOL_SOCKET, SO_ERROR);
  SET(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  SET(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  SET(fd, SOL_SOCKET, SO_KEEPALIVE, 7);
  GET(fd, SOL_SOCKET, SO_REUSEADDR);
  GET(fd, SOL_SOCKET, SO_KEEPALIVE);
  SET(fd, SOL_SOCKET, SO_SNDBUF, 20000);
  GET(fd, SOL_SOCKET, SO_SNDBUF);
  SET(fd, SOL_SOCKET, SO_RCVLOWAT, 3);
  SET(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  GET(fd, IPPROTO_TCP, TCP_NODELAY);
  SET(fd, IPPROTO_TCP, TCP_KEEPIDLE, 77);
  GET(fd, IPPROTO_TCP, TCP_KEEPIDLE);
  SET(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 1000);
  SET(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 1);
  SET(fd, IPPROTO_TCP, TCP_CORK, 1);
  SET(fd, IPPROTO_TCP, TCP_FASTOPEN, 5);
  SET(fd, IPPROTO_IP, IP_TOS, 16);
  GET(fd, IPPROTO_IP, IP_TOS);
  SET(fd, IPPROTO_IP, IP_TTL, 300);
  SET(datagram, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  GET(datagram, IPPROTO_IPV6, IPV6_V6ONLY);
  SET(datagram, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  SET(datagram, IPPROTO_UDP, UDP_SEGMENT, 1000);
  GET(fd, SOL_SOCKET, 9999);
  SET(fd, SOL_SOCKET, 9999, 1);
  GET(plain_file(), SOL_SOCKET, SO_TYPE);
  struct linger linger = {1, 5};
  socklen_t room = sizeof linger;
  SHOW(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
  SHOW(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, 4));
  SHOW(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &room));
  printf("%d %d %u\n", linger.l_onoff, linger.l_linger, room);
  struct timeval timeout = {1, 500000};
  SHOW(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout));
  room = 100;
  SHOW(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, &room));
  printf("%ld %ld %u\n", timeout.tv_sec, timeout.tv_usec, room);
  char name[64] = "";
  room = sizeof name;
  SHOW(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
  SHOW(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &room));
  printf("%s %u\n", name, room);
  room = 2;
  memset(name, 'x', 8);
  SHOW(getsockopt(fd, SOL_SOCKET, SO_TYPE, name, &room));
  printf("%d%c %u\n", name[0], name[2], room);
  room = -1;
  SHOW(getsockopt(fd, SOL_SOCKET, SO_TYPE, name, &room));
  SHOW(getsockopt(fd, SOL_SOCKET, SO_TYPE, (void *)8, &(socklen_t){4}));
  SHOW(getsockopt(fd, SOL_SOCKET, SO_TYPE, name, (void *)8));
  SHOW(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, (void *)8, 4));
  SHOW(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &linger, 1));
  SHOW(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &linger, -1));
  struct tcp_info info;
  room = sizeof info;
  SHOW(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &room));
  SHOW(info.tcpi_state);
  struct ip_mreqn group = {.imr_address.s_addr = htonl(INADDR_LOOPBACK)};
  group.imr_multiaddr.s_addr = htonl(0xe0000123);
  int multicast = socket(AF_INET, SOCK_DGRAM, 0);
  SHOW(setsockopt(multicast, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group));
  SHOW(setsockopt(multicast, IPPROTO_IP, IP_DROP_MEMBERSHIP, &group, sizeof group));
  SHOW(setsockopt(multicast, IPPROTO_IP, IP_DROP_MEMBERSHIP, &group, sizeof group));
}

/* Filters lie in the program's memory, as their instructions do. */
static void filters(void) {
  char buffer[16];
  struct sock_filter drop[] = {{BPF_LD | BPF_W | BPF_LEN, 0, 0, 0}, {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 11}, {BPF_RET | BPF_K, 0, 0, 0}, {BPF_RET | BPF_K, 0, 0, 9}};
  struct sock_fprog program = {4, drop};
  int server = socket(AF_INET, SOCK_DGRAM, 0), port = bound(server), client = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in address = local(port);
  SHOW(connect(client, (void *)&address, sizeof address));
  SHOW(setsockopt(server, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
  memset(drop, 0, sizeof drop);
  SHOW(send(client, "abc", 3, 0));
  SHOW(send(client, "abcdef", 6, 0));
  SHOW(recv(server, buffer, sizeof buffer, MSG_DONTWAIT));
  SHOW(recv(server, buffer, sizeof buffer, MSG_DONTWAIT));
  socklen_t count = 0;
  SHOW(getsockopt(server, SOL_SOCKET, SO_GET_FILTER, 0, &count));
  SHOW(count);
  SHOW(getsockopt(server, SOL_SOCKET, SO_GET_FILTER, drop, &count));
  printf("%x %x %x %u\n", drop[0].code, drop[1].k, drop[3].k, count);
  count = 2;
  SHOW(getsockopt(server, SOL_SOCKET, SO_GET_FILTER, drop, &count));
  SHOW(setsockopt(server, SOL_SOCKET, SO_DETACH_FILTER, 0, 0));
  SHOW(setsockopt(server, SOL_SOCKET, SO_ATTACH_FILTER, &program, 8));
  program.filter = (void *)8;
  SHOW(setsockopt(server, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
  program = (struct sock_fprog){0, drop};
  SHOW(setsockopt(server, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
}

static void sending_files(void) {
  static char large[300000], back[300000];
  int ends[2], file = open("large", O_CREAT | O_RDWR, 0600);
  fill(large, sizeof large);
  SHOW(write(file, large, sizeof large));
  connected(ends);
  off_t offset = 1000;
  SHOW(sendfile(ends[0], file, &offset, 20000));
  SHOW(offset);
  SHOW(recv(ends[1], back, 20000, MSG_WAITALL));
  OK(!memcmp(back, large + 1000, 20000));
  SHOW(lseek(file, 0, SEEK_SET));
  SHOW(sendfile(ends[0], file, 0, 5000));
  SHOW(lseek(file, 0, SEEK_CUR));
  SHOW(recv(ends[1], back, 5000, MSG_WAITALL));
  int pipes[2];
  SHOW(pipe(pipes));
  SHOW(write(ends[0], "spliced", 7));
  SHOW(splice(ends[1], 0, pipes[1], 0, 7, 0));
  SHOW(splice(pipes[0], 0, ends[1], 0, 7, 0));
  SHOW(recv(ends[0], back, 100, 0));
  SHOW(sendfile(ends[0], 0, 0, 1));
  SHOW(sendfile(99, file, 0, 1));
}

static void netlink(void) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  struct sockaddr_nl address = {.nl_family = AF_NETLINK}, from;
  socklen_t room = sizeof address;
  SHOW(bind(fd, (void *)&address, sizeof address));
  SHOW(getsockname(fd, (void *)&address, &room));
  OK(address.nl_pid == (unsigned)getpid());
  struct {
    struct nlmsghdr head;
    struct ifinfomsg body;
  } question = {{sizeof question, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 7, 0}, {0}};
  SHOW(send(fd, &question, sizeof question, 0));
  static char answer[32768];
  struct iovec piece = {answer, sizeof answer};
  int loopback = 0, done = 0, from_kernel = 1;
  while (!done) {
    struct msghdr message = {&from, sizeof from, &piece, 1, 0, 0, 0};
    ssize_t got = recvmsg(fd, &message, 0);
    if (got <= 0) break;
    from_kernel &= message.msg_namelen == sizeof from && from.nl_pid == 0;
    for (struct nlmsghdr *one = (void *)answer; NLMSG_OK(one, got); one = NLMSG_NEXT(one, got)) {
      if (one->nlmsg_type == NLMSG_DONE) done = 1;
      if (one->nlmsg_type == RTM_NEWLINK) loopback |= ((struct ifinfomsg *)NLMSG_DATA(one))->ifi_flags & IFF_LOOPBACK;
    }
  }
  SHOW(done);
  OK(from_kernel);
  SHOW(loopback);
  SHOW(if_nametoindex("lo"));
  char name[IF_NAMESIZE];
  OK(if_indextoname(1, name) && !strcmp(name, "lo"));
  struct ifreq about = {.ifr_name = "lo"};
  int any = socket(AF_INET, SOCK_DGRAM, 0);
  SHOW(ioctl(any, SIOCGIFADDR, &about));
  OK(((struct sockaddr_in *)&about.ifr_addr)->sin_addr.s_addr == htonl(INADDR_LOOPBACK));
  SHOW(ioctl(any, SIOCGIFMTU, &about));
  OK(about.ifr_mtu >= 1500);
  struct ifreq all[16];
  struct ifconf list = {.ifc_len = sizeof all, .ifc_req = all};
  SHOW(ioctl(any, SIOCGIFCONF, &list));
  int found = 0;
  for (int i = 0; i < list.ifc_len / (int)sizeof *all; i++) found |= !strcmp(all[i].ifr_name, "lo");
  SHOW(found);
  list.ifc_req = 0;
  SHOW(ioctl(any, SIOCGIFCONF, &list));
  OK(list.ifc_len >= (int)sizeof *all);
  SHOW(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP));
  SHOW(socket(AF_INET, 99, 0));
  int raw = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
  struct sockaddr_in to = local(0);
  /* An echo request with its checksum. */
  unsigned char echo[8] = {8, 0, 0xf7, 0xfd, 0, 1, 0, 1}, reply[128];
  SHOW(sendto(raw, echo, sizeof echo, 0, (void *)&to, sizeof to));
  SHOW(recv(raw, reply, sizeof reply, 0));
  SHOW(socket(AF_PACKET, SOCK_RAW, 0) > 0);
}

TESTS({"tcp", tcp}, {"asynchronous", asynchronous}, {"udp", udp}, {"options", options}, {"filters", filters},
      {"files", sending_files}, {"netlink", netlink})
