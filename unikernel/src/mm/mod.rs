//! Memory: guest-physical pages, page tables, the areas of the program, and the kernel's own heap.

pub mod areas;
#[cfg(not(test))]
mod fill;
#[cfg(not(test))]
pub mod heap;
#[cfg(not(test))]
pub mod memory;
pub mod physical;
pub mod roll;
#[cfg(not(test))]
pub mod space;
pub mod table;
#[cfg(not(test))]
pub mod user;
