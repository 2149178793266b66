/** The microVM as config.json's `vm` has it. */
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { HOME } from '../../pinion.ts';
import { Container } from '../lifecycle/container.ts';

const KERNEL = join(HOME, 'target/release/pinion-unikernel');

function container(vm: object, ...args: string[]): Container {
  return new Container({
    ...(args.length > 0 && { args }),
    edit: (config) => {
      config.vm = { kernel: { path: '' }, ...vm };
    },
  });
}

/** What it has written so far. */
const output = ({ stdout }: Container): string => readFileSync(stdout, 'utf8');

/** Of /proc/PID/status: a list without ranges. */
function cpus(status: string): string | undefined {
  return /^Cpus_allowed_list:\t(\S*)$/m.exec(status)?.[1];
}

test('all processes of the container have as many CPUs as hwConfig.vcpus says, the same ones', async () => {
  const script = 'cat /proc/self/status; busybox nproc; sleep 60';
  const made = container({ hwConfig: { vcpus: 1 } }, '/bin/sh', '-c', script);
  await made.create();
  await made.start();
  const one = async (...args: string[]) => (await made.pinion('exec', made.id, ...args)).stdout;
  const joined = cpus(await one('cat', '/proc/self/status'));
  expect(joined).toMatch(/^\d+$/);
  expect(await one('busybox', 'nproc')).toBe('1\n');
  await expect.poll(() => cpus(output(made)), { timeout: 10_000 }).toBe(joined);
  await expect.poll(() => output(made), { timeout: 10_000 }).toMatch(/\n1\n$/);
});

test('hwConfig.memory is what a program can have', async () => {
  const use = (mebibytes: number) =>
    `busybox dd if=/dev/zero of=/dev/null bs=${mebibytes}M count=1`;
  const script = `${use(8)} 2>&1 || exit 1; ${use(100)}; echo $?`;
  const made = container({ hwConfig: { memory: 64 << 20 } }, '/bin/sh', '-c', script);
  expect(await made.launch('run')).toMatchObject({
    status: 0,
    stdout: '1+0 records in\n1+0 records out\n1\n',
    stderr: 'dd: /dev/zero: Cannot allocate memory\n',
  });
});

test('kernel.path chooses the unikernel, and its parameters reach it', async () => {
  const made = container({}, '/bin/echo', 'hello');
  const path = join(made.base, 'kernel');
  copyFileSync(KERNEL, path);
  const edited = container({ kernel: { path, parameters: ['verbose'] } }, '/bin/echo', 'hello');
  const { status, stdout, stderr } = await edited.launch('run');
  expect({ status, stdout }).toEqual({ status: 0, stdout: 'hello\n' });
  expect(stderr).toMatch(/^pinion unikernel .*: ring 3/m);
});

test.each([
  [{ hwConfig: { memory: 1 << 20 } }, 'vm.hwConfig.memory: 1048576 bytes are less than the '],
  [{ hwConfig: { vcpus: 5000 } }, 'vm.hwConfig.vcpus: 5000 are more than the '],
  [{ kernel: { path: '/nosuch' } }, 'open /nosuch: no such file or directory'],
  [{ kernel: { path: '/bin/busybox' } }, 'the unikernel image is not one'],
  [{ kernel: { path: '', parameters: ['quiet'] } }, 'vm.kernel.parameters[0]: the unikernel has'],
  [{ kernel: { path: '', initrd: '/i' } }, 'vm.kernel.initrd: the unikernel has no initial RAM'],
  [
    { hypervisor: { path: '/usr/bin/qemu' } },
    'vm.hypervisor.path: the hypervisor cannot be chosen',
  ],
  [{ hwConfig: { deviceTree: '/d' } }, 'vm.hwConfig.deviceTree: device trees are not supported'],
])('%j is refused by name', async (vm, message) => {
  const { status, stderr } = await container(vm).launch('run');
  expect(status).toBe(1);
  expect(stderr).toContain(message);
});
