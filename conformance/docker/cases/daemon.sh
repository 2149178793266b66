# dockerd killed with -9 and begun again: without live restore its containers end, with it they go on.
# seconds: 120
answers() { for _ in $(seq 200); do docker version >/dev/null 2>&1 && break; sleep 0.1; done; }
crash() { kill -9 "$(cat "$DAEMON/pid")"; answers; }
docker run -d --name one busybox sh -c 'while :; do echo tick; sleep 0.1; done' >/dev/null
docker run -d --name two --restart always busybox sleep 100 >/dev/null
crash
docker inspect -f '{{.State.Status}}' one
for _ in $(seq 50); do [ "$(docker inspect -f '{{.State.Status}}' two)" = running ] && break; sleep 0.1; done
docker inspect -f '{{.State.Status}}' two; docker exec two echo alive
docker start one; docker exec one echo alive; docker rm -f one two
sed -i 's/"live-restore":false/"live-restore":true/' "$DAEMON/daemon.json" && kill -HUP "$(cat "$DAEMON/pid")"; sleep 0.5
docker info -f '{{.LiveRestoreEnabled}}' 2>/dev/null
docker run -d --name three busybox sh -c 'trap "echo bye; exit 3" TERM; while :; do echo tick; sleep 0.1; done' >/dev/null
pid=$(docker inspect -f '{{.State.Pid}}' three)
crash
[ "$pid" = "$(docker inspect -f '{{.State.Pid}}' three)" ] && echo 'the same process'
docker exec three echo alive
count=$(docker logs three | wc -l); sleep 0.5; [ "$(docker logs three | wc -l)" -gt "$count" ] && echo 'still logged'
docker stop -t 5 three; docker inspect -f '{{.State.ExitCode}}' three; docker logs three | tail -n 1
docker run -d --name four busybox sh -c 'sleep 1; exit 5' >/dev/null
kill -9 "$(cat "$DAEMON/pid")"; sleep 1.5; answers
docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' four
docker rm -f three four
sed -i 's/"live-restore":true/"live-restore":false/' "$DAEMON/daemon.json" && kill -HUP "$(cat "$DAEMON/pid")"; sleep 0.5
docker info -f '{{.LiveRestoreEnabled}}' 2>/dev/null
