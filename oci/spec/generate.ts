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
  const ajv = new Ajv({ messages: false, code: { source: true, esm: true } });
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

export function generate(directory: string): void {
  const ajv = compiler();
  ajv.addSchema(Config, 'config');
  const code = standalone.default(ajv, { config: 'config' });
  const shape = `export const configShape = ${JSON.stringify(shapeOf(Config))};\n`;
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'validators.js'), `${code}\n${shape}`);
  writeFileSync(join(directory, 'validators.d.ts'), TYPES);
}

if (import.meta.main) {
  generate(process.argv[2] ?? join(import.meta.dirname, '../../build/oci/spec'));
}
