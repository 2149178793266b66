/** Where the launch stops for hooks, and which hooks run in the guest. */
import { isAbsolute } from 'node:path';
import type { LaunchPlan } from '../launch-plan.ts';
import { type Config, type Hooks, OCI_VERSION, type State } from '../spec/index.ts';
import { propertyError } from './errors.ts';

type Kind = keyof Hooks;

/** The hooks that the runtime itself runs while the monitor waits. */
const PAUSES: Readonly<Record<LaunchPlan['pauses'][number], readonly Kind[]>> = {
  createRuntime: ['prestart', 'createRuntime'],
  createContainer: ['createContainer'],
};

/** Each hook in the plan has the state with all annotations: some KiB grow to gigabytes. */
const MAX_STATES = 1024 * 1024;

function checkPaths(hooks: Hooks): void {
  for (const kind of Object.keys(hooks) as Kind[]) {
    const relative = hooks[kind]?.findIndex(({ path }) => !isAbsolute(path)) ?? -1;
    if (relative >= 0) {
      throw propertyError(`hooks.${kind}[${relative}].path`, 'must be an absolute path');
    }
  }
}

export function planHooks(
  config: Config,
  id: string,
  bundle: string,
): Pick<LaunchPlan, 'pauses' | 'startContainerHooks'> {
  const hooks = config.hooks ?? {};
  checkPaths(hooks);
  const points = Object.keys(PAUSES) as (keyof typeof PAUSES)[];
  const state: State = { ociVersion: OCI_VERSION, id, status: 'created', pid: 1, bundle };
  if (config.annotations !== undefined) state.annotations = config.annotations;
  const guestHooks = hooks.startContainer ?? [];
  const stateText = JSON.stringify(state);
  if (guestHooks.length * stateText.length > MAX_STATES) {
    throw propertyError('hooks.startContainer', 'too many hooks for annotations of this size');
  }
  return {
    pauses: points.filter((at) => PAUSES[at].some((kind) => (hooks[kind] ?? []).length > 0)),
    startContainerHooks: guestHooks.map(({ path, args, env, timeout }) => ({
      path,
      args: args === undefined || args.length === 0 ? [path] : args,
      env: env ?? [],
      ...(timeout === undefined ? {} : { timeout }),
      state: stateText,
    })),
  };
}
