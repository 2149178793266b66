# PostgreSQL: initdb, a server with processes and shared memory, pgbench, a crash and its recovery.
# packages: postgresql postgresql-contrib
# seconds: 240
mkdir -p /tmp/pg && chown postgres /tmp/pg && cat >/tmp/pg.sh <<'END'
cd /tmp/pg && PATH=$PATH:/usr/lib/postgresql/15/bin && export PGHOST=/tmp/pg PGDATA=/tmp/pg/data
initdb -A trust >log 2>&1 && tail -n 3 log | grep -c pg_ctl || { cat log >&2; exit 1; }
start() { pg_ctl -s -w -l server.log -o "-k /tmp/pg -c listen_addresses= -c max_connections=30" start || cat server.log >&2; }
start && createdb b && pgbench -q -i -s 2 b 2>&1 | grep -c done
pgbench -n -c 4 -j 2 -t 100 b 2>/dev/null | grep -E 'actually processed|failed'
psql -Atc 'select count(*) from pgbench_accounts; select sum(x) from generate_series(1, 100000) x; create table t as select x, md5(x::text) m from generate_series(1, 20000) x; create index on t(m); select count(*) from t where m like $$a%$$; select pg_backend_pid() > 0' b
kill -9 "$(head -n 1 data/postmaster.pid)"; sleep 1; rm -f data/postmaster.pid .s.PGSQL*; start && psql -Atc 'select count(*) from t' b
pg_dump b | grep -c '^COPY' && pg_ctl -s -m fast stop && echo stopped
END
exec su postgres -s /bin/sh -c 'sh /tmp/pg.sh'
