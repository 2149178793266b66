/** The runtime specification, version 1.3: definitions, types and the reader of config.json. */
export type { Config } from './config.ts';
export type { Features } from './features.ts';
export type { Hooks } from './hooks.ts';
export type { Resources, ThrottleDevice } from './linux/resources.ts';
export { checkProcess, parseConfig, parseProcess, parseResources } from './parse.ts';
export type { Process } from './process.ts';
export type { Wide } from './schema.ts';
export type { State } from './state.ts';
export { OCI_VERSION } from './version.ts';
