# ctr run: output, status, environment, user, directory, read-only, mounts, limits, hooks of the network, a terminal.
. "$FUNCTIONS"
run --rm one echo hello
run --rm one sh -c 'exit 7'; echo $?
run --rm one sh -c 'kill -9 $$; exit 3'; echo $?
run --rm one sh -c 'sleep 0.1 & wait; echo waited; echo error >&2' 2>error; cat error
run --rm one /nonexistent 2>error; echo $?; sed 's|.*runtime create failed: ||' error
run --rm one nonexistent 2>error; echo $?; sed 's|.*runtime create failed: ||' error
run --rm one /etc 2>/dev/null; echo $?
run --rm --env=A=b one env | grep A=
run --rm --cwd=/tmp one pwd
run --rm --read-only one sh -c 'echo x >/file; echo $?' 2>/dev/null
run --rm --mount="type=bind,src=$PWD,dst=/data,options=rbind:rw" one sh -c 'echo from inside >/data/file' && cat file
run --rm --mount="type=bind,src=$PWD,dst=/data,options=rbind:ro" one sh -c 'touch /data/new; echo $?' 2>/dev/null
run --rm --net-host one ip -o link show lo | wc -l
run --rm one ip -o link | wc -l
run --rm --memory-limit=67108864 one echo limited
run --rm --memory-limit=8388608 one sh -c 'tail /dev/zero' 2>/dev/null; echo $?
run --rm --cap-add=CAP_NET_ADMIN one grep CapEff /proc/self/status
run --rm --seccomp one grep Seccomp: /proc/self/status
run --rm --pid-file=pid one true; grep -c . pid
run --rm --annotation=a=b one hostname | wc -l
run --rm --no-pivot one echo 'no pivot' 2>/dev/null
script -qec '. "$FUNCTIONS"; run --rm --tty one tty' /dev/null | tr -d '\r'
script -qec 'stty rows 33 cols 99; . "$FUNCTIONS"; run --rm --tty one sh -c "sleep 0.5; stty size"' /dev/null | tr -d '\r'
