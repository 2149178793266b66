//! Reads what the tests need of an ELF file: the executable segments and section names.

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

/// The executable segments of an ELF64 file.
pub fn text_segments(path: &Path) -> Vec<Text> {
    let file = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(&file[..4], b"\x7fELF", "{}", path.display());
    let (headers, size, count) = (
        word::<8>(&file, 32),
        word::<2>(&file, 54),
        word::<2>(&file, 56),
    );
    (0..count)
        .map(|index| headers + index * size)
        .filter(|&header| word::<4>(&file, header) == 1 && word::<4>(&file, header + 4) & 1 != 0)
        .map(|header| {
            let (offset, length) = (word::<8>(&file, header + 8), word::<8>(&file, header + 32));
            Text {
                address: word::<8>(&file, header + 16) as u64,
                bytes: file[offset..offset + length].to_vec(),
            }
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
