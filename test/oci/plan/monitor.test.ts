/** The two sides of the launch plan: `oci/launch-plan.ts` and the monitor's own definition. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { JoinPlan } from '../../../oci/join-plan.ts';
import { LaunchPlan } from '../../../oci/launch-plan.ts';
import type { Schema } from '../spec/official.ts';

const RUST = readFileSync(join(import.meta.dirname, '../../../vmm/src/plan.rs'), 'utf8');

const camelCase = (name: string) =>
  name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

/** Field -> its type, of a struct of plan.rs, under the names of the JSON document. */
function fieldsOf(struct: string): Map<string, string> {
  const body = new RegExp(`pub struct ${struct} \\{([^}]*)\\}`).exec(RUST)?.[1] ?? '';
  const fields = body.matchAll(/(?:#\[serde\(rename = "(\w+)"\)\]\s*)?pub (\w+): ([^\n]+),\n/g);
  return new Map(
    [...fields].map(([, renamed, name, type]) => [renamed ?? camelCase(name ?? ''), type ?? '']),
  );
}

/** Compares an object schema with the struct of a type, and what lies below. */
function compare(schema: Schema, type: string, compared: string[]): void {
  const inner = /^(?:Option|Vec)<(.*)>$/.exec(type)?.[1];
  if (inner !== undefined) {
    compare((schema.items ?? schema) as Schema, inner, compared);
    return;
  }
  if (schema.properties === undefined) return;
  const fields = fieldsOf(type);
  const properties = Object.entries(schema.properties as Record<string, Schema>);
  expect(properties.map(([name]) => name).sort(), type).toEqual([...fields.keys()].sort());
  const required = [...fields].filter(([, fieldType]) => !fieldType.startsWith('Option<'));
  expect([...((schema.required ?? []) as string[])].sort(), type).toEqual(
    required.map(([name]) => name).sort(),
  );
  compared.push(type);
  for (const [name, property] of properties) compare(property, fields.get(name) ?? '', compared);
}

it('have the same fields, required and optional', () => {
  const compared: string[] = [];
  compare({ ...LaunchPlan }, 'LaunchPlan', compared);
  compare({ ...JoinPlan }, 'JoinPlan', compared);
  const structs = [...RUST.matchAll(/pub struct (\w+)/g)].map(([, name]) => name);
  expect([...new Set(compared)].sort()).toEqual(structs.sort());
});
