/** config-linux.md#devices. */
import { int64, optional, type Static, section, text, uint32 } from '../schema.ts';

export const Device = section('config-linux.md#devices', 'A device node in the container.', {
  type: text('c, b, u (as c) or p (FIFO), as of mknod(1).', { pattern: '^[cbup]$' }),
  path: text('The node: an absolute path in the container.'),
  major: optional(int64('Major number; not for a FIFO.')),
  minor: optional(int64('Minor number; not for a FIFO.')),
  // Engines pass st_mode of the host's node as it is, with the file's type.
  fileMode: optional(uint32('File mode in decimal; 0666 when absent.', { maximum: 0o177_777 })),
  uid: optional(uint32('Owner in the container; 0 when absent.')),
  gid: optional(uint32('Group in the container; 0 when absent.')),
});
export type Device = Static<typeof Device>;
