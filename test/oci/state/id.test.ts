import { expect, test } from 'vitest';
import { checkId } from '../../../oci/state/id.ts';

test.each(['a', 'A-b_c+d.e', '...', '.x', '0'.repeat(200)])('takes %s', (id) => {
  expect(() => checkId(id)).not.toThrow();
});

test.each(['a/b', '..', '.', 'a b', '../x', 'a\n', 'é', 'a:b', '/'])('refuses %j', (id) => {
  expect(() => checkId(id)).toThrow('invalid container ID format');
});

test('refuses an empty id in words of its own', () => {
  expect(() => checkId('')).toThrow('container id cannot be empty');
});
