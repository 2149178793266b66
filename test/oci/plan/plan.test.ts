import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { LaunchPlan } from '../../../oci/launch-plan.ts';
import { computePlan, readHost } from '../../../oci/plan/index.ts';
import { planSchemas } from '../../../oci/plan/schemas.ts';
import { config, plan, planOptions, refusal, temporary } from './fixture.ts';

const CHECKOUT = join(import.meta.dirname, '../../..');

describe('the plan as a document', () => {
  const validate = new Ajv().compile(LaunchPlan);

  it.each(Object.entries(planSchemas()))('%s stands beside the monitor', (file, schema) => {
    const written = readFileSync(join(CHECKOUT, 'vmm', file), 'utf8');
    expect(written, 'run: node oci/plan/generate-schema.ts').toBe(schema);
  });

  it.each([
    [{}],
    [{ linux: { namespaces: [{ type: 'mount' }], resources: { memory: { limit: 1 << 30 } } } }],
    [
      {
        hostname: 'h',
        hooks: { startContainer: [{ path: '/h', timeout: 2 }], prestart: [{ path: '/h' }] },
        linux: {
          namespaces: [{ type: 'mount' }, { type: 'uts' }, { type: 'user' }],
          uidMappings: [{ containerID: 0, hostID: 1000, size: 1 }],
          gidMappings: [{ containerID: 0, hostID: 1000, size: 1 }],
          devices: [{ path: '/dev/f', type: 'p' }],
        },
      },
    ],
  ] as const)('obeys it: %j', (sections) => {
    const document: unknown = JSON.parse(JSON.stringify(plan(sections as object)));
    expect(validate(document), JSON.stringify(validate.errors)).toBe(true);
  });

  it("obeys it on this host, for the shape of runc's own default", () => {
    const bundle = temporary();
    mkdirSync(join(bundle, 'rootfs'));
    const options = planOptions({ bundle, host: readHost(), id: 'pinion-plan-test' });
    const document: unknown = JSON.parse(JSON.stringify(computePlan(config(), options)));
    expect(validate(document), JSON.stringify(validate.errors)).toBe(true);
  });
});

describe('namespaces', () => {
  it('keeps their order and paths', () => {
    const namespaces = [
      { type: 'pid' },
      { type: 'mount' },
      { type: 'network', path: '/proc/self/ns/net' },
    ];
    expect(plan({ linux: { namespaces } as object }).namespaces).toEqual(namespaces);
  });

  it.each([
    [[{ type: 'mount' }, { type: 'mount' }], 'malformed spec file: duplicated ns "mount"'],
    [
      [{ type: 'mount' }, { type: 'ipc', path: 'x' }],
      'config.json: linux.namespaces[1].path: x is not an absolute path',
    ],
    [
      [{ type: 'mount' }, { type: 'ipc', path: '/nope' }],
      'unable to create new parent process: namespace path: lstat /nope: no such file or directory',
    ],
    [
      [{ type: 'pid' }],
      'config.json: linux.namespaces: a container without a mount namespace of its own is not supported',
    ],
    [[{ type: 'mount' }, { type: 'user' }], 'User namespaces enabled, but no uid mappings found.'],
  ])('%j', (namespaces, message) => {
    expect(refusal({ linux: { namespaces } as object })).toBe(message);
  });

  it('wants a user namespace for mappings', () => {
    const uidMappings = [{ containerID: 0, hostID: 0, size: 1 }];
    expect(refusal({ linux: { uidMappings } })).toBe(
      "user namespace mappings specified, but user namespace isn't enabled in the config",
    );
  });

  it.each(['hostname', 'domainname'] as const)('wants a UTS namespace for a %s', (name) => {
    expect(refusal({ [name]: 'x' })).toBe(`unable to set ${name} without a private UTS namespace`);
    const namespaces = [{ type: 'mount' as const }, { type: 'uts' as const }];
    expect(plan({ [name]: 'x', linux: { namespaces } })[name]).toBe('x');
    expect(refusal({ [name]: 'x'.repeat(65), linux: { namespaces } })).toMatch(/longer than 64/);
  });
});

describe('time namespaces', () => {
  const timed = (timeOffsets: object, ...namespaces: object[]) =>
    ({ linux: { namespaces: [{ type: 'mount' }, ...namespaces], timeOffsets } }) as object;

  it('have offsets', () => {
    const offsets = { boottime: { secs: -5, nanosecs: 7 }, monotonic: { secs: 0 } };
    expect(plan(timed(offsets, { type: 'time' })).timeOffsets).toEqual([
      { clock: 'boottime', seconds: -5, nanoseconds: 7 },
    ]);
  });

  it.each([
    [[], "time namespace offsets specified, but time namespace isn't enabled in the config"],
    [
      [{ type: 'time', path: '/proc/self/ns/time' }],
      'time namespace enabled, but both namespace path and time offsets specified -- you may only provide one',
    ],
  ])('need one of their own: %j', (namespaces, message) => {
    expect(refusal(timed({ boottime: { secs: 1 } }, ...namespaces))).toBe(message);
  });
});
