/** Sockets: unix, internet, netlink, and the messages that they carry. */
import { beforeAll, expect, test } from 'vitest';
import { build, expectGood, expectSame } from './programs.ts';

const programs: Record<string, string> = {};

beforeAll(async () => {
  programs.unix = await build('unix');
  programs.inet = await build('inet');
  programs.messages = await build('messages', '-pthread');
  programs.streams = await build('streams', '-pthread');
});

test.each([
  ['unix', 'pairs'],
  ['unix', 'names'],
  ['unix', 'abstracts'],
  ['unix', 'rights'],
  ['unix', 'limits'],
  ['unix', 'credentials'],
  ['inet', 'tcp'],
  ['inet', 'asynchronous'],
  ['inet', 'udp'],
  ['inet', 'options'],
  ['inet', 'filters'],
  ['inet', 'files'],
  ['inet', 'netlink'],
  ['messages', 'parts'],
  ['messages', 'large'],
  ['messages', 'several'],
  ['messages', 'ancillary'],
  ['messages', 'timeouts'],
  ['messages', 'threads'],
  ['messages', 'blocking'],
  ['streams', 'reading'],
  ['streams', 'shared'],
  ['streams', 'writing'],
  ['streams', 'ending'],
  ['streams', 'soon'],
  ['streams', 'reset'],
  ['streams', 'refused'],
  ['streams', 'sending'],
  ['streams', 'files'],
  ['streams', 'racing'],
  ['streams', 'one'],
  ['streams', 'several'],
] as const)('%s: %s', async (program, name) => {
  await expectGood(programs[program] ?? '', [name]);
});

test('sending to where nobody receives', async () => {
  expect(await expectSame(programs.unix ?? '', ['broken'])).toMatchObject({ signal: 'SIGPIPE' });
});
