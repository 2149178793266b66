import { closeSync, openSync } from 'node:fs';
import { expect, test } from 'vitest';
import { checkPreservedFds, listenFds } from '../../../oci/lifecycle/fds.ts';
import { testContext } from './fixture.ts';

test.each([
  [{ LISTEN_PID: '7', LISTEN_FDS: '2' }, 2],
  [{ LISTEN_PID: '8', LISTEN_FDS: '2' }, 0],
  [{ LISTEN_FDS: '2' }, 0],
  [{ LISTEN_PID: '7' }, 0],
  [{ LISTEN_PID: '7', LISTEN_FDS: 'x' }, 0],
  [{ LISTEN_PID: '7', LISTEN_FDS: '-1' }, 0],
])('%j hands over %i', (env, count) => {
  expect(listenFds({ ...testContext('/nowhere'), env, pid: 7 })).toBe(count);
});

test('a descriptor that was not passed is an error, also where Node has put its own', () => {
  const fd = openSync('/dev/null', 'r');
  expect(() => checkPreservedFds(fd, 1)).not.toThrow();
  closeSync(fd);
  expect(() => checkPreservedFds(1000, 2)).toThrow(
    'unable to stat preserved-fd 0 (of 2): stat /proc/self/fd/1000: no such file or directory',
  );
});
