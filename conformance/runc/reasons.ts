/** Why Pinion does not pass a test, by `FILE: NAME`. */

const CHECKPOINT = '`checkpoint` and `restore` are not there yet';
const DEBUG = "looks for the debug records of runc's own stages";
const NOTIFY = 'a seccomp listener (`SCMP_ACT_NOTIFY`) is not supported';

/** Reasons of all the tests of a list. */
function because(reason: string, file: string, names: readonly string[]): [string, string][] {
  return names.map((name) => [`${file}: ${name}`, reason]);
}

export const REASONS: Readonly<Record<string, string>> = Object.fromEntries([
  ...because('a group with processes is refused, as by runc since 1.2', 'cgroups', [
    'runc run/create should warn about a non-empty cgroup',
  ]),
  ...because(CHECKPOINT, 'checkpoint', [
    'checkpoint and restore',
    'checkpoint and restore (bind mount, destination is symlink)',
    'checkpoint and restore (with --debug)',
    'checkpoint and restore (cgroupns)',
    'checkpoint --pre-dump (bad --parent-path)',
    'checkpoint --pre-dump and restore',
    'checkpoint and restore with container specific CRIU config',
    'checkpoint and restore with nested bind mounts',
  ]),
  ...because(DEBUG, 'debug', [
    'global --debug',
    'global --debug to --log',
    "global --debug to --log --log-format 'text'",
    "global --debug to --log --log-format 'json'",
  ]),
  ...because('a shell takes more than 10 s to use its memory up on a busy machine', 'events', [
    'events oom',
  ]),
  ...because(DEBUG, 'exec', ['runc --debug exec', 'runc --debug --log exec']),
  ...because("the help is Pinion's own", 'help', ['runc -h', 'runc command -h']),
  ...because('guests make no namespaces yet', 'no_pivot', [
    'runc run --no-pivot must not expose bare /proc',
  ]),
  ...because(NOTIFY, 'seccomp-notify', [
    'runc run [seccomp] (SCMP_ACT_NOTIFY noNewPrivileges false)',
    'runc run [seccomp] (SCMP_ACT_NOTIFY noNewPrivileges true)',
    'runc exec [seccomp] (SCMP_ACT_NOTIFY noNewPrivileges false)',
    'runc exec [seccomp] (SCMP_ACT_NOTIFY noNewPrivileges true)',
    'runc run [seccomp] (SCMP_ACT_NOTIFY important syscalls noNewPrivileges false)',
    'runc run [seccomp] (SCMP_ACT_NOTIFY important syscalls noNewPrivileges true)',
    'runc run [seccomp] (SCMP_ACT_NOTIFY kill seccompagent)',
    'runc run [seccomp] (SCMP_ACT_NOTIFY no seccompagent)',
    'runc run [seccomp] (SCMP_ACT_NOTIFY error chmod)',
    'runc run [seccomp] (SCMP_ACT_NOTIFY startContainer hook)',
    'runc run [seccomp] (SCMP_ACT_NOTIFY example config)',
  ]),
  ...because("a hook's error has the words of runc 1.2", 'seccomp', [
    'runc run [seccomp] (startContainer hook)',
  ]),
  ...because('downloads a program', 'spec', ['spec validator']),
  ...because('wants the name `runc`', 'version', ['runc version']),
]);
