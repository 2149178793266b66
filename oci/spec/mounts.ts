/** config.md#mounts and the id mappings that mounts and user namespaces share. */
import { list, optional, type Static, section, text, texts, uint32 } from './schema.ts';

export const IdMapping = section(
  'config-linux.md#user-namespace-mappings',
  'A range of ids: one line of /proc/PID/uid_map or gid_map.',
  {
    containerID: uint32('The first id in the container.'),
    hostID: uint32('The first id on the host.'),
    size: uint32('How many ids.'),
  },
);
export type IdMapping = Static<typeof IdMapping>;

export const Mount = section('config.md#mounts', 'A file system to mount beyond the root.', {
  destination: text('The mount point: an absolute path in the container.'),
  source: optional(text('A device, a file, a directory or a dummy; relative to the bundle.')),
  options: optional(texts('Options as of mount(8).')),
  type: optional(text('A file system type of /proc/filesystems.')),
  uidMappings: optional(list(IdMapping, 'User ids of an idmapped mount.')),
  gidMappings: optional(list(IdMapping, 'Group ids of an idmapped mount.')),
});
export type Mount = Static<typeof Mount>;
