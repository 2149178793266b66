/** config-linux.md#sysctl: only parameters of the container's own namespaces. */
import { statSync } from 'node:fs';
import type { Config } from '../spec/index.ts';
import { looking, planError } from './errors.ts';
import { hasNamespace, type Namespaces } from './namespaces.ts';

/** Parameters of the IPC namespace, besides fs.mqueue (namespaces(7)). */
const IPC_PARAMETERS = new Set([
  'kernel.msgmax',
  'kernel.msgmnb',
  'kernel.msgmni',
  'kernel.sem',
  'kernel.shmall',
  'kernel.shmmax',
  'kernel.shmmni',
  'kernel.shm_rmid_forced',
]);

/** sysctl(8): when the first separator is a slash, dots and slashes have changed places. */
export function withDots(name: string): string {
  const first = /[./]/.exec(name)?.[0];
  if (first !== '/') return name;
  return name.replace(/[./]/g, (separator) => (separator === '.' ? '/' : '.'));
}

/** Whether a name stays below /proc/sys. */
function isPlain(name: string): boolean {
  const parts = name.split('.').map((part) => part.replaceAll('/', '.'));
  return parts.every((part) => part !== '' && part !== '.' && part !== '..');
}

function isHostNetwork(namespaces: Namespaces): boolean {
  const network = namespaces.find(({ type }) => type === 'network');
  if (network === undefined) return true;
  if (network.path === undefined) return false;
  const own = statSync('/proc/self/ns/net');
  const { path } = network;
  const joined = looking(`linux.namespaces: stat ${path}`, () => statSync(path));
  return own.ino === joined.ino && own.dev === joined.dev;
}

/** Why a parameter may not be set, in runc's words (validate.sysctl). */
function refusal(name: string, namespaces: Namespaces): string | undefined {
  if (!isPlain(name)) return `sysctl "${name}" is not a valid name`;
  if (IPC_PARAMETERS.has(name) || name.startsWith('fs.mqueue.')) {
    if (hasNamespace(namespaces, 'ipc')) return undefined;
    return `sysctl "${name}" is not allowed in the hosts ipc namespace`;
  }
  if (name.startsWith('net.')) {
    if (!isHostNetwork(namespaces)) return undefined;
    return `sysctl "${name}" not allowed in host network namespace`;
  }
  if (hasNamespace(namespaces, 'uts')) {
    if (name === 'kernel.domainname') return undefined;
    if (name === 'kernel.hostname') {
      return `sysctl "${name}" is not allowed as it conflicts with the OCI "hostname" field`;
    }
  }
  return `sysctl "${name}" is not in a separate kernel namespace`;
}

export function planSysctl(config: Config, namespaces: Namespaces): Record<string, string> {
  const entries = Object.entries(config.linux?.sysctl ?? {}).map(([key, value]) => {
    const name = withDots(key);
    const problem = refusal(name, namespaces);
    if (problem !== undefined) throw planError(problem);
    return [name, value] as const;
  });
  return Object.fromEntries(entries);
}
