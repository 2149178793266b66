# procps and what programs read of /proc: of themselves, and by pid.
# packages: procps python3-minimal
# seconds: 60
awk '{ print $2, $NF }' /proc/self/maps | grep -E '/|\[' | grep -vE 'vvar|vsyscall|locale|gconv' | sort -u
pmap $$ 2>/dev/null | head -n 1 | cut -d : -f 2
cut -d ' ' -f 1-4 /proc/self/limits | head -n 1; grep 'open files' /proc/self/limits
grep -E '^(Name|Threads|Seccomp|NoNewPrivs|SigIgn|SigCgt|VmStk|VmExe)' /proc/self/status
awk '{ print $20 }' /proc/self/stat; ls /proc/self/task | wc -l
sleep 30 & sleep 31 &
ps -eo comm,args --no-headers | sort; ps -o comm= -p $!; pgrep -c sleep; pgrep -x -a sleep | cut -d ' ' -f 2-
ps -eLf | awk 'NR > 1 { print $NF }' | sort | head -n 3
top -b -n1 | sed -n '/PID/,$p' | awk '{ print $NF }' | sort
python3 - <<'END'
import os, threading, time
done = threading.Event()
threads = [threading.Thread(target=done.wait, daemon=True) for _ in range(4)]
for thread in threads: thread.start()
status = dict(line[:-1].split(':\t', 1) for line in open('/proc/self/status') if ':\t' in line)
print('threads', status['Threads'], len(os.listdir('/proc/self/task')))
print(sorted(open(f'/proc/self/task/{task}/comm').read().strip() for task in os.listdir('/proc/self/task')))
pages = open('/proc/self/statm').read().split()
print('resident', 1000 < int(pages[1]) < 20000, 'size', int(pages[0]) >= int(pages[1]))
print('rollup', 'Pss:' in open('/proc/self/smaps_rollup').read())
done.set()
END
perl -e '$0 = "another title"; system "ps", "-o", "args=", "-p", $$'
pkill sleep; wait; pgrep -c sleep || echo all gone
