/** What kind of machine this is: what leaving a guest costs differs by up to 20 times. */

import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';

export interface Machine {
  /** `kvm_pvm`, `kvm_intel` or `kvm_amd`. */
  kvm: string;
  /** Slow: KVM's own exits leave for another hypervisor (`nested_pvm=1`). */
  kind: 'slow' | 'quick';
  cpu: string;
  cpus: number;
  linux: string;
}

export function readMachine(): Machine {
  const commandLine = readFileSync('/proc/cmdline', 'utf8');
  const modules = ['kvm_pvm', 'kvm_intel', 'kvm_amd'];
  return {
    kvm: modules.find((name) => existsSync(`/sys/module/${name}`)) ?? 'unknown',
    kind: /\bnested_pvm=1\b/.test(commandLine) ? 'slow' : 'quick',
    cpu: cpus()[0]?.model ?? 'unknown',
    cpus: cpus().length,
    linux: readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim(),
  };
}
