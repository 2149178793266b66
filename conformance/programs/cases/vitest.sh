# Node.js 24 and vitest: suites in processes and in threads, with children, workers, http, crypto.
# packages: bash
# seconds: 180
mkdir -p /tmp/v/bin && cd /tmp/v && ln -s /opt/node bin/node && ln -s /opt/node_modules . && export PATH=/tmp/v/bin:$PATH NO_COLOR=1
echo '{ "type": "module" }' >package.json
echo 'export const sum = (a: number, b: number): number => a + b;' >sum.ts
cat >a.test.ts <<'END'
import { execFileSync, spawn } from 'node:child_process';
import { createHash, generateKeyPairSync, sign, verify, webcrypto } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Worker } from 'node:worker_threads';
import { expect, it, vi } from 'vitest';
import { sum } from './sum.ts';
it.each([[1, 1, 2], [2, 3, 5]])('%i + %i', (a, b, c) => { expect(sum(a, b)).toBe(c); });
it('fake timers', () => { vi.useFakeTimers(); const f = vi.fn(); setTimeout(f, 1e6); vi.runAllTimers(); expect(f).toHaveBeenCalled(); vi.useRealTimers(); });
it('child', () => { expect(execFileSync('sh', ['-c', 'echo hi'], { encoding: 'utf8' })).toBe('hi\n'); });
it('stdin', async () => { const c = spawn('cat'); let s = ''; c.stdout.on('data', (d) => (s += d)); c.stdin.end('x'.repeat(300000)); await new Promise((r) => c.on('close', r)); expect(s.length).toBe(300000); });
it('fetch', async () => { const s = createServer((_q, r) => r.end('ok')); await new Promise<void>((r) => s.listen(0, r)); const { port } = s.address() as { port: number }; const all = await Promise.all(Array.from({ length: 30 }, async () => (await fetch(`http://localhost:${port}/`)).text())); expect(all.join('')).toBe('ok'.repeat(30)); s.closeAllConnections(); s.close(); });
it('worker', async () => { const w = new Worker('require("worker_threads").parentPort.postMessage(process.pid)', { eval: true }); expect(await new Promise((r) => w.on('message', r))).toBe(process.pid); });
it('crypto', async () => { const { privateKey, publicKey } = generateKeyPairSync('ed25519'); expect(verify(null, Buffer.from('x'), publicKey, sign(null, Buffer.from('x'), privateKey))).toBe(true); expect(createHash('sha512').update('a').digest('hex').slice(0, 8)).toBe('1f40fc92'); const k = await webcrypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, true, ['encrypt', 'decrypt']); const iv = new Uint8Array(12); const e = await webcrypto.subtle.encrypt({ name: 'AES-GCM', iv }, k, Buffer.from('hello')); expect(Buffer.from(await webcrypto.subtle.decrypt({ name: 'AES-GCM', iv }, k, e)).toString()).toBe('hello'); });
it('files', () => { const d = mkdtempSync('/tmp/x'); writeFileSync(`${d}/a`, 'b'); expect(readFileSync(`${d}/a`, 'utf8')).toBe('b'); rmSync(d, { recursive: true }); });
END
cp a.test.ts b.test.ts
node --version | cut -d . -f 1
for pool in forks threads; do
  node node_modules/vitest/vitest.mjs run --reporter=verbose --testTimeout=60000 --pool=$pool >log 2>&1
  echo "$pool $?"
  sed -nE 's/ *[0-9]+ *ms$//; / (Tests|Test Files) /p; /[✓×]/p' log | sort
done
