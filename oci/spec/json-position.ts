/** Where a text stops being JSON. V8's messages name no position for some mistakes. */

export interface SyntaxProblem {
  /** From 1. */
  line: number;
  column: number;
  problem: string;
}

const SPACE = /[ \t\n\r]*/y;
const TOKEN =
  /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[[\]{},:]/y;

type Expectation = 'value' | 'value or ]' | 'name' | 'name or }' | 'colon' | 'comma' | 'end';

const EXPECTED: Record<Expectation, string> = {
  value: 'a value',
  'value or ]': 'a value or "]"',
  name: 'a property name',
  'name or }': 'a property name or "}"',
  colon: '":"',
  comma: '"," or the end of the list or object',
  end: 'the end of the file',
};

function matchAt(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? '';
}

/** What may follow a token, or undefined where the token itself may not stand. */
function advance(expected: Expectation, token: string, open: string[]): Expectation | undefined {
  const afterValue = (): Expectation => (open.length === 0 ? 'end' : 'comma');
  const close = (bracket: string): Expectation | undefined =>
    open.pop() === bracket ? afterValue() : undefined;
  switch (expected) {
    case 'value':
    case 'value or ]':
      if (token === '{') {
        open.push('}');
        return 'name or }';
      }
      if (token === '[') {
        open.push(']');
        return 'value or ]';
      }
      if (token === ']' && expected === 'value or ]') return close(']');
      return /^[\]},:]/.test(token) ? undefined : afterValue();
    case 'name':
    case 'name or }':
      if (token === '}' && expected === 'name or }') return close('}');
      return token.startsWith('"') ? 'colon' : undefined;
    case 'colon':
      return token === ':' ? 'value' : undefined;
    case 'comma':
      if (token === ',') return open.at(-1) === '}' ? 'name' : 'value';
      return token === ']' || token === '}' ? close(token) : undefined;
    case 'end':
      return undefined;
  }
}

/** What is wrong with a string that is not one, and how far into it. */
function stringProblem(text: string, start: number): [at: number, problem: string] {
  const good = matchAt(/"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*/y, text, start);
  const at = start + good.length;
  if (at >= text.length) return [start, 'a string without its end'];
  const problem = text[at] === '\\' ? 'a wrong escape' : 'a control character';
  return [at, `${problem} in a string`];
}

/** Finds the first mistake of a text that `JSON.parse` has refused. */
export function locateSyntaxError(text: string): SyntaxProblem {
  const open: string[] = [];
  let expected: Expectation = 'value';
  let at = 0;
  for (;;) {
    at += matchAt(SPACE, text, at).length;
    const token = matchAt(TOKEN, text, at);
    const next: Expectation | undefined = token === '' ? undefined : advance(expected, token, open);
    if (next === undefined) {
      if (token !== '' || text[at] !== '"')
        return problemAt(text, at, unexpected(text, at, expected));
      return problemAt(text, ...stringProblem(text, at));
    }
    expected = next;
    at += token.length;
  }
}

function unexpected(text: string, at: number, expected: Expectation): string {
  const found = text.codePointAt(at);
  const shown =
    found === undefined ? 'the end of the file' : JSON.stringify(String.fromCodePoint(found));
  return `expected ${EXPECTED[expected]}, found ${shown}`;
}

function problemAt(text: string, at: number, problem: string): SyntaxProblem {
  const before = text.slice(0, at).split('\n');
  return { line: before.length, column: (before.at(-1) ?? '').length + 1, problem };
}
