# Processes, threads, locks and the scheduler.
# packages: stress-ng
# seconds: 600
. "$CASES/stress"
stress affinity clone close cyclic daemon exec exit-group fault fork forkheavy futex kill mq msg \
  mutex nanosleep netlink-task nice poll pthread race-sched resched schedpolicy sem sem-sysv session \
  sleep softlockup spawn switch vfork vforkmany wait yield zombie
