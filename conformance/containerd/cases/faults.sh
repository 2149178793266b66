# kill -9 of a task's first process, of its shim, of containerd: tasks go on or are removed, nothing runs on.
# seconds: 120
. "$FUNCTIONS"
status() { ctr tasks ls | awk -v id="$1" '$1 == id { print $3 }'; }
becomes() { for _ in $(seq 50); do [ "$(status "$1")" = "$2" ] && break; sleep 0.1; done; status "$1"; }
pid() { ctr tasks ls | awk -v id="$1" '$1 == id { print $2 }'; }
gone() { for _ in $(seq 50); do kill -0 "$1" 2>/dev/null || { echo gone; return; }; sleep 0.1; done; echo "$1 is left"; }
run --detach one sleep 1000
first=$(pid one); kill -9 "$first"; becomes one STOPPED; gone "$first"
ctr tasks rm one 2>/dev/null; ctr containers rm one
run --detach two sleep 1000
first=$(pid two); kill -9 "$(pgrep -f 'containerd-shim-runc-v2 .*-id two ')"; gone "$first"
sleep 1; ctr tasks rm -f two 2>/dev/null; ctr tasks ls -q; ctr containers rm two
run --detach three sh -c 'while :; do true & wait; done'
first=$(pid three)
kill -9 "$(pgrep -x containerd)"; sleep 0.5
PATH=$DIRECTORY/bin:$PATH containerd --config "$DIRECTORY/config.toml" >>"$DIRECTORY/log" 2>&1 &
for _ in $(seq 100); do ctr version >/dev/null 2>&1 && break; sleep 0.1; done
[ "$first" = "$(pid three)" ] && status three
ctr tasks exec --exec-id a three echo alive
ctr tasks kill --signal 9 three; becomes three STOPPED
ctr tasks rm three 2>/dev/null; ctr containers rm three; gone "$first"
for delay in 0.02 0.05 0.1 0.2 0.4; do
  run --rm "killed$delay" sleep 1000 & victim=$!; sleep $delay; kill -9 $victim; wait $victim 2>/dev/null
done 2>/dev/null
sleep 1; ctr tasks ls -q | xargs -r -n 1 ctr tasks rm -f >/dev/null 2>&1; ctr containers ls -q | xargs -r ctr containers rm
ctr containers ls -q | wc -l; ps -eo args | grep -c '[s]leep 1000'
run --rm one echo 'still well'
