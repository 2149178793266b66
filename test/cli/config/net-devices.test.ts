/** Network interfaces of the host that become a container's. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { execute } from '../../pinion.ts';
import { Container } from '../lifecycle/container.ts';

/** Runs ip(8). */
async function ip(...args: string[]) {
  return await execute('ip', args, { env: process.env });
}

/** One end of a pair of virtual interfaces, with two addresses. */
async function makeInterface(): Promise<string> {
  const name = `pin${randomBytes(4).toString('hex')}`;
  onTestFinished(async () => void (await ip('link', 'del', name)));
  for (const command of [
    `link add ${name} mtu 1400 type veth peer name ${name}p`,
    `addr add 10.213.7.5/24 dev ${name}`,
    `addr add fd00:213::5/64 dev ${name} nodad`,
  ]) {
    expect(await ip(...command.split(' '))).toMatchObject({ status: 0, stderr: '' });
  }
  return name;
}

test('an interface moves with its addresses, gets its name and is up', async () => {
  const name = await makeInterface();
  const container = new Container({
    edit: ({ linux }) => Object.assign(linux, { netDevices: { [name]: { name: 'ctr0' } } }),
  });
  await container.create();
  expect(readFileSync('/proc/net/dev', 'utf8')).not.toContain(`${name}:`);
  const { pid } = await container.state();
  const inside = await execute('nsenter', ['-n', '-t', `${pid}`, 'ip', 'addr', 'show', 'ctr0'], {
    env: process.env,
  });
  expect(inside.stdout).toMatch(/ctr0@.*<[^>]*\bUP\b[^>]*> mtu 1400/);
  expect(inside.stdout).toContain('inet 10.213.7.5/24 ');
  expect(inside.stdout).toContain('inet6 fd00:213::5/64 ');
  await container.start();
  const { stdout } = await container.pinion('exec', container.id, 'cat', '/proc/net/dev');
  expect(stdout).toContain('ctr0:');
});

test('one that does not exist leaves nothing behind', async () => {
  const container = new Container({
    edit: ({ linux }) => Object.assign(linux, { netDevices: { nosuch0: {} } }),
  });
  const { status, stderr } = await container.launch('run');
  expect(status).toBe(1);
  expect(stderr).toContain('move network device nosuch0: find: no such device');
});
