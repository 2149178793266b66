//! Detours around `syscall` and `cpuid`.
pub mod decode;
mod opcodes;
#[cfg(test)]
mod tests;
