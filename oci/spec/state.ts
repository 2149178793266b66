/** runtime.md#state: the document that hooks and callers read. */
import { choice, map, optional, type Static, section, Type, text } from './schema.ts';

export const STATUSES = ['creating', 'created', 'running', 'stopped'] as const;

export const State = section('runtime.md#state', 'The state of a container.', {
  ociVersion: text('The version of the specification that the document follows.'),
  id: text("The container's id."),
  status: choice(STATUSES, 'Where the container is in its life.'),
  pid: optional(Type.Integer({ minimum: 0, description: 'The process, as the host sees it.' })),
  bundle: text('Absolute path of the bundle.'),
  annotations: optional(map(Type.String(), "The config's annotations.")),
});
export type State = Static<typeof State>;
