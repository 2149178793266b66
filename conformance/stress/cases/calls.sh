# System calls, right and wrong ones; io_uring is refused.
# packages: stress-ng
# seconds: 700
. "$CASES/stress"
stress apparmor bad-ioctl cap chroot dev dynlib enosys get kcmp key landlock loop \
  memhotplug pci personality prctl ptrace ramfs readahead revio rlimit rtc seal seccomp seek set \
  sysbadaddr syscall sysfs sysinfo umount unshare urandom usersyscall vdso x86syscall
