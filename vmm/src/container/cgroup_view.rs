//! `/sys/fs/cgroup` in the container: its own control groups as the roots of their hierarchies.

use std::ffi::CString;
use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::thread;

use super::mount_api::{new_file_system, Tree, ATTR_RDONLY};
use super::rooted::{c_path, openat2, RESOLVE_BENEATH};
use crate::errno::{check, Errno};

const THREAD_STACK: usize = 128 << 10;

/// A tree to attach: on cgroup v2 the hierarchy, else a tmpfs with one directory for each v1
/// hierarchy.
///
/// Mounted from inside a cgroup namespace whose roots are the container's groups: they are its
/// roots, whether the container has a cgroup namespace or not. It is that of a thread: in a user
/// namespace of its own a process could not return to the one that it had.
pub fn make(source: &Path, flags: u64, data: &str) -> Result<Tree, Errno> {
    let in_namespace = || {
        // SAFETY: unshare(2) takes flags.
        check(unsafe { libc::unshare(libc::CLONE_NEWCGROUP) })?;
        make_here(source, flags, data)
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(THREAD_STACK);
        let thread = thread.spawn_scoped(scope, in_namespace)?;
        // It ends without an answer only by a panic, which ends this process.
        thread.join().unwrap_or(Err(Errno(libc::EAGAIN)))
    })
}

fn make_here(source: &Path, flags: u64, data: &str) -> Result<Tree, Errno> {
    let hierarchies = fs::read_to_string("/proc/self/cgroup")?;
    let hierarchies: Vec<&str> = hierarchies.lines().filter_map(v1_controllers).collect();
    if hierarchies.is_empty() {
        return new_file_system(c"cgroup2", &c_path(source)?, flags, data);
    }
    let view = new_file_system(c"tmpfs", c"tmpfs", flags & !libc::MS_RDONLY, "mode=755")?;
    for controllers in hierarchies {
        let name = controllers.strip_prefix("name=").unwrap_or(controllers);
        let tree = new_file_system(c"cgroup", c"cgroup", flags, &options(controllers))?;
        let name = CString::new(name).map_err(|_| Errno(libc::EINVAL))?;
        let view = view.as_fd();
        // SAFETY: the name is a C string.
        check(unsafe { libc::mkdirat(view.as_raw_fd(), name.as_ptr(), 0o755) })?;
        tree.attach(openat2(view, &name, libc::O_PATH, RESOLVE_BENEATH)?)?;
        link_single_names(&view, &name)?;
    }
    if flags & libc::MS_RDONLY != 0 {
        view.change(ATTR_RDONLY, 0, false)?;
    }
    Ok(view)
}

/// The second field of a line of /proc/PID/cgroup (cgroups(7)), if it is of version 1.
fn v1_controllers(line: &str) -> Option<&str> {
    let mut fields = line.splitn(3, ':');
    let (number, controllers) = (fields.next()?, fields.next()?);
    (number != "0" && !controllers.is_empty()).then_some(controllers)
}

/// A hierarchy without controllers has only its name.
fn options(controllers: &str) -> String {
    if controllers.starts_with("name=") {
        format!("none,{controllers}")
    } else {
        controllers.to_owned()
    }
}

/// `cpu,cpuacct` is found as `cpu` and as `cpuacct` too.
fn link_single_names(view: &impl AsFd, name: &CString) -> Result<(), Errno> {
    let text = name.to_string_lossy();
    if !text.contains(',') {
        return Ok(());
    }
    for single in text.split(',') {
        let single = CString::new(single).map_err(|_| Errno(libc::EINVAL))?;
        // SAFETY: both names are C strings.
        check(unsafe {
            libc::symlinkat(name.as_ptr(), view.as_fd().as_raw_fd(), single.as_ptr())
        })?;
    }
    Ok(())
}
