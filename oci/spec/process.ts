/** config.md#process. */
import {
  choice,
  flag,
  int32,
  list,
  optional,
  type Static,
  section,
  Type,
  text,
  texts,
  uint32,
  uint64,
} from './schema.ts';

const User = section('config.md#posix-platform-user', 'The user that the process runs as.', {
  uid: optional(uint32('User id in the container; 0 when absent.')),
  gid: optional(uint32('Group id in the container; 0 when absent.')),
  umask: optional(uint32('File mode creation mask; when absent the runtime keeps its own.')),
  additionalGids: optional(list(uint32('A group id.'), 'Supplementary groups.')),
  username: optional(text('User name: for Windows only (config.md#windows-user).')),
});

const CAPABILITIES = 'config.md#linux-process';
const Capabilities = section(CAPABILITIES, 'Capability sets, as of capabilities(7).', {
  bounding: optional(texts('Bounding set.')),
  effective: optional(texts('Effective set.')),
  inheritable: optional(texts('Inheritable set.')),
  permitted: optional(texts('Permitted set.')),
  ambient: optional(texts('Ambient set.')),
});
export type Capabilities = Static<typeof Capabilities>;

const Rlimit = section('config.md#posix-process', 'A resource limit, as of getrlimit(2).', {
  type: text('RLIMIT_NOFILE and the like.', { pattern: '^RLIMIT_[A-Z]+$' }),
  soft: uint64('The limit that the kernel enforces.'),
  hard: uint64('The ceiling for the soft limit.'),
});

const ConsoleSize = section('config.md#process', 'The size of the terminal, if there is one.', {
  height: uint64('Rows of characters.'),
  width: uint64('Columns of characters.'),
});

const IoPriority = section('config.md#linux-process', 'I/O priority, as of ioprio_set(2).', {
  class: choice(
    ['IOPRIO_CLASS_RT', 'IOPRIO_CLASS_BE', 'IOPRIO_CLASS_IDLE'],
    'The scheduling class.',
  ),
  priority: optional(int32('The level within the class: 0 (highest) to 7.')),
});

const Scheduler = section('config.md#linux-process', 'CPU scheduler, as of sched_setattr(2).', {
  policy: choice(
    [
      'SCHED_OTHER',
      'SCHED_FIFO',
      'SCHED_RR',
      'SCHED_BATCH',
      'SCHED_ISO',
      'SCHED_IDLE',
      'SCHED_DEADLINE',
    ],
    'The scheduling policy.',
  ),
  nice: optional(int32('Nice value for SCHED_OTHER and SCHED_BATCH.')),
  priority: optional(int32('Static priority for SCHED_FIFO and SCHED_RR.')),
  flags: optional(
    list(
      choice(
        [
          'SCHED_FLAG_RESET_ON_FORK',
          'SCHED_FLAG_RECLAIM',
          'SCHED_FLAG_DL_OVERRUN',
          'SCHED_FLAG_KEEP_POLICY',
          'SCHED_FLAG_KEEP_PARAMS',
          'SCHED_FLAG_UTIL_CLAMP_MIN',
          'SCHED_FLAG_UTIL_CLAMP_MAX',
        ],
        'A flag.',
      ),
      'Scheduling flags.',
    ),
  ),
  runtime: optional(uint64('Nanoseconds to run in each period (SCHED_DEADLINE).')),
  deadline: optional(uint64('Nanoseconds to the absolute deadline (SCHED_DEADLINE).')),
  period: optional(uint64('Length of the period in nanoseconds (SCHED_DEADLINE).')),
});

const CPUS = { pattern: '^[0-9, -]*$' };
const ExecCpuAffinity = section('config.md#linux-process', 'CPUs for processes of exec.', {
  initial: optional(text('CPUs of the runtime until it joins the cgroup: "0-3,7".', CPUS)),
  final: optional(text('CPUs of the process once it is in the cgroup: "0-3,7".', CPUS)),
});

export const Process = section('config.md#process', 'The process of the container.', {
  terminal: optional(flag('Whether a terminal is attached.')),
  consoleSize: optional(ConsoleSize),
  cwd: text('The working directory: an absolute path in the container.'),
  env: optional(texts('Environment: NAME=value.')),
  args: optional(texts('The command, as of execvp(3).')),
  commandLine: optional(text('The command line: for Windows only.')),
  user: optional(User),
  capabilities: optional(Capabilities),
  rlimits: optional(list(Rlimit, 'Resource limits.')),
  noNewPrivileges: optional(flag('PR_SET_NO_NEW_PRIVS, as of prctl(2).')),
  apparmorProfile: optional(text('Name of the AppArmor profile.')),
  oomScoreAdj: optional(Type.Integer({ description: 'As of proc(5): -1000 to 1000.' })),
  selinuxLabel: optional(text('SELinux label.')),
  ioPriority: optional(IoPriority),
  scheduler: optional(Scheduler),
  execCPUAffinity: optional(ExecCpuAffinity),
});
export type Process = Static<typeof Process>;
