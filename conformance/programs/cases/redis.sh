# redis: a server with clients, a snapshot by fork, the append-only file, a restart.
# packages: redis-server redis-tools
# seconds: 120
mkdir -p /tmp/r && cd /tmp/r
start() { redis-server --port 6379 --bind 127.0.0.1 --dir /tmp/r --appendonly yes --save '' --daemonize yes --logfile log --pidfile pid >/dev/null; for i in $(seq 100); do redis-cli ping >/dev/null 2>&1 && return; sleep 0.1; done; echo 'no answer'; cat log >&2; exit 1; }
start
redis-cli set key value && redis-cli get key && redis-cli incrby n 41 && redis-cli incr n
seq 1000 | sed 's/.*/set k& v&/' | redis-cli --pipe | tail -n 1
redis-cli dbsize && redis-cli lpush l a b c && redis-cli lrange l 0 -1
redis-cli eval 'return redis.call("get", KEYS[1])' 1 key
redis-benchmark -q -n 5000 -c 20 -t set,get,lpush | grep -c 'requests per second'
redis-cli bgsave && for i in $(seq 100); do [ "$(redis-cli info persistence | tr -d '\r' | sed -n 's/rdb_bgsave_in_progress://p')" = 0 ] && break; sleep 0.1; done
redis-cli info persistence | tr -d '\r' | grep -E '^rdb_last_bgsave_status' && test -s dump.rdb && redis-check-rdb dump.rdb | tail -n 1 | sed 's/.*\\o/\\o/'
redis-cli bgrewriteaof && sleep 1 && redis-cli info persistence | tr -d '\r' | grep -E '^aof_last_bgrewrite_status'
redis-cli shutdown; sleep 0.3
start && redis-cli get n && redis-cli shutdown nosave; echo $?
