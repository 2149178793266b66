# CPython's own tests of what touches the system most.
# packages: python3 python3-distutils libpython3.11-testsuite
# seconds: 600
cd /tmp || exit 1
for module in test_os test_posix test_subprocess test_threading test_signal test_socket test_select test_selectors \
  test_epoll test_poll test_mmap test_fcntl test_pipes test_pty test_tempfile test_shutil test_time test_queue \
  test_thread test_fork1 test_wait3 test_wait4 test_popen test_asyncore test_socketserver test_sqlite3 test_mailbox test_file test_fileio test_io; do
  python3 -m test -q --timeout 100 "$module" >"$module.log" 2>&1
  echo "$module $?"
  grep -E '^(FAIL|ERROR):' "$module.log"
  tail -n 3 "$module.log" >&2
done
true
