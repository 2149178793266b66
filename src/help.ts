/** The help texts, rendered by oclif from the commands' definitions. */

import { Config, Help } from '@oclif/core';
import { type CommandName, type FlagTable, GLOBAL_FLAGS } from './grammar.ts';

/**
 * Prints the help of a command, or that of the program.
 * @param home the folder with package.json, where oclif finds the commands
 */
export async function printHelp(
  command: CommandName | undefined,
  home: string,
  print: (text: string) => void,
): Promise<void> {
  const config = await Config.load({ root: home });
  await new PinionHelp(config, print).showHelp(command === undefined ? [] : [command]);
}

class PinionHelp extends Help {
  readonly #print: (text: string) => void;

  constructor(config: Config, print: (text: string) => void) {
    super(config, { stripAnsi: true, flagSortOrder: 'none' });
    this.#print = print;
  }

  protected override log(...lines: string[]): void {
    this.#print(`${lines.join(' ')}\n`);
  }

  override formatRoot(): string {
    const usage = `$ ${this.config.bin} [GLOBAL FLAGS] COMMAND [FLAGS] [ARGUMENTS]`;
    const list = this.renderList(globalFlagList(GLOBAL_FLAGS), { indentation: 2, spacer: '\n' });
    // The list comes trimmed, and its first flag has no letter.
    const flags = `    ${list}`;
    return [
      this.config.pjson.description ?? '',
      this.section('VERSION', this.config.version),
      this.section('USAGE', usage),
      this.section('GLOBAL FLAGS', flags),
    ].join('\n\n');
  }
}

function globalFlagList(table: FlagTable): [string, string][] {
  return Object.entries(table)
    .filter(([, rule]) => !rule.hidden)
    .map(([name, { char, value, summary }]) => [
      `${char === undefined ? '    ' : `-${char}, `}--${name}${value === undefined ? '' : `=<${value}>`}`,
      summary,
    ]);
}
