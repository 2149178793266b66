//! Paths inside the rootfs.
//!
//! The image is hostile: any component can be a symbolic link to anywhere, and a volume shared with
//! a running container can change between two looks. So a path is resolved once, by the kernel and
//! confined to the root (openat2(2), RESOLVE_IN_ROOT, no magic links), and then only its descriptor
//! is used.

use std::collections::VecDeque;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path};

use super::fds;
use crate::errno::{check, check_fd, Errno};

pub const RESOLVE_NO_XDEV: u64 = 0x01;
pub const RESOLVE_NO_MAGICLINKS: u64 = 0x02;
pub const RESOLVE_NO_SYMLINKS: u64 = 0x04;
pub const RESOLVE_BENEATH: u64 = 0x08;
pub const RESOLVE_IN_ROOT: u64 = 0x10;

/// Linux's own limit of symbolic links in a path.
const MAX_LINKS: u32 = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Directory,
    File,
}

/// A directory that is `/` for the paths resolved in it.
#[derive(Debug)]
pub struct Root(OwnedFd);

impl Root {
    pub fn open(path: &Path) -> Result<Root, Errno> {
        let path = c_path(path)?;
        // SAFETY: the path is a C string.
        check_fd(unsafe {
            libc::open(
                path.as_ptr(),
                libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC,
            )
        })
        .map(Root)
    }

    pub fn into_private(self) -> Result<Root, Errno> {
        fds::make_private(self.0).map(Root)
    }

    /// The file at `path`, as an O_PATH descriptor. The last component is followed too.
    pub fn resolve(&self, path: &Path) -> Result<OwnedFd, Errno> {
        self.open_file(path, libc::O_PATH)
    }

    pub fn open_file(&self, path: &Path, flags: i32) -> Result<OwnedFd, Errno> {
        openat2(
            self.as_fd(),
            &c_path(path)?,
            flags,
            RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
        )
    }

    /// As [`Root::resolve`], but every component must be what it seems.
    pub fn resolve_without_links(&self, path: &Path) -> Result<OwnedFd, Errno> {
        openat2(
            self.as_fd(),
            &c_path(path)?,
            libc::O_PATH,
            RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS,
        )
    }

    /// As [`Root::resolve`]; what is missing is made, the last component as `kind` says. A dangling
    /// symbolic link gets its target.
    pub fn ensure(&self, path: &Path, kind: Kind) -> Result<OwnedFd, Errno> {
        match self.resolve(path) {
            Err(Errno(libc::ENOENT)) => self.walk(path, kind),
            result => result,
        }
    }

    /// The directory that holds the last component of `path`, made if missing, and that component.
    pub fn ensure_parent(&self, path: &Path) -> Result<(OwnedFd, CString), Errno> {
        let name = path.file_name().ok_or(Errno(libc::EINVAL))?;
        let parent = path.parent().unwrap_or(Path::new("/"));
        let directory = self.ensure(parent, Kind::Directory)?;
        Ok((directory, c_string(name)?))
    }

    /// Goes component by component, as the kernel does, making what is missing. `..` goes back the
    /// way that was come, so it cannot leave the root.
    fn walk(&self, path: &Path, kind: Kind) -> Result<OwnedFd, Errno> {
        let mut way: Vec<OwnedFd> = Vec::new();
        let mut rest = components(path);
        let mut links = 0;
        while let Some(name) = rest.pop_front() {
            if name == ".." {
                way.pop();
                continue;
            }
            let here = way.last().map_or(self.as_fd(), AsFd::as_fd);
            let wanted = if rest.is_empty() {
                kind
            } else {
                Kind::Directory
            };
            let next = open_or_make(here, &c_string(&name)?, wanted)?;
            if !is_link(&next)? {
                way.push(next);
                continue;
            }
            links += 1;
            // A link in procfs may be a magic one.
            if links > MAX_LINKS || is_procfs(&next)? {
                return Err(Errno(libc::ELOOP));
            }
            let target = read_link(&next)?;
            if target.as_bytes().starts_with(b"/") {
                way.clear();
            }
            for name in components(Path::new(&target)).into_iter().rev() {
                rest.push_front(name);
            }
        }
        match way.pop() {
            Some(end) => Ok(end),
            None => self.resolve(Path::new("/")),
        }
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// openat2(2), with O_CLOEXEC.
pub fn openat2(
    directory: BorrowedFd,
    path: &CStr,
    flags: i32,
    resolve: u64,
) -> Result<OwnedFd, Errno> {
    // SAFETY: open_how consists of integers; zero is a value of each.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (flags | libc::O_CLOEXEC) as u64;
    how.resolve = resolve;
    let mut tries = 0;
    loop {
        // SAFETY: the path is a C string, the struct is read for its size.
        let result = check_fd(unsafe {
            libc::syscall(
                libc::SYS_openat2,
                directory.as_raw_fd(),
                path.as_ptr(),
                std::ptr::from_ref(&how),
                size_of::<libc::open_how>(),
            )
        });
        // A rename somewhere in the system at the same time makes a confined lookup uncertain.
        match result {
            Err(Errno(libc::EAGAIN)) if tries < 128 => tries += 1,
            result => return result,
        }
    }
}

/// Whether both are directories, or neither is: what mount(2) wants of source and target.
pub fn same_kind(one: impl AsFd, other: impl AsFd) -> Result<bool, Errno> {
    Ok(is_directory(one)? == is_directory(other)?)
}

pub fn is_directory(fd: impl AsFd) -> Result<bool, Errno> {
    Ok(stat(fd)?.st_mode & libc::S_IFMT == libc::S_IFDIR)
}

fn is_link(fd: impl AsFd) -> Result<bool, Errno> {
    Ok(stat(fd)?.st_mode & libc::S_IFMT == libc::S_IFLNK)
}

pub fn stat(fd: impl AsFd) -> Result<libc::stat, Errno> {
    // SAFETY: fstat(2) fills in the struct, whose fields are integers.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        check(libc::fstat(fd.as_fd().as_raw_fd(), &mut stat))?;
        Ok(stat)
    }
}

/// Whether the file lies in a proc file system (PROC_SUPER_MAGIC).
pub fn is_procfs(fd: impl AsFd) -> Result<bool, Errno> {
    // SAFETY: fstatfs(2) fills in the struct, whose fields are integers.
    unsafe {
        let mut stat: libc::statfs = std::mem::zeroed();
        check(libc::fstatfs(fd.as_fd().as_raw_fd(), &mut stat))?;
        Ok(stat.f_type == libc::PROC_SUPER_MAGIC)
    }
}

fn open_or_make(directory: BorrowedFd, name: &CStr, kind: Kind) -> Result<OwnedFd, Errno> {
    let open = || {
        // SAFETY: the name is a C string.
        check_fd(unsafe {
            libc::openat(
                directory.as_raw_fd(),
                name.as_ptr(),
                libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC,
            )
        })
    };
    match open() {
        Err(Errno(libc::ENOENT)) => {}
        result => return result,
    }
    // SAFETY: the name is a C string.
    let made = unsafe {
        match kind {
            Kind::Directory => libc::mkdirat(directory.as_raw_fd(), name.as_ptr(), 0o755),
            Kind::File => libc::mknodat(
                directory.as_raw_fd(),
                name.as_ptr(),
                libc::S_IFREG | 0o755,
                0,
            ),
        }
    };
    match check(made) {
        Ok(_) | Err(Errno(libc::EEXIST)) => open(),
        Err(errno) => Err(errno),
    }
}

fn read_link(link: &OwnedFd) -> Result<OsString, Errno> {
    let mut target = vec![0; libc::PATH_MAX as usize];
    // SAFETY: readlinkat(2) writes at most as many bytes as the buffer has.
    let length = check(unsafe {
        libc::readlinkat(
            link.as_raw_fd(),
            c"".as_ptr(),
            target.as_mut_ptr().cast(),
            target.len(),
        )
    } as i64)?;
    target.truncate(usize::try_from(length).unwrap_or(0));
    Ok(OsString::from_vec(target))
}

fn components(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

pub fn c_path(path: &Path) -> Result<CString, Errno> {
    c_string(path.as_os_str())
}

fn c_string(text: &OsStr) -> Result<CString, Errno> {
    CString::new(text.as_bytes()).map_err(|_| Errno(libc::EINVAL))
}
