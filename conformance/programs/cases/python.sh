# python3: threads, subprocess, multiprocessing, asyncio, ssl, sqlite3, files.
# packages: python3 openssl
# seconds: 120
exec python3 - <<'END'
import asyncio, concurrent.futures, hashlib, json, multiprocessing, os, queue, signal, socket, sqlite3, ssl, subprocess, sys, tempfile, threading, time, zlib, mmap, select, struct
def step(name, value): print(name, value, flush=True)
q = queue.Queue()
ts = [threading.Thread(target=lambda i=i: q.put(sum(range(i * 1000)))) for i in range(32)]
[t.start() for t in ts]; [t.join() for t in ts]
step('threads', sum(q.get() for _ in ts))
with concurrent.futures.ThreadPoolExecutor(8) as pool: step('pool', sum(pool.map(lambda x: x * x, range(1000))))
step('subprocess', subprocess.run(['sh', '-c', 'read x; echo got $x; exit 4'], input=b'line\n', capture_output=True))
try: subprocess.run(['/nonexistent'])
except FileNotFoundError as e: step('missing', e.errno)
try: subprocess.run(['sleep', '10'], timeout=0.2)
except subprocess.TimeoutExpired as e: step('timeout', round(e.timeout, 1))
p = subprocess.Popen('cat | tr a-z A-Z | rev', shell=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE); step('pipeline', p.communicate(b'hello'))
step('system', os.waitstatus_to_exitcode(os.system('kill -9 $$')))
pid = os.posix_spawn('/bin/sh', ['sh', '-c', 'exit 5'], {}); step('spawn', os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
def square(x): return x * x
with multiprocessing.get_context('fork').Pool(4) as pool: step('multiprocessing', sum(pool.map(square, range(200))))
v = multiprocessing.Value('i', 0)
def bump():
    for _ in range(200):
        with v.get_lock(): v.value += 1
ps = [multiprocessing.Process(target=bump) for _ in range(4)]; [p.start() for p in ps]; [p.join() for p in ps]; step('shared', v.value)
async def main():
    async def serve(r, w):
        w.write((await r.readline()).upper()); await w.drain(); w.close()
    server = await asyncio.start_server(serve, '127.0.0.1', 0); port = server.sockets[0].getsockname()[1]
    async def ask(i):
        r, w = await asyncio.open_connection('127.0.0.1', port); w.write(b'hello %d\n' % i); a = await r.readline(); w.close(); return a
    answers = await asyncio.gather(*(ask(i) for i in range(50))); server.close()
    p = await asyncio.create_subprocess_exec('echo', 'sub', stdout=asyncio.subprocess.PIPE); out, _ = await p.communicate()
    return len(answers), answers[49], out
step('asyncio', asyncio.run(main()))
d = tempfile.mkdtemp(); os.chdir(d)
subprocess.run('openssl req -x509 -newkey rsa:2048 -nodes -keyout k -out c -subj /CN=localhost -days 2', shell=True, check=True, stderr=subprocess.DEVNULL)
ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); ctx.load_cert_chain('c', 'k'); s = socket.create_server(('127.0.0.1', 0))
def tls():
    c, _ = s.accept()
    with ctx.wrap_socket(c, server_side=True) as t: t.sendall(t.recv(100)[::-1])
threading.Thread(target=tls).start(); cc = ssl.create_default_context(cafile='c')
with cc.wrap_socket(socket.create_connection(s.getsockname()), server_hostname='localhost') as t: t.sendall(b'abc'); step('ssl', (t.version(), t.recv(10)))
db = sqlite3.connect('db'); db.execute('pragma journal_mode=wal'); db.execute('create table t(a integer primary key, b text)')
with db: db.executemany('insert into t(b) values(?)', ((str(i),) for i in range(10000)))
step('sqlite', db.execute('select count(*), sum(cast(b as int)) from t').fetchone()); db.close()
hits = []; signal.signal(signal.SIGALRM, lambda *a: hits.append(1)); signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01); end = time.time() + 0.3
while time.time() < end: pass
signal.setitimer(signal.ITIMER_REAL, 0); step('signals', len(hits) > 10)
r, w = os.pipe(); pid = os.fork()
if pid == 0: os.write(w, b'child'); os._exit(9)
step('fork', (os.read(r, 10), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
with open('m', 'w+b') as f:
    f.truncate(8192); m = mmap.mmap(f.fileno(), 8192); m[0:5] = b'hello'; m.flush(); f.seek(0); step('mmap', f.read(5))
m = mmap.mmap(-1, 4096)
if os.fork() == 0: m[0:2] = b'ok'; os._exit(0)
os.wait(); step('mmap shared', m[0:2])
a, b = socket.socketpair(); socket.send_fds(a, [b'x'], [os.open('/etc/hostname', os.O_RDONLY)]); msg, fds, _, _ = socket.recv_fds(b, 10, 4); step('fds', (msg, len(fds), len(os.read(fds[0], 100)) > 0))
ep = select.epoll(); ep.register(b, select.EPOLLIN); a.send(b'1'); step('epoll', len(ep.poll(1)))
step('hash', hashlib.sha256(b'x' * 10_000_000).hexdigest()); step('zlib', zlib.crc32(zlib.compress(b'abc' * 100000)))
step('json', len(json.dumps(list(range(100000)))))
step('stat', os.stat('/etc/passwd').st_mode); step('cpus', os.cpu_count() == len(os.sched_getaffinity(0)))
END
