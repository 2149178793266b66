/** Filled in by the build: the package's version and the commit it was built from. */
declare const PINION_VERSION: string;
declare const PINION_COMMIT: string;

/** The release of the runtime specification that is implemented. */
export const SPEC_VERSION = '1.3.0';

/**
 * The text of `--version`, in the form that crun and runsc use under their own names: dockerd
 * takes what stands around the word `version` of the first line, and the `commit:` line.
 */
export function versionText(): string {
  return [
    `pinion version ${PINION_VERSION}`,
    `commit: ${PINION_COMMIT}`,
    `spec: ${SPEC_VERSION}`,
    `node: ${process.version}`,
    '',
  ].join('\n');
}
