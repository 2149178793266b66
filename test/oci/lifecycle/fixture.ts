import { openSync } from 'node:fs';
import type { Context, Logger } from '../../../oci/context.ts';
import { HOME } from '../../pinion.ts';

/** A logger that keeps what it is told. */
export class TestLog implements Logger {
  readonly lines: string[] = [];
  debug = () => {};
  info = (message: string) => void this.lines.push(message);
  warning = (message: string) => void this.lines.push(message);
  error = (message: string) => void this.lines.push(message);
}

let devNull: number | undefined;

/** A caller without streams and signals. */
export function testContext(root: string): Context & { log: TestLog } {
  devNull ??= openSync('/dev/null', 'r+');
  return {
    root,
    cwd: '/',
    env: {},
    stdio: { stdin: devNull, stdout: devNull, stderr: devNull },
    log: new TestLog(),
    signals: { subscribe: () => () => {} },
    pid: process.pid,
    monitor: `${HOME}/target/release/pinion-vmm`,
    kernel: `${HOME}/target/release/pinion-unikernel`,
    addon: `${HOME}/native/build/Release/pinion.node`,
    rootless: false,
    systemdCgroup: false,
    debug: false,
  };
}
