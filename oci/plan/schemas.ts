/** The schema files of the plans, which stand beside the Rust definitions. */
import { JoinPlan } from '../join-plan.ts';
import { LaunchPlan } from '../launch-plan.ts';

const DRAFT = 'http://json-schema.org/draft-07/schema#';

/** File -> text. */
export function planSchemas(): Record<string, string> {
  const text = (title: string, plan: object) =>
    `${JSON.stringify({ $schema: DRAFT, title, ...plan }, null, 2)}\n`;
  return {
    'launch-plan.schema.json': text('LaunchPlan', LaunchPlan),
    'join-plan.schema.json': text('JoinPlan', JoinPlan),
  };
}
