/**
 * The monitor's own program and kernel, which are the host's and all containers': neither an image nor a
 * guest gets at them (CVE-2019-5736), nor can a monitor that was taken over change them.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { build } from '../../guest/programs.ts';
import { HOME } from '../../pinion.ts';
import { expectRefused, HostileContainer } from './image.ts';

const FILES = ['pinion-vmm', 'pinion-unikernel'].map((name) => join(HOME, 'target/release', name));

const digests = () =>
  FILES.map((path) => createHash('sha256').update(readFileSync(path)).digest('hex'));

let before: string[];
beforeEach(() => {
  before = digests();
});
afterEach(() => {
  expect(digests()).toEqual(before);
});

/** What root is told that wants to write a file. To open it would fail while it is executed, and only then. */
function writable(path: string): string {
  try {
    accessSync(path, constants.W_OK);
    return 'writable';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? '';
  }
}

/** By which of its links in /proc a process holds one of the installation's files. */
function held(pid: number): string[] {
  const directory = `/proc/${pid}/fd`;
  const identities = FILES.map((path) => statSync(path)).map(({ dev, ino }) => `${dev} ${ino}`);
  return [`/proc/${pid}/exe`, ...readdirSync(directory).map((fd) => join(directory, fd))].filter(
    (path) => {
      const { dev, ino } = statSync(path);
      return identities.includes(`${dev} ${ino}`);
    },
  );
}

test.each(['created', 'running'])('a monitor holds them read-only when %s', async (status) => {
  const container = new HostileContainer({ args: ['/bin/sleep', '60'] });
  await container.create();
  if (status === 'running') await container.start();
  const { pid } = await container.state();
  const links = held(pid);
  expect(links.length).toBeGreaterThanOrEqual(3);
  expect(links.map(writable)).toEqual(links.map(() => 'EROFS'));
});

describe('a program that would be the monitor', () => {
  const refusal = /exec: .*: (stat .*: )?(too many levels of symbolic links|permission denied)/;

  test.each(['/proc/self/exe', '/proc/1/exe', '/proc/thread-self/exe', '/proc/self/fd/16300'])(
    '%s',
    async (program) => {
      await expectRefused({ args: [program, '--version'] }, /exec: /);
    },
  );

  test('by a link', async () => {
    await expectRefused(
      {
        args: ['/bin/entry'],
        image: (rootfs) => symlinkSync('/proc/self/exe', join(rootfs, 'bin/entry')),
      },
      refusal,
    );
  });

  test('by its PATH', async () => {
    await expectRefused(
      {
        args: ['exe'],
        config: (config) => {
          config.process.env = ['PATH=/proc/self'];
        },
      },
      'executable file not found in $PATH',
    );
  });

  test('as an interpreter', async () => {
    await expectRefused(
      {
        args: ['/bin/script'],
        image: (rootfs) => {
          writeFileSync(join(rootfs, 'bin/script'), '#!/proc/self/exe\n', { mode: 0o755 });
        },
      },
      'interpreter /proc/self/exe: too many levels of symbolic links',
    );
  });

  test('as a dynamic linker', async () => {
    await expectRefused(
      {
        args: ['/bin/linked'],
        image: (rootfs) => {
          const source = join(rootfs, 'a.c');
          writeFileSync(source, 'int main(void) { return 0; }');
          const flags = ['-Wl,--dynamic-linker=/proc/self/exe', '-o', join(rootfs, 'bin/linked')];
          execFileSync('gcc', [source, ...flags]);
        },
      },
      'interpreter /proc/self/exe: too many levels of symbolic links',
    );
  });

  test('in exec', async () => {
    const container = new HostileContainer({
      args: ['/bin/sleep', '60'],
      image: (rootfs) => symlinkSync('/proc/self/exe', join(rootfs, 'bin/entry')),
    });
    await container.create();
    await container.start();
    for (const program of ['/proc/self/exe', '/proc/1/exe', '/bin/entry']) {
      const result = await container.pinion('exec', container.id, program, '--version');
      expect(result).toMatchObject({
        status: 255,
        stdout: '',
        stderr: expect.stringContaining('exec'),
      });
    }
  });
});

test('a program that is a FIFO, a device or a directory', async () => {
  await expectRefused(
    {
      args: ['/bin/entry'],
      image: (rootfs) => execFileSync('mkfifo', ['-m', '755', join(rootfs, 'bin/entry')]),
    },
    'permission denied',
  );
  await expectRefused(
    {
      args: ['/bin/entry'],
      image: (rootfs) =>
        execFileSync('mknod', ['-m', '755', join(rootfs, 'bin/entry'), 'c', '1', '5']),
    },
    'permission denied',
  );
  await expectRefused({ args: ['/bin'] }, 'is a directory');
});

test('an /etc/passwd that never ends, that waits, that leads to the host', async () => {
  for (const make of [
    (path: string) => execFileSync('mkfifo', [path]),
    (path: string) => execFileSync('mknod', [path, 'c', '1', '5']),
    (path: string, host: string) => symlinkSync(join(host, 'file'), path),
    (path: string) => symlinkSync('/proc/self/fd/0', path),
    (path: string) => execFileSync('truncate', ['-s', '1T', path]),
  ]) {
    const container = new HostileContainer({
      args: ['/bin/sh', '-c', 'echo $HOME'],
      image: (rootfs, host) => {
        execFileSync('rm', [join(rootfs, 'etc/passwd')]);
        make(join(rootfs, 'etc/passwd'), host);
      },
    });
    expect(await container.run()).toMatchObject({ status: 0, stdout: '/\n', stderr: '' });
  }
});

test('a guest finds no way to a monitor', { timeout: 120_000 }, async () => {
  const program = await build('wall');
  const everything = ['CAP_SYS_PTRACE', 'CAP_SYS_ADMIN', 'CAP_DAC_OVERRIDE', 'CAP_DAC_READ_SEARCH'];
  const container = new HostileContainer({
    args: ['/bin/wall', 'wait'],
    image: (rootfs) => {
      copyFileSync(program, join(rootfs, 'bin/wall'));
      chmodSync(join(rootfs, 'bin/wall'), 0o755);
    },
    config: (config) => {
      config.process.noNewPrivileges = false;
      config.process.capabilities = Object.fromEntries(
        ['bounding', 'permitted', 'effective'].map((set) => [set, everything]),
      );
    },
  });
  await container.create();
  await container.start();
  const result = await container.pinion('exec', container.id, '/bin/wall', 'attack');
  expect(result).toMatchObject({ status: 0, stderr: '' });
  expect(result.stdout.trim().split('\n')).toEqual([
    expect.stringMatching(/^\d+ tried, none worked$/),
  ]);
  expect((await container.state()).status).toBe('running');
});
