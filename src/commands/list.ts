import { OciError } from '../../oci/errors.ts';
import { list } from '../../oci/lifecycle/list.ts';
import type { OwnedState } from '../../oci/state/types.ts';
import { EngineCommand } from '../command.ts';
import { write } from '../write.ts';

export default class List extends EngineCommand<'list'> {
  static override examples = ['<%= config.bin %> list', '<%= config.bin %> list --format json'];

  async run(): Promise<number> {
    const containers = await list(this.context);
    write(this.context.stdio.stdout, this.#render(containers));
    return 0;
  }

  #render(containers: readonly OwnedState[]): string {
    if (this.flags.quiet) return containers.map(({ id }) => `${id}\n`).join('');
    switch (this.flags.format ?? 'table') {
      case 'table':
        return table(containers);
      case 'json':
        // Go's encoding of an empty slice, which callers know from runc.
        return containers.length === 0 ? 'null\n' : `${JSON.stringify(containers)}\n`;
      default:
        throw new OciError('ERR_PINION_LIST_FORMAT', 'invalid format option');
    }
  }
}

/** Columns as Go's tabwriter sets them with a minimal width of 12 and a padding of 3. */
function table(containers: readonly OwnedState[]): string {
  const rows = [
    ['ID', 'PID', 'STATUS', 'BUNDLE', 'CREATED', 'OWNER'],
    ...containers.map(({ id, pid, status, bundle, created, owner }) => [
      id,
      String(pid),
      status,
      bundle,
      created,
      owner,
    ]),
  ];
  const widths = rows[0]?.map((_, column) =>
    Math.max(12, ...rows.map((row) => (row[column]?.length ?? 0) + 3)),
  );
  return rows
    .map((row) => {
      const last = row.length - 1;
      const cells = row.map((cell, i) => (i === last ? cell : cell.padEnd(widths?.[i] ?? 12)));
      return `${cells.join('')}\n`;
    })
    .join('');
}
