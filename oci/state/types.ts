/** The states of a container (runtime-spec, runtime.md "State"), and `paused`, which engines know. */
export type Status = 'creating' | 'created' | 'running' | 'paused' | 'stopped';

/** What `pinion state` prints, in this order (runc's contain more than the specification asks). */
export interface State {
  ociVersion: string;
  id: string;
  /** On the host; 0 when stopped. */
  pid: number;
  status: Status;
  /** Absolute. */
  bundle: string;
  /** Absolute. */
  rootfs: string;
  /** RFC 3339, UTC. */
  created: string;
  /** Absent when empty. */
  annotations?: Record<string, string>;
  /** Always empty here; see OwnedState. */
  owner: string;
}

/** An entry of `pinion list`: the owner is the user name of the state directory's owner. */
export type OwnedState = State;
