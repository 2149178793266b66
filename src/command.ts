import type { Context } from '../oci/context.ts';
import type { Caller } from './caller.ts';
import type { CommandArgs, CommandFlags, CommandName } from './grammar.ts';

/** One command line, parsed, with all that serving it may use of the caller. */
export interface Call<N extends CommandName> {
  readonly flags: CommandFlags<N>;
  readonly args: CommandArgs<N>;
  /** The arguments after those that the grammar names. */
  readonly rest: readonly string[];
  readonly context: Context;
  readonly caller: Caller;
}

/**
 * The base of the commands: an oclif command's shape without its weight, since an engine starts
 * one for every operation. Flags, arguments and summaries are in the grammar's table.
 */
export abstract class EngineCommand<N extends CommandName> {
  static description: string | undefined;
  static examples: string[] = [];

  protected readonly flags: CommandFlags<N>;
  protected readonly args: CommandArgs<N>;
  protected readonly rest: readonly string[];
  protected readonly context: Context;
  protected readonly caller: Caller;

  constructor(call: Call<N>) {
    this.flags = call.flags;
    this.args = call.args;
    this.rest = call.rest;
    this.context = call.context;
    this.caller = call.caller;
  }

  /** Does what was asked and returns the exit status; failures are thrown as OciError. */
  abstract run(): Promise<number>;
}

export interface CommandClass<N extends CommandName> {
  new (call: Call<N>): EngineCommand<N>;
  readonly description?: string | undefined;
  readonly examples: string[];
}
