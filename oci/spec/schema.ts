/**
 * The words in which the runtime specification is written down here. Each makes a typebox schema
 * with a docstring, so that types, validators and documentation have one source.
 */
import Type, {
  type Static,
  type TArray,
  type TBoolean,
  type TInteger,
  type TObject,
  type TProperties,
  type TRecord,
  type TSchema,
  type TString,
  type TUnsafe,
} from 'typebox';

export { type Static, Type };

/** Marks a property that may be absent. JSON's null counts as absent, as in Go. */
export const optional = Type.Optional;

/**
 * An object of the specification.
 * @param section - Where the specification defines it (`config-linux.md#memory`); kept in the
 *   schema as `$comment`.
 */
export function section<P extends TProperties>(
  section: string,
  description: string,
  properties: P,
): TObject<P> {
  return Type.Object(properties, { $comment: section, description });
}

export function text(description: string, options: { pattern?: string } = {}): TString {
  return Type.String({ ...options, description });
}

export function flag(description: string): TBoolean {
  return Type.Boolean({ description });
}

/** One of a fixed set of words. */
export function choice<const W extends string[]>(
  words: readonly [...W],
  description: string,
): TUnsafe<W[number]> {
  return Type.Unsafe<W[number]>({ type: 'string', enum: [...words], description });
}

export function list<T extends TSchema>(
  items: T,
  description: string,
  options: { minItems?: number } = {},
): TArray<T> {
  return Type.Array(items, { ...options, description });
}

export function texts(description: string, options: { minItems?: number } = {}): TArray<TString> {
  return list(Type.String(), description, options);
}

/** An object whose keys are names of the user's choice. */
export function map<T extends TSchema>(values: T, description: string): TRecord<string, T> {
  return Type.Record(Type.String(), values, { description });
}

/** Any object: for what the specification leaves to others. */
export function anyObject(description: string): TRecord<string, ReturnType<typeof Type.Unknown>> {
  return map(Type.Unknown(), description);
}

function integer(minimum: number, maximum: number) {
  return (description: string, options: { minimum?: number; maximum?: number } = {}): TInteger =>
    Type.Integer({ minimum, maximum, ...options, description });
}

export const int32 = integer(-(2 ** 31), 2 ** 31 - 1);
export const uint16 = integer(0, 2 ** 16 - 1);
export const uint32 = integer(0, 2 ** 32 - 1);

/** The schema keyword for integers that a JavaScript number may be too small for. */
export const WIDE = 'wide';
export type WideKind = keyof typeof WIDE_RANGES;
export const WIDE_RANGES = {
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
} as const satisfies Record<string, readonly [bigint, bigint]>;

/** A number where it is exact, else a bigint (`document.ts` reads them so). */
export type Wide = number | bigint;

function wide(kind: WideKind) {
  return (description: string): TUnsafe<Wide> => Type.Unsafe<Wide>({ [WIDE]: kind, description });
}

export const int64 = wide('int64');
export const uint64 = wide('uint64');
