//! Reads what the tests need of an ELF file: its program headers and executable segments.

use std::fs;
use std::path::{Path, PathBuf};

/// An executable PT_LOAD segment.
pub struct Text {
    pub address: u64,
    pub bytes: Vec<u8>,
}

fn word<const N: usize>(file: &[u8], at: usize) -> usize {
    let mut raw = [0; 8];
    raw[..N].copy_from_slice(&file[at..at + N]);
    usize::from_le_bytes(raw)
}

/// PT_LOAD.
pub const LOAD: u32 = 1;

/// What the tests need of an `Elf64_Phdr`.
pub struct Header {
    pub kind: u32,
    pub flags: u32,
    pub offset: usize,
    pub address: u64,
    pub length: usize,
    pub memory: u64,
}

impl Header {
    /// Replaces the program header `index` of a file.
    pub fn write(&self, file: &mut [u8], index: usize) {
        let at = word::<8>(file, 32) + index * word::<2>(file, 54);
        let words = [
            self.offset as u64,
            self.address,
            self.address,
            self.length as u64,
            self.memory,
            4096,
        ];
        let head = [self.kind.to_le_bytes(), self.flags.to_le_bytes()].concat();
        let bytes = [head, words.map(u64::to_le_bytes).concat()].concat();
        file[at..at + bytes.len()].copy_from_slice(&bytes);
    }
}

/// The program headers of an ELF64 file.
pub fn program_headers(file: &[u8]) -> Vec<Header> {
    assert_eq!(&file[..4], b"\x7fELF");
    let (headers, size, count) = (
        word::<8>(file, 32),
        word::<2>(file, 54),
        word::<2>(file, 56),
    );
    (0..count)
        .map(|index| headers + index * size)
        .map(|at| Header {
            kind: word::<4>(file, at) as u32,
            flags: word::<4>(file, at + 4) as u32,
            offset: word::<8>(file, at + 8),
            address: word::<8>(file, at + 16) as u64,
            length: word::<8>(file, at + 32),
            memory: word::<8>(file, at + 40) as u64,
        })
        .collect()
}

/// The executable segments of an ELF64 file.
pub fn text_segments(path: &Path) -> Vec<Text> {
    let file = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    program_headers(&file)
        .iter()
        .filter(|header| header.kind == LOAD && header.flags & 1 != 0)
        .map(|header| Text {
            address: header.address,
            bytes: file[header.offset..header.offset + header.length].to_vec(),
        })
        .collect()
}

/// Programs and libraries that the tests read, those of them that this machine has.
pub fn samples() -> Vec<PathBuf> {
    let fixed = [
        "/bin/busybox",
        "/lib/x86_64-linux-gnu/libc.so.6",
        "/lib64/ld-linux-x86-64.so.2",
        "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
        "/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
    ];
    let mut found: Vec<PathBuf> = fixed.iter().map(PathBuf::from).collect();
    if let Ok(more) = std::env::var("PINION_PATCH_SAMPLES") {
        found.extend(more.split(':').map(PathBuf::from));
    }
    found.retain(|path| path.exists());
    assert!(!found.is_empty(), "{}", format!("none of {fixed:?} exists"));
    found
}
