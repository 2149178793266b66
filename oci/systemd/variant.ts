/** Values in GVariant's text format, as far as D-Bus itself has them, but for dictionaries. */

/** A value as busctl(1) takes it. */
export interface Variant {
  /** Of D-Bus. */
  signature: string;
  words: string[];
}

/** Keywords before a value. */
const TYPES: Readonly<Record<string, string>> = {
  boolean: 'b',
  byte: 'y',
  int16: 'n',
  uint16: 'q',
  int32: 'i',
  uint32: 'u',
  int64: 'x',
  uint64: 't',
  double: 'd',
  string: 's',
  objectpath: 'o',
  signature: 'g',
};

const TOKEN =
  /\s*(?:(?<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|@(?<type>[abynqiuxtdsog()]+)|(?<word>[-+.\w]+)|(?<mark>[[\](),]))/y;

type Kind = 'text' | 'type' | 'word' | 'mark';
interface Token {
  kind: Kind;
  value: string;
}

/** Undefined: it is none. */
export function parseVariant(source: string): Variant | undefined {
  const tokens = tokenize(source.trim());
  if (tokens === undefined) return undefined;
  const parser = new Parser(tokens);
  const value = parser.value(undefined);
  return parser.isAtEnd() ? value : undefined;
}

function tokenize(source: string): Token[] | undefined {
  const tokens: Token[] = [];
  const pattern = new RegExp(TOKEN);
  while (pattern.lastIndex < source.length) {
    const groups = pattern.exec(source)?.groups;
    if (groups === undefined) return undefined;
    const [kind, value] = Object.entries(groups).find(([, found]) => found !== undefined) ?? [];
    tokens.push({ kind: kind as Kind, value: value ?? '' });
  }
  return tokens;
}

/** How deep arrays may lie in each other (D-Bus' own limit is 32). */
const MAX_DEPTH = 32;

class Parser {
  readonly #tokens: Token[];
  #depth = 0;

  constructor(tokens: Token[]) {
    this.#tokens = tokens.reverse();
  }

  isAtEnd(): boolean {
    return this.#tokens.length === 0;
  }

  /** @param signature - What it has to be; undefined: what it looks like. */
  value(signature: string | undefined): Variant | undefined {
    const token = this.#tokens.pop();
    switch (token?.kind) {
      case 'text':
        return textOf(token.value, signature ?? 's');
      case 'type':
        return signature === undefined || signature === token.value
          ? this.value(token.value)
          : undefined;
      case 'word': {
        const type = TYPES[token.value];
        if (type === undefined) return wordOf(token.value, signature);
        return signature === undefined || signature === type ? this.value(type) : undefined;
      }
      case 'mark':
        if (this.#depth === MAX_DEPTH) return undefined;
        this.#depth++;
        try {
          if (token.value === '[') return this.#array(signature);
          return token.value === '(' ? this.#tuple(signature) : undefined;
        } finally {
          this.#depth--;
        }
    }
    return undefined;
  }

  #array(signature: string | undefined): Variant | undefined {
    if (signature !== undefined && !signature.startsWith('a')) return undefined;
    let element = signature?.slice(1);
    const items = this.#items(']', () => {
      const item = this.value(element);
      element ??= item?.signature;
      return item;
    });
    if (items === undefined || element === undefined) return undefined;
    const words = items.flatMap((item) => item.words);
    return { signature: `a${element}`, words: [String(items.length), ...words] };
  }

  #tuple(signature: string | undefined): Variant | undefined {
    const types = signature === undefined ? undefined : members(signature);
    let at = 0;
    const items = this.#items(')', () => this.value(types?.[at++]));
    if (items === undefined || items.length === 0) return undefined;
    const found = `(${items.map((item) => item.signature).join('')})`;
    if (signature !== undefined && found !== signature) return undefined;
    return { signature: found, words: items.flatMap((item) => item.words) };
  }

  #items(end: string, item: () => Variant | undefined): Variant[] | undefined {
    const items: Variant[] = [];
    while (!this.#takes(end)) {
      if (items.length > 0 && !this.#takes(',')) return undefined;
      const next = item();
      if (next === undefined) return undefined;
      items.push(next);
    }
    return items;
  }

  #takes(mark: string): boolean {
    const next = this.#tokens.at(-1);
    const isThere = next?.kind === 'mark' && next.value === mark;
    if (isThere) this.#tokens.pop();
    return isThere;
  }
}

/** The types in a tuple's. */
function members(signature: string): string[] {
  return signature.slice(1, -1).match(/a*(?:\([^()]*\)|[a-z])/g) ?? [];
}

function textOf(quoted: string, signature: string): Variant | undefined {
  if (!/^[sog]$/.test(signature)) return undefined;
  const words = [quoted.slice(1, -1).replace(/\\(.)/g, '$1')];
  return { signature, words };
}

function wordOf(word: string, signature: string | undefined): Variant | undefined {
  if (word === 'true' || word === 'false') {
    return (signature ?? 'b') === 'b' ? { signature: 'b', words: [word] } : undefined;
  }
  if (/^[-+]?(\d+|0x[\da-f]+)$/i.test(word)) {
    const type = signature ?? 'i';
    return /^[ynqiuxtd]$/.test(type) ? { signature: type, words: [word] } : undefined;
  }
  if (!/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(word)) return undefined;
  return (signature ?? 'd') === 'd' ? { signature: 'd', words: [word] } : undefined;
}
