//! Host tests: the decoder against objdump, the scanner on real libraries, and patched code that runs.

mod decode;
mod elf;
mod execute;
mod machine;
mod program;
mod scan;
mod snippet;
