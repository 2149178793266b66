import type { HostFacts } from './host.ts';

/** What decides about a launch beside config.json. */
export interface PlanOptions {
  /** The container's id, already checked. */
  id: string;
  /** Absolute path of the bundle. */
  bundle: string;
  /** Absolute path of the FIFO that holds the init back until `start`; absent: it starts at once. */
  execFifo?: string | undefined;
  /** Whether the launcher stays as the init's parent. */
  foreground: boolean;
  /** How many descriptors from 3 on are for the container. */
  preserveFds: number;
  /** `--no-pivot`. */
  noPivot: boolean;
  /** The runtime lacks root's rights on the host: control groups may be closed to it. */
  rootless?: boolean;
  /** `--systemd-cgroup`: the service manager's own group, absolute, and whether it is a user's. */
  systemd?: { root: string; user: boolean } | undefined;
  /** Absolute path of the unikernel image. */
  kernel: string;
  /** Absolute path of the file in which guests count what they ask for in vain. */
  missing?: string;
  /** Whether the monitor prints the guest's boot line and exit counters. */
  verbose?: boolean;
  /** Told what is left out. */
  warn?: (message: string) => void;
  host: HostFacts;
}
