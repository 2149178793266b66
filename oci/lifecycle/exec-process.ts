/** The process of an `exec` with flags: the container's own with changes, by runc's rules. */
import { OciError } from '../errors.ts';
import { checkIds, knownCapabilities, type Warn } from '../plan/process.ts';
import { refuseUnsupportedProcess } from '../plan/unsupported.ts';
import type { PlanProcess } from '../state/record.ts';

export interface ProcessChanges {
  args: readonly string[];
  /** Added: of two with one name the last counts. */
  env: readonly string[];
  cwd?: string | undefined;
  /** `UID[:GID]`. */
  user?: string | undefined;
  /** Added. */
  additionalGids: readonly string[];
  /** Added, `CAP_CHOWN` and the like. */
  capabilities: readonly string[];
  noNewPrivileges: boolean;
  apparmorProfile?: string | undefined;
  selinuxLabel?: string | undefined;
  /** Never taken over from the container's process. */
  tty: boolean;
}

export function changed(own: PlanProcess, changes: ProcessChanges, warn: Warn): PlanProcess {
  if (changes.selinuxLabel)
    refuseUnsupportedProcess({ cwd: own.cwd, selinuxLabel: changes.selinuxLabel });
  const { uid, gid } = userOf(own, changes.user ?? '');
  const capabilities = withCapabilities(
    own.capabilities,
    knownCapabilities(changes.capabilities, warn),
  );
  const { terminal, ...others } = own;
  return {
    ...others,
    ...(changes.tty && { terminal: terminal ?? { rows: 0, columns: 0 } }),
    args: [...changes.args],
    env: [...own.env, ...changes.env],
    cwd: changes.cwd || own.cwd,
    uid,
    gid,
    additionalGids: [...own.additionalGids, ...changes.additionalGids.map(parseGid)],
    noNewPrivileges: own.noNewPrivileges || changes.noNewPrivileges,
    ...(capabilities !== undefined && { capabilities }),
    ...(changes.apparmorProfile && { apparmorProfile: changes.apparmorProfile }),
  };
}

function userOf({ uid, gid }: PlanProcess, user: string): { uid: number; gid: number } {
  if (user === '') return { uid, gid };
  const colon = user.indexOf(':');
  if (colon === -1) return { uid: parseId(user, 'uid'), gid };
  return { gid: parseId(user.slice(colon + 1), 'gid'), uid: parseId(user.slice(0, colon), 'uid') };
}

function parseId(text: string, what: string): number {
  if (!/^[+-]?\d+$/.test(text)) {
    const reason = `strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`;
    throw invalid(`parsing ${text} as int for ${what} failed: ${reason}`);
  }
  const id = Number(text);
  checkIds(id);
  return id;
}

function parseGid(text: string): number {
  if (/^-\d+$/.test(text)) throw invalid(`additional-gids must be a positive number ${text}`);
  return parseId(text, 'gid');
}

/** Not to the inheritable set, where a change of user would keep them (CVE-2022-29162). */
function withCapabilities(
  own: PlanProcess['capabilities'],
  added: readonly string[],
): PlanProcess['capabilities'] {
  if (added.length === 0) return own;
  const sets = own ?? { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] };
  const both = (names: readonly string[]) => [...new Set([...names, ...added])];
  return {
    inheritable: sets.inheritable,
    bounding: both(sets.bounding),
    effective: both(sets.effective),
    permitted: both(sets.permitted),
    ambient: both(sets.ambient),
  };
}

function invalid(message: string): OciError {
  return new OciError('ERR_PINION_EXEC', message);
}
