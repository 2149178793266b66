# Files, directories and pipes.
# packages: stress-ng
# seconds: 900
. "$CASES/stress"
stress fifo ring-pipe sendfile splice tee access chattr chdir chmod chown copy-file dentry dir \
  dirdeep dirmany dnotify dup eventfd fallocate fanotify fcntl fiemap file-ioctl filename flock \
  fpunch fstat getdent handle hdd inode-flags inotify io iomix ioprio lease link locka lockf lockofd \
  mknod open procfs rename symlink sync-file touch utime verity xattr
