# podman run -d: logs, exec, cp, stop with grace, kill, pause, top, stats, wait, inspect, restart, update.
# seconds: 120
podman run -d --name one busybox sh -c 'trap "echo ended; exit 3" TERM; echo started; echo error >&2; while :; do sleep 0.1; done' >/dev/null
sleep 1
podman logs one 2>/dev/null
podman logs one 2>&1 >/dev/null
podman exec one echo executed
podman exec one sh -c 'exit 9'; echo $?
podman exec one nonexistent 2>/dev/null; echo $?
echo input | podman exec -i one cat
podman exec -d one sh -c 'echo detached >/tmp/detached' >/dev/null; sleep 0.5; podman exec one cat /tmp/detached
echo data >file && podman cp file one:/tmp/file && podman exec one cat /tmp/file
podman exec one sh -c 'echo back >/tmp/other' && podman cp one:/tmp/other . && cat other
podman exec --user user --workdir /tmp -e X=y one sh -c 'id -un; pwd; echo $X'
podman pause one >/dev/null && podman inspect -f '{{.State.Status}}' one && podman unpause one >/dev/null
podman top one pid comm args | grep -c trap
podman top one -o comm 2>/dev/null | head -n 1
podman stats --no-stream --format '{{.Name}} {{.PIDs}}' one | cut -d ' ' -f 1
[ "$(podman stats --no-stream --format '{{.MemUsage}}' one | cut -d ' ' -f 1)" != 0B ] && echo measured
podman inspect -f '{{.State.Running}} {{.State.ExitCode}} {{.OCIRuntime}}' one
podman stop -t 5 one >/dev/null && podman wait one && podman logs one 2>/dev/null | tail -n 1
podman start one && sleep 0.5 && podman kill one && podman wait one
podman restart -t 1 one >/dev/null && podman inspect -f '{{.State.Running}}' one
podman rm -f -t 0 one
podman run -d --name two busybox sleep 100 >/dev/null
podman stop -t 1 two 2>/dev/null && podman inspect -f '{{.State.ExitCode}}' two
podman ps -q | wc -l
podman run -d --name three --restart on-failure:2 busybox sh -c 'exit 4' >/dev/null; sleep 4
podman inspect -f '{{.RestartCount}} {{.State.ExitCode}}' three
podman create --name four busybox sh -c 'echo made; exit 2' >/dev/null; podman start -a four; echo $?
podman inspect -f '{{.State.Status}} {{.State.OOMKilled}}' four
podman run --name five --memory 16m busybox sh -c 'tail /dev/zero; echo survived' 2>/dev/null; podman inspect -f '{{.State.ExitCode}} {{.State.OOMKilled}}' five
podman run -d --name six busybox sleep 100 >/dev/null; podman container checkpoint six >/dev/null 2>&1; echo $?
podman mount six >/dev/null && podman diff six | wc -l
podman events --since 5m --stream=false --filter container=four --format '{{.Status}}' | sort -u | tr '\n' ' '
