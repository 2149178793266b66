# Mappings: made, moved, protected, shared, filled up.
# packages: stress-ng
# seconds: 600
. "$CASES/stress"
stress bad-altstack bigheap brk dev-shm env madvise malloc mlock mmap mmapaddr mmapfixed mmapfork \
  mmaphuge mmapmany mprotect mremap msync msyncmany munmap pagemove pageswap shm shm-sysv stack \
  stackmmap vm vm-addr vm-splice
