/** The same bundle under Pinion and under runc. */
import { type BundleConfig, makeBundle } from '../../bundle.ts';
import { execute, PINION, type Result, temporaryDirectory } from '../../pinion.ts';

const RUNC = '/usr/sbin/runc';

/** Runs it to its end; messages come without their time. */
export async function runBeside(
  args: readonly string[],
  edit: (config: BundleConfig) => void,
): Promise<{ ours: Result; theirs: Result }> {
  const bundle = makeBundle({ args, edit });
  const run = ['--root', temporaryDirectory(), 'run', '--bundle', bundle];
  const under = async (program: string, id: string): Promise<Result> => {
    const ran = await execute(program, [...run, id], { env: {} });
    return { ...ran, stderr: ran.stderr.replaceAll(/^time="[^"]*" /gm, '').replaceAll(id, 'ID') };
  };
  const name = `beside-${process.pid}`;
  const [ours, theirs] = await Promise.all([under(PINION, `${name}-p`), under(RUNC, `${name}-r`)]);
  return { ours, theirs };
}
