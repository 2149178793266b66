# dash: pipes, substitutions, redirections, traps, background jobs.
# packages: dash
set -u
cd /tmp || exit 1
echo one two three | tr ' ' '\n' | sort -r | while read -r word; do echo "<$word>"; done
sum=0
for i in $(seq 100); do sum=$((sum + i)); done
echo "$sum"
cat <<END | wc -l
$(seq 1000)
END
(exit 7) || echo "status $?"
false | true && echo 'the last of a pipeline counts'
for i in 1 2 3 4 5; do (sleep 0.0$((6 - i)); echo "$i" >"job$i") & done
wait
cat job1 job2 job3 job4 job5
sleep 100 &
{ kill $!; wait $!; } 2>/dev/null
echo "killed: $?"
trap 'echo trapped' USR1
kill -USR1 $$
trap - USR1
{ sh -c 'kill -TERM $$'; } 2>/dev/null
echo "terminated: $?"
sh -c 'trap "echo bye" EXIT; exit 3'
echo "$?"
echo out 3>&1 >&3 | cat
{ echo err >&2; } 2>&1 | sed 's/^/got /'
/nonexistent 2>/dev/null
echo "not found: $?"
/etc/passwd 2>/dev/null
echo "not executable: $?"
printf '#!/bin/cat\ndata\n' >script && chmod +x script && ./script
printf 'echo plain $1\n' >plain && chmod +x plain && ./plain text
exec 5>kept && echo kept >&5 && cat kept
env -i A=b env
mkfifo fifo && { echo through >fifo & } && cat fifo
yes | head -n 100000 | wc -c
ulimit -n
umask 077 && touch private && stat -c %a private
set -- $(ls /proc/self/fd | wc -l) && echo "$#"
