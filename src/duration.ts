/** Milliseconds of each unit that Go's time.ParseDuration knows. */
const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds of a duration such as `5s`, `1m30s` or `-1.5h`; undefined for what is none. */
export function parseDuration(text: string): number | undefined {
  const [, sign, rest = ''] = /^([+-]?)(.*)$/.exec(text) ?? [];
  if (rest === '0') return 0;
  if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(rest)) return undefined;
  const parts = rest.matchAll(/([\d.]+)([a-zµμ]+)/g);
  const sum = [...parts].reduce(
    (total, [, count, unit = '']) => total + Number(count) * (UNITS[unit] ?? 0),
    0,
  );
  return sign === '-' ? -sum : sum;
}
