/** config-linux.md#seccomp. */
import { choice, list, optional, section, text, texts, uint32, uint64 } from '../schema.ts';

const SECCOMP = 'config-linux.md#seccomp';

export const SECCOMP_ACTIONS = [
  'SCMP_ACT_KILL',
  'SCMP_ACT_KILL_PROCESS',
  'SCMP_ACT_KILL_THREAD',
  'SCMP_ACT_TRAP',
  'SCMP_ACT_ERRNO',
  'SCMP_ACT_TRACE',
  'SCMP_ACT_ALLOW',
  'SCMP_ACT_LOG',
  'SCMP_ACT_NOTIFY',
] as const;

export const SECCOMP_OPERATORS = [
  'SCMP_CMP_NE',
  'SCMP_CMP_LT',
  'SCMP_CMP_LE',
  'SCMP_CMP_EQ',
  'SCMP_CMP_GE',
  'SCMP_CMP_GT',
  'SCMP_CMP_MASKED_EQ',
] as const;

export const SECCOMP_FLAGS = [
  'SECCOMP_FILTER_FLAG_TSYNC',
  'SECCOMP_FILTER_FLAG_LOG',
  'SECCOMP_FILTER_FLAG_SPEC_ALLOW',
  'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV',
] as const;

export const SECCOMP_ARCHITECTURES = [
  'SCMP_ARCH_X86',
  'SCMP_ARCH_X86_64',
  'SCMP_ARCH_X32',
  'SCMP_ARCH_ARM',
  'SCMP_ARCH_AARCH64',
  'SCMP_ARCH_LOONGARCH64',
  'SCMP_ARCH_M68K',
  'SCMP_ARCH_MIPS',
  'SCMP_ARCH_MIPS64',
  'SCMP_ARCH_MIPS64N32',
  'SCMP_ARCH_MIPSEL',
  'SCMP_ARCH_MIPSEL64',
  'SCMP_ARCH_MIPSEL64N32',
  'SCMP_ARCH_PPC',
  'SCMP_ARCH_PPC64',
  'SCMP_ARCH_PPC64LE',
  'SCMP_ARCH_S390',
  'SCMP_ARCH_S390X',
  'SCMP_ARCH_SH',
  'SCMP_ARCH_SHEB',
  'SCMP_ARCH_PARISC',
  'SCMP_ARCH_PARISC64',
  'SCMP_ARCH_RISCV64',
] as const;

const SyscallArgument = section(SECCOMP, 'A condition on an argument of a system call.', {
  index: uint32('Which argument: 0 to 5.'),
  value: uint64('What it is compared with.'),
  valueTwo: optional(uint64('The second value, for SCMP_CMP_MASKED_EQ.')),
  op: choice(SECCOMP_OPERATORS, 'The comparison.'),
});

const Syscall = section(SECCOMP, 'What is done at some system calls.', {
  names: texts('Names of the system calls: at least one.', { minItems: 1 }),
  action: choice(SECCOMP_ACTIONS, 'The action.'),
  errnoRet: optional(uint32('The errno that SCMP_ACT_ERRNO or SCMP_ACT_TRACE gives.')),
  args: optional(list(SyscallArgument, 'Conditions, all of which must hold.')),
});

export const Seccomp = section(SECCOMP, 'Filter of system calls.', {
  defaultAction: choice(SECCOMP_ACTIONS, 'The action where no rule matches.'),
  defaultErrnoRet: optional(uint32('The errno that the default action gives.')),
  architectures: optional(
    list(choice(SECCOMP_ARCHITECTURES, 'An architecture.'), 'Architectures of the rules.'),
  ),
  flags: optional(list(choice(SECCOMP_FLAGS, 'A flag.'), 'Flags of seccomp(2).')),
  listenerPath: optional(text('A UNIX socket that gets the descriptor of SCMP_ACT_NOTIFY.')),
  listenerMetadata: optional(text('Opaque data for the listener.')),
  syscalls: optional(list(Syscall, 'Rules.')),
});
