# docker logs: followed to the end, the last lines, both streams; attach.
docker run -d --name one busybox sh -c 'for i in 1 2 3 4 5; do echo "line $i"; echo "error $i" >&2; sleep 0.3; done; exit 6' >/dev/null
docker logs -f one 2>/dev/null
docker logs --tail 2 one 2>/dev/null
docker logs one 2>&1 >/dev/null
docker logs -t one 2>/dev/null | head -n 1 | cut -c 31-
docker wait one
docker run -d --name two busybox sh -c 'sleep 1; echo attached; exit 4' >/dev/null
docker attach two; echo $?
docker create -i --name three busybox cat >/dev/null
echo through | docker start -ai three
docker wait three
docker logs three
docker run --name four busybox sh -c 'yes 0123456789 | head -n 50000'| md5sum
docker logs four | md5sum
docker run --rm --log-driver none busybox echo unlogged
