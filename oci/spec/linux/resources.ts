/** config-linux.md#control-groups: what a container may use. */
import {
  flag,
  int64,
  list,
  map,
  optional,
  type Static,
  section,
  Type,
  text,
  uint16,
  uint32,
  uint64,
} from '../schema.ts';

const DeviceRule = section(
  'config-linux.md#device-cgroup',
  'One rule of the list of devices that may be used; the last that matches decides.',
  {
    allow: flag('Whether the rule allows or denies.'),
    type: optional(text('a (all), c or b; a when absent.')),
    major: optional(int64('Major number; all when absent.')),
    minor: optional(int64('Minor number; all when absent.')),
    access: optional(text('Some of r (read), w (write), m (mknod).')),
  },
);
export type DeviceRule = Static<typeof DeviceRule>;

const Memory = section('config-linux.md#memory', 'Memory, in bytes; -1 is no limit.', {
  limit: optional(int64('Limit of memory.')),
  reservation: optional(int64('Soft limit of memory.')),
  swap: optional(int64('Limit of memory and swap together.')),
  kernel: optional(int64('Hard limit of kernel memory: no longer known to Linux.')),
  kernelTCP: optional(int64('Hard limit of kernel TCP memory: no longer known to Linux.')),
  swappiness: optional(uint64('How eagerly to swap: 0 to 100.')),
  disableOOMKiller: optional(flag('Tasks wait when memory is short instead of being killed.')),
  useHierarchy: optional(flag('Whether children are accounted for: always so in Linux >= 5.11.')),
  checkBeforeUpdate: optional(flag('An update fails when more than the new limit is in use.')),
});

const Cpu = section('config-linux.md#cpu', 'CPU time and CPUs.', {
  shares: optional(uint64('Relative share of CPU time: 2 to 262144.')),
  quota: optional(int64('CPU time in microseconds for each period; negative: no limit.')),
  burst: optional(uint64('Microseconds of unused quota that may be saved up.')),
  period: optional(uint64('Length of a period in microseconds.')),
  realtimeRuntime: optional(int64('Microseconds of real-time scheduling in each period.')),
  realtimePeriod: optional(uint64('Length of a real-time period in microseconds.')),
  cpus: optional(text('CPUs that may be used, as of cpuset(7): "0-3,7".')),
  mems: optional(text('Memory nodes that may be used, as of cpuset(7).')),
  idle: optional(int64('1: run only when nothing else would (SCHED_IDLE).')),
});

const BLOCK = 'config-linux.md#block-io';
const deviceNumbers = {
  major: int64('Major number of the device.'),
  minor: int64('Minor number of the device.'),
};
const WeightDevice = section(BLOCK, 'Weights for one device.', {
  ...deviceNumbers,
  weight: optional(uint16('Bandwidth weight: 10 to 1000.')),
  leafWeight: optional(uint16('Weight of the tasks against child cgroups: 10 to 1000.')),
});
const ThrottleDevice = section(BLOCK, 'A limit of rate for one device.', {
  ...deviceNumbers,
  rate: optional(uint64('Bytes or operations per second.')),
});
export type ThrottleDevice = Static<typeof ThrottleDevice>;
const throttle = (what: string) => optional(list(ThrottleDevice, what));
const BlockIo = section(BLOCK, 'Block devices.', {
  weight: optional(uint16('Bandwidth weight: 10 to 1000.')),
  leafWeight: optional(uint16('Weight of the tasks against child cgroups: 10 to 1000.')),
  weightDevice: optional(list(WeightDevice, 'Weights by device.')),
  throttleReadBpsDevice: throttle('Bytes read per second.'),
  throttleWriteBpsDevice: throttle('Bytes written per second.'),
  throttleReadIOPSDevice: throttle('Reads per second.'),
  throttleWriteIOPSDevice: throttle('Writes per second.'),
});

const HugepageLimit = section('config-linux.md#huge-page-limits', 'A limit of huge pages.', {
  pageSize: text('Size of the pages: "2MB".', { pattern: '^[1-9][0-9]*[KMG]B$' }),
  limit: uint64('Bytes.'),
});

const InterfacePriority = section('config-linux.md#network', 'Priority on one interface.', {
  name: text('Name of the interface in the runtime network namespace.'),
  priority: uint32('Priority of the traffic.'),
});
const Network = section('config-linux.md#network', 'Marks on network packets.', {
  classID: optional(uint32('Class identifier, as of net_cls.')),
  priorities: optional(list(InterfacePriority, 'Priorities by interface, as of net_prio.')),
});

const Pids = section('config-linux.md#pids', 'Number of tasks.', {
  limit: int64('How many tasks there may be; not positive: no limit.'),
});

const Rdma = section('config-linux.md#rdma', 'Limits of one RDMA device.', {
  hcaHandles: optional(uint32('How many handles may be open.')),
  hcaObjects: optional(uint32('How many objects may be made.')),
});

export const Resources = section('config-linux.md#control-groups', 'Limits of resources.', {
  devices: optional(list(DeviceRule, 'Which devices may be used.')),
  memory: optional(Memory),
  cpu: optional(Cpu),
  blockIO: optional(BlockIo),
  hugepageLimits: optional(list(HugepageLimit, 'Limits of huge pages by size.')),
  network: optional(Network),
  pids: optional(Pids),
  rdma: optional(map(Rdma, 'Limits by RDMA device.')),
  unified: optional(map(Type.String(), 'cgroup v2: file names and what to write to them.')),
});
export type Resources = Static<typeof Resources>;
