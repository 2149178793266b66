/* What is kept about files, and directories as lists. */
#include "check.h"

#include <dirent.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

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

static void attributes(void) {
  struct stat stat;
  int fd = make("file", "0123456789");
  SHOW(chmod("file", 04711));
  mode("file");
  SHOW(fchmod(fd, 0600));
  SHOW(chmod("nowhere", 0600));
  SHOW(chown("file", 1234, 5678));
  SHOW(fstat(fd, &stat));
  SHOW(stat.st_uid);
  SHOW(stat.st_gid);
  SHOW(fchown(fd, -1, 9));
  SHOW(fstat(fd, &stat));
  SHOW(stat.st_uid + stat.st_gid);
  SHOW(utimensat(AT_FDCWD, "file", (struct timespec[2]){{1000, 5}, {2000, 999999999}}, 0));
  SHOW(fstat(fd, &stat));
  printf("%ld.%09ld %ld.%09ld\n", stat.st_atim.tv_sec, stat.st_atim.tv_nsec, stat.st_mtim.tv_sec, stat.st_mtim.tv_nsec);
  SHOW(utimensat(AT_FDCWD, "file", (struct timespec[2]){{0, UTIME_OMIT}, {5, 0}}, 0));
  SHOW(futimens(fd, (struct timespec[2]){{0, 1000000000}, {5, 0}}));
  SHOW(fstat(fd, &stat));
  printf("%ld %ld\n", stat.st_atim.tv_sec, stat.st_mtim.tv_sec);
  SHOW(access("file", R_OK | W_OK));
  SHOW(access("file", X_OK));
  SHOW(access("nowhere", F_OK));
  SHOW(faccessat(AT_FDCWD, "file", R_OK, AT_EACCESS));
  SHOW(truncate("file", 5));
  SHOW(ftruncate(fd, 10000));
  mode("file");
  SHOW(ftruncate(fd, -1));
  SHOW(truncate(".", 1));
  struct statx extended;
  SHOW(statx(AT_FDCWD, "file", 0, STATX_BASIC_STATS, &extended));
  printf("%o %llu %u\n", extended.stx_mode, extended.stx_size, extended.stx_uid);
  SHOW(fstatat(fd, "", &stat, AT_EMPTY_PATH));
  SHOW(stat.st_size);
  SHOW(fstatat(AT_FDCWD, "file", &stat, 0x40000000));
  struct statfs file_system, same;
  SHOW(statfs("file", &file_system) + fstatfs(fd, &same));
  OK(file_system.f_type == same.f_type && file_system.f_bsize == same.f_bsize && file_system.f_blocks == same.f_blocks);
  printf("%lx %ld\n", (long)file_system.f_type, (long)file_system.f_namelen);
  char value[16] = {0};
  SHOW(setxattr("file", "user.colour", "green", 5, 0));
  SHOW(setxattr("file", "user.colour", "green", 5, XATTR_CREATE));
  SHOW(getxattr("file", "user.colour", value, 16));
  SHOW(fgetxattr(fd, "user.colour", value, 0));
  SHOW(fgetxattr(fd, "user.colour", value, 2));
  SHOW(getxattr("file", "user.shape", value, 16));
  SHOW(listxattr("file", value, 16));
  puts(value);
  SHOW(removexattr("file", "user.colour"));
}

/* A directory with a thousand entries, read in pieces. */
static void directory(void) {
  char name[32];
  long sum = 0, count = 0, types = 0;
  mkdir("many", 0755);
  for (int i = 0; i < 1000; i++) {
    sprintf(name, "many/entry-%d", i);
    close(open(name, O_CREAT | O_WRONLY, 0600));
  }
  DIR *all = opendir("many");
  for (struct dirent *entry; (entry = readdir(all)); count++) {
    sum += entry->d_name[0] == 'e' ? atoi(entry->d_name + 6) : 0;
    types += entry->d_type == DT_REG;
  }
  printf("%ld entries, %ld files, sum %ld\n", count, types, sum);
  rewinddir(all);
  OK(readdir(all) != 0);
  int fd = open("many", O_RDONLY);
  SHOW(syscall(SYS_getdents64, fd, name, 10));
  SHOW(syscall(SYS_getdents64, 0, name, 32));
  SHOW(syscall(SYS_getdents64, 99, name, 32));
  char large[100000];
  long total = 0, bytes;
  while ((bytes = syscall(SYS_getdents64, fd, large, sizeof large)) > 0) total += bytes;
  SHOW(total);
}

TESTS({"attributes", attributes}, {"directory", directory})
