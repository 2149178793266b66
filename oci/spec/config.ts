/** config.md: the whole of config.json. */
import { Hooks } from './hooks.ts';
import { Linux } from './linux/linux.ts';
import { Mount } from './mounts.ts';
import { Freebsd, Solaris, Windows, Zos } from './platforms.ts';
import { Process } from './process.ts';
import { flag, list, map, optional, type Static, section, Type, text } from './schema.ts';
import { Vm } from './vm.ts';

const Root = section('config.md#root', 'The root file system.', {
  path: text('The directory: absolute, or relative to the bundle.'),
  readonly: optional(flag('Whether the root file system is read-only in the container.')),
});

export const Config = section('config.md', 'The configuration of a container.', {
  ociVersion: text('The version of the specification that the bundle follows (SemVer 2.0.0).'),
  root: optional(Root),
  mounts: optional(list(Mount, 'Further mounts, in order.')),
  process: optional(Process),
  hostname: optional(text('Host name in the container (config.md#hostname).')),
  domainname: optional(text('Domain name in the container (config.md#domainname).')),
  hooks: optional(Hooks),
  annotations: optional(map(Type.String(), 'Arbitrary metadata (config.md#annotations).')),
  linux: optional(Linux),
  vm: optional(Vm),
  windows: optional(Windows),
  solaris: optional(Solaris),
  zos: optional(Zos),
  freebsd: optional(Freebsd),
});
export type Config = Static<typeof Config>;
