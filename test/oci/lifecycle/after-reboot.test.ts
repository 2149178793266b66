/** Records that outlive what they tell of: after a reboot, or a pid given out again. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { kill } from '../../../oci/lifecycle/kill.ts';
import { list } from '../../../oci/lifecycle/list.ts';
import { remove } from '../../../oci/lifecycle/remove.ts';
import { start } from '../../../oci/lifecycle/start.ts';
import { state } from '../../../oci/lifecycle/state.ts';
import { identify } from '../../../oci/state/process.ts';
import type { ContainerRecord } from '../../../oci/state/record.ts';
import { StateStore } from '../../../oci/state/store.ts';
import { temporaryDirectory } from '../../pinion.ts';
import { recordOf } from '../state/record.ts';
import { testContext } from './fixture.ts';

/** This very process has the pid that the record names, but started at another time. */
const STRANGER = { pid: process.pid, startTime: 1 };

function recorded(change: Partial<ContainerRecord>) {
  const base = temporaryDirectory();
  const ctx = { ...testContext(join(base, 'root')), cwd: base };
  const store = new StateStore(ctx.root);
  const script = `cat > ${base}/poststop`;
  store.claim('c');
  store.write(
    recordOf({
      bundle: '/no/such/bundle',
      init: STRANGER,
      ownPidNamespace: false,
      cgroups: ['/sys/fs/cgroup/pids/no-such-group', '/sys/fs/cgroup/no-such-group'],
      hooks: { poststart: [], poststop: [{ path: '/bin/sh', args: ['sh', '-c', script] }] },
      ...change,
    }),
  );
  return { base, ctx, store };
}

test('a pid that belongs to another process is a stopped container', async () => {
  const { ctx } = recorded({});
  expect(await state(ctx, 'c')).toMatchObject({ status: 'stopped', pid: 0 });
  expect(await list(ctx)).toMatchObject([{ id: 'c', status: 'stopped', owner: 'root' }]);
  await expect(start(ctx, 'c')).rejects.toThrow('cannot start a container that has stopped');
  await expect(kill(ctx, 'c', 'KILL', { all: false })).rejects.toThrow('container not running');
  await kill(ctx, 'c', 'KILL', { all: true });
  expect(identify(process.pid)).toBeDefined();
});

test('what only reads does without the addon', async () => {
  const { ctx } = recorded({});
  const bare = { ...ctx, addon: '/no/such/addon' };
  expect(await state(bare, 'c')).toMatchObject({ status: 'stopped' });
  expect(await list(bare)).toHaveLength(1);
});

test('it is deleted, its poststop hooks run, and the other process lives', async () => {
  const { base, ctx } = recorded({});
  await remove(ctx, 'c', { force: false });
  expect(existsSync(join(ctx.root, 'c'))).toBe(false);
  expect(JSON.parse(readFileSync(join(base, 'poststop'), 'utf8'))).toEqual({
    ociVersion: '1.3.0',
    id: 'c',
    status: 'stopped',
    bundle: '/no/such/bundle',
  });
});

test('a creator that is gone has left a stopped container', async () => {
  const { ctx } = recorded({ creator: STRANGER, init: null });
  expect(await state(ctx, 'c')).toMatchObject({ status: 'stopped', pid: 0 });
  await remove(ctx, 'c', { force: false });
  await expect(remove(ctx, 'c', { force: false })).rejects.toThrow('container does not exist');
  await remove(ctx, 'c', { force: true });
});

test('a signal that does not exist is refused by the kernel', async () => {
  const child = spawn('/bin/sleep', ['30']);
  const init = identify(child.pid ?? 0) ?? null;
  const { ctx } = recorded({ init });
  await expect(kill(ctx, 'c', '99', { all: false })).rejects.toThrow(
    'unable to signal init: invalid argument',
  );
  await remove(ctx, 'c', { force: true });
  expect(init && identify(init.pid)).toBeUndefined();
});
