# docker run: output, status, environment, user, directory, read-only, temporary, names.
docker run --rm busybox echo hello
docker run --rm busybox sh -c 'exit 7'; echo $?
docker run --rm busybox /nonexistent 2>/dev/null; echo $?
docker run --rm busybox /etc 2>/dev/null; echo $?
docker run --rm -e A=b -e C busybox env | grep -E '^(A|C|PATH)='
docker run --rm --user user busybox id
docker run --rm --user 1234:5678 --group-add 99 busybox id
docker run --rm --workdir /made/here busybox pwd
docker run --rm --read-only busybox sh -c 'echo x >/file; echo $?' 2>/dev/null
docker run --rm --read-only --tmpfs /scratch:size=1m busybox sh -c 'echo x >/scratch/file && cat /scratch/file; df -k /scratch | tail -n 1 | awk "{ print \$2 }"'
docker run --rm --hostname given busybox hostname
docker run --rm --init busybox sh -c 'echo with an init' 2>/dev/null || echo 'no init'
echo input | docker run --rm -i busybox cat
docker run --rm busybox sh -c 'kill -TERM $$; echo immune'
docker run --rm busybox sh -c 'sleep 0.1 & wait; echo waited'
docker run --rm --entrypoint cat busybox /etc/hostname | wc -l
docker run --rm -v "$PWD:/data" busybox sh -c 'echo from inside >/data/file' && cat file
docker run --rm -v "$PWD:/data:ro" busybox sh -c 'touch /data/new; echo $?' 2>/dev/null
docker run --rm --mount type=tmpfs,dst=/t busybox sh -c 'mount | grep -c " /t "'
docker run --rm --ulimit nofile=100:200 busybox sh -c 'ulimit -n; ulimit -Hn'
docker run --rm --sysctl net.ipv4.ip_forward=1 busybox cat /proc/sys/net/ipv4/ip_forward
docker run --rm --shm-size 4m busybox sh -c 'df -k /dev/shm | tail -n 1 | awk "{ print \$2 }"'
docker run --rm --oom-score-adj 500 busybox cat /proc/self/oom_score_adj
