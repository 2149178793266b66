import { COMMANDS, type FlagModel, GLOBALS, quoted, type Values } from './model.ts';

/** The action of `_arguments` for values. */
function action(values: Values): string {
  if (typeof values !== 'string') return `(${values.join(' ')})`;
  return {
    container: '_pinion_containers',
    directory: '_files -/',
    file: '_files',
    nothing: ' ',
  }[values];
}

/** A specification of `_arguments`. */
function flagSpec({ name, char, summary, values }: FlagModel): string {
  const text = `[${summary.replace(/[[\]\\]/g, '\\$&')}]`;
  const value = values === undefined ? '' : `:value:${action(values)}`;
  const long = values === undefined ? `--${name}` : `--${name}=`;
  if (char === undefined) return quoted(`${long}${text}${value}`);
  const short = values === undefined ? `-${char}` : `-${char}+`;
  return `${quoted(`(-${char} --${name})`)}{${short},${long}}${quoted(`${text}${value}`)}`;
}

function lines(specs: string[], indent: string): string {
  return specs.map((spec) => ` \\\n${indent}  ${spec}`).join('');
}

const ARMS = COMMANDS.map(({ name, flags, args, passThrough }) => {
  const specs = [
    ...flags.map(flagSpec),
    ...args.map((arg, i) => quoted(`${i + 1}:${arg.name}:${action(arg.values)}`)),
    ...(passThrough ? [quoted('*::program: ')] : []),
  ];
  return `        ${name}) _arguments -S${lines(specs, '         ')} ;;`;
});

export function zsh(): string {
  const described = COMMANDS.map(({ name, summary }) => quoted(`${name}:${summary}`));
  return `#compdef pinion
# zsh completion for pinion, as \`pinion completion zsh\` makes it.

_pinion_containers() {
  local -a ids
  ids=(\${(f)"$(_call_program containers pinion \${pinion_root:+--root "$pinion_root"} list --quiet 2>/dev/null)"})
  compadd -a ids
}

_pinion() {
  local curcontext=$curcontext state pinion_root
  local -a line commands
  typeset -A opt_args
  commands=(
    ${described.join('\n    ')}
  )
  _arguments -C -S${lines([...GLOBALS.map(flagSpec), quoted('1:command:->command'), quoted('*::argument:->argument')], '  ')}
  pinion_root=$opt_args[--root]
  case $state in
    command) _describe command commands ;;
    argument)
      case $line[1] in
        help|h) _describe command commands ;;
${ARMS.join('\n')}
      esac
      ;;
  esac
}

if [ "$funcstack[1]" = _pinion ]; then
  _pinion "$@"
else
  compdef _pinion pinion
fi
`;
}
