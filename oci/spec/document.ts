/** Text -> JSON value, for files that others wrote: bounded, exact and with one-line errors. */
import { OciError } from '../errors.ts';
import { locateSyntaxError } from './json-position.ts';
import { joinPath } from './shape.ts';

/** Bytes: docker's largest configs are some 100 KiB. */
const MAX_SIZE = 4 * 1024 * 1024;
/** The specification's own deepest property is 8 levels down. */
const MAX_DEPTH = 64;

type Json = null | boolean | number | bigint | string | Json[] | { [key: string]: Json };

function invalid(message: string, cause?: unknown): OciError {
  return new OciError('ERR_PINION_CONFIG', message, { cause });
}

function decode(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw invalid(`${name}: not UTF-8`, cause);
  }
}

interface Findings {
  /** Whether an integer was too large for a number. */
  wide: boolean;
}

/**
 * Removes null properties (in Go, and so for all callers, they are absent ones) and refuses what
 * could mean one thing here and another to the kernel: NUL bytes and broken Unicode.
 */
function clean(name: string, value: Json, path: string, depth: number, found: Findings): void {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) found.wide = true;
  } else if (typeof value === 'string') {
    if (value.includes('\0')) throw invalid(`${name}: ${path}: contains a null byte`);
    if (!value.isWellFormed()) throw invalid(`${name}: ${path}: is not well-formed Unicode`);
  } else if (typeof value === 'object' && value !== null) {
    if (depth >= MAX_DEPTH) throw invalid(`${name}: nested more than ${MAX_DEPTH} levels deep`);
    if (Array.isArray(value)) {
      value.forEach((item, i) => {
        clean(name, item, joinPath(path, i), depth + 1, found);
      });
      return;
    }
    for (const [key, item] of Object.entries(value)) {
      const at = joinPath(path, key);
      clean(name, key, at, depth + 1, found);
      if (item === null) delete value[key];
      else clean(name, item, at, depth + 1, found);
    }
  }
}

/** Integers that a number cannot hold exactly become bigints. */
function exactly(_key: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source;
  if (typeof value !== 'number' || Number.isSafeInteger(value) || source === undefined)
    return value;
  return /^-?\d+$/.test(source) ? BigInt(source) : value;
}

/**
 * @param name - What the errors call the document: `config.json`.
 * @throws OciError in one line: too large, too deep, not UTF-8, not JSON (with line and column).
 */
export function parseDocument(name: string, source: string | Uint8Array): Json {
  const size = typeof source === 'string' ? source.length : source.byteLength;
  if (size > MAX_SIZE) throw invalid(`${name}: larger than ${MAX_SIZE} bytes`);
  const text = typeof source === 'string' ? source : decode(name, source);
  const parse = (reviver?: typeof exactly): Json => {
    try {
      return JSON.parse(text, reviver) as Json;
    } catch (cause) {
      const { line, column, problem } = locateSyntaxError(text);
      throw invalid(`${name}: line ${line}, column ${column}: ${problem}`, cause);
    }
  };
  const document = parse();
  const found: Findings = { wide: false };
  clean(name, document, '', 0, found);
  if (!found.wide) return document;
  // The depth is known to be harmless now: a reviver is called recursively.
  const exact = parse(exactly);
  clean(name, exact, '', 0, found);
  return exact;
}
