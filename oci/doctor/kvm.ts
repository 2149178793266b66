/** /dev/kvm, and which kind of KVM stands behind it: leaving a guest costs up to 20 times more on some. */
import { closeSync, existsSync, openSync } from 'node:fs';
import { errnoOf, messageOf } from '../errors.ts';
import type { Finding } from './index.ts';
import { readText } from './text.ts';

const SUBJECT = 'kvm';
const DEVICE = '/dev/kvm';

/** Modules, and what they run on. */
const KINDS = {
  kvm_intel: 'Intel VT-x',
  kvm_amd: 'AMD-V',
  kvm_pvm: 'paravirtual (PVM): this is a virtual machine without nested virtualisation',
} as const;

export function checkKvm(): Finding[] {
  try {
    closeSync(openSync(DEVICE, 'r+'));
  } catch (error) {
    return [{ state: 'bad', subject: SUBJECT, text: `${DEVICE} ${remedy(error)}` }];
  }
  const kind = Object.entries(KINDS).find(([module]) => existsSync(`/sys/module/${module}`));
  const text = kind === undefined ? 'of a kind that is not known' : `${kind[0]}: ${kind[1]}`;
  const findings: Finding[] = [{ state: 'good', subject: SUBJECT, text }];
  if (/\bnested_pvm=1\b/.test(readText('/proc/cmdline'))) {
    findings.push({
      state: 'note',
      subject: SUBJECT,
      text: 'KVM itself runs in a virtual machine here: each exit of a guest takes tens of microseconds',
    });
  }
  return findings;
}

function remedy(error: unknown): string {
  if (errnoOf(error) === 'ENOENT') {
    return 'does not exist: enable virtualisation (VT-x or AMD-V) in the firmware, or nested virtualisation for this virtual machine, and load kvm_intel or kvm_amd';
  }
  if (['EACCES', 'EPERM'].includes(errnoOf(error) ?? '')) {
    return 'may not be opened: become a member of its group (mostly kvm), or give this container the device';
  }
  return `cannot be opened: ${messageOf(error)}`;
}
