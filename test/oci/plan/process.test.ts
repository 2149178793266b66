import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CAPABILITIES } from '../../../oci/plan/capabilities.ts';
import { computePlan } from '../../../oci/plan/index.ts';
import { RLIMITS } from '../../../oci/plan/process.ts';
import { config, plan, planOptions, refusal } from './fixture.ts';

const MOUNT_NAMESPACE = { namespaces: [{ type: 'mount' as const }] };

describe('the process', () => {
  it('has defaults', () => {
    expect(plan().process).toEqual({
      args: ['true'],
      env: [],
      cwd: '/',
      uid: 0,
      gid: 0,
      additionalGids: [],
      rlimits: [],
      noNewPrivileges: false,
    });
  });

  it('has what is asked for', () => {
    const capabilities = { bounding: ['CAP_KILL', 'CAP_KILL'], ambient: [] };
    const process = {
      user: { uid: 1, gid: 2, umask: 0o22, additionalGids: [3] },
      env: ['A=b'],
      cwd: '/tmp',
      noNewPrivileges: true,
      oomScoreAdj: -5,
      capabilities,
      rlimits: [{ type: 'RLIMIT_NOFILE', soft: 1024, hard: 18446744073709551615n }],
    };
    expect(plan({ process }).process).toEqual({
      args: ['true'],
      env: ['A=b'],
      cwd: '/tmp',
      uid: 1,
      gid: 2,
      additionalGids: [3],
      umask: 0o22,
      noNewPrivileges: true,
      oomScoreAdj: -5,
      capabilities: {
        bounding: ['CAP_KILL'],
        effective: [],
        inheritable: [],
        permitted: [],
        ambient: [],
      },
      rlimits: [{ type: 'RLIMIT_NOFILE', soft: '1024', hard: '18446744073709551615' }],
    });
  });

  it('has the scheduler, priorities and CPUs that are asked for', () => {
    const process = {
      ioPriority: be(3),
      scheduler: fifo({ flags: ['SCHED_FLAG_RESET_ON_FORK'] }),
      execCPUAffinity: { initial: '0-1, 3', final: '' },
      apparmorProfile: 'p',
    };
    expect(plan({ process } as object).process).toMatchObject({
      ioPriority: (2 << 13) | 3,
      scheduler: { policy: 1, flags: 1, nice: 0, priority: 9, runtime: 0, deadline: 0, period: 0 },
      execCpuAffinity: { initial: [0, 1, 3] },
      apparmorProfile: 'p',
    });
  });

  it('is without capabilities that nobody knows, and a warning says so', () => {
    const warnings: string[] = [];
    const capabilities = { effective: ['CAP_KILL', 'CAP_FLY'], ambient: ['CAP_FLY', 'CAP_DIG'] };
    const options = { ...planOptions(), warn: (message: string) => warnings.push(message) };
    expect(
      computePlan(config({ process: { capabilities } }), options).process.capabilities,
    ).toEqual({
      bounding: [],
      effective: ['CAP_KILL'],
      inheritable: [],
      permitted: [],
      ambient: [],
    });
    expect(warnings).toEqual(['ignoring unknown or unavailable capabilities: [CAP_DIG CAP_FLY]']);
  });

  const be = (priority: number) => ({ class: 'IOPRIO_CLASS_BE' as const, priority });
  const fifo = (rest: object) => ({ policy: 'SCHED_FIFO' as const, priority: 9, ...rest });
  const rlimit = (type: string, soft = 1, hard = 1) => ({ type, soft, hard });
  it.each([
    [{ ioPriority: be(8) }, 'process.ioPriority.priority: expected 0 to 7, found 8'],
    [{ scheduler: fifo({ nice: 20 }) }, 'process.scheduler.nice: expected -20 to 19, found 20'],
    [
      { scheduler: fifo({ runtime: 5 }) },
      'process.scheduler.runtime: only SCHED_DEADLINE has a runtime',
    ],
    [
      { scheduler: { policy: 'SCHED_BATCH', priority: 1 } },
      'process.scheduler.priority: only SCHED_FIFO and SCHED_RR have a priority',
    ],
    [
      { execCPUAffinity: { final: '3-1' } },
      'process.execCPUAffinity.final: "3-1" is not a list of numbers such as 0-3,7',
    ],
    [{ rlimits: [rlimit('RLIMIT_FLY')] }, 'process.rlimits[0].type: unknown limit RLIMIT_FLY'],
    [
      { rlimits: [rlimit('RLIMIT_AS'), rlimit('RLIMIT_AS')] },
      'process.rlimits[1].type: RLIMIT_AS is listed twice',
    ],
    [{ rlimits: [rlimit('RLIMIT_AS', 2)] }, 'process.rlimits[0].soft: larger than the hard limit'],
    [{ oomScoreAdj: 1001 }, 'process.oomScoreAdj: expected -1000 to 1000, found 1001'],
  ])('%j', (process, message) => {
    expect(refusal({ process } as object)).toBe(`config.json: ${message}`);
  });

  it("knows the kernel header's capabilities and limits", () => {
    const capability = readFileSync('/usr/include/linux/capability.h', 'utf8');
    const defined = [...capability.matchAll(/#define (CAP_[A-Z_]+)\s+(\d+)$/gm)]
      .filter(([, name]) => name !== 'CAP_LAST_CAP')
      .map(([, name]) => name);
    expect(CAPABILITIES).toEqual(defined);
    const resource = readFileSync('/usr/include/asm-generic/resource.h', 'utf8');
    const limits = [...resource.matchAll(/define (RLIMIT_[A-Z]+)\s+\d+/g)].map(([, name]) => name);
    expect([...RLIMITS].sort()).toEqual(limits.sort());
  });
});

describe('hooks', () => {
  const hook = [{ path: '/h' }];
  it.each([
    [{}, []],
    [{ poststart: hook, poststop: hook, startContainer: hook }, []],
    [{ prestart: hook }, ['createRuntime']],
    [{ createRuntime: hook }, ['createRuntime']],
    [{ createContainer: hook, prestart: [] }, ['createContainer']],
    [{ createContainer: hook, prestart: hook }, ['createRuntime', 'createContainer']],
  ])('pauses for %j', (hooks, pauses) => {
    expect(plan({ hooks }).pauses).toEqual(pauses);
  });

  it('of startContainer run as guests with the state', () => {
    const hooks = {
      startContainer: [{ path: '/h', args: ['h', 'x'], env: ['A=b'], timeout: 3 }, { path: '/i' }],
    };
    const options = planOptions();
    const planned = computePlan(
      config({ hooks, annotations: { k: 'v' } }),
      options,
    ).startContainerHooks;
    expect(planned).toMatchObject([
      { path: '/h', args: ['h', 'x'], env: ['A=b'], timeout: 3 },
      { path: '/i', args: ['/i'], env: [] },
    ]);
    expect(JSON.parse(planned[0]?.state ?? '')).toEqual({
      ociVersion: '1.3.0',
      id: 'c1',
      status: 'created',
      pid: 1,
      bundle: options.bundle,
      annotations: { k: 'v' },
    });
  });

  it('do not blow up a plan by many hooks with large annotations', () => {
    const startContainer = Array.from({ length: 10_000 }, () => ({ path: '/h' }));
    expect(refusal({ hooks: { startContainer }, annotations: { a: 'x'.repeat(100_000) } })).toMatch(
      /^config\.json: hooks\.startContainer: too many hooks/,
    );
  });

  it('have absolute paths', () => {
    expect(refusal({ hooks: { poststop: [{ path: '/a' }, { path: 'b' }] } })).toBe(
      'config.json: hooks.poststop[1].path: must be an absolute path',
    );
  });
});

describe('the machine', () => {
  it.each([
    [{}, 4],
    [{ quota: 150_000 }, 2],
    [{ quota: 10_000, period: 100_000 }, 1],
    [{ quota: -1 }, 4],
    [{ quota: 2_000_000 }, 4],
    [{ cpus: '1' }, 1],
    [{ cpus: '0-1,3' }, 3],
    [{ cpus: '0-2', quota: 100_000 }, 1],
  ])('has as many vCPUs as %j allows of 4', (cpu, vcpus) => {
    expect(plan({ linux: { ...MOUNT_NAMESPACE, resources: { cpu } } }).machine.vcpus).toBe(vcpus);
  });

  const vm = (hwConfig: object) => ({ vm: { kernel: { path: '' }, hwConfig } });
  it('has the vCPUs and memory of vm.hwConfig', () => {
    expect(plan(vm({ vcpus: 3, memory: 1 << 28 })).machine).toMatchObject({
      vcpus: 3,
      memoryLimit: 1 << 28,
    });
    expect(refusal(vm({ vcpus: 5 }))).toBe(
      'config.json: vm.hwConfig.vcpus: 5 are more than the 4 of the host',
    );
  });

  it('leaves the limit of its memory to its control group', () => {
    const linux = { ...MOUNT_NAMESPACE, resources: { memory: { limit: 1 << 30 } } };
    expect(plan({ linux }).machine.memoryLimit).toBeUndefined();
  });
});
