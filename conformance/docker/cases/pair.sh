# A service and its database on a user network: names, aliases, published ports over TCP and UDP, connecting and leaving.
# seconds: 90
docker network create --subnet 10.77.0.0/24 pair >/dev/null
docker run -d --name database --network pair --network-alias db --ip 10.77.0.50 busybox sh -c 'while :; do echo "a row" | nc -l -p 5432; done' >/dev/null
docker run -d --name service --network pair -p 127.0.0.1:8099:80 busybox sh -c 'mkdir -p /www/cgi-bin; printf "#!/bin/sh\necho; nc database 5432 </dev/null\n" >/www/cgi-bin/row; chmod +x /www/cgi-bin/row; exec httpd -f -p 80 -h /www' >/dev/null
sleep 1
fetch() { docker run --rm --network host busybox wget -q -T 5 -O - "http://127.0.0.1:8099/cgi-bin/row"; }
fetch; sleep 0.3; fetch; sleep 0.3
docker port service
docker exec service nslookup database 2>/dev/null | grep -c 10.77.0.50
docker exec service sh -c 'nslookup db | grep -c 10.77.0.50'
docker exec service ping -c 1 -w 5 database | grep -c ' 0% packet loss'
docker exec service nslookup absent.invalid >/dev/null 2>&1; echo $?
docker exec database ip -o -4 addr show eth0 | awk '{print $4}'
docker run -d --name late busybox sleep 100 >/dev/null
docker network connect pair late; docker exec late ping -c 1 -w 5 service | grep -c ' 0% packet loss'
docker exec late ip -o link | grep -c eth
docker network disconnect pair late; docker exec late ip -o link | grep -c eth
docker exec late ping -c 1 -w 1 database 2>&1 | grep -c 'bad address'
docker restart -t 0 database >/dev/null; sleep 0.5; fetch
perl() { docker run -v /usr:/usr:ro -v /usr/lib:/lib:ro -v /usr/lib64:/lib64:ro "$@"; }
perl -d --name udp -p 127.0.0.1:8053:53/udp busybox /usr/bin/perl -MSocket -e 'socket(S, PF_INET, SOCK_DGRAM, 0); bind(S, sockaddr_in(53, INADDR_ANY)); recv(S, $_, 99, 0); print' >/dev/null; sleep 1
perl --rm --network host busybox /usr/bin/perl -MSocket -e 'socket(S, PF_INET, SOCK_DGRAM, 0); send(S, "datagram\n", 0, sockaddr_in(8053, inet_aton("127.0.0.1")))'
docker wait udp; docker logs udp
docker run -d --name many -p 127.0.0.1:8098:80 busybox sh -c 'dd if=/dev/zero of=/www/big bs=1M count=20 2>/dev/null; exec httpd -f -p 80 -h /www' >/dev/null; sleep 1
docker run --rm --network host busybox sh -c 'for i in 1 2 3 4; do wget -q -O - http://127.0.0.1:8098/big | md5sum & done; wait'
docker run --rm -p 127.0.0.1:8098:80 busybox true 2>&1 | grep -c 'port is already allocated'
docker rm -f database service late udp many >/dev/null; docker network rm pair
