/** config-linux.md#namespaces, #network-devices and #time-offsets. */
import { choice, int64, map, optional, type Static, section, text, uint32 } from '../schema.ts';

export const NAMESPACES = [
  'mount',
  'pid',
  'network',
  'uts',
  'ipc',
  'user',
  'cgroup',
  'time',
] as const;

export const Namespace = section('config-linux.md#namespaces', 'A namespace to make or join.', {
  type: choice(NAMESPACES, 'The kind of namespace, as of namespaces(7).'),
  path: optional(text('A namespace file to join; when absent a new namespace is made.')),
});
export type Namespace = Static<typeof Namespace>;

const NetDevice = section(
  'config-linux.md#network-devices',
  'A network device of the runtime namespace that moves into the container.',
  { name: optional(text('Its name in the container; when absent it keeps its own.')) },
);
export const NetDevices = map(NetDevice, 'Network devices by their names on the host.');

const TimeOffset = section('config-linux.md#offset-for-time-namespace', 'An offset of a clock.', {
  secs: optional(int64('Seconds.')),
  nanosecs: optional(uint32('Nanoseconds.')),
});
export const TimeOffsets = section(
  'config-linux.md#offset-for-time-namespace',
  'Offsets of the clocks of a new time namespace, as of time_namespaces(7).',
  { boottime: optional(TimeOffset), monotonic: optional(TimeOffset) },
);
