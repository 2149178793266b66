# docker run -d: logs, exec, cp, stop with grace, kill, pause, top, wait, inspect, restart.
docker run -d --name one busybox sh -c 'trap "echo ended; exit 3" TERM; echo started; while :; do sleep 0.1; done' >/dev/null
sleep 1
docker logs one
docker exec one echo executed
docker exec one sh -c 'exit 9'; echo $?
echo data >file && docker cp file one:/tmp/file && docker exec one cat /tmp/file
docker exec one sh -c 'echo back >/tmp/other' && docker cp one:/tmp/other . && cat other
docker exec --user user --workdir /tmp -e X=y one sh -c 'id -un; pwd; echo $X'
docker pause one && docker inspect -f '{{.State.Status}}' one && docker unpause one
docker top one -eo pid,comm | awk '{ print $2 }' | sort -u | grep -v sleep
docker inspect -f '{{.State.Running}} {{.State.ExitCode}}' one
docker stop -t 5 one && docker wait one && docker logs one | tail -n 1
docker start one >/dev/null && sleep 0.5 && docker kill one && docker wait one
docker restart -t 1 one && docker inspect -f '{{.State.Running}}' one
docker rm -f one
docker run -d --name two busybox sleep 100 >/dev/null
docker stop -t 1 two && docker inspect -f '{{.State.ExitCode}}' two
docker ps -q | wc -l
docker run -d --name three --restart on-failure:2 busybox sh -c 'exit 4' >/dev/null; sleep 4
docker inspect -f '{{.RestartCount}} {{.State.ExitCode}}' three
