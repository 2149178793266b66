# Tasks: create, start, ls, exec, pause, kill, ps, metrics, checkpoint, delete, events.
. "$FUNCTIONS"
ctr events >events & events=$!
run --detach one sh -c 'trap "echo ended; exit 3" TERM; while :; do sleep 0.1; done'
sleep 0.5
ctr tasks ls | awk '{ print $1, $3 }'
ctr tasks exec --exec-id a one echo executed
ctr tasks exec --exec-id b one sh -c 'exit 9'; echo $?
ctr tasks exec --exec-id c one nonexistent 2>error; echo $?; sed 's|.*exec failed|exec failed|' error
ctr tasks exec --exec-id d --user 1000 --cwd /tmp one sh -c 'id -u; pwd'
echo input | ctr tasks exec --exec-id e one cat
script -qec 'ctr tasks exec --exec-id f --tty one sh -c "sleep 0.5; tty" 2>/dev/null' /dev/null | tr -d '\r\000' | sed 's/^\^@//'
ctr tasks exec --exec-id g --detach one sh -c 'echo detached >/detached'; sleep 0.5
ctr tasks exec --exec-id h one cat /detached
ctr tasks pause one; ctr tasks ls | awk '$1 == "one" { print $3 }'
ctr tasks exec --exec-id i one true 2>error || sed 's|.*: ||' error
ctr tasks resume one; ctr tasks ls | awk '$1 == "one" { print $3 }'
ctr tasks ps one | head -n 1 | awk '{ print $1 }'
pid=$(ctr tasks ls | awk '$1 == "one" { print $2 }'); ctr tasks ps one | awk '{ print $1 }' | grep -cx "$pid"
ctr tasks metrics one | grep -cE 'memory.usage_in_bytes|pids.current|cpuacct.usage'
[ "$(ctr tasks metrics one | awk '$1 == "memory.usage_in_bytes" { print $2 }')" -gt 0 ] && echo measured
ctr tasks checkpoint one >/dev/null 2>&1; echo $?
ctr tasks rm one 2>error; echo $?
ctr tasks kill --signal SIGTERM one; sleep 0.5; ctr tasks ls | awk '$1 == "one" { print $3 }'
ctr tasks kill one 2>error || sed 's|.*: ||' error
ctr tasks rm one 2>/dev/null; echo $?
ctr containers rm one
ctr containers create --runtime io.containerd.runc.v2 $IMAGE two sleep 100
ctr tasks start --detach two && ctr tasks kill --signal 9 two; sleep 0.5
ctr tasks ls | awk '$1 == "two" { print $3 }'
ctr tasks rm --force two 2>/dev/null; ctr containers rm two
ctr containers create --runtime io.containerd.runc.v2 $IMAGE three basename /an/attached
ctr tasks start three; echo $?
ctr containers rm three
ctr containers create --runtime io.containerd.runc.v2 $IMAGE four false
ctr tasks start four; echo $?
ctr containers rm four
for i in 1 2 3 4 5; do run --detach "many$i" sleep 100 & done; wait $! ; sleep 2
ctr tasks ls -q | grep -c many
for i in 1 2 3 4 5; do ctr tasks rm --force "many$i"; ctr containers rm "many$i"; done 2>/dev/null
ctr tasks ls -q | wc -l
kill $events
grep -oE '/tasks/[a-z-]+' events | sort | uniq -c
