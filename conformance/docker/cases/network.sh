# docker networks: published ports with traffic, a user network with names, other containers' and the host's namespaces.
docker run -d --name server -p 127.0.0.1:8088:80 busybox sh -c 'echo served >/www/index.html; exec httpd -f -p 80 -h /www' >/dev/null; sleep 1
docker run --rm --network host busybox wget -q -O - http://127.0.0.1:8088/
docker run --rm --network container:server busybox wget -q -O - http://127.0.0.1:80/
docker network create pair >/dev/null
docker run -d --name database --network pair busybox sh -c 'echo data >/www/index.html; exec httpd -f -p 80 -h /www' >/dev/null; sleep 1
docker run --rm --network pair busybox wget -q -O - http://database/
docker run --rm --network none busybox ip -o link | wc -l
docker run --rm --network host busybox ip -o link show lo | wc -l
docker run --rm busybox ping -c 1 -w 5 "$(docker inspect -f '{{.NetworkSettings.IPAddress}}' server)" | grep -c '1 packets received'
docker run --rm --pid container:server busybox ps | grep -c httpd
docker run --rm --add-host name:10.1.2.3 busybox cat /etc/hosts | grep -c 10.1.2.3
docker rm -f server database >/dev/null; docker network rm pair
