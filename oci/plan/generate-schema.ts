/** Writes `vmm/*-plan.schema.json`: `node oci/plan/generate-schema.ts`, after a change. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { planSchemas } from './schemas.ts';

for (const [file, schema] of Object.entries(planSchemas())) {
  writeFileSync(join(import.meta.dirname, '../../vmm', file), schema);
}
