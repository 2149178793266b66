/** A property of a unit as busctl(1) takes it: a signature of D-Bus, and words for its values. */
export interface Property {
  name: string;
  signature: string;
  words: string[];
  /** The first version of systemd that has it, if not all that matter have it. */
  since?: number;
}

export const text = (name: string, value: string): Property => ({
  name,
  signature: 's',
  words: [value],
});

export const flag = (name: string, value: boolean): Property => ({
  name,
  signature: 'b',
  words: [String(value)],
});

/** An array of strings. */
export const texts = (name: string, values: readonly string[]): Property => ({
  name,
  signature: 'as',
  words: [String(values.length), ...values],
});

/** What systemd means by no limit. */
export const INFINITY = 2n ** 64n - 1n;

/** An unsigned integer of 64 bits: negative ones are no limit. */
export const wide = (name: string, value: bigint | number, since?: number): Property => ({
  name,
  signature: 't',
  words: [String(value < 0 ? INFINITY : value)],
  ...(since !== undefined && { since }),
});
