# docker run --restart: always, on-failure, unless-stopped; restart of a stopped one; a rerun keeps files.
# seconds: 90
counted() { docker inspect -f '{{.RestartCount}}' "$1"; }
reached() { for _ in $(seq 100); do [ "$(counted "$1")" -ge "$2" ] && return; sleep 0.1; done; }
docker run -d --name always --restart always busybox sh -c 'echo run >>/tmp/runs; exit 0' >/dev/null
reached always 2; [ "$(counted always)" -ge 2 ] && echo restarted
docker stop always; docker inspect -f '{{.State.Status}}' always
docker run -d --name failing --restart on-failure:2 busybox sh -c 'echo run >>/tmp/runs; wc -l </tmp/runs; exit 4' >/dev/null
for _ in $(seq 100); do [ "$(docker inspect -f '{{.State.Status}}' failing)" = exited ] && break; sleep 0.1; done
docker inspect -f '{{.RestartCount}} {{.State.ExitCode}}' failing; docker logs failing
docker run -d --name killed --restart unless-stopped busybox sleep 100 >/dev/null
kill -9 "$(docker inspect -f '{{.State.Pid}}' killed)"
reached killed 1; sleep 0.5; docker inspect -f '{{.RestartCount}} {{.State.Running}}' killed
docker update --restart no killed; docker kill killed; docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' killed
docker start killed; docker exec killed echo alive; docker restart -t 0 killed; docker exec killed echo again
docker run -d --name kept --rm busybox sleep 100 >/dev/null; docker stop -t 0 kept; sleep 0.5; docker ps -aq --filter name=kept | wc -l
