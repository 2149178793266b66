//! A search through a file's text, on behalf of the kernel: the page cache is at hand here, while
//! the guest would touch each page for the first time.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use pinion_abi::Errno;

/// Bytes read at once.
const PIECE: usize = 64 << 10;

/// Calls `found` with the offset, from `start`, of each `cpuid` instruction's bytes, 0F A2, until it
/// says no.
pub fn cpuid(
    file: BorrowedFd,
    start: u64,
    bytes: usize,
    mut found: impl FnMut(usize) -> bool,
) -> Result<(), Errno> {
    let mut piece = vec![0; PIECE.min(bytes)];
    let mut at = 0;
    while at + 1 < bytes {
        let wanted = PIECE.min(bytes - at);
        let offset = start.checked_add(at as u64).ok_or(Errno::EINVAL)?;
        let read = read_at(file, &mut piece[..wanted], offset)?;
        for index in find(&piece[..read]) {
            if !found(at + index) {
                return Ok(());
            }
        }
        if read < wanted {
            return Ok(());
        }
        // The last byte may be the first half of a site.
        at += read.saturating_sub(1).max(1);
    }
    Ok(())
}

fn read_at(file: BorrowedFd, to: &mut [u8], offset: u64) -> Result<usize, Errno> {
    let offset = libc::off_t::try_from(offset).map_err(|_| Errno::EINVAL)?;
    // SAFETY: pread(2) writes at most the buffer's length.
    let read = unsafe { libc::pread(file.as_raw_fd(), to.as_mut_ptr().cast(), to.len(), offset) };
    match read {
        -1 => Err(Errno(
            io::Error::last_os_error()
                .raw_os_error()
                .unwrap_or(libc::EIO),
        )),
        read => Ok(read as usize),
    }
}

fn find(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || loop {
        let rest = bytes.get(at..)?;
        // SAFETY: memchr(3) reads within the slice.
        let hit = unsafe { libc::memchr(rest.as_ptr().cast(), 0xa2, rest.len()) };
        if hit.is_null() {
            return None;
        }
        let index = at + (hit as usize - rest.as_ptr() as usize);
        at = index + 1;
        if index > 0 && bytes[index - 1] == 0x0f {
            return Some(index - 1);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Write;
    use std::os::fd::{AsFd, FromRawFd};

    #[test]
    fn sites_are_found_across_pieces() {
        let mut text = vec![0xa2; 3 * PIECE];
        let expected = [1, PIECE - 1, PIECE + 7, 2 * PIECE - 2, 3 * PIECE - 2];
        for at in expected {
            text[at] = 0x0f;
        }
        // SAFETY: memfd_create(2) reads a string; the descriptor is new.
        let mut file = unsafe { File::from_raw_fd(libc::memfd_create(c"text".as_ptr(), 0)) };
        file.write_all(&text).unwrap();
        let mut sites = Vec::new();
        cpuid(file.as_fd(), 0, text.len(), |at| {
            sites.push(at);
            true
        })
        .unwrap();
        assert_eq!(sites, expected);
        // Beyond the file's end there is nothing.
        cpuid(file.as_fd(), 1 << 40, 4096, |_| panic!("found")).unwrap();
    }
}
