//! The monitor.
fn main() {}
