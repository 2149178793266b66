# Many kinds at once, for five minutes.
# packages: stress-ng
# seconds: 420
. "$CASES/stress"
stress-ng --timeout 300 --temp-path /tmp --cpu 1 --vm 1 --vm-bytes 64m --mmap 1 --mmap-bytes 32m --pipe 1 --fork 1 \
  --vfork 1 --exec 1 --futex 1 --pthread 1 --switch 1 --signal 1 --sigfd 1 --epoll 1 --sock 1 --udp 1 --poll 1 --dentry 1 \
  --hdd 1 --hdd-bytes 16m --memfd 1 --memfd-bytes 32m --mq 1 --sem-sysv 1 --procfs 1 >/tmp/out 2>&1
echo "together: $?"
stress
