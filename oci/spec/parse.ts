/** config.json: text -> typed configuration. */
import { isAbsolute } from 'node:path';
import type { ErrorObject } from 'ajv';
import { configShape, config as isConfig } from '../../build/oci/spec/validators.js';
import { OciError } from '../errors.ts';
import type { Config } from './config.ts';
import { parseDocument } from './document.ts';
import type { Resources } from './linux/resources.ts';
import type { Process } from './process.ts';
import { joinPath, unknownProperties } from './shape.ts';
import { OCI_VERSION } from './version.ts';

const NAME = 'config.json';

const TYPE_NAMES: Record<string, string> = {
  array: 'a list',
  boolean: 'true or false',
  integer: 'an integer',
  object: 'an object',
  string: 'a string',
};

/** JSON of a value, cut to a length that fits in a line. */
function excerpt(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** What a violated keyword of the schema had wanted. */
function expectation({ keyword, params }: ErrorObject): string {
  switch (keyword) {
    case 'type':
      return TYPE_NAMES[params.type] ?? params.type;
    case 'enum':
      return `one of ${params.allowedValues.join(', ')}`;
    case 'pattern':
      return `a string like ${params.pattern}`;
    case 'minimum':
    case 'maximum':
      return `an integer ${params.comparison} ${params.limit}`;
    case 'minItems':
      return `a list of at least ${params.limit}`;
    case 'wide':
      return `an integer of the range of ${params.kind}`;
    default:
      return `what ${keyword} demands`;
  }
}

/** The text of a violation: `process.args[0]: expected a string, found 3`. */
function describe(name: string, error: ErrorObject, document: unknown): string {
  let path = '';
  let value = document;
  for (const step of error.instancePath.split('/').slice(1)) {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~');
    path = joinPath(path, Array.isArray(value) ? Number(key) : key);
    value = (value as Record<string, unknown>)[key];
  }
  if (error.keyword === 'required') {
    const missing = joinPath(path, error.params.missingProperty);
    return missing === 'process.cwd' ? RUNC_TEXTS.cwd : `${name}: ${missing}: missing`;
  }
  const at = path === '' ? name : `${name}: ${path}`;
  return `${at}: expected ${expectation(error)}, found ${excerpt(value)}`;
}

/** runc's words (utils_linux.go and spec.go, validateProcessSpec). */
const RUNC_TEXTS = {
  process: 'process property must not be empty',
  cwd: 'Cwd property must not be empty',
  cwdRelative: 'Cwd must be an absolute path',
  args: 'args must not be empty',
} as const;

function invalid(message: string): OciError {
  return new OciError('ERR_PINION_CONFIG', message);
}

/** Checks a document against the specification's definitions. */
export function checkConfig(document: unknown, name = NAME): Config {
  if (isConfig(document)) return document;
  const error = isConfig.errors?.[0];
  throw invalid(error === undefined ? `${name}: invalid` : describe(name, error, document));
}

/** SemVer 2.0.0, as far as its order needs it. */
const VERSION = /^(\d+)\.\d+\.\d+(?:[-+].*)?$/;

function checkVersion(version: string): void {
  const [, major] = VERSION.exec(version) ?? [];
  const problem =
    major === undefined ? `${excerpt(version)} is not a version` : `${version} is not supported`;
  if (major !== '0' && major !== '1') throw invalid(`${NAME}: ociVersion: ${problem}`);
}

/** What the definitions do not say of a process. Of a plan's process too, when `exec` changes it. */
export function checkProcess(process: Pick<Process, 'cwd' | 'args'>): void {
  if (process.cwd === '') throw invalid(RUNC_TEXTS.cwd);
  if (!isAbsolute(process.cwd)) throw invalid(RUNC_TEXTS.cwdRelative);
  if (process.args === undefined || process.args.length === 0) throw invalid(RUNC_TEXTS.args);
}

export interface ParseOptions {
  /** Called for each property that the specification does not define (`process.colour`). */
  onUnknown?: (path: string) => void;
}

/**
 * Reads config.json.
 * @param source - Its text or bytes.
 * @returns A configuration whose process, if there is one, can be run. Integers beyond 2^53 are bigints.
 * @throws OciError (ERR_PINION_CONFIG) in one line which names the property; runc's texts where
 *   it has some.
 */
export function parseConfig(source: string | Uint8Array, options: ParseOptions = {}): Config {
  const config = checkConfig(parseDocument(NAME, source));
  checkVersion(config.ociVersion);
  if (config.process !== undefined) checkProcess(config.process);
  if (options.onUnknown) {
    for (const path of unknownProperties(config, configShape)) options.onUnknown(path);
  }
  return config;
}

/**
 * Reads the file of `exec --process`: a `process` of config.json alone.
 * @param name - What errors call the file.
 * @throws OciError as parseConfig does.
 */
export function parseProcess(name: string, source: string | Uint8Array): Process {
  const process = parseDocument(name, source);
  const config = checkConfig({ ociVersion: OCI_VERSION, process }, name);
  if (config.process === undefined) throw invalid(RUNC_TEXTS.process);
  checkProcess(config.process);
  return config.process;
}

/**
 * Reads the file of `update --resources`: `linux.resources` of config.json alone.
 * @param name - What errors call the file.
 * @throws OciError as parseConfig does.
 */
export function parseResources(name: string, source: string | Uint8Array): Resources {
  const resources = parseDocument(name, source);
  const config = checkConfig({ ociVersion: OCI_VERSION, linux: { resources } }, name);
  return config.linux?.resources ?? {};
}
