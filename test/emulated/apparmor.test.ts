/** AppArmor's profiles, where the kernel has it. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { BundleConfig } from '../bundle.ts';
import { Container } from '../cli/lifecycle/container.ts';
import { execute } from '../pinion.ts';

/** As docker's profile allows nearly all, but for one file, writes below /data, and one capability. */
const PROFILES = `
profile pinion-test flags=(attach_disconnected,mediate_deleted) {
  file, network, capability, mount, umount, pivot_root, signal, ptrace, unix,
  deny /etc/secret r,
  deny /data/** w,
  deny capability chown,
}
profile pinion-open flags=(attach_disconnected,mediate_deleted) {
  file, network, capability, mount, umount, pivot_root, signal, ptrace, unix,
}
`;

beforeAll(async () => {
  const options = { input: PROFILES, env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } };
  const { status, stderr } = await execute('apparmor_parser', ['--replace', '-K'], options);
  expect(status, stderr).toBe(0);
});

function confined(profile: string, ...args: string[]): Container {
  const edit = (config: BundleConfig, base: string) => {
    config.process.apparmorProfile = profile;
    const secret = join(base, 'secret');
    writeFileSync(secret, 'known\n');
    mkdirSync(join(base, 'data'));
    const options = ['bind'];
    config.mounts.push(
      { destination: '/etc/secret', type: 'bind', source: secret, options },
      { destination: '/data', type: 'bind', source: join(base, 'data'), options },
    );
    const root = ['CAP_CHOWN'];
    config.process.capabilities = { bounding: root, permitted: root, effective: root };
  };
  return new Container({ ...(args.length > 0 && { args }), edit });
}

describe('a profile', () => {
  const script = 'cat /etc/secret; echo x >/data/x; busybox chown 5 /data; echo end';

  test('confines what the program asks the host for', async () => {
    const result = await confined('pinion-test', '/bin/sh', '-c', script).launch('run');
    expect(result).toMatchObject({ status: 0, stdout: 'end\n' });
    expect(result.stderr).toContain("can't open '/etc/secret': Permission denied");
    expect(result.stderr).toContain("can't create /data/x: Permission denied");
    expect(result.stderr).toContain('/data: Operation not permitted');
  });

  test('that allows all changes nothing', async () => {
    const result = await confined('pinion-open', '/bin/sh', '-c', script).launch('run');
    expect(result).toMatchObject({ status: 0, stdout: 'known\nend\n', stderr: '' });
  });

  test('is that of the process on the host, and exec has it unless it is given another', async () => {
    const container = confined('pinion-test');
    expect(await container.launch('run', '--detach')).toMatchObject({ status: 0, stderr: '' });
    const { pid } = await container.state();
    expect(readFileSync(`/proc/${pid}/attr/current`, 'utf8')).toBe('pinion-test (enforce)\n');
    const read = ['/bin/cat', '/etc/secret'];
    expect(await container.pinion('exec', container.id, ...read)).toMatchObject({ status: 1 });
    const open = ['exec', '--apparmor', 'pinion-open', container.id, ...read];
    expect(await container.pinion(...open)).toMatchObject({ status: 0, stdout: 'known\n' });
  });

  test('that is not loaded is an error', async () => {
    const { status, stderr } = await confined('pinion-none').launch('run');
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /unable to apply apparmor profile: apparmor failed to apply profile: write \/proc\/self\/attr\/\S+: no such file or directory/,
    );
  });
});
