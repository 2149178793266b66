//! Resolving a path name by name: for paths on which the kernel met a magic link.

use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use pinion_abi::Errno;

use super::names::{self, NO_MAGICLINKS};
use super::procfs::Link;
use super::{sys, Service};

/// Linux's MAXSYMLINKS.
const MAX_LINKS: usize = 40;

impl Service {
    /// As [`Service::resolve`], following the magic links that the guest may follow. Symbolic links
    /// are followed here without fs.protected_symlinks.
    pub(super) fn walk(&self, dir: RawFd, path: &CStr, flags: i32) -> Result<OwnedFd, Errno> {
        let path = path.to_bytes();
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        let follow = flags & libc::O_NOFOLLOW == 0 || path.ends_with(b"/");
        let directory = flags & libc::O_DIRECTORY != 0 || path.ends_with(b"/");
        let mut at = if path.starts_with(b"/") {
            root()?
        } else {
            names::open_path(dir, c".", 0, 0)?
        };
        let mut left: VecDeque<Vec<u8>> = components(path).collect();
        let mut links = 0;
        while let Some(name) = left.pop_front() {
            let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
            let next = names::open_path(at.as_raw_fd(), &name, libc::O_NOFOLLOW, NO_MAGICLINKS)?;
            let link = sys::file_type(&sys::describe(next.as_raw_fd())?) == libc::S_IFLNK;
            if !link || (left.is_empty() && !follow) {
                at = next;
                continue;
            }
            links += 1;
            if links > MAX_LINKS {
                return Err(Errno::ELOOP);
            }
            match self.link(next.as_raw_fd())? {
                Link::File(file) => at = file,
                Link::Text(text) => {
                    if text.starts_with(b"/") {
                        at = root()?;
                    }
                    for name in components(&text).rev() {
                        left.push_front(name);
                    }
                }
            }
        }
        let is_directory = sys::file_type(&sys::describe(at.as_raw_fd())?) == libc::S_IFDIR;
        if directory && !is_directory {
            return Err(Errno::ENOTDIR);
        }
        Ok(at)
    }

    /// Where a symbolic link leads.
    fn link(&self, link: RawFd) -> Result<Link, Errno> {
        if sys::is_proc(link)? {
            return self.proc_link(link);
        }
        let text = sys::readlink(link, sys::EMPTY)?;
        if text.is_empty() {
            return Err(Errno::ENOENT);
        }
        Ok(Link::Text(text))
    }
}

fn root() -> Result<OwnedFd, Errno> {
    names::open_path(libc::AT_FDCWD, c"/", libc::O_DIRECTORY, 0)
}

fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = Vec<u8>> + '_ {
    path.split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty())
        .map(<[u8]>::to_vec)
}
