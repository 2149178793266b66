# docker run: memory with its OOM, pids, CPUs, capabilities, update, stats.
docker run --name big --memory 32m --memory-swap 32m busybox sh -c 'tail /dev/zero'; echo $?
docker inspect -f '{{.State.OOMKilled}}' big
docker run --rm --memory 64m busybox sh -c 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max'
docker run --rm --cpus 0.5 busybox sh -c 'cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cat /sys/fs/cgroup/cpu.max'
docker run --rm busybox grep -E '^Cap' /proc/self/status
docker run --rm --cap-drop ALL --cap-add CHOWN busybox grep -E '^Cap(Eff|Bnd)' /proc/self/status
docker run --rm --cap-drop ALL busybox chown user /tmp 2>/dev/null; echo $?
docker run --rm --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status
docker run --rm busybox grep '^Seccomp:' /proc/self/status
docker run --rm busybox unshare -U true 2>/dev/null; echo $?
docker run -d --name limited --memory 64m busybox sleep 60 >/dev/null
docker update --memory 48m --memory-swap 96m limited && docker exec limited sh -c 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max'
docker stats --no-stream --format '{{.Name}} {{.PIDs}}' limited | grep -c limited
docker rm -f limited
docker run --rm --device /dev/null:/dev/other busybox sh -c 'ls -l /dev/other | cut -c 1; echo x >/dev/other && echo written'
