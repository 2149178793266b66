import { events } from '../../oci/lifecycle/events.ts';
import { missing } from '../../oci/lifecycle/missing.ts';
import { EngineCommand } from '../command.ts';
import { parseDuration } from '../duration.ts';
import { UsageError } from '../usage-error.ts';
import { write } from '../write.ts';

const INTERVAL = '5s';

export default class Events extends EngineCommand<'events'> {
  static override description =
    'Each event is a line of JSON. The command ends with the container, with --stats after one event.';
  static override examples = [
    '<%= config.bin %> events web',
    '<%= config.bin %> events --stats web',
    '<%= config.bin %> events --missing web',
  ];

  async run(): Promise<number> {
    const { id } = this.args;
    const interval = this.#interval(this.flags.interval ?? INTERVAL);
    if (this.flags.missing) {
      for (const data of await missing(this.context, id)) this.#tell({ type: 'missing', id, data });
      return 0;
    }
    const options = { once: this.flags.stats, interval };
    await events(this.context, id, options, (event) => this.#tell(event));
    return 0;
  }

  #interval(text: string): number {
    const interval = parseDuration(text);
    if (interval !== undefined) return interval;
    const message = `invalid value ${JSON.stringify(text)} for flag -interval: parse error`;
    throw UsageError.ofFlag(message, 'events');
  }

  #tell(event: object): void {
    write(this.context.stdio.stdout, `${JSON.stringify(event, exact)}\n`);
  }
}

declare global {
  interface JSON {
    /** In Node, but not in TypeScript's library yet. */
    rawJSON(text: string): unknown;
  }
}

const LARGEST = 2n ** 64n - 1n;

/** Whole numbers to the last digit, and as large as readers in Go take them: no limit is 2 ** 64. */
function exact(_name: string, value: unknown): unknown {
  if (typeof value !== 'number' || !Number.isInteger(value) || Number.isSafeInteger(value)) {
    return value;
  }
  const whole = BigInt(value);
  return JSON.rawJSON(String(whole < LARGEST ? whole : LARGEST));
}
