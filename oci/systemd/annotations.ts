/** `org.systemd.property.NAME`: properties that annotations add to a container's unit, as of runc. */
import { planError } from '../plan/errors.ts';
import type { Property } from './property.ts';
import { parseVariant, type Variant } from './variant.ts';

const PREFIX = 'org.systemd.property.';

export function annotatedProperties(annotations: Readonly<Record<string, string>>): Property[] {
  return Object.entries(annotations).flatMap(([key, value]) => {
    const name = key.slice(PREFIX.length);
    if (!key.startsWith(PREFIX) || name === '') return [];
    if (!/^[A-Za-z]+$/.test(name) || name.length < 3) {
      const why = name.length < 3 ? 'too short' : 'contains non-alphabetic character';
      throw planError(`annotation ${key} name incorrect: ${why}`);
    }
    const variant = parseVariant(value);
    if (variant === undefined) throw planError(`annotation ${key}=${value} value parse error`);
    // D-Bus has microseconds only.
    if (!/[a-z]Sec$/.test(name)) return [{ name, ...variant }];
    const microseconds = inMicroseconds(variant);
    if (microseconds === undefined) {
      throw planError(`annotation ${key}=${value} value conversion error: not a number`);
    }
    return [{ name: name.replace(/Sec$/, 'USec'), ...microseconds }];
  });
}

function inMicroseconds({ signature, words: [word = ''] }: Variant): Variant | undefined {
  const seconds = Number(word);
  if (!/^[ynqiuxtd]$/.test(signature) || !Number.isFinite(seconds) || seconds < 0) return undefined;
  return { signature: 't', words: [String(BigInt(Math.round(seconds * 1e6)))] };
}
