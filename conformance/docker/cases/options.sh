# docker run: the options of limits, namespaces and privileges.
# seconds: 180
run() { docker run --rm "$@" 2>&1 | sed 's/[0-9a-f]\{64\}/ID/g; s/error during container init: //'; }
run --pids-limit 20 busybox sh -c 'cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max'
run --pids-limit 30 busybox sh -c 'for i in $(seq 60); do sleep 3 & done 2>/dev/null; echo forked; exit 1' | tail -n 1
run --cpuset-cpus 0 busybox nproc
run --cpus 1 busybox sh -c 'cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us'
run --cpu-shares 300 busybox sh -c 'cat /sys/fs/cgroup/cpu/cpu.shares'
run --memory 64m --memory-reservation 32m busybox cat /sys/fs/cgroup/memory/memory.soft_limit_in_bytes
run --ulimit core=0 --ulimit nproc=77:88 busybox sh -c 'ulimit -c; ulimit -u; ulimit -Hu'
run --sysctl net.core.somaxconn=77 --sysctl kernel.msgmax=5000 busybox cat /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax
run --sysctl vm.swappiness=1 busybox true | sed 's/^docker: //'
run --hostname given --domainname example.org busybox sh -c 'hostname; cat /proc/sys/kernel/domainname; grep -c given /etc/hosts'
run --dns 10.9.8.7 --dns-search example.org busybox cat /etc/resolv.conf
run --pid host busybox sh -c 'test $$ -gt 1 && echo beside the host'
run --ipc host busybox sh -c 'test -d /dev/shm && echo shared'
run --uts host busybox hostname | grep -c "^$(hostname)$"
run --userns host busybox cat /proc/self/uid_map
run --cgroupns private busybox head -n 1 /proc/self/cgroup | sed 's/.*://'
docker run -d --name ipc --ipc shareable busybox sh -c 'echo data >/dev/shm/file; sleep 100' >/dev/null; sleep 0.5
run --ipc container:ipc busybox cat /dev/shm/file
run --pid container:ipc busybox sh -c 'kill -0 1 && ps -o args | grep -c "^sleep 100\$"'
run --volumes-from ipc busybox true
run --privileged busybox echo privileged
run --cap-add ALL busybox echo all
run --cap-add SYS_ADMIN busybox grep CapEff /proc/self/status
run --cap-add NET_ADMIN busybox sh -c 'ip link set lo down && ip link show lo | grep -c UP'
run --cap-add NET_ADMIN busybox sh -c 'brctl addbr between && ip link add one type dummy && brctl addif between one && ls /sys/class/net/between/brif && brctl delif between one && brctl delbr between && ip -o link | grep -c between'
run --cap-drop ALL busybox sh -c 'exec 2>&1; mkdir /x; chown 1 /x; ping -c 1 127.0.0.1; mknod /dev/n c 1 3; hostname x'
run busybox sh -c 'exec 2>&1; mknod /dev/n c 1 3 && echo made; mount -t tmpfs x /tmp; hostname x; date -s 2020-01-01 >/dev/null; echo 1 >/proc/sys/vm/swappiness'
run --security-opt systempaths=unconfined busybox sh -c 'test -w /proc/sys/vm/swappiness && echo open'
run --user 5 --cap-add NET_RAW busybox grep -E '^Cap(Prm|Eff|Inh|Bnd|Amb)' /proc/self/status
run --group-add 12 --group-add 13 --user user busybox id
run --label a=b --env-file /dev/null --stop-timeout 3 busybox echo labelled
run --oom-kill-disable --memory 64m busybox echo kept
run --blkio-weight 300 busybox echo weighed
run --device /dev/zero:/dev/z:r busybox sh -c 'exec 2>&1; head -c 3 /dev/z | wc -c; echo x >/dev/z'
run --device /dev/absent busybox true
run --runtime absent busybox true
run --memory 4k busybox true
run --read-only --tmpfs /run:rw,noexec,size=65536k,mode=1777 busybox sh -c 'ls -ld /run | cut -c 1-10; cp /bin/busybox /run && /run/busybox true 2>&1'
run --network none busybox sh -c 'ip -o addr | wc -l; cat /etc/hosts | wc -l'
run --mac-address 02:42:ac:11:00:99 busybox cat /sys/class/net/eth0/address
run busybox sh -c 'ls /dev; ls /sys | head -n 20; mount | sed "s/ type.*//; s/.* on //" | sort'
run busybox sh -c 'exec 2>&1; cat /proc/kcore /proc/timer_list; ls /sys/firmware /proc/acpi; ls -d /proc/scsi'
