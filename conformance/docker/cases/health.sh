# docker run --health-*: becomes healthy, fails, times out; stats; update of limits of a running container.
# seconds: 90
health() { docker inspect -f '{{.State.Health.Status}}' "$1"; }
becomes() { for _ in $(seq 100); do [ "$(health "$1")" = "$2" ] && break; sleep 0.1; done; health "$1"; }
docker run -d --name one --health-cmd 'test -e /tmp/well' --health-interval 300ms --health-retries 2 busybox sh -c 'touch /tmp/well; sleep 100' >/dev/null
becomes one healthy
docker exec one rm /tmp/well; becomes one unhealthy
docker inspect -f '{{(index .State.Health.Log 0).ExitCode}} {{len .State.Health.Log}}' one | cut -c 1
docker exec one touch /tmp/well; becomes one healthy
docker run -d --name two --health-cmd 'sleep 50' --health-timeout 500ms --health-interval 300ms --health-retries 1 busybox sleep 100 >/dev/null
becomes two unhealthy; docker inspect -f '{{(index .State.Health.Log 0).ExitCode}}' two
docker rm -f two
docker stats --no-stream --format '{{.Name}} {{.PIDs}}' one | sed 's/[1-9][0-9]*$/N/'
docker stats --no-stream --format '{{.MemUsage}}' one | grep -c '^[0-9.]*[KM]iB / '
docker update --memory 48m --memory-swap 96m --cpus 0.5 --pids-limit 40 --cpu-shares 256 one
docker exec one sh -c 'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes cpu/cpu.cfs_quota_us pids/pids.max cpu/cpu.shares'
docker inspect -f '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}' one
