/** The sections of other operating systems: known, so that a config which needs them is refused. */
import {
  anyObject,
  choice,
  flag,
  int64,
  list,
  optional,
  section,
  text,
  texts,
  uint16,
  uint32,
  uint64,
} from './schema.ts';

const WindowsDevice = section('config-windows.md#devices', 'A device of the host.', {
  id: text('Identity of the device.'),
  idType: choice(['class'], 'What the identity is.'),
});

const WindowsResources = section('config-windows.md#resources', 'Limits of resources.', {
  memory: optional(
    section('config-windows.md#memory', 'Memory.', { limit: optional(uint64('Bytes.')) }),
  ),
  cpu: optional(
    section('config-windows.md#cpu', 'CPU time.', {
      count: optional(uint64('How many CPUs.')),
      shares: optional(uint16('Relative share.')),
      maximum: optional(uint16('Hundredths of a percent.')),
    }),
  ),
  storage: optional(
    section('config-windows.md#storage', 'Storage.', {
      iops: optional(uint64('Operations per second.')),
      bps: optional(uint64('Bytes per second.')),
      sandboxSize: optional(uint64('Bytes of the system drive.')),
    }),
  ),
});

const WindowsNetwork = section('config-windows.md#network', 'Network.', {
  endpointList: optional(texts('Endpoints.')),
  allowUnqualifiedDNSQuery: optional(flag('Whether unqualified names are resolved.')),
  DNSSearchList: optional(texts('DNS suffixes.')),
  networkSharedContainerName: optional(text('The container whose network is shared.')),
  networkNamespace: optional(text('The network namespace.')),
});

export const Windows = section('config-windows.md', 'What is particular to Windows.', {
  layerFolders: texts('Layers of the root file system.', { minItems: 1 }),
  devices: optional(list(WindowsDevice, 'Devices.')),
  resources: optional(WindowsResources),
  network: optional(WindowsNetwork),
  credentialSpec: optional(anyObject('Group managed service account.')),
  servicing: optional(flag('Servicing mode.')),
  ignoreFlushesDuringBoot: optional(flag('Flushes are ignored during boot.')),
  hyperv: optional(
    section('config-windows.md#hyperv', 'Hyper-V isolation.', {
      utilityVMPath: optional(text('Image of the utility VM.')),
    }),
  ),
});

const SOLARIS = 'config-solaris.md';
const Anet = section(`${SOLARIS}#network`, 'An automatic network.', {
  linkname: optional(text('Name of the link.')),
  lowerLink: optional(text('The link below.')),
  allowedAddress: optional(text('Addresses that may be used.')),
  configureAllowedAddress: optional(text('Whether they are configured: true or false.')),
  defrouter: optional(text('Default router.')),
  macAddress: optional(text('MAC address.')),
  linkProtection: optional(text('Protections.')),
});

export const Solaris = section(SOLARIS, 'What is particular to Solaris.', {
  milestone: optional(text('SMF milestone to wait for.')),
  limitpriv: optional(text('Limit set of privileges.')),
  maxShmMemory: optional(text('Limit of shared memory.')),
  anet: optional(list(Anet, 'Automatic networks.')),
  cappedCPU: optional(
    section(`${SOLARIS}#cappedcpu`, 'CPU cap.', { ncpus: optional(text('How many CPUs.')) }),
  ),
  cappedMemory: optional(
    section(`${SOLARIS}#cappedmemory`, 'Memory cap.', {
      physical: optional(text('Physical memory.')),
      swap: optional(text('Swap.')),
    }),
  ),
});

const ZosDevice = section('config-zos.md#devices', 'A device node.', {
  type: text('c, b, u or p.', { pattern: '^[cbup]$' }),
  path: text('The node.'),
  major: int64('Major number.'),
  minor: int64('Minor number.'),
  fileMode: optional(uint32('File mode.', { maximum: 0o1000 })),
  uid: optional(uint32('Owner.')),
  gid: optional(uint32('Group.')),
});

const ZosNamespace = section('config-zos.md#namespaces', 'A namespace to make or join.', {
  type: choice(['pid', 'mount', 'ipc', 'uts'], 'The kind of namespace.'),
  path: optional(text('The namespace to join.')),
});

export const Zos = section('config-zos.md', 'What is particular to z/OS.', {
  namespaces: optional(list(ZosNamespace, 'Namespaces.')),
  devices: optional(list(ZosDevice, 'Device nodes.')),
});

const FREEBSD = 'config-freebsd.md';
const FreebsdDevice = section(`${FREEBSD}#devices`, 'A device node that is visible.', {
  path: text('The path below /dev.'),
  mode: optional(uint32('File mode.')),
});

const sharing = (what: string) => optional(choice(['new', 'inherit'], what));
const addressing = (what: string) => optional(choice(['new', 'inherit', 'disable'], what));
const allowed = (what: string) => optional(flag(what));
const FreebsdJail = section(`${FREEBSD}#jail`, 'Parameters of the jail, as of jail(8).', {
  parent: optional(text('Name of the parent jail.')),
  host: sharing('Host name and id.'),
  ip4: addressing('IPv4.'),
  ip4Addr: optional(texts('IPv4 addresses.')),
  ip6: addressing('IPv6.'),
  ip6Addr: optional(texts('IPv6 addresses.')),
  vnet: sharing('Network stack.'),
  interface: optional(text('Interface for the addresses.')),
  vnetInterfaces: optional(texts('Interfaces that move into the jail.')),
  enforceStatfs: optional(uint32('Visible mounts: 0 to 2.', { maximum: 255 })),
  sysvmsg: addressing('SysV message queues.'),
  sysvsem: addressing('SysV semaphores.'),
  sysvshm: addressing('SysV shared memory.'),
  allow: optional(
    section(`${FREEBSD}#jail-allow`, 'What the jail may do.', {
      setHostname: allowed('Set the host name.'),
      rawSockets: allowed('Open raw sockets.'),
      chflags: allowed('Change file flags.'),
      mount: optional(texts('File systems that may be mounted.')),
      quotas: allowed('Administer quotas.'),
      socketAf: allowed('Open sockets of any family.'),
      mlock: allowed('Lock memory.'),
      reservedPorts: allowed('Bind to low ports.'),
      suser: allowed('Have a super-user.'),
    }),
  ),
});

export const Freebsd = section(FREEBSD, 'What is particular to FreeBSD.', {
  devices: optional(list(FreebsdDevice, 'Devices that are visible.')),
  jail: optional(FreebsdJail),
});
