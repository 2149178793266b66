import { OciError } from '../../oci/errors.ts';
import { EngineCommand } from '../command.ts';
import { bash } from '../completion/bash.ts';
import { fish } from '../completion/fish.ts';
import { SHELLS, type Shell } from '../completion/model.ts';
import { zsh } from '../completion/zsh.ts';
import { write } from '../write.ts';

const SCRIPTS: Readonly<Record<Shell, () => string>> = { bash, zsh, fish };

export default class Completion extends EngineCommand<'completion'> {
  static override description =
    'The script completes commands, flags, their values and the ids of containers. bash has it by ' +
    'the first example, or for one shell by the second; zsh and fish by the other two.';
  static override examples = [
    '<%= config.bin %> completion bash >/usr/share/bash-completion/completions/pinion',
    'source <(<%= config.bin %> completion bash)',
    '<%= config.bin %> completion zsh >/usr/local/share/zsh/site-functions/_pinion',
    '<%= config.bin %> completion fish >/usr/share/fish/vendor_completions.d/pinion.fish',
  ];

  async run(): Promise<number> {
    const { shell } = this.args;
    const known = SHELLS.find((name) => name === shell);
    if (known === undefined) {
      throw new OciError(
        'ERR_PINION_SHELL',
        `no completions for ${JSON.stringify(shell)}: ${SHELLS.join(', ')}`,
      );
    }
    write(this.context.stdio.stdout, SCRIPTS[known]());
    return 0;
  }
}
