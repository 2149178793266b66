//! A createContainer hook: a program of the host, run in the container's namespaces.
