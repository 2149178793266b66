//! Reading symbolic links.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, RawFd};

use pinion_abi::Errno;

use super::sys::{self, Outcome};
use super::{Call, Service};

/// readlink(2).
pub(super) fn readlink(call: &mut Call) -> Outcome {
    read_into(call, libc::AT_FDCWD, 0)
}

/// readlinkat(2).
pub(super) fn readlinkat(call: &mut Call) -> Outcome {
    read_into(call, call.args.fd(0), 1)
}

/// The path's argument is at `path`, the buffer's behind it.
fn read_into(call: &mut Call, dir: RawFd, path: usize) -> Outcome {
    if call.args.int(path + 2) <= 0 {
        return Err(Errno::EINVAL.into());
    }
    let text = call.service.link_text(dir, call.args.path(path)?)?;
    let to = call.args.data(path + 1)?;
    let bytes = text.len().min(to.len());
    to[..bytes].copy_from_slice(&text[..bytes]);
    Ok(bytes as i64)
}

impl Service {
    fn link_text(&self, dir: RawFd, path: &CStr) -> Result<Vec<u8>, Errno> {
        if path.is_empty() {
            // A descriptor of the link itself.
            if dir == libc::AT_FDCWD || !self.table.visible(dir) {
                return Err(if dir == libc::AT_FDCWD {
                    Errno::ENOENT
                } else {
                    Errno::EBADF
                });
            }
            return self.link_text_of(dir, Errno::ENOENT);
        }
        let link = self.resolve(dir, path, libc::O_NOFOLLOW)?;
        self.link_text_of(link.as_raw_fd(), Errno::EINVAL)
    }

    fn link_text_of(&self, link: RawFd, no_link: Errno) -> Result<Vec<u8>, Errno> {
        if sys::file_type(&sys::describe(link)?) != libc::S_IFLNK {
            return Err(no_link);
        }
        if sys::is_proc(link)? {
            return self.proc_link_text(link);
        }
        sys::readlink(link, sys::EMPTY)
    }
}
