# nginx: workers, static files, a reload, graceful end.
# packages: nginx-light curl
mkdir -p /tmp/n/www && cd /tmp/n && echo page >www/index.html && head -c 1000000 /dev/zero >www/large
cat >nginx.conf <<'END'
worker_processes 2; pid /tmp/n/pid; error_log /tmp/n/error.log; user www-data;
events { worker_connections 256; }
http { access_log /tmp/n/access.log; sendfile on; server { listen 127.0.0.1:8080; root /tmp/n/www; location /status { return 200 "first\n"; } } }
END
chmod 755 /tmp/n && nginx -t -q -c /tmp/n/nginx.conf && nginx -c /tmp/n/nginx.conf && sleep 0.3
curl -s http://127.0.0.1:8080/ && curl -s http://127.0.0.1:8080/large | md5sum && curl -s http://127.0.0.1:8080/status
curl -s -o /dev/null -w '%{http_code}\n' http://127.0.0.1:8080/none
curl -s -r 5-9 http://127.0.0.1:8080/large | wc -c
for i in $(seq 40); do curl -s -o /dev/null -w '%{http_code}\n' http://127.0.0.1:8080/ & done | sort | uniq -c | sed 's/^ *//'; wait
sed -i s/first/second/ nginx.conf && nginx -s reload -c /tmp/n/nginx.conf 2>reload.log && sleep 0.5 && curl -s http://127.0.0.1:8080/status
nginx -s quit -c /tmp/n/nginx.conf 2>>reload.log && sleep 0.7; test ! -e pid && echo ended; wc -l <access.log
grep -c 'signal process started' reload.log
