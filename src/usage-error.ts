import { OciError } from '../oci/errors.ts';
import type { CommandName } from './grammar.ts';

/** A command line that cannot be understood: its usage is shown before the error. */
export class UsageError extends OciError {
  /** What the usage text starts with ("Incorrect Usage." and so on, as runc's). */
  readonly heading: string;
  /** The command whose usage is shown, undefined for that of the program. */
  readonly command: CommandName | undefined;

  constructor(message: string, heading: string, command: CommandName | undefined) {
    super('ERR_PINION_USAGE', message);
    this.heading = heading;
    this.command = command;
  }

  /** A flag that the flag package refuses. Its text differs a little before and after the command. */
  static ofFlag(message: string, command: CommandName | undefined): UsageError {
    const mark = command === undefined ? '.' : ':';
    return new UsageError(message, `Incorrect Usage${mark} ${message}`, command);
  }

  /** Too few or too many positional arguments, in the words of runc's checkArgs. */
  static ofCount(
    command: CommandName,
    required: number,
    allowed: number,
    given: number,
  ): UsageError {
    const bound =
      required === allowed
        ? `exactly ${required}`
        : given < required
          ? `a minimum of ${required}`
          : `a maximum of ${allowed}`;
    const message = `runc: "${command}" requires ${bound} argument(s)`;
    return new UsageError(message, 'Incorrect Usage.', command);
  }
}
