# kill -9 of a container's first process, of its conmon, of podman itself in the middle: all can be removed, nothing runs on.
# seconds: 120
state() { podman inspect -f '{{.State.Status}} {{.State.ExitCode}}' "$1"; }
becomes() { for _ in $(seq 50); do [ "$(podman inspect -f '{{.State.Status}}' "$1")" = "$2" ] && break; sleep 0.1; done; state "$1"; }
gone() { for _ in $(seq 50); do kill -0 "$1" 2>/dev/null || { echo gone; return; }; sleep 0.1; done; echo "$1 is left"; }
pid() { podman inspect -f '{{.State.Pid}}' "$1"; }
podman run -d --name one busybox sleep 1000 >/dev/null
first=$(pid one); kill -9 "$first"; becomes one exited; gone "$first"
podman start one && podman exec one echo again; podman rm -f -t 0 one
podman run -d --name two busybox sleep 1000 >/dev/null
first=$(pid two); kill -9 "$(podman inspect -f '{{.State.ConmonPid}}' two)"; sleep 0.5
podman exec two echo alive
podman rm -f -t 0 two; gone "$first"
podman run -d --name three busybox sh -c 'while :; do true & wait; done' >/dev/null
first=$(pid three)
for delay in 0.02 0.1 0.2 0.3; do
  podman exec three sh -c 'while :; do true; done' & victim=$!; sleep $delay; kill -9 $victim; wait $victim 2>/dev/null
done 2>/dev/null
podman exec three echo alive; podman stop -t 0 three >/dev/null 2>&1; becomes three exited; gone "$first"
for delay in 0.05 0.15 0.25 0.35 0.5; do
  podman run --name "killed$delay" busybox sleep 1000 & victim=$!; sleep $delay; kill -9 $victim; wait $victim 2>/dev/null
done 2>/dev/null
podman rm -af -t 0 >/dev/null 2>&1; podman ps -aq | wc -l
ps -eo args | grep -c '[s]leep 1000'
podman run --rm --name one busybox echo 'still well'
