/** What is wrong with a config.json is said in runc's words. */
import { expect, test } from 'vitest';
import type { BundleConfig } from '../../bundle.ts';
import { runBeside } from './beside-runc.ts';

const CAPABILITIES = ['CAP_SYS_RESOURCE'];
const ids = (user: object) => (config: BundleConfig) => Object.assign(config.process, { user });
const resources = (given: object) => (config: BundleConfig) =>
  Object.assign(config.linux, { resources: given });
const seccomp = (given: object) => (config: BundleConfig) =>
  Object.assign(config.linux, { seccomp: { defaultAction: 'SCMP_ACT_ALLOW', ...given } });
const notify = (...names: string[]) => ({
  listenerPath: '/nosuch',
  syscalls: [{ names, action: 'SCMP_ACT_NOTIFY' }],
});

const WRONG: Record<string, (config: BundleConfig) => void> = {
  'a user beyond all': ids({ uid: 2 ** 32 - 1, gid: 0 }),
  'a user beyond runc’s range': ids({ uid: 2 ** 31, gid: 0 }),
  'a group beyond all': ids({ uid: 0, gid: 2 ** 32 - 1 }),
  'another group beyond all': ids({ uid: 0, gid: 0, additionalGids: [2 ** 32 - 1] }),
  'capabilities that the runtime lacks': ({ process }) => {
    // Root may have it here, but not what is outside of the bounding set.
    process.capabilities = { effective: ['CAP_KILL'], permitted: [], bounding: CAPABILITIES };
  },
  'a program that is not there': ({ process }) => void process.args.splice(0, 9, '/nosuch'),
  'a program that is nowhere': ({ process }) => void process.args.splice(0, 9, 'nosuch'),
  'CPUs that the host lacks': resources({ cpu: { cpus: '4096' } }),
  'a default that asks': seccomp({ defaultAction: 'SCMP_ACT_NOTIFY', listenerPath: '/nosuch' }),
  'asking about write': seccomp(notify('mkdir', 'write')),
  'nobody to ask': seccomp({ ...notify('mkdir'), listenerPath: '' }),
};

/** runc warns first of what it cannot find out about a container that it has not made. */
const last = (stderr: string) => stderr.trimEnd().split('\n').at(-1);

test.each(Object.keys(WRONG))('%s', async (name) => {
  const { ours, theirs } = await runBeside(['/bin/true'], (config) => WRONG[name]?.(config));
  expect(theirs.status).not.toBe(0);
  expect(ours.status).toBe(theirs.status);
  expect(ours.stderr).toBe(`${last(theirs.stderr)}\n`);
});
