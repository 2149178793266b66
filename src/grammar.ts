/**
 * The one table of the command line: every flag and argument of every command, as runc has them
 * (runc(8) and its pages, runc 1.1). The normaliser, oclif's definitions and the help all read it.
 */

import type { Interfaces } from '@oclif/core';

/** `strings` may be given more than once and keeps every value. */
export type FlagKind = 'boolean' | 'string' | 'strings' | 'integer';

export interface FlagRule {
  readonly kind: FlagKind;
  /** The one-letter alias, which Go's flag package lets stand behind one dash or two. */
  readonly char?: Interfaces.AlphabetLowercase;
  /** What the value is called in the help. */
  readonly value?: string;
  readonly summary: string;
  /** Accepted and ignored: kept for callers of older runc releases. */
  readonly hidden?: boolean;
}

export type FlagTable = Readonly<Record<string, FlagRule>>;

export interface CommandRule {
  readonly summary: string;
  readonly flags: FlagTable;
  /** Positional arguments by name, the required ones first. */
  readonly args: Readonly<Record<string, { summary: string; required: boolean }>>;
  /** What the positional arguments after those are: everything behind the first, flags included. */
  readonly passThrough?: { name: string; summary: string };
}

const ID = { id: { summary: 'name of the container', required: true } } as const;

const CREATE_FLAGS = {
  bundle: {
    kind: 'string',
    char: 'b',
    value: 'dir',
    summary: 'directory of the bundle (default: the current directory)',
  },
  'console-socket': {
    kind: 'string',
    value: 'path',
    summary: 'unix socket that receives the master of the container’s terminal',
  },
  'pid-file': { kind: 'string', value: 'path', summary: 'file to write the pid of the init to' },
  'no-pivot': { kind: 'boolean', summary: 'do not use pivot_root (for a rootfs on a ramdisk)' },
  'no-new-keyring': { kind: 'boolean', summary: 'keep the caller’s session keyring' },
  'preserve-fds': {
    kind: 'integer',
    value: 'n',
    summary: 'pass n more file descriptors, from 3 on, to the container',
  },
} as const satisfies FlagTable;

/** Flags that stand before the command. */
export const GLOBAL_FLAGS = {
  root: {
    kind: 'string',
    value: 'dir',
    summary: 'state directory (default: /run/pinion, $XDG_RUNTIME_DIR/pinion without root)',
  },
  log: { kind: 'string', value: 'file', summary: 'append log records to this file' },
  'log-format': { kind: 'string', value: 'text|json', summary: 'format of log records' },
  debug: { kind: 'boolean', summary: 'log debug records; the monitor prints its counters' },
  'systemd-cgroup': { kind: 'boolean', summary: 'use the systemd cgroup driver' },
  rootless: { kind: 'string', value: 'true|false|auto', summary: 'ignored', hidden: true },
  'cgroup-manager': {
    kind: 'string',
    value: 'name',
    summary: 'cgroup driver: cgroupfs or systemd',
  },
  criu: { kind: 'string', value: 'path', summary: 'ignored', hidden: true },
  help: { kind: 'boolean', char: 'h', summary: 'show help' },
  version: { kind: 'boolean', char: 'v', summary: 'show the version' },
} as const satisfies FlagTable;

const HELP = { help: { kind: 'boolean', char: 'h', summary: 'show help' } } as const;

/**
 * Of what is not supported, so that callers get that answer and no other; not in the help. Podman takes
 * a `--help`, and a `restore --lsm-mount-context` that wants an argument, for support: there are none.
 */
const hidden = (kind: FlagKind, char?: Interfaces.AlphabetLowercase): FlagRule => ({
  kind,
  summary: 'not supported',
  hidden: true,
  ...(char !== undefined && { char }),
});

const MIGRATION_FLAGS = {
  'image-path': hidden('string'),
  'work-path': hidden('string'),
  'tcp-established': hidden('boolean'),
  'ext-unix-sk': hidden('boolean'),
  'shell-job': hidden('boolean'),
  'lazy-pages': hidden('boolean'),
  'file-locks': hidden('boolean'),
  'manage-cgroups-mode': hidden('string'),
  'empty-ns': hidden('strings'),
  'auto-dedup': hidden('boolean'),
} as const satisfies FlagTable;

const CHECKPOINT_FLAGS = {
  ...MIGRATION_FLAGS,
  'parent-path': hidden('string'),
  'leave-running': hidden('boolean'),
  'tcp-skip-in-flight': hidden('boolean'),
  'status-fd': hidden('integer'),
  'page-server': hidden('string'),
  'pre-dump': hidden('boolean'),
  'link-remap': hidden('boolean'),
} as const satisfies FlagTable;

const RESTORE_FLAGS = {
  ...MIGRATION_FLAGS,
  detach: hidden('boolean', 'd'),
  'no-subreaper': hidden('boolean'),
  'lsm-profile': hidden('string'),
} as const satisfies FlagTable;

export const COMMAND_RULES = {
  checkpoint: {
    summary: 'write the state of a running container to files (not supported)',
    args: ID,
    flags: CHECKPOINT_FLAGS,
  },
  completion: {
    summary: 'output the completions of a shell',
    args: { shell: { summary: 'bash, zsh or fish', required: true } },
    flags: HELP,
  },
  create: { summary: 'create a container', args: ID, flags: { ...CREATE_FLAGS, ...HELP } },
  delete: {
    summary: 'delete a container and everything it holds',
    args: ID,
    flags: {
      force: { kind: 'boolean', char: 'f', summary: 'kill the container first if it is running' },
      ...HELP,
    },
  },
  doctor: { summary: 'check this machine: what works and what to mend', args: {}, flags: HELP },
  events: {
    summary: 'tell of a container: statistics, and kills for want of memory',
    args: ID,
    flags: {
      interval: { kind: 'string', value: 'duration', summary: 'between statistics (default: 5s)' },
      stats: { kind: 'boolean', summary: 'only the statistics of this moment' },
      missing: {
        kind: 'boolean',
        summary: 'what its programs asked for that is not supported, with counts',
      },
      ...HELP,
    },
  },
  exec: {
    summary: 'run another program in a container',
    args: ID,
    passThrough: {
      name: 'command',
      summary: 'program and its arguments, unless --process is given',
    },
    flags: {
      'console-socket': CREATE_FLAGS['console-socket'],
      cwd: { kind: 'string', value: 'dir', summary: 'working directory in the container' },
      env: {
        kind: 'strings',
        char: 'e',
        value: 'name=value',
        summary: 'add a variable to the environment',
      },
      tty: { kind: 'boolean', char: 't', summary: 'give the program a terminal' },
      user: { kind: 'string', char: 'u', value: 'uid[:gid]', summary: 'user to run as' },
      'additional-gids': {
        kind: 'strings',
        char: 'g',
        value: 'gid',
        summary: 'add a supplementary group',
      },
      process: {
        kind: 'string',
        char: 'p',
        value: 'file',
        summary: 'file with a process as in config.json, in place of all flags about it',
      },
      detach: { kind: 'boolean', char: 'd', summary: 'return once the program runs' },
      'pid-file': { kind: 'string', value: 'path', summary: 'file to write the pid to' },
      'process-label': { kind: 'string', value: 'label', summary: 'SELinux label' },
      apparmor: { kind: 'string', value: 'profile', summary: 'AppArmor profile' },
      'no-new-privs': { kind: 'boolean', summary: 'set no_new_privs' },
      cap: { kind: 'strings', char: 'c', value: 'name', summary: 'add a capability' },
      'preserve-fds': {
        kind: 'integer',
        value: 'n',
        summary: 'pass n more file descriptors, from 3 on, to the program',
      },
      cgroup: {
        kind: 'strings',
        value: '[controller:]path',
        summary: 'run in a control group below the container’s, which exists',
      },
      'ignore-paused': {
        kind: 'boolean',
        summary: 'in a paused container too: it waits to be resumed',
      },
      ...HELP,
    },
  },
  features: { summary: 'output what the runtime supports, as JSON', args: {}, flags: HELP },
  kill: {
    summary: 'send a signal to the init process of a container',
    args: {
      ...ID,
      signal: { summary: 'name or number of the signal (default: SIGTERM)', required: false },
    },
    flags: {
      all: { kind: 'boolean', char: 'a', summary: 'signal every process of the container' },
      ...HELP,
    },
  },
  list: {
    summary: 'list the containers of a state directory',
    args: {},
    flags: {
      format: { kind: 'string', char: 'f', value: 'table|json', summary: 'output format' },
      quiet: { kind: 'boolean', char: 'q', summary: 'show the ids only' },
      ...HELP,
    },
  },
  pause: {
    summary: 'stop all processes of a container until it is resumed',
    args: ID,
    flags: HELP,
  },
  ps: {
    summary: 'list the processes of a container',
    args: ID,
    passThrough: { name: 'option', summary: 'options of ps(1)' },
    flags: {
      format: { kind: 'string', char: 'f', value: 'table|json', summary: 'output format' },
      ...HELP,
    },
  },
  restore: {
    summary: 'create a container from files with its state (not supported)',
    args: ID,
    flags: { ...CREATE_FLAGS, ...RESTORE_FLAGS },
  },
  resume: { summary: 'let the processes of a paused container go on', args: ID, flags: HELP },
  run: {
    summary: 'create and start a container',
    args: ID,
    flags: {
      ...CREATE_FLAGS,
      detach: { kind: 'boolean', char: 'd', summary: 'return once the program runs' },
      keep: { kind: 'boolean', summary: 'keep the state directory after the container ended' },
      'no-subreaper': {
        kind: 'boolean',
        summary: 'do not adopt orphans of the container (never done here)',
      },
      ...HELP,
    },
  },
  spec: {
    summary: 'write a config.json to start from',
    args: {},
    flags: {
      bundle: {
        kind: 'string',
        char: 'b',
        value: 'dir',
        summary: 'directory that receives config.json (default: the current directory)',
      },
      rootless: { kind: 'boolean', summary: 'write a config for a user without root' },
      ...HELP,
    },
  },
  start: { summary: 'start the program of a created container', args: ID, flags: HELP },
  state: { summary: 'output the state of a container', args: ID, flags: HELP },
  update: {
    summary: 'change the limits of a container',
    args: ID,
    flags: {
      resources: {
        kind: 'string',
        char: 'r',
        value: 'file',
        summary: 'file with all the new limits as JSON, or - for standard input',
      },
      'blkio-weight': { kind: 'integer', value: 'n', summary: 'weight of block I/O: 10 to 1000' },
      'cpu-period': { kind: 'string', value: 'us', summary: 'length of a period of CPU time' },
      'cpu-quota': { kind: 'string', value: 'us', summary: 'CPU time in each period' },
      'cpu-burst': { kind: 'string', value: 'us', summary: 'CPU time that may be saved up' },
      'cpu-share': { kind: 'string', value: 'n', summary: 'weight of CPU time: 2 to 262144' },
      'cpu-rt-period': { kind: 'string', value: 'us', summary: 'length of a real-time period' },
      'cpu-rt-runtime': { kind: 'string', value: 'us', summary: 'real-time CPU time in it' },
      'cpuset-cpus': { kind: 'string', value: 'list', summary: 'CPUs to use, such as 0-3,7' },
      'cpuset-mems': { kind: 'string', value: 'list', summary: 'memory nodes to use' },
      'cpu-idle': { kind: 'string', value: '0|1', summary: 'run only when nothing else would' },
      'kernel-memory': { kind: 'string', value: 'bytes', summary: 'ignored', hidden: true },
      'kernel-memory-tcp': { kind: 'string', value: 'bytes', summary: 'ignored', hidden: true },
      memory: { kind: 'string', value: 'bytes', summary: 'limit of memory' },
      'memory-reservation': { kind: 'string', value: 'bytes', summary: 'soft limit of memory' },
      'memory-swap': {
        kind: 'string',
        value: 'bytes',
        summary: 'limit of memory and swap together',
      },
      'pids-limit': { kind: 'integer', value: 'n', summary: 'how many processes and threads' },
      'l3-cache-schema': { kind: 'string', summary: 'not supported', hidden: true },
      'mem-bw-schema': { kind: 'string', summary: 'not supported', hidden: true },
      ...HELP,
    },
  },
} as const satisfies Readonly<Record<string, CommandRule>>;

export type CommandName = keyof typeof COMMAND_RULES;

export function isCommandName(name: string): name is CommandName {
  return Object.hasOwn(COMMAND_RULES, name);
}

type FlagValue<K extends FlagKind> = K extends 'boolean'
  ? boolean
  : K extends 'integer'
    ? number | undefined
    : K extends 'strings'
      ? readonly string[]
      : string | undefined;

/** The values of a flag table: when not given a boolean is false, `strings` is empty, the rest is undefined. */
export type FlagValues<T extends FlagTable> = {
  readonly [Name in keyof T]: FlagValue<T[Name]['kind']>;
};

export type CommandFlags<N extends CommandName> = FlagValues<(typeof COMMAND_RULES)[N]['flags']>;

export type CommandArgs<N extends CommandName> = {
  readonly [Name in keyof (typeof COMMAND_RULES)[N]['args']]: (typeof COMMAND_RULES)[N]['args'][Name] extends {
    required: true;
  }
    ? string
    : string | undefined;
};
