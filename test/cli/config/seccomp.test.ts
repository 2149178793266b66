/** linux.seccomp: a container's calls are judged by its profile as Linux judges by the same filter. */
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { planSeccomp } from '../../../oci/plan/seccomp/index.ts';
import { build, runNative } from '../../guest/programs.ts';
import { Container } from '../lifecycle/container.ts';

type Profile = NonNullable<Parameters<typeof planSeccomp>[0]>;
type Rule = NonNullable<Profile['syscalls']>[number];

let program = '';

beforeAll(async () => {
  program = await build('profile');
});

function container(seccomp: Profile, args = ['/tmp/profile']): Container {
  const made = new Container({
    args,
    edit: (config) => {
      config.linux.seccomp = seccomp;
    },
  });
  copyFileSync(program, join(made.bundle, 'rootfs/tmp/profile'));
  return made;
}

const compare = (index: number, op: NonNullable<Rule['args']>[number]['op'], value: number) => ({
  index,
  op,
  value,
});

const rule = (action: Rule['action'], names: string[], rest: Partial<Rule> = {}): Rule => ({
  action,
  names,
  ...rest,
});

const PROFILE: Profile = {
  defaultAction: 'SCMP_ACT_ALLOW',
  syscalls: [
    rule('SCMP_ACT_ERRNO', ['personality'], { args: [compare(0, 'SCMP_CMP_NE', 0)] }),
    rule('SCMP_ACT_ERRNO', ['madvise', 'fsync', 'umask'], { errnoRet: 18 }),
    rule('SCMP_ACT_TRAP', ['munlockall', 'fdatasync']),
    rule('SCMP_ACT_KILL_PROCESS', ['mincore', 'flock']),
    rule('SCMP_ACT_KILL', ['fchdir']),
    rule('SCMP_ACT_LOG', ['sched_yield']),
    rule('SCMP_ACT_TRACE', ['fchmod'], {
      args: [{ index: 1, op: 'SCMP_CMP_MASKED_EQ', value: 0o4000, valueTwo: 0o4000 }],
    }),
    rule('SCMP_ACT_ERRNO', ['lseek'], {
      errnoRet: 66,
      args: [compare(1, 'SCMP_CMP_EQ', 1), compare(2, 'SCMP_CMP_LT', 9)],
    }),
    rule('SCMP_ACT_ERRNO', ['ftruncate'], {
      errnoRet: 75,
      args: [compare(1, 'SCMP_CMP_GT', 5)],
    }),
    rule('SCMP_ACT_ERRNO', ['io_uring_setup', 'clone3'], { errnoRet: 38 }),
  ],
};

function binary(profile: Profile): Buffer {
  const program = planSeccomp(profile) ?? [];
  const bytes = Buffer.alloc(8 * program.length);
  for (const [i, [code, jt, jf, k]] of program.entries()) {
    bytes.writeUInt16LE(code, 8 * i);
    bytes.writeUInt8(jt, 8 * i + 2);
    bytes.writeUInt8(jf, 8 * i + 3);
    bytes.writeUInt32LE(k, 8 * i + 4);
  }
  return bytes;
}

test('as Linux judges', async () => {
  const made = container(PROFILE);
  const file = join(made.base, 'filter');
  writeFileSync(file, binary(PROFILE));
  const native = await runNative(program, [file]);
  expect(native.stdout).toContain('lseek(999, 1, 0): EREMOTE');
  expect(native.stdout).toContain('flock(999, 0, 0): status');
  expect(await made.launch('run')).toEqual(native);
});

test('the first process dies by the profile, also as pid 1', async () => {
  const profile: Profile = {
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [rule('SCMP_ACT_KILL_PROCESS', ['mkdir'])],
  };
  const made = container(profile, ['/bin/busybox', 'mkdir', '/tmp/x']);
  expect(await made.launch('run')).toMatchObject({ status: 128 + 31 });
});

test('processes that join are judged by it, too', async () => {
  const profile: Profile = {
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [rule('SCMP_ACT_ERRNO', ['mkdir', 'mkdirat'], { errnoRet: 30 })],
  };
  const made = container(profile, ['/bin/sleep', '60']);
  expect(await made.launch('run', '--detach')).toMatchObject({ status: 0 });
  const result = await made.pinion('exec', made.id, '/bin/busybox', 'mkdir', '/tmp/x');
  expect(result).toMatchObject({ status: 1 });
  expect(result.stderr).toContain('Read-only file system');
});

test('a profile may forbid what the kernel loads the program with', async () => {
  const made = container(
    {
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [
        rule('SCMP_ACT_KILL_PROCESS', ['openat', 'open', 'fstat', 'newfstatat', 'getcwd', 'kill']),
      ],
    },
    ['/bin/echo', 'well'],
  );
  expect(await made.launch('run')).toMatchObject({ status: 0, stdout: 'well\n' });
});
