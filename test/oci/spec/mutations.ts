/** Every value of a document replaced by values of other types and sizes, and taken away. */
type Json = unknown;

const REPLACEMENTS: Json[] = [
  3,
  0,
  -1,
  1.5,
  2 ** 16,
  2 ** 32,
  -(2 ** 40),
  true,
  false,
  '',
  'x',
  '1-2,3',
  'RLIMIT_X',
  '4KB',
  'SCMP_ACT_LOG',
  [],
  ['x'],
  [3],
  {},
  { x: 'y' },
];

interface Mutation {
  description: string;
  document: Json;
}

/** The document with the value at a path replaced; `undefined` removes it. */
function replaced(document: Json, path: (string | number)[], value: Json): Json {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (Array.isArray(document)) {
    return document.map((item, i) => (i === step ? replaced(item, rest, value) : item));
  }
  const copy = { ...(document as Record<string, Json>) };
  copy[step] = replaced(copy[step], rest, value);
  if (copy[step] === undefined) delete copy[step];
  return copy;
}

function* paths(document: Json, path: (string | number)[] = []): Generator<(string | number)[]> {
  if (path.length > 0) yield path;
  if (Array.isArray(document)) {
    for (const [i, item] of document.entries()) yield* paths(item, [...path, i]);
  } else if (typeof document === 'object' && document !== null) {
    for (const [key, item] of Object.entries(document)) yield* paths(item, [...path, key]);
  }
}

export function* mutations(document: Json): Generator<Mutation> {
  for (const path of paths(document)) {
    if (typeof path.at(-1) === 'string') {
      const description = `without ${path.join('.')}`;
      yield { description, document: replaced(document, path, undefined) };
    }
    for (const value of REPLACEMENTS) {
      const description = `${path.join('.')} = ${JSON.stringify(value)}`;
      yield { description, document: replaced(document, path, value) };
    }
  }
}
