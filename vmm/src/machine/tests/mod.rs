//! Tests of the border with a hostile guest, each in a process of its own inside new namespaces.

mod border;
mod hostile;
