# Networks: none, another container's, the host's, a user network, static addresses, published ports.
ip link set lo up
podman run --rm --network none busybox ip -o link | wc -l
podman run --rm --network host busybox ip -o link show lo | wc -l
podman network create --subnet 10.77.0.0/24 --disable-dns pair
podman run -d --name server --network pair --ip 10.77.0.9 busybox sh -c 'echo served >/www/index.html; exec httpd -f -p 80 -h /www' >/dev/null; sleep 1
podman run --rm --network container:server busybox wget -q -O - http://127.0.0.1/
podman run --rm --network pair busybox wget -q -O - http://10.77.0.9/
podman run --rm --network pair busybox ping -c 1 -w 5 10.77.0.9 | grep -c '1 packets received'
podman run --rm --pid container:server busybox ps -o comm | grep -c httpd
podman run --rm --add-host name:10.1.2.3 busybox cat /etc/hosts | grep -c 10.1.2.3
podman run -d --name published --network pair -p 127.0.0.1:8088:80 busybox sh -c 'echo published >/www/index.html; exec httpd -f -p 80 -h /www' >/dev/null; sleep 1
podman run --rm --network host busybox wget -q -T 5 -O - http://127.0.0.1:8088/
podman rm -f -t 0 server published >/dev/null; podman network rm pair
