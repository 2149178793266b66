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

it('means the same as a filter and as written, for random rules', () => {
  let seed = 7;
  const random = (n: number) => {
    seed = (seed * 48271) % 2147483647;
    return seed % n;
  };
  const number = () => ['*', '1', '2'][random(3)] ?? '*';
  let compared = 0;
  for (let i = 0; i < 3000; i++) {
    const rules: PlanDeviceRule[] = [];
    for (let j = 0; j <= random(6); j++) {
      const text = `${['b', 'c'][random(2)]} ${number()}:${number()} ${['r', 'rw', 'rwm', 'm'][random(4)]}`;
      const isAll = random(6) === 0;
      rules.push(isAll ? { ...ALL, allow: random(2) === 0 } : rule(random(2) === 0, text));
    }
    let list: ReturnType<typeof applyRules>;
    try {
      list = applyRules(rules);
    } catch {
      continue;
    }
    const filter = filterRules(list);
    for (const type of ['b', 'c']) {
      for (const [major, minor] of [
        [1, 1],
        [1, 2],
        [2, 1],
        [3, 3],
      ] as const) {
        for (const access of 'rwm') {
          // v1 removes exact entries only: a wildcard that takes away leaves narrower entries.
          const removesWide = rules.some(
            (r) =>
              r.allow === list.allowByDefault &&
              r.type !== 'a' &&
              (r.major ?? r.minor) === undefined,
          );
          const partlyWide = rules.some(
            (r) =>
              r.allow === list.allowByDefault && (r.major === undefined || r.minor === undefined),
          );
          if (removesWide || partlyWide) continue;
          compared += 1;
          expect(decides(filter, type, major, minor, access)).toBe(
            decides(rules, type, major, minor, access),
          );
        }
      }
    }
  }
  expect(compared).toBeGreaterThan(10_000);
});

const namespaces = [{ type: 'mount' as const }];

it("adds the default rules after the config's", () => {
  const devices = [
    { allow: false, access: 'rwm' },
    { allow: true, type: 'c', major: 10, minor: 229 },
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
  [{ allow: true, type: 'p' }, '.type: expected a, b or c, found "p"'],
  [{ allow: true, access: 'rx' }, '.access: expected some of rwm, found "rx"'],
  [{ allow: true, major: -2 }, '.major: expected an integer from 0 to 4294967295, found -2'],
])('refuses %j', (device, message) => {
  const linux = { namespaces, resources: { devices: [device] } };
  expect(refusal({ linux })).toBe(`config.json: linux.resources.devices[0]${message}`);
});
