/**
 * The official JSON schema (draft-04) in its two forms: the one beside the checkout, or where
 * PINION_OCI_SCHEMA says (v1.3.0, with examples), and Debian's older one.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Draft4 from 'ajv-draft-04';

const CHECKOUT = join(import.meta.dirname, '../../..');
/** What each is called in the tests' titles -> its folder. */
const FOLDERS = {
  'with examples': process.env.PINION_OCI_SCHEMA ?? join(CHECKOUT, '../shared/schema'),
  "of Debian's package": '/usr/share/gocode/src/github.com/opencontainers/runtime-spec/schema',
};

/** A JSON schema as far as these tests look into it. */
export interface Schema {
  [keyword: string]: unknown;
}

/** Sections of other systems that a copy of the schema may leave out. */
const OTHER_SYSTEMS = ['windows', 'solaris', 'zos', 'freebsd'];

export class OfficialSchema {
  readonly title: string;
  readonly directory: string;
  readonly files: Map<string, Schema>;

  constructor(title: string, directory: string) {
    this.title = title;
    this.directory = directory;
    const names = readdirSync(directory).filter((name) => name.endsWith('.json'));
    this.files = new Map(names.map((name) => [name, this.#read(name)]));
    for (const system of OTHER_SYSTEMS) {
      const name = `config-${system}.json`;
      if (!this.files.has(name)) this.files.set(name, { [system]: {} });
    }
  }

  /** v1.3.0 has a reference without its slash. */
  #read(name: string): Schema {
    const text = readFileSync(join(this.directory, name), 'utf8');
    return JSON.parse(text.replaceAll('"#definitions/', '"#/definitions/'));
  }

  /** A validator of one of the documents: `config-schema.json`. */
  validator(name: string): (document: unknown) => boolean {
    const ajv = new Draft4.default({ strict: false, validateFormats: false });
    for (const [file, schema] of this.files) {
      if (file !== name) ajv.addSchema(schema, file);
    }
    const validate = ajv.compile(this.files.get(name) ?? {});
    return (document) => validate(document) === true;
  }

  /** Follows `$ref`, if there is one: the schema and the file that it stands in. */
  resolve(schema: Schema, file: string): [Schema, string] {
    if (typeof schema.$ref !== 'string') return [schema, file];
    const [other, pointer] = schema.$ref.split('#');
    const target = other === undefined || other === '' ? file : other;
    let found: unknown = this.files.get(target);
    for (const step of (pointer ?? '').split('/').filter(Boolean)) {
      found = (found as Schema | undefined)?.[step];
    }
    if (found === undefined) throw new Error(`${schema.$ref} of ${file} is not there`);
    return this.resolve(found as Schema, target);
  }
}

export function officialSchemas(): OfficialSchema[] {
  const found = Object.entries(FOLDERS).filter(([, directory]) =>
    existsSync(join(directory, 'config-schema.json')),
  );
  if (found.length === 0) {
    throw new Error('no official schema: install golang-github-opencontainers-specs-dev');
  }
  return found.map(([title, directory]) => new OfficialSchema(title, directory));
}

/** The examples of a document kind: file name -> text. */
export function examples(schema: OfficialSchema, kind: string): [string, string][] {
  const directory = join(schema.directory, 'test', kind);
  if (!existsSync(directory)) return [];
  return readdirSync(directory).map((name) => [name, readFileSync(join(directory, name), 'utf8')]);
}

/** All property paths of a schema, `[]` for a list's items and `{}` for a map's values. */
export function propertyPaths(official: OfficialSchema, name: string): Set<string> {
  const paths = new Set<string>();
  const walk = (unresolved: unknown, from: string, path: string): void => {
    const [schema, file] = official.resolve(unresolved as Schema, from);
    for (const [property, value] of Object.entries(schema.properties ?? {})) {
      const at = path === '' ? property : `${path}.${property}`;
      paths.add(at);
      walk(value, file, at);
    }
    for (const part of [schema.allOf, schema.anyOf].flat()) {
      if (part !== undefined) walk(part, file, path);
    }
    for (const item of [schema.items].flat()) {
      if (item !== undefined) walk(item, file, `${path}[]`);
    }
    for (const values of Object.values(schema.patternProperties ?? {})) {
      walk(values, file, `${path}{}`);
    }
    if (typeof schema.additionalProperties === 'object') {
      walk(schema.additionalProperties, file, `${path}{}`);
    }
  };
  walk(official.files.get(name), name, '');
  return paths;
}
