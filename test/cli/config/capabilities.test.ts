/** The first program of a container has the rights that execve(2) would leave it, as under runc. */
import { expect, test } from 'vitest';
import { Container } from '../lifecycle/container.ts';
import { runBeside } from './beside-runc.ts';

const STATUS = ['/bin/cat', '/proc/self/status'];

/** The lines about ids and capabilities. */
const rights = (status: string) => status.match(/^(Uid|Gid|Groups|Cap\w+|NoNewPrivs):.*$/gm);

const KILL = ['CAP_KILL'];
const BOTH = ['CAP_KILL', 'CAP_NET_RAW'];
const SETS = {
  'fewer than the bounding set': { bounding: BOTH, effective: KILL, permitted: KILL },
  'fewer in effect': { bounding: BOTH, effective: KILL, permitted: BOTH },
  ambient: {
    bounding: BOTH,
    effective: KILL,
    permitted: BOTH,
    inheritable: ['CAP_NET_RAW'],
    ambient: ['CAP_NET_RAW'],
  },
  none: {},
};

const CASES = Object.entries(SETS).flatMap(([name, capabilities]) =>
  [0, 7].flatMap((uid) =>
    [true, false].map((noNewPrivileges) => ({ name, uid, noNewPrivileges, capabilities })),
  ),
);

test.each(CASES)('$name, user $uid, no_new_privs $noNewPrivileges', async (one) => {
  const { uid, noNewPrivileges, capabilities } = one;
  const { ours, theirs } = await runBeside(STATUS, ({ process }) => {
    Object.assign(process, { user: { uid, gid: uid }, noNewPrivileges, capabilities });
  });
  expect(theirs).toMatchObject({ status: 0, stderr: '' });
  expect(rights(ours.stdout)).toEqual(rights(theirs.stdout));
});

test('so has a program that joins it', async () => {
  const container = new Container({
    edit: ({ process }) => {
      process.user = { uid: 7, gid: 7 };
      process.capabilities = { bounding: BOTH, effective: BOTH, permitted: BOTH };
    },
  });
  await container.create();
  await container.start();
  const { stdout } = await container.pinion('exec', container.id, ...STATUS);
  expect(rights(stdout)).toContain('CapPrm:\t0000000000000000');
  expect(rights(stdout)).toContain('CapEff:\t0000000000000000');
});
