import { describe, expect, it } from 'vitest';
import { Config } from '../../../oci/spec/config.ts';
import { parseDocument } from '../../../oci/spec/document.ts';
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

describe.each(officialSchemas().map((schema) => [schema.directory, schema] as const))(
  'the official schema in %s',
  (_, official) => {
    it.each([
      ['config-schema.json', Config],
      ['state-schema.json', State],
    ])('has no property in %s that is unknown here', (name, ours) => {
      const known = new Set(shapePaths(shapeOf(ours)));
      const official_ = [...propertyPaths(official, name)];
      expect(official_.length).toBeGreaterThan(4);
      expect(official_.filter((path) => !known.has(path))).toEqual([]);
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
  },
);
