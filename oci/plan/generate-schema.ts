/** Writes `vmm/launch-plan.schema.json`: `node oci/plan/generate-schema.ts`, after a change. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { launchPlanSchema } from '../launch-plan.ts';

writeFileSync(join(import.meta.dirname, '../../vmm/launch-plan.schema.json'), launchPlanSchema());
