# docker volumes, bind mounts with options, cp in all directions, diff, commit, save and load, export and import, prune.
docker volume create one >/dev/null
docker run --rm -v one:/v busybox sh -c 'echo a >/v/a; mkdir /v/d; ln -s a /v/l; chown 1000 /v/a'
docker run --rm -v one:/v:ro busybox sh -c 'ls -l /v | awk "{print \$1, \$3, \$5, \$9}"; echo b >/v/b; echo $?' 2>/dev/null
docker run --rm --mount type=volume,src=one,dst=/v,readonly busybox cat /v/a
mkdir -p source/sub && echo host >source/file
docker run --rm -v "$PWD/source/file:/etc/given" busybox cat /etc/given
docker run --rm -v "$PWD/source:/s:ro,rslave" busybox sh -c 'cat /s/file; mkdir /s/new; echo $?' 2>/dev/null
docker run --rm --mount type=bind,src="$PWD/source",dst=/s,bind-propagation=rprivate busybox sh -c 'echo more >>/s/file; ls /s'
cat source/file
docker run --rm --mount type=bind,src=/absent,dst=/s busybox true 2>&1 | grep -c 'does not exist'
docker run --rm --tmpfs /t:size=1m,mode=700,uid=1000 busybox sh -c 'ls -ld /t | awk "{print \$1, \$3}"; dd if=/dev/zero of=/t/f bs=1k count=2000 2>&1 | head -n 1'
docker run -d --name box -v one:/v busybox sleep 100 >/dev/null
docker cp source box:/tmp/copied && docker exec box find /tmp/copied | sort
docker exec box sh -c 'mkdir -p /out/d && echo x >/out/d/x && ln -s d/x /out/l && chmod 4755 /out/d/x'
docker cp box:/out - | tar -t | sort
docker cp box:/out ./got && find got | sort && stat -c '%a %F' got/d/x got/l
tar -c source | docker cp - box:/root && docker exec box ls /root
docker cp box:/absent . 2>&1 | sed 's/[0-9a-f]\{64\}/ID/g'
docker diff box | sort
docker pause box >/dev/null; docker cp source/file box:/tmp/paused; docker unpause box >/dev/null; docker exec box cat /tmp/paused
docker commit -c 'CMD ["cat", "/out/d/x"]' -c 'ENV X=y' box made >/dev/null && docker run --rm made && docker run --rm made sh -c 'echo $X'
docker export box | docker import - flat >/dev/null && docker run --rm flat cat /out/d/x
docker save made | docker load -q; docker images -q made | wc -l
docker run -d --name anonymous -v /data busybox sleep 100 >/dev/null; docker exec anonymous sh -c 'echo y >/data/y'; docker rm -fv anonymous
docker volume ls -q | wc -l
docker rm -f box >/dev/null; docker volume rm one; docker rmi made flat >/dev/null
docker container prune -f >/dev/null; docker system prune -f --volumes >/dev/null
docker system df --format '{{.Type}} {{.TotalCount}} {{.Active}}'
