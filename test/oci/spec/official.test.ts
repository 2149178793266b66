import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { Config } from '../../../oci/spec/config.ts';
import { parseDocument } from '../../../oci/spec/document.ts';
import { Features } from '../../../oci/spec/features.ts';
import { checkConfig } from '../../../oci/spec/parse.ts';
import { type Shape, shapeOf } from '../../../oci/spec/shape.ts';
import { State } from '../../../oci/spec/state.ts';
import { mutations } from './mutations.ts';
import { examples, officialSchemas, propertyPaths } from './official.ts';
import { SAMPLE } from './sample.ts';

function shapePaths(shape: Shape, path = ''): string[] {
  if (shape === null) return [];
  if ('items' in shape) return shapePaths(shape.items, `${path}[]`);
  if ('values' in shape) return shapePaths(shape.values, `${path}{}`);
  return Object.entries(shape.properties).flatMap(([name, inner]) => {
    const at = path === '' ? name : `${path}.${name}`;
    return [at, ...shapePaths(inner, at)];
  });
}

function accepts(text: string): boolean {
  try {
    checkConfig(parseDocument('config.json', text));
    return true;
  } catch {
    return false;
  }
}

describe.each(officialSchemas().map((schema) => [schema.title, schema] as const))(
  'the official schema %s',
  (_, official) => {
    it.each([
      ['config-schema.json', Config],
      ['state-schema.json', State],
      ['features-schema.json', Features],
    ])('has no property in %s that is unknown here', (name, ours) => {
      const known = new Set(shapePaths(shapeOf(ours)));
      // Debian's schema is older than features.
      if (!official.files.has(name)) return;
      const theirs = [...propertyPaths(official, name)];
      expect(theirs.length).toBeGreaterThan(4);
      expect(theirs.filter((path) => !known.has(path))).toEqual([]);
    });

    it('accepts what is accepted here and refuses what is refused, mutation by mutation', () => {
      const oracle = official.validator('config-schema.json');
      expect(oracle(SAMPLE)).toBe(true);
      expect(accepts(JSON.stringify(SAMPLE))).toBe(true);
      const disagreements: string[] = [];
      let refused = 0;
      for (const { description, document } of mutations(SAMPLE)) {
        const expected = oracle(document);
        if (!expected) refused += 1;
        if (accepts(JSON.stringify(document)) !== expected) disagreements.push(description);
      }
      expect(refused).toBeGreaterThan(500);
      expect(disagreements).toEqual([]);
    });

    it.each([...examples(official, 'config/good')])(
      'accepts the good example %s',
      (_name, text) => {
        expect(() => checkConfig(parseDocument('config.json', text))).not.toThrow();
      },
    );

    it.each([...examples(official, 'config/bad')])('refuses the bad example %s', (_name, text) => {
      expect(() => checkConfig(parseDocument('config.json', text))).toThrow(
        /^config\.json: [^\n]+$/,
      );
    });

    it.each([
      ...examples(official, 'state/good').map(([name, text]) => [State, name, text] as const),
      ...examples(official, 'features/good').map(([name, text]) => [Features, name, text] as const),
    ])('accepts the good example $1', (schema, _name, text) => {
      expect(new Ajv().compile(schema)(JSON.parse(text))).toBe(true);
    });

    it.each([
      ...examples(official, 'state/bad').map(([name, text]) => [State, name, text] as const),
      ...examples(official, 'features/bad').map(([name, text]) => [Features, name, text] as const),
    ])('refuses the bad example $1', (schema, _name, text) => {
      const accepts = () => new Ajv().compile(schema)(parseDocument('document', text));
      let accepted: boolean;
      try {
        accepted = accepts();
      } catch {
        accepted = false;
      }
      expect(accepted).toBe(false);
    });
  },
);
