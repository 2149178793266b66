//! The unikernel image: an ELF file of two segments, mapped over the guest's memory so that all
//! microVMs share its page cache.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use pinion_abi::layout::{physical, ImageHeader, FINGERPRINT, IMAGE_MAGIC, KERNEL, PAGE};

use super::memory::{Memory, MADV_POPULATE_READ};

#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("read the unikernel image: {0}")]
    Read(#[from] io::Error),
    #[error("the unikernel image is not one: {0}")]
    Invalid(&'static str),
}

/// What the image says of itself, and its size in memory.
pub struct Image {
    pub header: ImageHeader,
    pub bytes: u64,
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> u64 {
    let field = bytes.get(at..at + N).unwrap_or(&[]);
    field
        .iter()
        .rev()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// Maps the image at [`physical::KERNEL_IMAGE`].
pub fn load(file: &File, memory: &Memory) -> Result<Image, ImageError> {
    let mut head = [0; 512];
    let read = file.read_at(&mut head, 0)?;
    let head = &head[..read];
    if !head.starts_with(b"\x7fELF\x02\x01") || number::<2>(head, 18) != 62 {
        return Err(ImageError::Invalid("no 64-bit ELF file for x86-64"));
    }
    let (table, count) = (number::<8>(head, 32), number::<2>(head, 56));
    let mut bytes = 0;
    let mut first = None;
    for index in 0..count {
        let at = table.saturating_add(index * 56);
        let Ok(at) = usize::try_from(at) else {
            return Err(ImageError::Invalid("a header is far away"));
        };
        if at.checked_add(56).is_none_or(|end| end > head.len()) {
            return Err(ImageError::Invalid(
                "its program headers are not at its start",
            ));
        }
        if number::<4>(head, at) != 1 {
            continue;
        }
        let segment = Segment {
            offset: number::<8>(head, at + 8),
            address: number::<8>(head, at + 16),
            file_bytes: number::<8>(head, at + 32),
            memory_bytes: number::<8>(head, at + 40),
        };
        bytes = segment.map(file, memory)?;
        first = first.or(Some(segment.offset));
    }
    let offset = first.ok_or(ImageError::Invalid("it has no segments"))?;
    let mut header = [0; size_of::<ImageHeader>()];
    file.read_exact_at(&mut header, offset)?;
    let field = |index: usize| number::<8>(&header, index * 8);
    let header = ImageHeader {
        magic: field(0),
        fingerprint: field(1),
        entry: field(2),
        other_entry: field(3),
        syscall: field(4),
        exception: field(5),
        out_start: field(6),
        out_end: field(7),
    };
    if header.magic != IMAGE_MAGIC {
        return Err(ImageError::Invalid("its header is missing"));
    }
    if header.fingerprint != FINGERPRINT {
        return Err(ImageError::Invalid(
            "it is of another build than this monitor: build both",
        ));
    }
    Ok(Image { header, bytes })
}

struct Segment {
    offset: u64,
    address: u64,
    file_bytes: u64,
    memory_bytes: u64,
}

impl Segment {
    /// Maps the segment; returns where it ends, from the image's start.
    fn map(&self, file: &File, memory: &Memory) -> Result<u64, ImageError> {
        let start = self.address.checked_sub(KERNEL);
        let end = start.and_then(|start| start.checked_add(self.memory_bytes));
        let (Some(start), Some(end)) = (start, end) else {
            return Err(ImageError::Invalid("a segment is elsewhere"));
        };
        let fits = end <= physical::KERNEL_IMAGE_BYTES && self.file_bytes <= self.memory_bytes;
        if !fits || start % PAGE != 0 || self.offset % PAGE != 0 {
            return Err(ImageError::Invalid("a segment does not fit"));
        }
        if self.file_bytes == 0 {
            return Ok(end);
        }
        let to = memory
            .boot_pages()
            .wrapping_add((physical::KERNEL_IMAGE + start) as usize);
        // SAFETY: the target lies in the guest's boot memory, which was reserved for the image.
        let mapped = unsafe {
            libc::mmap(
                to.cast(),
                self.file_bytes as usize,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_FIXED,
                file.as_raw_fd(),
                self.offset as libc::off_t,
            )
        };
        if mapped == libc::MAP_FAILED {
            return Err(io::Error::last_os_error().into());
        }
        // SAFETY: the range was just mapped. A matter of speed: an error changes nothing.
        unsafe { libc::madvise(to.cast(), self.file_bytes as usize, MADV_POPULATE_READ) };
        let tail = self.file_bytes.next_multiple_of(PAGE) - self.file_bytes;
        if self.memory_bytes > self.file_bytes && tail > 0 {
            // SAFETY: the rest of the last page mapped above: private, writable memory.
            unsafe {
                to.add(self.file_bytes as usize)
                    .write_bytes(0, tail as usize)
            };
        }
        Ok(end)
    }
}
