import { examine, type Finding } from '../../oci/doctor/index.ts';
import { EngineCommand } from '../command.ts';
import { write } from '../write.ts';

const MARKS = { good: 'ok  ', note: 'note', bad: 'BAD ' } as const;

export default class Doctor extends EngineCommand<'doctor'> {
  static override description =
    'Prints a line for each thing that was looked at. Ends with 1 if containers cannot run.';
  static override examples = ['<%= config.bin %> doctor'];

  async run(): Promise<number> {
    const findings = await examine(this.context);
    write(this.context.stdio.stdout, findings.map(line).join(''));
    return findings.some(({ state }) => state === 'bad') ? 1 : 0;
  }
}

function line({ state, subject, text }: Finding): string {
  return `${MARKS[state]}  ${subject.padEnd(12)}${text}\n`;
}
