/** Programs that run at points of a container's life: config.md#posix-platform-hooks. */
import { list, optional, type Static, section, Type, text, texts } from './schema.ts';

export const Hook = section('config.md#posix-platform-hooks', 'One program to run.', {
  path: text('The executable: an absolute path, in the namespaces that the hook runs in.'),
  args: optional(texts('All arguments, argv[0] included, as of execv(3).')),
  env: optional(texts('The whole environment: NAME=value.')),
  timeout: optional(
    Type.Integer({ minimum: 1, description: 'Seconds after which the hook is killed.' }),
  ),
});
export type Hook = Static<typeof Hook>;

export const Hooks = section('config.md#posix-platform-hooks', 'Hooks by their point in time.', {
  prestart: optional(
    list(Hook, 'Deprecated. In the runtime namespaces, after the container is made.'),
  ),
  createRuntime: optional(list(Hook, 'In the runtime namespaces, before pivot_root or its like.')),
  createContainer: optional(
    list(Hook, 'In the container namespaces, before pivot_root; paths are those of the host.'),
  ),
  startContainer: optional(
    list(Hook, 'In the container, as part of start, before the program is executed.'),
  ),
  poststart: optional(list(Hook, 'In the runtime namespaces, after the program is executed.')),
  poststop: optional(list(Hook, 'In the runtime namespaces, after the container is deleted.')),
});
export type Hooks = Static<typeof Hooks>;
