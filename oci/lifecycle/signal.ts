import { constants } from 'node:os';
import { OciError } from '../errors.ts';

/** signal(7): the C library keeps the first two real-time signals for itself. */
const SIGRTMIN = 34;
const SIGRTMAX = 64;

/** A signal's number from a number or a name, with or without SIG, in any case. */
export function parseSignal(text: string): number {
  if (/^[+-]?\d+$/.test(text)) return Number(text);
  const name = text.toUpperCase().replace(/^SIG/, '');
  const number = realTime(name) ?? (constants.signals as Record<string, number>)[`SIG${name}`];
  if (number === undefined) {
    throw new OciError('ERR_PINION_SIGNAL', `unknown signal ${JSON.stringify(text)}`);
  }
  return number;
}

function realTime(name: string): number | undefined {
  const [, base, offset = '0'] = /^(RTMIN|RTMAX)([+-]\d+)?$/.exec(name) ?? [];
  if (base === undefined) return undefined;
  const number = (base === 'RTMIN' ? SIGRTMIN : SIGRTMAX) + Number(offset);
  return number >= SIGRTMIN && number <= SIGRTMAX ? number : undefined;
}
