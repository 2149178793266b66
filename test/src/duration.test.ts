import { expect, it } from 'vitest';
import { parseDuration } from '../../src/duration.ts';

it.each([
  ['5s', 5000],
  ['100ms', 100],
  ['1m30s', 90_000],
  ['1.5h', 5_400_000],
  ['.5s', 500],
  ['-1s', -1000],
  ['0', 0],
  ['5', undefined],
  ['', undefined],
  ['s', undefined],
  ['5 s', undefined],
])('%j', (text, milliseconds) => {
  expect(parseDuration(text)).toBe(milliseconds);
});
