/** Where mounts, devices and links go in an image that has other things there (CVE-2021-30465). */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { BundleConfig } from '../../bundle.ts';
import { HOME, temporaryDirectory } from '../../pinion.ts';
import { expectHarmless, expectRefused, HostileContainer, replace } from './image.ts';

/** Links in the image that lead to the host's directory when they are followed outside of the rootfs. */
const LINKS: [string, (host: string) => string][] = [
  ['absolute', (host) => host],
  ['absolute and dangling', (host) => join(host, 'new')],
  ['relative', (host) => join('../../../../../../..', host)],
  ['relative and dangling', (host) => join('../../../../../../..', host, 'new')],
  ['through /proc', (host) => join('/proc/self/root', host)],
];

function withTmpfs(destination: string) {
  return (config: BundleConfig) => {
    config.mounts.push({ destination, type: 'tmpfs', source: 'tmpfs' });
  };
}

describe.each(LINKS)('a link that is %s', (name, target) => {
  const isMagic = name === 'through /proc';

  test('as a mount destination', async () => {
    const attack = {
      args: ['/bin/sh', '-c', 'echo made >/data/file && cat /data/file'],
      image: (rootfs: string, host: string) => symlinkSync(target(host), join(rootfs, 'data')),
      config: withTmpfs('/data'),
    };
    if (isMagic) return expectRefused(attack, /error mounting "tmpfs" to rootfs at "\/data"/);
    expect(await expectHarmless(attack)).toMatchObject({ stdout: 'made\n' });
  });

  test('on the way to a mount destination', async () => {
    const attack = {
      args: ['/bin/sh', '-c', 'echo made >/data/a/b/file && cat /data/a/b/file'],
      image: (rootfs: string, host: string) => symlinkSync(target(host), join(rootfs, 'data')),
      config: withTmpfs('/data/a/b'),
    };
    if (isMagic) return expectRefused(attack, /error mounting "tmpfs" to rootfs at "\/data\/a\/b"/);
    expect(await expectHarmless(attack)).toMatchObject({ stdout: 'made\n' });
  });

  test('as the destination of a bound file', async () => {
    const attack = {
      args: ['/bin/cat', '/data'],
      image: (rootfs: string, host: string) => symlinkSync(target(host), join(rootfs, 'data')),
      config: (config: BundleConfig, host: string) => {
        const source = join(host, '..', 'given');
        writeFileSync(source, 'given');
        config.mounts.push({ destination: '/data', type: 'bind', source, options: ['bind'] });
      },
    };
    if (isMagic) return expectRefused(attack, /error mounting ".*" to rootfs at "\/data"/);
    expect(await expectHarmless(attack)).toMatchObject({ stdout: 'given' });
  });

  test('in place of /dev, where devices and links are made', async () => {
    const attack = {
      args: ['/bin/sh', '-c', 'echo x >/dev/null && [ -c /dev/null ] && [ -c /dev/made ]'],
      image: (rootfs: string, host: string) =>
        replace(join(rootfs, 'dev'), (path) => symlinkSync(target(host), path)),
      config: (config: BundleConfig) => {
        config.mounts = config.mounts.filter(({ destination }) => destination !== '/dev');
        config.linux.devices = [{ path: '/dev/made', type: 'c', major: 1, minor: 3 }];
      },
    };
    if (isMagic) return expectRefused(attack, /error creating device \/dev\/\w+/);
    await expectHarmless(attack);
  });

  test.each(['/proc', '/sys'])('in place of %s', async (place) => {
    const type = place === '/proc' ? 'proc' : 'sysfs';
    const attack = {
      image: (rootfs: string, host: string) =>
        replace(join(rootfs, place), (path) => symlinkSync(target(host), path)),
      config: (config: BundleConfig) => {
        config.mounts = [{ destination: place, type, source: type }];
      },
    };
    await expectRefused(attack, `filesystem "${type}" must be mounted on ordinary directory`);
  });

  test('as the working directory', async () => {
    const attack = {
      args: ['/bin/sh', '-c', 'echo *'],
      image: (rootfs: string, host: string) => symlinkSync(target(host), join(rootfs, 'data')),
      config: (config: BundleConfig) => {
        config.process.cwd = '/data/here';
      },
    };
    if (isMagic) return expectRefused(attack, /mkdir \/data\/here: |chdir to cwd/);
    expect(await expectHarmless(attack)).toMatchObject({ stdout: '*\n' });
  });
});

test('a mount destination that climbs', async () => {
  const { stdout } = await expectHarmless({
    args: ['/bin/sh', '-c', 'cd /climbed && echo *'],
    config: withTmpfs('/../../../../../../climbed'),
  });
  expect(stdout).toBe('*\n');
});

test('a link that leads to itself', async () => {
  await expectRefused(
    { image: (rootfs) => symlinkSync('data', join(rootfs, 'data')), config: withTmpfs('/data') },
    'too many levels of symbolic links',
  );
});

test('a destination deeper than descriptors go', async () => {
  const deep = '/d'.repeat(1500);
  await expectHarmless({ args: ['/bin/sh', '-c', `cd ${deep} && >file`], config: withTmpfs(deep) });
});

test('a destination longer than paths are', async () => {
  await expectRefused({ config: withTmpfs('/d'.repeat(3000)) }, 'file name too long');
});

describe.each([
  ['a FIFO', (path: string) => execFileSync('mkfifo', ['-m', '666', path])],
  ['a file', (path: string) => writeFileSync(path, '')],
  ['another device', (path: string) => execFileSync('mknod', [path, 'c', '1', '5'])],
  ['a directory', (path: string) => mkdirSync(path)],
])('/dev/null is %s', (_, make) => {
  const noDev = (config: BundleConfig) => {
    config.mounts = config.mounts.filter(({ destination }) => destination !== '/dev');
  };
  const image = (rootfs: string) => make(join(rootfs, 'dev/null'));

  test('the container is refused', async () => {
    await expectRefused(
      { image, config: noDev },
      'error creating device /dev/null: another file is there',
    );
  });

  test('unless /dev covers it', async () => {
    await expectHarmless({ args: ['/bin/sh', '-c', '[ -c /dev/null ]'], image });
  });
});

describe('a volume that changes while it is mounted to', () => {
  /** Exchanges `volume/place` with a link to `target`, as fast as it can, until the test is over. */
  function exchange(volume: string, target: string): void {
    mkdirSync(join(volume, 'place'));
    symlinkSync(target, join(volume, 'link'));
    const program = join(temporaryDirectory(), 'exchange');
    execFileSync('gcc', ['-o', program, join(HOME, 'test/cli/hostile/exchange.c')]);
    const child = spawn(program, [join(volume, 'place'), join(volume, 'link')]);
    onTestFinished(() => void child.kill('SIGKILL'));
  }

  test.each(['/vol/place/made', '/vol/place'])('to %s', { timeout: 120_000 }, async (place) => {
    const volume = temporaryDirectory();
    const container = new HostileContainer({
      config: (config) => {
        config.mounts.push(
          { destination: '/vol', type: 'bind', source: volume, options: ['rbind'] },
          { destination: place, type: 'tmpfs', source: 'tmpfs' },
        );
      },
    });
    exchange(volume, container.host);
    for (let count = 0; count < 20; count++) {
      writeFileSync(container.stderr, '');
      const { status, stderr } = await container.run();
      if (status === 0) expect(stderr).toBe('');
      else expect(stderr).toMatch(/error mounting "tmpfs" to rootfs at/);
    }
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(container.host);
  });
});
