/* A hostile guest: for as long as it lives it writes requests of its own into its kernel's channel
 * with the monitor and leaves the guest for them. Arguments: a seed, and how wild it is (0 to 3).
 *
 * It never names descriptor 2, where the monitor says how the guest ended. For the addresses see
 * unikernel/abi/src/layout.rs, for the channel unikernel/abi/src/channel.rs. */
#include "check.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#define KERNEL 0x7f8000000000
#define PHYSICAL 0x7fc000000000
#define CHANNEL_AT (4UL << 20)
#define BOOT_END (8UL << 20)
/* What the kernel knows of, and what there is in truth: the rest is nobody's. */
#define MEMORY (32UL << 20)
#define GROWN (128UL << 20)
enum { SLOTS = 128, SLOT_BYTES = 24 << 10, DATA = 128, PIECES = 8 };
enum { TAIL = 0, POLLED = 16, READY = 33, DEADLINE = 34, RING = 48, DIRECT = 576 };
/* In DIRECT: by a thread apart. */
#define APART (1U << 31)
/* Requests to the machine (unikernel/abi/src/calls.rs). */
enum { GROW = 1024, MAP_OVER = 1027, EXIT = 1028, EXIT_SIGNAL, LOG, LARGE, DISPOSITION, PAUSE = 1035, CLOCK_GETTIME = 1037, FIND_CPUID = 1041, PREEMPT = 1043 };
/* A slot whose requests do nothing, and how many are made in all. */
enum { QUIET = 127, REQUESTS = 40000 };

static uint64_t state;

static uint64_t next(void) {
  state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
  return state * 0x2545f4914f6cdd1d;
}
static uint64_t below(uint64_t end) { return next() % end; }
#define PICK(list) (list)[below(sizeof(list) / sizeof *(list))]

static volatile uint32_t *const header = (uint32_t *)(PHYSICAL + CHANNEL_AT);

static volatile uint8_t *slot(unsigned i) {
  return (uint8_t *)(PHYSICAL + CHANNEL_AT + 4096 + i % SLOTS * SLOT_BYTES);
}

static uint64_t number(void) {
  static const uint64_t edges[] = {0,          1,          4095,         4096,       16384,      16385,     24575,
                                   24576,      0x7fffffff, 0x80000000,   0xffffffff, ~0UL,       ~0UL - 99, 1UL << 32,
                                   1UL << 63,  1UL << 38,  127UL << 30,  MEMORY,     ~0UL - 4095, BOOT_END, 2UL << 20};
  switch (below(5)) {
  case 0: return PICK(edges);
  case 1: return 1UL << below(64);
  case 2: return next() >> below(64);
  case 3: return below(1024) * 4096;
  default: return below(70);
  }
}

static uint64_t address(int wild) {
  if (below(8) == 0) return number();
  if (wild >= 2 && below(60) == 0) return below(BOOT_END + (8UL << 20)) & ~4095UL;
  return (MEMORY + below(GROWN - MEMORY + (4UL << 20))) & ~4095UL;
}

static uint64_t length(void) {
  if (below(10) == 0) return number();
  return (1 + below(below(10) ? 16 : 2000)) * 4096;
}

/* Text or numbers into the slot; their offset. */
static uint64_t data(volatile uint8_t *at, int wild) {
  static const char *const paths[] = {"/",       ".",    "..",        "",          "/tmp",          "/tmp/a",
                                      "/tmp/b",  "a",    "/proc",     "/dev/null", "/proc/self/fd", "/proc/self/mem",
                                      "/proc/1/maps", "/proc/self/exe", "/proc/version", "/dev/zero", "/tmp/l/../a",
                                      "/proc/self/root/tmp", "/sys", "/bin/busybox", "user.x", "/proc/thread-self/stat"};
  uint64_t offset = DATA + below(wild ? SLOT_BYTES : 8000);
  const char *path = PICK(paths);
  for (uint64_t i = 0; offset + i < SLOT_BYTES; i++) {
    at[offset + i] = path[i];
    if (!path[i]) break;
  }
  return offset;
}

/* Pieces of guest-physical memory. */
static uint64_t pieces(volatile uint8_t *at, int wild) {
  uint64_t offset = DATA + below(4000) * 8 % 16000, count = below(PIECES);
  volatile uint64_t *piece = (volatile uint64_t *)(at + offset);
  for (uint64_t i = 0; i < count; i++) {
    piece[2 * i] = below(10) ? address(wild) + below(4096) : number();
    piece[2 * i + 1] = below(10) ? below(9000) : number();
  }
  if (below(20) == 0) count = number();
  return count << 32 | offset;
}

/* A message in a slot: its address, its ancillary data, its pieces. */
static uint64_t message(volatile uint8_t *at, int wild) {
  uint64_t offset = DATA + below(3000) * 8 % 16000, control = offset + 32, address = control + 64;
  volatile uint32_t *words = (volatile uint32_t *)(at + offset), *entry = (volatile uint32_t *)(at + control);
  uint64_t list = pieces(at, wild);
  words[0] = below(4) ? address : 0, words[1] = below(4) ? below(20) : number();
  words[2] = control, words[3] = below(4) ? below(64) : number();
  words[4] = list, words[5] = list >> 32;
  entry[0] = below(6) ? 16 + 4 * below(8) : number(), entry[1] = 0, entry[2] = 1, entry[3] = 1 + below(3);
  for (int i = 4; i < 12; i++) entry[i] = below(40);
  *(volatile uint16_t *)(at + address) = 1 + below(2), at[address + 2] = 'a', at[address + 3] = 0;
  if (wild && below(8) == 0) words[below(8)] = number();
  return offset;
}

static uint64_t argument(volatile uint8_t *at, int wild) {
  switch (below(6)) {
  case 0: return number();
  case 1: return data(at, wild);
  case 2: return pieces(at, wild);
  case 3: return DATA + below(SLOT_BYTES);
  default: return below(30);
  }
}

/* Writes one request. */
static void request(volatile uint8_t *at, int wild) {
  uint64_t args[6];
  uint32_t number_of = 0;
  for (int i = 0; i < 6; i++) args[i] = argument(at, wild);
  int machine = wild == 1 ? 0 : wild == 0 ? 1 : below(2);
  if (machine) {
    number_of = GROW + below(PREEMPT - GROW + 2);
    if ((number_of == EXIT || number_of == EXIT_SIGNAL) && below(20000)) number_of = MAP_OVER;
    if ((number_of == LOG || number_of == PAUSE) && below(50)) number_of = FIND_CPUID;
    args[0] = address(wild), args[1] = length();
    if (number_of == GROW && below(20)) args[0] = GROWN + below(64UL << 20), args[1] = args[0];
    if (number_of == MAP_OVER) args[0] = below(24), args[1] = below(6) * 4096, args[2] = address(wild), args[3] = length(), args[4] = below(8);
    if (number_of == FIND_CPUID) args[0] = below(24), args[2] = length(), args[3] = DATA + below(SLOT_BYTES), args[4] = below(8);
    if (number_of == DISPOSITION) args[0] = below(66), args[1] = below(4);
    if (number_of >= DISPOSITION + 1 && number_of < 1039) args[0] = next() & next(), args[1] = DATA + below(SLOT_BYTES);
  } else {
    number_of = below(512);
    if (below(3)) args[0] = below(24);
    if (below(8) == 0) {
      static const uint16_t numbers[] = {SYS_socket, SYS_socketpair, SYS_sendmsg, SYS_recvmsg, SYS_setsockopt, SYS_getsockopt, SYS_bind, SYS_connect, SYS_accept4};
      number_of = PICK(numbers), args[0] = below(2) ? below(40) : 1 + below(2), args[1] = 1 + below(6), args[2] = below(40);
      if (number_of == SYS_sendmsg || number_of == SYS_recvmsg) args[1] = message(at, wild);
      if (number_of == SYS_bind || number_of == SYS_connect) args[1] = message(at, wild) + 96, args[2] = below(16);
    }
    if (number_of == SYS_close_range) args[0] = 3 + below(40);
    /* Nothing that waits for the host's disks, or for long. */
    if (number_of == SYS_sync || number_of == SYS_syncfs || number_of == SYS_nanosleep || number_of == SYS_clock_nanosleep)
      number_of = SYS_write;
  }
  for (int i = 0; i < 6; i++)
    if ((uint32_t)args[i] == 2) args[i] = 5;
  /* The monitor may be looking: what it sees is no number with arguments that are not its own. */
  *(volatile uint32_t *)(at + 4) = SYS_getpid;
  for (int i = 0; i < 6; i++) ((volatile uint64_t *)at)[1 + i] = args[i];
  *(volatile uint32_t *)(at + 4) = number_of;
  *(volatile uint32_t *)at = 1;
}

/* Descriptors of many kinds, and pages to map. */
static void prepare(void) {
  int pair[2], file = open("/tmp/a", O_RDWR | O_CREAT, 0666), memory = memfd_create("x", MFD_ALLOW_SEALING);
  static char page[16384];
  (void)!write(file, page, sizeof page), (void)!write(memory, page, sizeof page);
  (void)!symlink("/tmp", "/tmp/l"), (void)!pipe(pair);
  int poll = epoll_create1(0), event = eventfd(0, 0), timer = timerfd_create(CLOCK_MONOTONIC, 0);
  epoll_ctl(poll, EPOLL_CTL_ADD, event, &(struct epoll_event){.events = EPOLLIN});
  open("/proc/version", O_RDONLY), open("/proc/self/maps", O_RDONLY), open("/dev/zero", O_RDWR);
  open("/", O_DIRECTORY), open("/proc/self/fd", O_DIRECTORY), open("/bin/busybox", O_RDONLY), open("/tmp", O_PATH);
  (void)!socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), (void)!socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  (void)!socket(AF_UNIX, SOCK_STREAM, 0), (void)!socket(AF_INET, SOCK_DGRAM, 0), (void)!socket(AF_NETLINK, SOCK_RAW, 0);
  int huge = memfd_create("h", 4), sealed = memfd_create("s", MFD_ALLOW_SEALING);
  fcntl(sealed, 1033, 16), (void)huge, (void)timer;
}

/* What the monitor may be reading just now. */
static void scribble(void) {
  for (int n = below(200); n > 0; n--) {
    slot(below(QUIET))[DATA + below(SLOT_BYTES - DATA)] = next();
    ((volatile uint64_t *)slot(below(QUIET)))[1 + below(6)] ^= 1UL << (32 + below(32));
  }
}

/* Has the vCPU's own thread serve a slot: a request of this number, or what stands in it. */
static void leave(unsigned at, uint32_t number_of) {
  volatile uint64_t *words = (volatile uint64_t *)slot(at);
  if (at == QUIET) {
    words[1] = number_of == GROW ? GROWN : 0, words[2] = number_of == GROW ? GROWN : DATA;
    ((volatile uint32_t *)words)[1] = number_of;
  }
  header[DIRECT] = (at + 1) | (at != QUIET && below(4) ? APART : 0);
  __asm__ volatile("outb %%al, $0x10" ::"a"(0) : "memory");
}

int main(int argc, char **argv) {
  if (argc < 3 || getpid() != 1) return 2; /* Only ever in a container. */
  state = strtoull(argv[1], 0, 10) | 1;
  int wild = atoi(argv[2]);
  prepare();
  leave(QUIET, GROW);
  for (int i = 0; i < REQUESTS; i++) {
    unsigned at = below(QUIET);
    request(slot(at), wild);
    /* The tail may be any. */
    header[RING + header[TAIL] % SLOTS] = below(10) ? at : next() % QUIET;
    header[TAIL] = below(wild ? 50 : 5000) ? header[TAIL] + 1 : next();
    if (wild && below(50) == 0) scribble();
    if (below(100) == 0) header[READY] = below(3), header[DEADLINE] = number(), header[DEADLINE + 1] = below(2);
    if (wild == 3 && below(3000) == 0) { /* The kernel's own pages. */
      uint64_t end = below(2) ? PHYSICAL + BOOT_END : KERNEL + (2UL << 20);
      *(volatile uint64_t *)(end - 8 - below(BOOT_END / 16) * 8) = next();
    }
    if (below(3)) continue; /* The helper may have it. */
    /* The vCPU's own thread serves the ring without waiting; what is named here it may wait for. */
    leave(below(100) ? QUIET : at, CLOCK_GETTIME);
  }
  leave(QUIET, EXIT);
}
