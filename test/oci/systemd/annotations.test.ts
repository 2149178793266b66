import { describe, expect, it } from 'vitest';
import { annotatedProperties } from '../../../oci/systemd/annotations.ts';
import { parseVariant } from '../../../oci/systemd/variant.ts';

describe('a value', () => {
  it.each([
    ['5', 'i', ['5']],
    ['-5', 'i', ['-5']],
    ['1.5', 'd', ['1.5']],
    ['true', 'b', ['true']],
    ["'inactive-or-failed'", 's', ['inactive-or-failed']],
    ['"a b"', 's', ['a b']],
    [String.raw`'it\'s'`, 's', ["it's"]],
    ['uint64 123', 't', ['123']],
    ['@t 123', 't', ['123']],
    ['@as []', 'as', ['0']],
    ["['a', 'b']", 'as', ['2', 'a', 'b']],
    ["[('/dev/a', 'rw')]", 'a(ss)', ['1', '/dev/a', 'rw']],
    ["@a(st) [('/dev/a', 5)]", 'a(st)', ['1', '/dev/a', '5']],
  ])('%s', (source, signature, words) => {
    expect(parseVariant(source)).toEqual({ signature, words });
  });

  it.each([
    '',
    'word',
    "'open",
    '5 5',
    '[1, true]',
    '[]',
    'uint64 true',
    '@s 5',
    '[1',
    '{1: 2}',
    '('.repeat(100),
  ])('that is none: %j', (source) => {
    expect(parseVariant(source)).toBeUndefined();
  });
});

it('is a property of the unit, with its time in microseconds', () => {
  const annotations = {
    'org.systemd.property.TimeoutStopSec': '1.5',
    'org.systemd.property.CollectMode': "'inactive-or-failed'",
    'org.systemd.property.': '1',
    'org.example': '1',
  };
  expect(annotatedProperties(annotations)).toEqual([
    { name: 'TimeoutStopUSec', signature: 't', words: ['1500000'] },
    { name: 'CollectMode', signature: 's', words: ['inactive-or-failed'] },
  ]);
});

it.each([
  ['Ab', '1', 'name incorrect: too short'],
  ['Exec=Start', '1', 'name incorrect: contains non-alphabetic character'],
  ['KillMode', 'process', '=process value parse error'],
  ['TimeoutStopSec', "'soon'", "='soon' value conversion error: not a number"],
])('%s = %s is refused', (name, value, message) => {
  expect(() => annotatedProperties({ [`org.systemd.property.${name}`]: value })).toThrow(message);
});
