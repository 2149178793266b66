/** Why Pinion does not pass a test. */

const NO_HIERARCHY = 'this kernel has no hierarchy of version 1 for it';
const KERNEL_MEMORY =
  'kernel memory limits, which this kernel refuses, are ignored as runc ignores them';
const NO_LSM = 'no AppArmor or SELinux here: the label is refused by name';

export const REASONS: Readonly<Record<string, string>> = {
  delete: 'wants `delete` of a created container refused; engines count on it',
  hooks: 'the test expects a misspelt text',
  linux_cgroups_blkio: 'this kernel has no blkio.weight and blkio.leaf_weight',
  linux_cgroups_hugetlb: NO_HIERARCHY,
  linux_cgroups_memory: KERNEL_MEMORY,
  linux_cgroups_network: NO_HIERARCHY,
  linux_cgroups_relative_blkio: 'this kernel has no blkio.weight and blkio.leaf_weight',
  linux_cgroups_relative_hugetlb: NO_HIERARCHY,
  linux_cgroups_relative_memory: KERNEL_MEMORY,
  linux_cgroups_relative_network: NO_HIERARCHY,
  linux_mount_label: NO_LSM,
  linux_ns_itype: "a container without a mount namespace of its own would mount into the host's",
  linux_process_apparmor_profile: NO_LSM,
  misc_props: 'its first container has not the program that it is to run',
  pidfile: 'kills a program that has ended already',
  prestart: 'expects prestart hooks at `start`; they run at `create`',
  process_capabilities: 'wants capabilities that root has not on this machine',
  process_rlimits: "the test's own runtime (Go 1.19) raises its limit of open files first",
  start: 'its last check wants `start` without a process to succeed',
};
