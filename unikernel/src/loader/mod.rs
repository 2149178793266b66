//! Loads the program: its segments, its dynamic linker, its stack.

pub mod elf;
#[cfg(not(test))]
mod image;
#[cfg(not(test))]
mod stack;

#[cfg(not(test))]
pub use image::load;
