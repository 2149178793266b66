# docker kill -s, stop with and without grace, pause, wait, exit statuses, init and its zombies, events, rename.
# seconds: 90
state() { docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' "$1"; }
since=$(date +%s)
docker run -d --name one busybox sh -c 'trap "echo HUP" HUP; trap "echo USR1" USR1; trap "exit 12" INT; echo ready; while :; do sleep 0.1; done' >/dev/null
until docker logs one | grep -q ready; do sleep 0.1; done
docker kill -s HUP one; sleep 0.5
docker kill -s 10 one; sleep 0.5
docker kill -s WINCH one
docker kill -s nonsense one 2>&1 | sed 's/.*: //'
state one
docker kill -s INT one; docker wait one; docker logs one; state one
docker kill one 2>&1 | sed "s/[0-9a-f]\{64\}/ID/g"
docker run -d --name two busybox sleep 100 >/dev/null
docker stop -t 0 two; state two
docker run -d --name three --stop-signal QUIT busybox sh -c 'trap "exit 21" QUIT; echo ready; while :; do sleep 0.1; done' >/dev/null
until docker logs three | grep -q ready; do sleep 0.1; done
docker stop three; state three
docker run -d --name four --init busybox sh -c 'sleep 100' >/dev/null
sleep 0.5; docker stop -t 5 four; state four
docker run --rm busybox sh -c 'kill -9 $$; echo immune'; echo $?
docker run --rm busybox sh -c 'sh -c "kill -9 \$\$"; echo $?' 2>/dev/null
docker run --rm --init busybox sh -c 'kill -SEGV $$'; echo $?
docker run -d --name five busybox sh -c 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done' >/dev/null
sleep 1; docker pause five; state five
docker pause five 2>&1 | sed "s/[0-9a-f]\{64\}/ID/g"
docker exec five true 2>&1 | sed "s/[0-9a-f]\{64\}/ID/g"
first=$(docker logs five | wc -l); sleep 0.5; [ "$first" = "$(docker logs five | wc -l)" ] && echo frozen
docker unpause five; sleep 0.5; [ "$first" -lt "$(docker logs five | wc -l)" ] && echo thawed
docker rename five six && docker inspect -f '{{.Name}}' six
docker pause six >/dev/null && docker rm -f six
docker wait three
docker events --since "$since" --until "$(date +%s)" --filter container=two --format '{{.Action}}'
docker events --since "$since" --until "$(date +%s)" --filter container=one --format '{{.Action}}' | grep -v exec_
