/** config-vm.md. */
import { choice, list, optional, section, text, texts, uint32, uint64 } from './schema.ts';

const Hypervisor = section('config-vm.md#hypervisor-object', 'The hypervisor.', {
  path: text("Absolute host path of the hypervisor's executable."),
  parameters: optional(texts('Its parameters.')),
});

const Kernel = section('config-vm.md#kernel-object', 'The kernel of the guest.', {
  path: text('Absolute host path of the kernel.'),
  parameters: optional(texts('Its parameters.')),
  initrd: optional(text('Absolute host path of an initial RAM disk.')),
});

const Image = section('config-vm.md#image-object', 'The image of the root file system.', {
  path: text('Absolute host path of the image.'),
  format: choice(['raw', 'qcow2', 'vdi', 'vmdk', 'vhd'], 'Its format.'),
});

const IoMem = section('config-vm.md#hwconfig-object', 'I/O memory that the guest gets.', {
  firstGFN: optional(uint64("First guest frame number; the machine's when absent.")),
  firstMFN: uint64('First machine frame number.'),
  nrMFNs: uint64('How many frames.'),
});

const HwConfig = section('config-vm.md#hwconfig-object', 'The hardware of the VM.', {
  deviceTree: optional(text('Host path of a device tree.')),
  vcpus: optional(uint32('How many virtual CPUs.')),
  memory: optional(uint64("Limit of the guest's memory in bytes.")),
  dtdevs: optional(texts('Device tree nodes to pass through.')),
  iomems: optional(list(IoMem, 'I/O memory to map.')),
  irqs: optional(list(uint32('An interrupt.'), 'Interrupts to pass through.')),
});

export const Vm = section('config-vm.md', 'What is particular to virtual machines.', {
  hypervisor: optional(Hypervisor),
  kernel: Kernel,
  image: optional(Image),
  hwConfig: optional(HwConfig),
});
