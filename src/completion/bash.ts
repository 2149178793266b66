import { COMMANDS, type FlagModel, GLOBALS, quoted, spellings, type Values } from './model.ts';

const DRIVER = `
# _pinion_offer VALUES WORD: those of the values that begin with the word.
_pinion_offer() {
  local IFS=$' \\n'
  case $1 in
    nothing | program) ;;
    file | directory)
      compopt -o filenames 2>/dev/null
      IFS=$'\\n'
      COMPREPLY=($(compgen -"\${1:0:1}" -- "$2"))
      ;;
    container) COMPREPLY=($(compgen -W "$("\${COMP_WORDS[0]}" "\${root[@]}" list --quiet 2>/dev/null)" -- "$2")) ;;
    *) COMPREPLY=($(compgen -W "$1" -- "$2")) ;;
  esac
}

_pinion() {
  local word=\${COMP_WORDS[COMP_CWORD]} command='' flag='' values='' given i argument count=0
  local -a root=()
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    given=\${COMP_WORDS[i]}
    if [[ -n $values ]]; then
      # bash makes a word of the = in --flag=value.
      [[ $given == = ]] && continue
      [[ -z $command && $flag == --root ]] && root=(--root "$given")
      values=''
    elif [[ $given == -* ]]; then
      flag=$given
      values=$(_pinion_values "$command" "$flag")
    elif [[ -z $command ]]; then
      command=$given
    else
      ((++count))
    fi
  done
  argument=$(_pinion_argument "$command" $((count + 1)))
  if [[ -n $values ]]; then
    [[ $word == = ]] && word=''
    _pinion_offer "$values" "$word"
  elif [[ $word == -* && $argument != program ]]; then
    _pinion_offer "$(_pinion_flags "$command")" "$word"
  else
    _pinion_offer "$argument" "$word"
  fi
}
complete -F _pinion pinion
`;

/** Lines of a `case` by the words that stand before the double arrow. */
function choice(name: string, word: string, rows: [string[], string][]): string {
  const arms = rows.map(
    ([patterns, text]) => `    ${patterns.join(' | ')}) echo ${quoted(text)} ;;`,
  );
  return `${name}() {\n  case ${word} in\n${arms.join('\n')}\n  esac\n}\n`;
}

function words(values: Values): string {
  return typeof values === 'string' ? values : values.join(' ');
}

export function bash(): string {
  const places = [{ name: '', flags: GLOBALS }, ...COMMANDS];
  const names = COMMANDS.map(({ name }) => name).join(' ');
  const flagNames = (flags: readonly FlagModel[]) => flags.flatMap(spellings).join(' ');
  return [
    '# bash completion for pinion, as `pinion completion bash` makes it.\n',
    choice(
      '_pinion_flags',
      '$1',
      places.map(({ name, flags }) => [[quoted(name)], flagNames(flags)]),
    ),
    choice(
      '_pinion_values',
      '"$1 $2"',
      places.flatMap(({ name, flags }) =>
        flags.flatMap((flag): [string[], string][] =>
          flag.values === undefined
            ? []
            : [[spellings(flag).map((one) => quoted(`${name} ${one}`)), words(flag.values)]],
        ),
      ),
    ),
    choice('_pinion_argument', '"$1 $2"', [
      [["' '*"], names],
      [["'help 1'", "'h 1'"], names],
      ...COMMANDS.flatMap(({ name, args, passThrough }): [string[], string][] => [
        ...args.map(({ values }, i): [string[], string] => [
          [quoted(`${name} ${i + 1}`)],
          words(values),
        ]),
        ...(passThrough ? [[[`'${name} '*`], 'program'] as [string[], string]] : []),
      ]),
    ]),
    DRIVER.slice(1),
  ].join('\n');
}
