/** What containers need of the host's Linux: control groups, namespaces, file systems, modules. */
import { accessSync, constants, existsSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import { CAPABILITIES } from '../plan/capabilities.ts';
import type { Hierarchy } from '../plan/cgroups/hierarchies.ts';
import { readHost } from '../plan/host.ts';
import type { Finding } from './index.ts';
import { readText } from './text.ts';

/** Namespaces that a runtime needs; time and user namespaces are for those who ask for them. */
const NEEDED = ['ipc', 'mnt', 'net', 'pid', 'uts'];
const WANTED = ['cgroup', 'time', 'user'];

export function checkLinux(): Finding[] {
  return [
    checkNamespaces(),
    checkPrivileges(),
    checkCgroups(),
    checkOverlay(),
    checkSecurity(),
    checkSystemd(),
  ];
}

function checkNamespaces(): Finding {
  const missing = (names: readonly string[]) =>
    names.filter((name) => !existsSync(join('/proc/self/ns', name)));
  const [needed, wanted] = [missing(NEEDED), missing(WANTED)];
  const subject = 'namespaces';
  if (needed.length > 0) {
    const text = `Linux ${release()} has no ${needed.join(', ')}: use a kernel that has them`;
    return { state: 'bad', subject, text };
  }
  const without = wanted.length > 0 ? `, but no ${wanted.join(', ')}` : '';
  const state = wanted.length > 0 ? 'note' : 'good';
  return { state, subject, text: `Linux ${release()} has all that containers need${without}` };
}

/** What this process may do, capabilities(7). */
function checkPrivileges(): Finding {
  const subject = 'privileges';
  const [, effective = '0'] = /^CapEff:\s*(\w+)$/m.exec(readText('/proc/self/status')) ?? [];
  const held = BigInt(`0x${effective}`);
  if (held === 0n) {
    const text =
      'none: containers have a user namespace, and limits where control groups are delegated';
    return { state: 'note', subject, text };
  }
  const missing = CAPABILITIES.filter((_, number) => ((held >> BigInt(number)) & 1n) === 0n);
  if (missing.length === 0) return { state: 'good', subject, text: 'all' };
  const limits = missing.includes('CAP_SYS_RESOURCE')
    ? '; limits cannot be raised, see README.md'
    : '';
  return { state: 'note', subject, text: `without ${missing.join(', ')}${limits}` };
}

function checkCgroups(): Finding {
  const subject = 'cgroups';
  let cgroups: Hierarchy[];
  try {
    ({ cgroups } = readHost());
  } catch (error) {
    return { state: 'bad', subject, text: messageOf(error) };
  }
  if (cgroups.length === 0) {
    return { state: 'note', subject, text: 'none is mounted: no limits can be set' };
  }
  const unified = cgroups.filter(({ version }) => version === 2);
  const layout =
    unified.length === cgroups.length ? 'v2' : unified.length > 0 ? 'v1 with a hybrid v2' : 'v1';
  const closed = cgroups.filter(({ mountpoint }) => !isWritable(mountpoint));
  if (closed.length > 0) {
    const isAll = closed.length === cgroups.length;
    const paths = isAll ? 'all' : closed.map(({ mountpoint }) => mountpoint).join(', ');
    const text = `${layout}; not writable, so without limits: ${paths}`;
    return { state: 'note', subject, text };
  }
  return { state: 'good', subject, text: `${layout}, writable` };
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function checkOverlay(): Finding {
  const subject = 'overlayfs';
  if (/\boverlay$/m.test(readText('/proc/filesystems'))) {
    return { state: 'good', subject, text: 'there, for the images of engines' };
  }
  const text = 'not there: modprobe overlay, or let the engine use its vfs driver';
  return { state: 'note', subject, text };
}

function checkSecurity(): Finding {
  const modules = readText('/sys/kernel/security/lsm').split(',');
  const found = ['apparmor', 'selinux'].filter((name) => modules.includes(name));
  const text =
    found.length > 0
      ? `${found.join(', ')} for the monitors`
      : 'no AppArmor or SELinux: labels in a config.json are refused';
  return { state: found.length > 0 ? 'good' : 'note', subject: 'security', text };
}

function checkSystemd(): Finding {
  const runs = existsSync('/run/systemd/system');
  const text = runs ? 'runs' : 'does not run: --systemd-cgroup is refused, use cgroupfs';
  return { state: runs ? 'good' : 'note', subject: 'systemd', text };
}
