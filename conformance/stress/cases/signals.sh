# Signals and timers.
# packages: stress-ng
# seconds: 400
. "$CASES/stress"
stress aio alarm clock itimer pidfd sigabrt sigchld sigfd sigfpe sigio signal signest sigpending \
  sigpipe sigq sigrt sigsegv sigsuspend sigtrap timerfd
