/**
 * Images that put something in the way of /proc, /dev/null or the console: what is written or mounted
 * there must reach neither a false place nor the host (CVE-2019-16884, CVE-2019-19921, CVE-2023-27561,
 * CVE-2023-28642, CVE-2025-31133, CVE-2025-52565, CVE-2025-52881).
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { BundleConfig } from '../../bundle.ts';
import { expectHarmless, expectRefused, HostileContainer, replace } from './image.ts';

/** A directory with what the runtime might look for in /proc. */
function falseProc(directory: string): void {
  for (const file of [
    'self/attr/exec',
    'self/attr/current',
    'sys/kernel/shm_rmid_forced',
    '1/status',
  ]) {
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    writeFileSync(join(directory, file), 'false');
  }
}

function mountAt(config: BundleConfig, destination: string, source: string): void {
  config.mounts.push({ destination, type: 'bind', source, options: ['rbind'] });
}

describe('a volume over a part of /proc', () => {
  test.each([
    '/proc/self/attr',
    '/proc/self',
    '/proc/1/attr',
    '/proc/thread-self',
    '/proc/sys',
    '/proc/sys/kernel',
    '/proc/../proc/self/attr',
  ])('%s', async (destination) => {
    await expectRefused(
      {
        config: (config, host) => {
          const volume = join(host, '../volume');
          falseProc(volume);
          mountAt(config, destination, volume);
        },
      },
      'cannot be mounted because it is inside /proc',
    );
  });

  test.each(['/proc', '/proc/self/attr', '/proc/sys', '/proc/.'])(
    'by a link to %s',
    async (target) => {
      await expectRefused(
        {
          image: (rootfs) => symlinkSync(target, join(rootfs, 'volume')),
          config: (config, host) => {
            const volume = join(host, '../volume');
            falseProc(volume);
            mountAt(config, '/volume', volume);
          },
        },
        /cannot be mounted because it is inside \/proc|too many levels of symbolic links/,
      );
    },
  );

  test('before /proc is mounted', async () => {
    await expectRefused(
      {
        config: (config, host) => {
          const volume = join(host, '../volume');
          falseProc(volume);
          config.mounts = [];
          mountAt(config, '/proc', volume);
        },
      },
      'cannot be mounted because it is not of type proc',
    );
  });

  test('as a tmpfs', async () => {
    await expectRefused(
      {
        config: (config) => {
          config.mounts = [{ destination: '/proc', type: 'tmpfs', source: 'tmpfs' }];
        },
      },
      'cannot be mounted because it is not of type proc',
    );
  });
});

describe('an image with a /proc of its own', () => {
  const SYSCTL = 'kernel.shm_rmid_forced';

  /** Runs a container with a sysctl, and no /proc but the image's. */
  async function written(config: (config: BundleConfig) => void = () => {}) {
    const container = new HostileContainer({
      image: (rootfs) => falseProc(join(rootfs, 'proc')),
      config: (document) => {
        document.mounts = document.mounts.filter(({ destination }) => destination !== '/proc');
        document.linux.sysctl = { [SYSCTL]: '1' };
        config(document);
      },
    });
    return container;
  }

  test('sysctls are written to the kernel', async () => {
    const container = await written();
    expect(await container.run()).toMatchObject({ status: 0, stderr: '' });
    expect(readFileSync(join(container.rootfs, 'proc/sys/kernel/shm_rmid_forced'), 'utf8')).toBe(
      'false',
    );
  });

  test('also where no procfs can be mounted, or there is an error', async () => {
    const container = await written((config) => {
      const map = [{ containerID: 0, hostID: 0, size: 65536 }];
      config.linux.namespaces.push({ type: 'user' });
      Object.assign(config.linux, { uidMappings: map, gidMappings: map });
    });
    // A /proc that is covered in part: the kernel lets no user namespace mount another one.
    const script = 'mount -t tmpfs none /proc/sys/fs && exec "$@"';
    const { status, stderr } = await container.within(
      ['unshare', '--mount', 'sh', '-c', script, 'sh'],
      'run',
    );
    const file = join(container.rootfs, 'proc/sys/kernel/shm_rmid_forced');
    expect(readFileSync(file, 'utf8')).toBe('false');
    if (status !== 0) expect(stderr).toContain(`write sysctl "${SYSCTL}"`);
  });
});

describe('/dev/null in the image', () => {
  const noDev = (config: BundleConfig) => {
    config.mounts = config.mounts.filter(({ destination }) => destination !== '/dev');
  };

  test.each([
    ['the kernel', '/proc/sysrq-trigger'],
    ['a file of the image', '/etc/passwd'],
    ['the host', undefined],
  ])('as a link to %s covers no masked path', async (_, target) => {
    const container = new HostileContainer({
      args: ['/bin/cat', '/etc/hidden'],
      image: (rootfs, host) => {
        writeFileSync(join(rootfs, 'etc/hidden'), 'seen');
        replace(join(rootfs, 'dev/null'), (path) =>
          symlinkSync(target ?? join(host, 'file'), path),
        );
      },
      config: (config) => {
        noDev(config);
        config.linux.maskedPaths = ['/etc/hidden'];
      },
    });
    const { status, stdout, stderr } = await container.run();
    expect(stdout).toBe('');
    if (status !== 0) expect(stderr).toContain('/dev/null: another file is there');
  });

  test('is not what masked files become', async () => {
    const { stdout } = await expectHarmless({
      args: ['/bin/sh', '-c', '[ -c /etc/hidden ] && cat /etc/hidden; ls -l /etc/hidden'],
      image: (rootfs) => {
        writeFileSync(join(rootfs, 'etc/hidden'), 'seen');
      },
      config: (config) => {
        config.linux.maskedPaths = ['/etc/hidden'];
      },
    });
    expect(stdout).toMatch(/ 1, +3 /);
  });
});

test('masked and read-only paths that are links', async () => {
  await expectHarmless({
    args: ['/bin/sh', '-c', '! (echo x >/etc/plain) 2>/dev/null; [ "$(cat /etc/secret)" = "" ]'],
    image: (rootfs, host) => {
      for (const name of ['plain', 'secret']) {
        writeFileSync(join(rootfs, 'etc', name), 'x');
        symlinkSync(`../etc/${name}`, join(rootfs, `to-${name}`));
      }
      symlinkSync(join(host, 'file'), join(rootfs, 'to-host'));
      symlinkSync(join(host, 'directory'), join(rootfs, 'to-directory'));
    },
    config: (config) => {
      config.linux.maskedPaths = ['/to-secret', '/to-host', '/to-directory'];
      config.linux.readonlyPaths = ['/to-plain', '/to-host'];
    },
  });
});

describe('/dev/console', () => {
  function withTerminal(image: (rootfs: string, host: string) => void) {
    return new HostileContainer({
      args: ['/bin/sh', '-c', 'echo ended'],
      image: (rootfs, host) => {
        mkdirSync(join(rootfs, 'dev/pts'));
        image(rootfs, host);
      },
      config: (config) => {
        config.process.terminal = true;
        config.mounts = config.mounts.filter(({ destination }) => destination !== '/dev');
        config.mounts.push({
          destination: '/dev/pts',
          type: 'devpts',
          source: 'devpts',
          options: ['newinstance', 'ptmxmode=0666', 'mode=0620'],
        });
      },
    });
  }

  test.each([
    ['the host', (host: string) => join(host, 'file')],
    ['nothing of the host', (host: string) => join(host, 'new')],
    ['the kernel', () => '/proc/sysrq-trigger'],
    ['a magic link', () => '/proc/self/exe'],
  ])('as a link to %s', async (_, target) => {
    const container = withTerminal((rootfs, host) =>
      symlinkSync(target(host), join(rootfs, 'dev/console')),
    );
    await container.runOnTerminal();
  });

  test.each([
    ['a link', (path: string, host: string) => symlinkSync(join(host, 'file'), path)],
    ["the host's", (path: string) => symlinkSync('/dev/ptmx', path)],
    ['a FIFO', (path: string) => execFileSync('mkfifo', [path])],
    ['a device', (path: string) => execFileSync('mknod', [path, 'c', '1', '5'])],
  ])('with /dev/ptmx as %s', async (_, make) => {
    const container = withTerminal((rootfs, host) => make(join(rootfs, 'dev/ptmx'), host));
    await container.runOnTerminal();
  });
});
