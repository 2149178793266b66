/** config-linux.md#network-devices, by the rules of runc 1.4. */
import type { LaunchPlan } from '../launch-plan.ts';
import type { Config } from '../spec/index.ts';
import { planError, propertyError } from './errors.ts';
import { hasNamespace, type Namespaces } from './namespaces.ts';

/** Without the zero byte: IFNAMSIZ of netdevice(7). */
const NAME_BYTES = 15;

/** dev_valid_name of Linux. */
function isName(name: string): boolean {
  return (
    name !== '' &&
    name !== '.' &&
    name !== '..' &&
    Buffer.byteLength(name) <= NAME_BYTES &&
    !/[/:\s\0]/.test(name)
  );
}

export function planNetDevices(config: Config, namespaces: Namespaces): LaunchPlan['netDevices'] {
  const devices = Object.entries(config.linux?.netDevices ?? {}).map(([host, { name }]) => ({
    host,
    container: name === undefined || name === '' ? host : name,
  }));
  if (devices.length === 0) return [];
  if (!hasNamespace(namespaces, 'network')) {
    throw planError('unable to move network devices without a private NET namespace');
  }
  const names = new Set<string>();
  for (const { host, container } of devices) {
    const path = `linux.netDevices.${host}`;
    for (const name of [host, container]) {
      if (!isName(name))
        throw propertyError(path, `invalid network device name ${JSON.stringify(name)}`);
    }
    if (names.has(container)) throw propertyError(path, `${container} is the name of two devices`);
    names.add(container);
  }
  return devices;
}
