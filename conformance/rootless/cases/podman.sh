# podman of an ordinary user: run, user namespace, exec, stop, logs, a terminal, volumes, a pod, the network of slirp4netns.
# seconds: 120
typed() { script -qec "$1" /dev/null | tr -d '\r'; }
podman import -q --change 'ENV PATH=/bin' "$IMAGE.tar" localhost/busybox >/dev/null
podman info -f '{{.Host.Security.Rootless}}'
podman run --rm busybox sh -c 'id; cat /proc/self/uid_map'
podman run --rm busybox sh -c 'exit 5'; echo $?
podman run --rm nonexistent true >/dev/null 2>&1; echo $?
podman run --rm busybox nonexistent 2>/dev/null; echo $?
podman run --rm --user user busybox id
podman run --rm --userns keep-id busybox id -u
podman run --rm --network none busybox ip -o link | wc -l
podman run --rm --network slirp4netns busybox sh -c 'ip -o link | grep -c tap0'
podman run --rm --network host busybox ip -o link show lo | wc -l
podman run --rm -v "$PWD:/data" busybox sh -c 'echo from inside >/data/file; ls -n /data/file | cut -d " " -f 1-3'; stat -c %u file
podman run --rm --read-only busybox sh -c 'echo x >/file; echo $?' 2>/dev/null
podman run --rm busybox sh -c 'echo 1 >/proc/sys/kernel/panic; echo $?' 2>/dev/null
podman run --rm busybox mknod /tmp/null c 1 3 2>/dev/null || echo 'no device'
typed "podman run --rm -t busybox tty"
podman run -d --name one busybox sh -c 'trap "echo ended; exit 3" TERM; echo started; while :; do sleep 0.1; done' >/dev/null; sleep 1
podman exec one id
podman exec one sh -c 'exit 9'; echo $?
typed 'podman exec -it one sh -c "stty -echo; tty"'
podman stop -t 5 one >/dev/null; podman wait one; podman logs one
podman rm one
podman run -d --name two busybox sleep 100 >/dev/null; podman kill two >/dev/null; podman wait two; podman rm -f two
podman pod create --name pod --infra-image localhost/busybox --infra-command '/bin/sleep 1000' >/dev/null
podman run -d --pod pod --name server busybox sh -c 'echo served >/www/index.html; exec httpd -f -p 8080 -h /www' >/dev/null; sleep 1
podman run --rm --pod pod busybox wget -q -O - http://127.0.0.1:8080/
podman pod rm -f -t 0 pod >/dev/null; podman ps -aq | wc -l
