# busybox's shell and applets, statically linked.
# packages: busybox-static
exec busybox sh -c '
mkdir /tmp/b && cd /tmp/b && busybox --install -s . && PATH=/tmp/b
seq 500 | tac | sort -n | tail -n 2
find /etc -maxdepth 1 -name "h*" | sort
echo "a b c" | awk "{ print \$3 }" | tr c z
tar -cf - /etc/hostname 2>/dev/null | tar -tf -
dd if=/dev/urandom bs=1k count=64 2>/dev/null | gzip | gunzip | wc -c
httpd -p 127.0.0.1:8000 -h /etc && sleep 0.2 && wget -q -O - http://127.0.0.1:8000/debian_version | wc -l
( sleep 0.1; echo late ) & echo early; wait
vi -h 2>&1 | head -n 1 | cut -c 1-10
ps | wc -l | grep -c .
i=0; while [ $i -lt 100 ]; do i=$((i + 1)); true; /tmp/b/true; done; echo $i
'
