# Sockets.
# packages: stress-ng
# seconds: 300
. "$CASES/stress"
stress epoll icmp-flood netdev ping-sock rawpkt rawsock rawudp sock sockabuse sockdiag sockfd \
  sockmany sockpair udp udp-flood
