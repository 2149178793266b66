# docker create, start, commit, volumes, a health check, export, diff.
# seconds: 120
id=$(docker create busybox sh -c 'mkdir /made && echo built >/made/file && echo ok') && docker start -a "$id" && docker commit "$id" made >/dev/null
docker run --rm made cat /made/file
docker volume create kept >/dev/null
docker run --rm -v kept:/kept busybox sh -c 'echo kept >/kept/file'
docker run --rm -v kept:/kept busybox cat /kept/file && docker volume rm kept
docker run -d --name healthy --health-cmd 'test -e /etc/passwd' --health-interval 500ms busybox sleep 60 >/dev/null
for i in $(seq 50); do [ "$(docker inspect -f '{{.State.Health.Status}}' healthy)" = healthy ] && break; sleep 0.2; done
docker inspect -f '{{.State.Health.Status}}' healthy
docker export healthy | tar -t | grep -c '^bin/busybox$'
docker diff healthy | wc -l
