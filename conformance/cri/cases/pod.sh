# A pod by crictl: sandbox, containers, exec, logs, the network, stats, statuses, limits, stop, removal.
cat >pod.json <<END
{"metadata": {"name": "pod", "namespace": "default", "uid": "one", "attempt": 1}, "hostname": "given",
 "log_directory": "$PWD", "linux": {"cgroup_parent": "/pinion-cri"}}
END
container() {
  cat <<END
{"metadata": {"name": "$1"}, "image": {"image": "$IMAGE"}, "command": ["sh", "-c", "$2"], "log_path": "$1.log",
 "linux": {"resources": {"memory_limit_in_bytes": 67108864, "oom_score_adj": 500}, "security_context": {$3}}}
END
}
id=
start() { container "$@" >"$1.json" && id=$("$CRICTL" -t 60s create "$pod" "$1.json" pod.json) && "$CRICTL" -t 60s start "$id" >/dev/null; }
pod=$("$CRICTL" -t 60s runp pod.json) && "$CRICTL" -t 60s pods | grep -c Ready
start server 'echo served >/www/index.html; echo started; exec httpd -f -p 80 -h /www' && server=$id; sleep 1
"$CRICTL" -t 60s exec -s "$server" hostname
"$CRICTL" -t 60s exec "$server" cat /proc/self/oom_score_adj
"$CRICTL" -t 60s exec -s "$server" sh -c 'exit 3' >/dev/null 2>&1; echo $?
"$CRICTL" -t 60s logs "$server"
"$CRICTL" -t 60s inspect "$server" | grep -E '"state":|"exitCode":'
[ "$("$CRICTL" -t 60s stats -o json "$server" | grep -A 1 workingSetBytes | tr -dc 0-9)" -gt 0 ] && echo measured
start client 'wget -q -O - http://127.0.0.1/; exit 5'; sleep 1
"$CRICTL" -t 60s logs "$id"; "$CRICTL" -t 60s inspect "$id" | grep -E '"state":|"exitCode":'
start user 'id -u; grep NoNewPrivs /proc/self/status' '"run_as_user": {"value": 1000}, "no_new_privs": true'; sleep 1; "$CRICTL" -t 60s logs "$id"
start processes 'ls /proc/1/ns | grep -c pid; sleep 100' '"namespace_options": {"pid": 0}'; sleep 1; "$CRICTL" -t 60s logs "$id"
address=$("$CRICTL" -t 60s inspectp "$pod" | grep -o '10\.88\.0\.[0-9]*' | head -n 1)
busybox wget -q -O - "http://$address/"
"$CRICTL" -t 60s stop -t 1 "$server" >/dev/null; "$CRICTL" -t 60s inspect "$server" | grep -E '"state":|"exitCode":'
"$CRICTL" -t 60s rm "$server" >/dev/null && "$CRICTL" -t 60s ps -aq | wc -l
"$CRICTL" -t 60s stopp "$pod" >/dev/null && "$CRICTL" -t 60s pods | grep -c NotReady
"$CRICTL" -t 60s rmp "$pod" >/dev/null && "$CRICTL" -t 60s pods -q | wc -l
