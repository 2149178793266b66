import { COMMANDS, type FlagModel, GLOBALS, spellings, type Values } from './model.ts';

/** A word in single quotes: fish knows two escapes there. */
function quoted(text: string): string {
  return `'${text.replace(/['\\]/g, '\\$&')}'`;
}

function offer(values: Values): string {
  if (typeof values !== 'string') return ` -a ${quoted(values.join(' '))}`;
  return {
    container: " -a '(__pinion_containers)'",
    directory: " -a '(__fish_complete_directories)'",
    file: '',
    nothing: '',
  }[values];
}

/** One line. `at`: arguments of __pinion_at. */
function flagLine(at: string, { name, char, summary, values }: FlagModel): string {
  const short = char === undefined ? '' : ` -s ${char}`;
  const value = values === undefined ? '' : values === 'file' ? ' -rF' : ` -x${offer(values)}`;
  return `complete -c pinion -n ${quoted(`__pinion_at ${at}`)}${short} -l ${name}${value} -d ${quoted(summary)}`;
}

const LINES = [
  ...GLOBALS.map((flag) => flagLine('""', flag)),
  ...COMMANDS.map(
    ({ name, summary }) =>
      `complete -c pinion -n '__pinion_at ""' -a ${name} -d ${quoted(summary)}`,
  ),
  ...COMMANDS.flatMap(({ name, flags, args, passThrough }) => [
    // Flags behind the id would be the program's.
    ...flags.map((flag) => flagLine(passThrough ? `${name} 1` : name, flag)),
    ...args
      .map(({ values }, i) => ({ position: i + 1, text: offer(values) }))
      .filter(({ text }) => text !== '')
      .map(
        ({ position, text }) => `complete -c pinion -n '__pinion_at ${name} ${position}'${text}`,
      ),
  ]),
  `complete -c pinion -n '__pinion_at help 1' -a '${COMMANDS.map(({ name }) => name).join(' ')}'`,
];

const TAKING = [{ name: '', flags: GLOBALS }, ...COMMANDS].flatMap(({ name, flags }) =>
  flags
    .filter(({ values }) => values !== undefined)
    .flatMap((flag) => spellings(flag).map((one) => quoted(`${name} ${one}`))),
);

export function fish(): string {
  return `# fish completion for pinion, as \`pinion completion fish\` makes it.

# The command and its arguments before the cursor, without flags and their values.
function __pinion_words
    set -l words
    set -l skip no
    for word in (commandline -opc)[2..-1]
        if test $skip = yes
            set skip no
            continue
        end
        switch "$words[1] $word"
            case ${TAKING.join(' ')}
                set skip yes
            case '* -*'
            case '*'
                set -a words $word
        end
    end
    string join \\n -- $words
end

# __pinion_at COMMAND [N]: whether this is the command, and the cursor at its Nth argument.
function __pinion_at
    set -l words (__pinion_words)
    test "$words[1]" = "$argv[1]"; or return 1
    test -z "$argv[2]"; or test (count $words) = "$argv[2]"
end

function __pinion_containers
    set -l root (commandline -opc | string match -r -g -- '^--root=(.*)')
    set -l words (commandline -opc)
    set -l at (contains -i -- --root $words); and set root $words[(math $at + 1)]
    pinion (test -n "$root"; and printf '%s\\n' --root "$root") list --quiet 2>/dev/null
end

complete -c pinion -f
${LINES.join('\n')}
`;
}
