/** The names that the specification knows, without what it says of them. */

/** A leaf, an object with known properties, a list, or a map with keys of the user's choice. */
export type Shape =
  | null
  | { properties: { [name: string]: Shape } }
  | { items: Shape }
  | { values: Shape };

interface ObjectLike {
  [key: string]: unknown;
}

function isObject(value: unknown): value is ObjectLike {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The shape of a schema made by `schema.ts`. */
export function shapeOf(schema: unknown): Shape {
  if (!isObject(schema)) return null;
  if (isObject(schema.properties)) {
    const entries = Object.entries(schema.properties);
    return { properties: Object.fromEntries(entries.map(([name, s]) => [name, shapeOf(s)])) };
  }
  if (schema.items !== undefined) return { items: shapeOf(schema.items) };
  if (isObject(schema.patternProperties)) {
    return { values: shapeOf(Object.values(schema.patternProperties)[0]) };
  }
  return null;
}

/** `process`, `args`, `0` -> `process.args[0]`; keys that are no words are quoted. */
export function joinPath(parent: string, key: string | number): string {
  if (typeof key === 'number') return `${parent}[${key}]`;
  if (!/^[A-Za-z_][\w-]*$/.test(key)) return `${parent}[${JSON.stringify(key)}]`;
  return parent === '' ? key : `${parent}.${key}`;
}

/** The paths of all properties of a document that a shape does not know. */
export function unknownProperties(document: unknown, shape: Shape, path = ''): string[] {
  if (shape === null) return [];
  if (Array.isArray(document)) {
    if (!('items' in shape)) return [];
    return document.flatMap((item, i) => unknownProperties(item, shape.items, joinPath(path, i)));
  }
  if (!isObject(document) || 'items' in shape) return [];
  return Object.entries(document).flatMap(([key, value]) => {
    const at = joinPath(path, key);
    if ('values' in shape) return unknownProperties(value, shape.values, at);
    const known = Object.hasOwn(shape.properties, key) ? shape.properties[key] : undefined;
    return known === undefined ? [at] : unknownProperties(value, known, at);
  });
}
