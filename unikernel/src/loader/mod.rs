//! Loads the program: its segments, its dynamic linker, its stack.

mod image;
mod stack;

pub use image::load;
