# Images and storage: commit, build, volumes, a health check, export, diff, save.
# seconds: 120
podman run --name made busybox sh -c 'mkdir /made && echo built >/made/file && echo ok' && podman commit -q made made >/dev/null
podman run --rm made cat /made/file
podman diff made | grep made
podman volume create kept
podman run --rm -v kept:/kept busybox sh -c 'echo kept >/kept/file'
podman run --rm -v kept:/kept busybox cat /kept/file
podman run -d --name healthy --health-cmd 'test -e /etc/passwd' --health-interval disable busybox sleep 60 >/dev/null
podman healthcheck run healthy; echo $?
podman inspect -f '{{.State.Health.Status}}' healthy
podman run -d --name ill --health-cmd 'exit 3' --health-interval disable --health-retries 1 busybox sleep 60 >/dev/null
podman healthcheck run ill; echo $?
podman inspect -f '{{.State.Health.Status}} {{(index .State.Health.Log 0).ExitCode}}' ill
podman export healthy | tar -t | grep -c '^bin/busybox$'
printf 'FROM localhost/busybox\nRUN echo step >/step && id -u\nUSER user\nRUN id -un; cat /step\nCMD ["cat", "/step"]\n' >Dockerfile
podman build -q -t stepped --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 . >/dev/null; echo $?
podman run --rm stepped
