import { describe, expect, it } from 'vitest';
import type { PlanDeviceRule } from '../../../../oci/launch-plan.ts';
import {
  applyRules,
  DEFAULT_RULES,
  deviceWrites,
  filterRules,
} from '../../../../oci/plan/cgroups/devices.ts';
import { plan, refusal } from '../fixture.ts';

const ALL = { type: 'a', access: 'rwm' } as const;
const rule = (allow: boolean, text: string): PlanDeviceRule => {
  const [type, numbers, access] = text.split(' ');
  const [major, minor] = (numbers ?? '').split(':');
  return {
    allow,
    type: type as PlanDeviceRule['type'],
    ...(major === '*' ? {} : { major: Number(major) }),
    ...(minor === '*' ? {} : { minor: Number(minor) }),
    access: access ?? '',
  };
};
const allow = (text: string) => rule(true, text);
const deny = (text: string) => rule(false, text);

/** The lines as they are written. */
const lines = (rules: PlanDeviceRule[]) =>
  deviceWrites(applyRules(rules)).map(({ file, value }) => `${file.slice(8)} ${value}`);

describe('a list of rules', () => {
  it.each([
    ['starts with nothing allowed', [], ['deny a']],
    ['allows one', [allow('c 1:3 rwm')], ['deny a', 'allow c 1:3 rwm']],
    ['allows all', [{ ...ALL, allow: true }], ['allow a']],
    ['allows all but one', [{ ...ALL, allow: true }, deny('b 8:0 w')], ['allow a', 'deny b 8:0 w']],
    [
      'forgets what was before a rule for all',
      [allow('c 1:3 r'), { ...ALL, allow: false }, allow('c 1:5 r')],
      ['deny a', 'allow c 1:5 r'],
    ],
    [
      'joins the letters of one device',
      [allow('c 1:3 r'), allow('c 1:3 m'), allow('c 1:3 r')],
      ['deny a', 'allow c 1:3 rm'],
    ],
    [
      'takes letters away again',
      [allow('c 1:3 rwm'), deny('c 1:3 w')],
      ['deny a', 'allow c 1:3 rm'],
    ],
    ['takes a device away again', [allow('c 1:3 rw'), deny('c 1:3 rwm')], ['deny a']],
    ['takes away what is not there', [deny('c 1:3 rwm')], ['deny a']],
    [
      'keeps wildcards apart',
      [allow('c *:* m'), allow('c 136:* rw'), allow('b *:* m')],
      ['deny a', 'allow c *:* m', 'allow c 136:* rw', 'allow b *:* m'],
    ],
  ])('%s', (_, rules, expected) => {
    expect(lines(rules)).toEqual(expected);
  });

  it.each([
    [[allow('c *:* rwm'), deny('c 1:3 r')], '[c 1:3 r]'],
    [[allow('c 1:* rw'), deny('c 1:3 w')], '[c 1:3 w]'],
    [[allow('c *:3 rw'), deny('c 1:3 w')], '[c 1:3 w]'],
    [[{ ...ALL, allow: true }, deny('c *:* m'), allow('c 1:3 m')], '[c 1:3 m]'],
  ])('refuses a hole in a wildcard, which v1 would ignore', (rules, text) => {
    expect(() => applyRules(rules)).toThrow(text);
  });

  it('has no hole where the letters differ or the wildcard is the rule itself', () => {
    expect(lines([allow('c *:* m'), deny('c 1:3 rw')])).toEqual(['deny a', 'allow c *:* m']);
    expect(lines([allow('c *:* m'), deny('c *:* m')])).toEqual(['deny a']);
  });
});

/** What the last matching rule says of an access. */
function decides(
  rules: PlanDeviceRule[],
  type: string,
  major: number,
  minor: number,
  access: string,
) {
  const matches = rules.filter(
    (r) =>
      (r.type === 'a' || r.type === type) &&
      (r.major ?? major) === major &&
      (r.minor ?? minor) === minor &&
      r.access.includes(access),
  );
  return matches.at(-1)?.allow ?? false;
}

/** Rules of any kind, the same ones in every run. */
function* randomRules(count: number, numbers: readonly string[]): Generator<PlanDeviceRule[]> {
  let seed = 7;
  const random = (n: number) => {
    seed = (seed * 48271) % 2147483647;
    return seed % n;
  };
  const pick = (words: readonly string[]) => words[random(words.length)] ?? '';
  for (let i = 0; i < count; i++) {
    yield Array.from({ length: random(7) }, () => {
      const isAllowed = random(2) === 0;
      if (random(6) === 0) return { ...ALL, allow: isAllowed };
      const access = pick(['r', 'rw', 'rwm', 'm']);
      return rule(isAllowed, `${pick(['b', 'c'])} ${pick(numbers)}:${pick(numbers)} ${access}`);
    });
  }
}

it('means as a filter what the rules mean in order, for single devices', () => {
  for (const rules of randomRules(2000, ['1', '2'])) {
    const filter = filterRules(applyRules(rules));
    for (const type of ['b', 'c']) {
      for (const [major, minor] of [
        [1, 1],
        [1, 2],
        [2, 1],
        [3, 3],
      ] as const) {
        for (const access of 'rwm') {
          const expected = decides(rules, type, major, minor, access);
          expect(decides(filter, type, major, minor, access)).toBe(expected);
        }
      }
    }
  }
});

it('comes to the same list when its own rules are applied, wildcards or not', () => {
  let applied = 0;
  for (const rules of randomRules(2000, ['*', '1', '2'])) {
    let list: ReturnType<typeof applyRules>;
    try {
      list = applyRules(rules);
    } catch {
      continue; // a hole in a wildcard
    }
    applied += 1;
    expect(applyRules(filterRules(list))).toEqual(list);
  }
  expect(applied).toBeGreaterThan(500);
});

const namespaces = [{ type: 'mount' as const }];

it("adds the default rules after the config's", () => {
  const devices = [
    { allow: false, access: 'rwm' },
    { allow: true, type: 'c', major: 10, minor: 229, access: 'rwm' },
  ];
  const { cgroup } = plan({ linux: { namespaces, resources: { devices } } });
  const written = cgroup?.writes.filter(({ path }) => path.includes('/devices.'));
  expect(written?.map(({ value }) => value).slice(0, 4)).toEqual([
    'a',
    'c 10:229 rwm',
    'c *:* m',
    'b *:* m',
  ]);
  expect(written).toHaveLength(2 + DEFAULT_RULES.length);
});

it.each([
  [{ allow: true, type: 'p', access: 'r' }, '.type: expected a, b or c, found "p"'],
  [{ allow: true, access: 'rx' }, '.access: expected some of rwm, found "rx"'],
  [
    { allow: true, major: -2, access: 'r' },
    '.major: expected an integer from 0 to 4294967295, found -2',
  ],
])('refuses %j', (device, message) => {
  const linux = { namespaces, resources: { devices: [device] } };
  expect(refusal({ linux })).toBe(`config.json: linux.resources.devices[0]${message}`);
});

it('refuses a rule without access, as runc does', () => {
  const linux = { namespaces, resources: { devices: [{ allow: true, type: 'c' }] } };
  expect(refusal({ linux })).toBe('device access at 0 field cannot be empty');
});

it('makes two of a rule without a type that is not for all', () => {
  const devices = [
    { allow: true, major: 10, minor: 229, access: 'rw' },
    { allow: true, type: 'a', access: 'r' },
  ];
  const { cgroup } = plan({ linux: { namespaces, resources: { devices } } });
  const values = (cgroup?.writes ?? []).map(({ value }) => value);
  expect(values).toEqual(
    expect.arrayContaining(['b 10:229 rw', 'c 10:229 rw', 'b *:* rm', 'c *:* rm']),
  );
  expect(values.filter((value) => value === 'a')).toHaveLength(1);
});
