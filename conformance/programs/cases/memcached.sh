# memcached: threads, storing and reading over TCP.
# packages: memcached python3-minimal
memcached -u nobody -l 127.0.0.1 -p 11211 -t 4 & 
server=$!
sleep 0.3
python3 - <<'END'
import socket, threading
def ask(i):
    s = socket.create_connection(('127.0.0.1', 11211)); f = s.makefile('rwb')
    for k in range(100): f.write(b'set k%d-%d 0 0 5\r\nhello\r\n' % (i, k)); f.flush(); assert f.readline() == b'STORED\r\n'
    f.write(b'get k%d-99\r\n' % i); f.flush(); assert f.readline().startswith(b'VALUE')
ts = [threading.Thread(target=ask, args=(i,)) for i in range(10)]; [t.start() for t in ts]; [t.join() for t in ts]
s = socket.create_connection(('127.0.0.1', 11211)); s.sendall(b'stats\r\n'); print([l for l in s.recv(10000).decode().split('\r\n') if 'curr_items' in l or 'STAT threads' in l])
END
kill $server; wait $server; echo $?
