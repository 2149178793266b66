# Computing, with all that a processor has.
# packages: stress-ng
# seconds: 600
. "$CASES/stress"
stress af-alg branch cpu cpu-online crypt fp fp-error funccall funcret getrandom goto hash ioport \
  ipsec-mb jpeg longjmp nop opcode pkey plugin priv-instr rdrand regs rotate rseq secretmem syncload \
  tsc vecfp vecmath vecshuf vecwide waitcpu x86cpuid
