//! What the guests of a container asked for in vain, for people and programs: `pinion-vmm missing` reads the
//! file that they count in (`pinion_abi::missing`) from standard input.

use std::io::{self, Read, Write};
use std::sync::atomic::AtomicU64;

use pinion_abi::calls::{self, Way};
use pinion_abi::missing::{Missing, Refused, MISSING_BYTES};
use serde::Serialize;

/// One line, as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    call: &'a str,
    number: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<u32>,
    /// What the program was answered.
    error: &'a str,
    reason: &'a str,
    count: u64,
}

const WORDS: usize = MISSING_BYTES as usize / 8;

/// Writes a line for each, those that were asked for most first.
pub fn print() -> io::Result<()> {
    let mut bytes = [0; MISSING_BYTES as usize];
    io::stdin().read_exact(&mut bytes)?;
    let words: [AtomicU64; WORDS] = std::array::from_fn(|at| {
        AtomicU64::new(u64::from_ne_bytes(std::array::from_fn(|byte| {
            bytes[at * 8 + byte]
        })))
    });
    // SAFETY: the words are as long and as aligned as the structure, of which all bits are valid.
    let missing = unsafe { &*words.as_ptr().cast::<Missing>() };
    let mut refused: Vec<Refused> = missing.refused().collect();
    refused.sort_by_key(|refused| std::cmp::Reverse(refused.count));
    let mut out = io::stdout().lock();
    for refused in &refused {
        serde_json::to_writer(&mut out, &line(refused))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn line(refused: &Refused) -> Line<'static> {
    let row = calls::find(refused.call.into());
    let (error, reason) = match (refused.command, row.map(|row| row.way)) {
        (Some(_), _) if row.is_some_and(|row| row.name == "ioctl") => ("ENOTTY", "no such command"),
        (Some(_), _) => ("EINVAL", "no such command"),
        (None, Some(Way::Refused(errno, reason))) => (errno.name(), reason),
        (None, Some(_)) => ("ENOSYS", "not in this way"),
        (None, None) => ("ENOSYS", "no such call"),
    };
    Line {
        call: row.map_or("", |row| row.name),
        number: refused.call,
        command: refused.command,
        error,
        reason,
        count: refused.count,
    }
}
