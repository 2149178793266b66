# Node.js: workers, child processes, http, crypto, streams, timers, file system.
# packages: nodejs
# seconds: 120
exec node - <<'END'
const { Worker, isMainThread } = require('node:worker_threads');
const { execFileSync, spawn, fork, spawnSync } = require('node:child_process');
const http = require('node:http'), crypto = require('node:crypto'), fs = require('node:fs'), zlib = require('node:zlib'), net = require('node:net'), os = require('node:os');
const show = (name, value) => console.log(name, JSON.stringify(value));
const worker = (n) => new Promise((ok, no) => { const w = new Worker(`const {parentPort, workerData} = require('worker_threads'); let s = 0; for (let i = 0; i < 1e6; i++) s += i % workerData; parentPort.postMessage(s)`, { eval: true, workerData: n }); w.on('message', ok); w.on('error', no); });
(async () => {
  show('workers', await Promise.all([3, 5, 7, 11].map(worker)));
  show('exec', execFileSync('sh', ['-c', 'echo $((6*7))'], { encoding: 'utf8' }));
  show('status', spawnSync('sh', ['-c', 'exit 9']).status);
  show('missing', spawnSync('/nonexistent').error.code);
  show('killed', await new Promise((ok) => { const c = spawn('sleep', ['100']); c.on('exit', (s, g) => ok([s, g])); c.kill(); }));
  fs.writeFileSync('/tmp/child.js', 'process.on("message", (m) => { process.send(m.map((x) => x * 2)); process.disconnect(); })');
  show('fork', await new Promise((ok) => { const c = fork('/tmp/child.js'); c.on('message', ok); c.send([1, 2, 3]); }));
  const server = http.createServer((q, r) => { const b = []; q.on('data', (d) => b.push(d)); q.on('end', () => r.end(Buffer.concat(b).toString().toUpperCase())); });
  await new Promise((ok) => server.listen(0, '127.0.0.1', ok));
  const ask = (text) => new Promise((ok, no) => { const q = http.request({ host: '127.0.0.1', port: server.address().port, method: 'POST' }, (r) => { let s = ''; r.on('data', (d) => (s += d)); r.on('end', () => ok(s)); }); q.on('error', no); q.end(text); });
  show('http', (await Promise.all(Array.from({ length: 50 }, (_, i) => ask('text ' + i)))).slice(-2));
  server.close();
  show('scrypt', crypto.scryptSync('secret', 'salt', 32).toString('hex'));
  show('async crypto', await new Promise((ok) => crypto.pbkdf2('a', 'b', 10000, 16, 'sha256', (e, k) => ok(k.toString('hex')))));
  show('zlib', zlib.gunzipSync(zlib.gzipSync('x'.repeat(1e6))).length);
  const start = Date.now(); await new Promise((ok) => setTimeout(ok, 50)); show('timer', Date.now() - start >= 49);
  fs.mkdirSync('/tmp/d/e', { recursive: true }); for (let i = 0; i < 100; i++) fs.writeFileSync(`/tmp/d/e/${i}`, String(i)); show('files', fs.readdirSync('/tmp/d/e').length);
  await new Promise((ok) => { const w = fs.watch('/tmp/d', (e, f) => { show('watch', [e, f]); w.close(); ok(); }); fs.writeFileSync('/tmp/d/new', ''); });
  show('promises', (await fs.promises.readFile('/etc/debian_version', 'utf8')).length > 0);
  show('signal', await new Promise((ok) => { const t = setTimeout(ok, 5000); process.on('SIGUSR2', () => { clearTimeout(t); ok('USR2'); }); process.kill(process.pid, 'SIGUSR2'); }));
  show('cpus', os.cpus().length > 0);
  const s = net.createServer((c) => c.pipe(c)); await new Promise((ok) => s.listen('/tmp/sock', ok));
  show('unix', await new Promise((ok) => { const c = net.connect('/tmp/sock', () => c.end('echo')); let t = ''; c.on('data', (d) => (t += d)); c.on('close', () => ok(t)); })); s.close();
  let n = 0; for (let i = 0; i < 3e7; i++) n = (n * 31 + i) | 0; show('jit', n);
})();
END
