/**
 * All that an operation needs to know of the process it runs in. Library code reads nothing else:
 * a resident process can serve many callers, each with a context of its own.
 */
export interface Context {
  /** The state directory (`--root`), absolute. */
  root: string;
  /** The caller's working directory, absolute. Relative paths of options start here. */
  cwd: string;
  env: Environment;
  stdio: Stdio;
  log: Logger;
  signals: SignalSource;
  /** The caller's process id: LISTEN_FDS counts only for the process that LISTEN_PID names. */
  pid: number;
  /** Absolute path of the monitor's binary, `pinion-vmm`. */
  monitor: string;
  /** Absolute path of the unikernel image. */
  kernel: string;
  /** Absolute path of the native addon (`native/build/Release/pinion.node`), loaded when needed. */
  addon: string;
  /** The caller lacks root's rights on the host: control groups may be closed to it. */
  rootless: boolean;
  /** `--systemd-cgroup`: new containers are units of the service manager. */
  systemdCgroup: boolean;
  /** `--debug`: the monitor prints the guest's boot line and exit counters. */
  debug: boolean;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** File descriptors, which a container without a terminal inherits as they are. */
export interface Stdio {
  stdin: number;
  stdout: number;
  stderr: number;
}

export interface Logger {
  debug(message: string): void;
  info(message: string): void;
  warning(message: string): void;
  error(message: string): void;
}

/** Where the caller's signals come from. Only `run` in the foreground subscribes, to pass them on. */
export interface SignalSource {
  /** Calls the listener for every signal that can be caught, until the returned function is called. */
  subscribe(listener: (signal: NodeJS.Signals) => void): () => void;
}
