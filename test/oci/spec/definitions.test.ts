import { expect, it } from 'vitest';
import { Config } from '../../../oci/spec/config.ts';
import { Features } from '../../../oci/spec/features.ts';
import { State } from '../../../oci/spec/state.ts';
import type { Schema } from './official.ts';

/** Every schema below one, with a name for messages. */
function* schemas(schema: Schema, path: string): Generator<[string, Schema]> {
  yield [path, schema];
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    yield* schemas(inner as Schema, `${path}.${name}`);
  }
  if (schema.items) yield* schemas(schema.items as Schema, `${path}[]`);
}

const all = [
  ...schemas({ ...Config }, 'config'),
  ...schemas({ ...State }, 'state'),
  ...schemas({ ...Features }, 'features'),
];

it('has a docstring for every property', () => {
  const bare = all.filter(([path, schema]) => !path.endsWith('[]') && !schema.description);
  expect(bare.map(([path]) => path)).toEqual([]);
});

it("names the specification's section of every object", () => {
  const objects = all.filter(([, schema]) => schema.properties !== undefined);
  expect(objects.length).toBeGreaterThan(50);
  const missing = objects.filter(
    ([, { $comment }]) => !/^[a-z-]+\.md(#[\w-]+)?$/.test(`${$comment}`),
  );
  expect(missing.map(([path]) => path)).toEqual([]);
});
