/**
 * Generates the validators of config.json: compiling them at each start would cost 70 ms, loading
 * them costs a few. Run by the build: `node oci/spec/generate.ts [OUTPUT DIRECTORY]`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { _, Ajv } from 'ajv';
import standalone from 'ajv/dist/standalone/index.js';
import { Config } from './config.ts';
import { WIDE, type WideKind } from './schema.ts';
import { shapeOf } from './shape.ts';

const TYPES = `import type { ErrorObject } from 'ajv';
import type { Config } from '../../../oci/spec/config.ts';
import type { Shape } from '../../../oci/spec/shape.ts';

interface Validator<T> {
  (document: unknown): document is T;
  errors?: ErrorObject[] | null;
}
export declare const config: Validator<Config>;
export declare const configShape: Shape;
`;

/** Numbers are right when exact; bigints are what \`document.ts\` makes of larger integers. */
const WIDE_CHECKS: Record<WideKind, (data: ReturnType<typeof _>) => ReturnType<typeof _>> = {
  int64: (data) => _`BigInt.asIntN(64, ${data}) === ${data}`,
  uint64: (data) => _`BigInt.asUintN(64, ${data}) === ${data}`,
};

function compiler(): Ajv {
  const ajv = new Ajv({ messages: false, inlineRefs: false, code: { source: true, esm: true } });
  ajv.addKeyword({
    keyword: WIDE,
    schemaType: 'string',
    code: (context) => {
      const { data } = context;
      const kind = context.schema as WideKind;
      const narrow = kind === 'uint64' ? _`${data} >= 0` : _`true`;
      context.pass(
        _`typeof ${data} == "bigint" ? ${WIDE_CHECKS[kind](_`${data}`)} : Number.isSafeInteger(${data}) && ${narrow}`,
      );
    },
    error: { message: '', params: (context) => _`{kind: ${context.schema}}` },
  });
  return ajv;
}

/** A JSON schema as far as it is rewritten here. */
interface Schema {
  [keyword: string]: unknown;
}

/**
 * The same schema with each section of the specification as a definition of its own: ajv then
 * makes a function of each, and a start compiles only those that its config.json has.
 */
function withDefinitions(root: Schema): Schema {
  const names = new Map<Schema, string>();
  const $defs: Record<string, Schema> = {};
  const rewritten = (schema: Schema): Schema => {
    const { description: _description, $comment: _section, ...copy } = schema;
    for (const keyword of ['properties', 'patternProperties']) {
      const inner = Object.entries((copy[keyword] ?? {}) as Record<string, Schema>);
      if (inner.length > 0) {
        copy[keyword] = Object.fromEntries(inner.map(([name, value]) => [name, reference(value)]));
      }
    }
    if (copy.items !== undefined) copy.items = reference(copy.items as Schema);
    return copy;
  };
  const reference = (schema: Schema): Schema => {
    if (schema.$comment === undefined) return rewritten(schema);
    const known = names.get(schema);
    const name = known ?? `section${names.size}`;
    if (known === undefined) {
      names.set(schema, name);
      $defs[name] = rewritten(schema);
    }
    return { $ref: `#/$defs/${name}` };
  };
  return { ...rewritten(root), $defs };
}

export function generate(directory: string): void {
  const ajv = compiler();
  ajv.addSchema(withDefinitions({ ...Config }), 'config');
  const code = standalone.default(ajv, { config: 'config' });
  const shape = `export const configShape = ${JSON.stringify(shapeOf(Config))};\n`;
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'validators.js'), `${code}\n${shape}`);
  writeFileSync(join(directory, 'validators.d.ts'), TYPES);
}

if (import.meta.main) {
  generate(process.argv[2] ?? join(import.meta.dirname, '../../build/oci/spec'));
}
