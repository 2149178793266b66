/** `pinion doctor` on this machine, and on one whose /dev/kvm is something else. */
import { expect, it } from 'vitest';
import { execute, PINION, pinion, temporaryDirectory } from '../pinion.ts';

it('finds that this machine can run containers', async () => {
  const { status, stdout, stderr } = await pinion(['doctor'], { root: temporaryDirectory() });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(/^ok {4}kvm +kvm_\w+: /m);
  expect(stdout).toMatch(/^ok {4}microVM +boots, runs a program and ends in \d+ ms$/m);
  expect(stdout).toMatch(/^(ok {2}|note) {2}cgroups/m);
  expect(stdout.split('\n').length).toBeLessThan(25);
});

it('says what to do without KVM', async () => {
  const script = 'mount --bind /dev/null /dev/kvm && exec "$0" "$@"';
  const hidden = 'mount -t tmpfs tmpfs /dev && exec "$0" "$@"';
  const under = (change: string) =>
    execute('/usr/bin/unshare', ['--mount', '/bin/sh', '-c', change, PINION, 'doctor'], {
      env: { PATH: '/usr/bin:/bin' },
    });
  const other = await under(script);
  expect(other.status).toBe(1);
  expect(other.stdout).toMatch(/^BAD {3}microVM/m);
  const none = await under(hidden);
  expect(none.status).toBe(1);
  expect(none.stdout).toMatch(/^BAD {3}kvm +\/dev\/kvm does not exist: enable virtualisation/m);
});
