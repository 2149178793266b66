/** Manual pages (man(7)) of the program and its commands, by the grammar's table. */
import { COMMAND_CLASSES } from './command-classes.ts';
import {
  COMMAND_RULES,
  type CommandName,
  type CommandRule,
  type FlagTable,
  GLOBAL_FLAGS,
} from './grammar.ts';

const DESCRIPTION = `pinion takes the place of runc(8): it runs every container as a KVM microVM. The container's
processes are monitors on the host, each of which runs one program over a unikernel that speaks the
Linux system call ABI. Engines such as docker, podman and containerd call it; by hand, spec makes a
config.json and run starts it.`;

const STATUS = `0 for success, 1 for a failure, 3 for a command that does not exist. run, and exec in the
foreground, end with the status of the program, with 128 + N when signal N killed it; exec fails with 255.`;

const FILES: readonly [string, string][] = [
  ['/run/pinion', 'state directory of root'],
  ['$XDG_RUNTIME_DIR/pinion', 'state directory of other users'],
];

/** Text as roff takes it. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('’', '\\(cq')
    .replace(/^[.']/gm, '\\&$&');
}

function section(title: string, body: string): string {
  return `.SH ${title}\n${body}\n`;
}

function item(head: string, text: string): string {
  return `.TP\n${head}\n${roff(text)}`;
}

function flagItems(table: FlagTable): string {
  return Object.entries(table)
    .filter(([, { hidden }]) => !hidden)
    .map(([name, { kind, char, value = 'value', summary }]) => {
      const names = [...(char === undefined ? [] : [`-${char}`]), `--${name}`];
      const head = names.map((one) => `\\fB${roff(one)}\\fR`).join(', ');
      const taken = kind === 'boolean' ? '' : ` \\fI${roff(value)}\\fR`;
      const often = kind === 'strings' ? ' (may be repeated)' : '';
      return item(head + taken, summary + often);
    })
    .join('\n');
}

/** Bold words, then what the caller fills in. */
function synopsis(words: string, rest: readonly string[]): string {
  return `\\fB${words}\\fR ${rest.map((word) => `\\fI${word}\\fR`).join(' ')}`;
}

/** `id` -> ID, in brackets when it may be left out. */
function placeholder(name: string, required: boolean): string {
  return required ? name.toUpperCase() : `[${name.toUpperCase()}]`;
}

function page(title: string, version: string, sections: readonly string[]): string {
  return `.TH ${title.toUpperCase()} 8 "" "pinion ${version}" "System Administration"\n${sections.join('')}`;
}

function programPage(version: string, summary: string): string {
  const commands = Object.entries<CommandRule>(COMMAND_RULES).map(([name, rule]) =>
    item(`\\fBpinion\\-${name}\\fR(8)`, rule.summary),
  );
  const usage = ['[GLOBAL FLAGS]', 'COMMAND', '[FLAGS]', '[ARGUMENTS]'];
  return page('pinion', version, [
    section('NAME', `pinion \\- ${roff(summary)}`),
    section('SYNOPSIS', synopsis('pinion', usage)),
    section('DESCRIPTION', roff(DESCRIPTION)),
    section('COMMANDS', commands.join('\n')),
    section('GLOBAL FLAGS', flagItems(GLOBAL_FLAGS)),
    section('EXIT STATUS', roff(STATUS)),
    section('FILES', FILES.map(([path, text]) => item(`\\fI${path}\\fR`, text)).join('\n')),
    section('SEE ALSO', '\\fBrunc\\fR(8), \\fBdocker\\fR(1), \\fBpodman\\fR(1)'),
  ]);
}

function commandPage(name: CommandName, version: string): string {
  const { summary, flags, args, passThrough }: CommandRule = COMMAND_RULES[name];
  const { description, examples } = COMMAND_CLASSES[name];
  const placeholders = [
    ...(Object.keys(flags).length > 0 ? ['[FLAGS]'] : []),
    ...Object.entries(args).map(([arg, { required }]) => placeholder(arg, required)),
    ...(passThrough === undefined ? [] : [`[${passThrough.name.toUpperCase()}...]`]),
  ];
  const named = Object.entries(args).map(([arg, { summary, required }]) =>
    item(`\\fI${placeholder(arg, required)}\\fR`, summary),
  );
  if (passThrough !== undefined) {
    named.push(item(`\\fI[${passThrough.name.toUpperCase()}...]\\fR`, passThrough.summary));
  }
  const lines = examples.map((example) => roff(example.replaceAll('<%= config.bin %>', 'pinion')));
  const options = flagItems(flags);
  return page(`pinion-${name}`, version, [
    section('NAME', `pinion\\-${name} \\- ${roff(summary)}`),
    section('SYNOPSIS', synopsis(`pinion ${name}`, placeholders)),
    section('DESCRIPTION', roff(description ?? `${summary}.`)),
    ...(named.length > 0 ? [section('ARGUMENTS', named.join('\n'))] : []),
    ...(options === '' ? [] : [section('FLAGS', options)]),
    ...(lines.length > 0 ? [section('EXAMPLES', `.nf\n${lines.join('\n')}\n.fi`)] : []),
    section('SEE ALSO', '\\fBpinion\\fR(8)'),
  ]);
}

/**
 * All pages: file name -> text.
 * @param program version and description of package.json
 */
export function manualPages(program: {
  version: string;
  description: string;
}): Record<string, string> {
  const names = Object.keys(COMMAND_RULES) as CommandName[];
  const pages = names.map((name) => [`pinion-${name}.8`, commandPage(name, program.version)]);
  return {
    'pinion.8': programPage(program.version, program.description),
    ...Object.fromEntries(pages),
  };
}
