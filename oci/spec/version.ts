/**
 * The version of the specification that the definitions follow, and that Pinion's own documents
 * (state, features) name.
 */
export const OCI_VERSION = '1.3.0';
