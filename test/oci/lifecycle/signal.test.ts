import { expect, test } from 'vitest';
import { parseSignal } from '../../../oci/lifecycle/signal.ts';

test.each([
  ['9', 9],
  ['0', 0],
  ['KILL', 9],
  ['SIGKILL', 9],
  ['sigkill', 9],
  ['Term', 15],
  ['SIGUSR1', 10],
  ['SIGPOLL', 29],
  ['RTMIN', 34],
  ['SIGRTMIN+3', 37],
  ['sigrtmax-1', 63],
  ['SIGRTMAX', 64],
])('%s is %i', (text, number) => {
  expect(parseSignal(text)).toBe(number);
});

test.each(['FOO', '', 'SIG', 'SIGSIGKILL', 'RTMIN+31', 'RTMAX+1', 'RTMIN-1', '9x', 'toString'])(
  '%j is unknown',
  (text) => {
    expect(() => parseSignal(text)).toThrow(`unknown signal ${JSON.stringify(text)}`);
  },
);
