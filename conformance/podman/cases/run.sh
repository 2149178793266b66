# podman run: output, status, environment, user, directory, read-only, temporary, names, limits.
# seconds: 180
podman run --rm busybox echo hello
podman run --rm busybox sh -c 'exit 7'; echo $?
podman run --rm busybox sh -c 'kill -9 $$; exit 3'; echo $?
podman run --rm busybox /nonexistent 2>/dev/null; echo $?
podman run --rm busybox nonexistent 2>/dev/null; echo $?
podman run --rm busybox /etc 2>/dev/null; echo $?
podman run --rm -e A=b -e C= busybox env | grep -E '^(A|C|PATH|container)=' | sort
podman run --rm --user user busybox id
podman run --rm --user 1234:5678 --group-add 99 busybox id
podman run --rm --workdir /made/here busybox pwd 2>/dev/null; echo $?
podman run --rm --read-only busybox sh -c 'echo x >/file; echo $?' 2>/dev/null
podman run --rm --tmpfs /scratch:size=1m busybox sh -c 'echo x >/scratch/file && cat /scratch/file; df -k /scratch | tail -n 1 | awk "{ print \$2 }"'
podman run --rm --hostname given busybox hostname
echo input | podman run --rm -i busybox cat
podman run --rm busybox sh -c 'kill -TERM $$; echo immune'
podman run --rm busybox sh -c 'sleep 0.1 & wait; echo waited'
podman run --rm -v "$PWD:/data" busybox sh -c 'echo from inside >/data/file' && cat file
podman run --rm -v "$PWD:/data:ro" busybox sh -c 'touch /data/new; echo $?' 2>/dev/null
podman run --rm --ulimit nofile=100:200 --ulimit nproc=1024:1024 busybox sh -c 'ulimit -n; ulimit -Hn'
podman run --rm --sysctl net.ipv4.ip_forward=1 busybox cat /proc/sys/net/ipv4/ip_forward
podman run --rm --shm-size 4m busybox sh -c 'df -k /dev/shm | tail -n 1 | awk "{ print \$2 }"'
podman run --rm --memory 64m busybox sh -c 'echo limited'
podman run --rm --pids-limit 20 busybox sh -c 'i=0; while [ $i -lt 30 ]; do sleep 1 & i=$((i + 1)); done; wait' 2>&1 | grep -c 'resource temporarily\|Resource temporarily\|fork'
podman run --rm --cap-drop all busybox grep -E '^Cap(Eff|Bnd)' /proc/self/status
podman run --rm --cap-add NET_ADMIN busybox grep -E '^CapEff' /proc/self/status
podman run --rm --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status
podman run --rm --userns=auto busybox true 2>/dev/null || echo 'no user namespace from a range'
podman run --rm --uidmap 0:100000:65536 --gidmap 0:100000:65536 busybox sh -c 'id; cat /proc/self/uid_map'
podman run --rm --init busybox echo never 2>/dev/null || echo 'no init is installed'
podman run --rm --systemd=always busybox sh -c 'mount | grep -c " /run "'
podman run --rm --timeout 1 busybox sleep 50; echo $?
podman run --rm --cgroups=disabled busybox echo 'no cgroup' 2>/dev/null || echo refused
podman run --rm --device /dev/zero:/dev/nothing busybox head -c 3 /dev/nothing | od -c | head -n 1
podman run --rm --umask 0077 busybox sh -c umask
podman run --rm --tz UTC --env-host=false busybox date +%Z
podman run --rm --preserve-fds 1 busybox sh -c 'cat <&3' 3<"$PWD/file"
