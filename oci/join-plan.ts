/**
 * The join plan: what the monitor is told of a process that joins a container (`exec`). It is to
 * `pinion-vmm join` what the launch plan is to `pinion-vmm launch`; `vmm/join-plan.schema.json` is
 * generated from this file.
 */
import Type, { type Static } from 'typebox';
import { flag, list, PlanMachine, PlanProcess, record, text, u32 } from './launch-plan.ts';

const InitProcess = record('The init, whose namespaces the process joins.', {
  pid: Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1, description: 'On the host.' }),
  startTime: Type.Integer({
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'Field 22 of /proc/PID/stat.',
  }),
});

export const JoinPlan = record('One process to add to a container that is there.', {
  id: text("The container's id: for messages only."),
  foreground: flag("true: the launcher stays as the process's parent and ends with its status."),
  init: InitProcess,
  cgroups: list(Type.String(), 'Directories of the groups that the process joins.'),
  process: PlanProcess,
  preserveFds: u32('How many descriptors from 3 on belong to the process.'),
  machine: PlanMachine,
});
export type JoinPlan = Static<typeof JoinPlan>;
