# docker exec: detached, users, groups, environment, directory, privileges, statuses, many at once, and what is gone.
docker run -d --name one --env A=1 --workdir /tmp --cap-drop ALL busybox sleep 100 >/dev/null
docker exec one sh -c 'pwd; echo $A $PATH; id'
docker exec -e A=2 -e B=3 -w /etc -u 1000:50 one sh -c 'pwd; echo $A $B; id; echo $HOME'
docker exec -u user one sh -c 'id; echo $HOME; touch /root/x 2>&1'
docker exec -u nobody-there one true 2>&1
docker exec one /absent 2>&1; echo $?
docker exec one /etc >/dev/null 2>&1; echo $?
docker exec -w /absent one pwd 2>&1 | sed 's/[0-9a-f]\{64\}/ID/g' | cut -c 1-120; echo $?
docker exec one sh -c 'kill -TERM $$'; echo $?
docker exec -d one sh -c 'echo detached >/tmp/detached'
sleep 1; docker exec one cat /tmp/detached
echo input | docker exec -i one sh -c 'cat; exit 3'; echo $?
docker exec one grep -E '^Cap(Eff|Bnd)' /proc/self/status
docker exec --privileged one true 2>&1 | grep -c 'unable to apply caps: operation not permitted'
docker exec one sh -c 'echo out; echo err >&2' 2>/dev/null
docker exec one cat /proc/1/comm
docker exec one sh -c 'tr "\0" " " </proc/1/cmdline; echo'
docker exec one ps -o comm,args
docker top one -eo pid,comm,args | sed 's,^[0-9]* *,,'
for i in 1 2 3 4 5 6 7 8; do docker exec one echo "number $i" & done | sort; wait
docker exec one sh -c 'yes 0123456789 | head -n 50000' | md5sum
docker exec one sh -c 'sleep 100' & sleep 1; docker kill one; wait $!; echo $?
docker exec one true 2>&1 | sed 's/[0-9a-f]\{64\}/ID/g'; echo $?
