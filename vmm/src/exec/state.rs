//! What travels from a monitor to the one that it executes: a length, as much JSON, and strings.

use std::ffi::CString;
use std::os::fd::RawFd;

use pinion_abi::boot;
use serde::{Deserialize, Serialize};

use crate::machine::Known;

#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct State {
    /// Descriptors that stay open: /dev/kvm, the unikernel's image, the monitor's own file, a procfs,
    /// the program's file.
    pub kvm: RawFd,
    pub kernel: RawFd,
    pub monitor: RawFd,
    pub proc: RawFd,
    /// Where guests count what they did not get.
    pub missing: Option<RawFd>,
    pub key: Option<RawFd>,
    pub program: RawFd,
    pub program_bytes: u64,
    pub private_floor: RawFd,
    pub memory_limit: Option<u64>,
    /// How many vCPUs the machine may have.
    pub vcpus: u32,
    pub known: Known,
    pub dumpable: bool,
    pub verbose: bool,
    pub rlimits: [[u64; 2]; 16],
    pub inherited: Inherited,
    /// The words of [`pinion_abi::seccomp::Filters`].
    pub filters: Vec<u64>,
    /// Whether the program's file gives the process rights.
    pub gains: bool,
    /// Whether the process may read it.
    pub readable: bool,
    /// The capabilities that it is permitted.
    pub permitted: u64,
    /// prctl(2), PR_GET_PDEATHSIG: a key's execution clears it.
    pub death_signal: i32,
    pub argc: usize,
}

/// [`boot::Inherited`].
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq, Clone, Copy)]
pub struct Inherited {
    pub blocked: u64,
    pub ignored: u64,
    pub timer_slack: u64,
    pub personality: u64,
}

impl From<boot::Inherited> for Inherited {
    fn from(from: boot::Inherited) -> Inherited {
        Inherited {
            blocked: from.blocked,
            ignored: from.ignored,
            timer_slack: from.timer_slack,
            personality: from.personality,
        }
    }
}

impl From<Inherited> for boot::Inherited {
    fn from(from: Inherited) -> boot::Inherited {
        boot::Inherited {
            blocked: from.blocked,
            ignored: from.ignored,
            timer_slack: from.timer_slack,
            personality: from.personality,
        }
    }
}

impl State {
    /// `strings`: the program's path, what /proc/self/exe leads to, `argc` arguments, the environment.
    pub fn to_bytes(&self, strings: &[CString]) -> Option<Vec<u8>> {
        let json = serde_json::to_vec(self).ok()?;
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend(json);
        for string in strings {
            bytes.extend(string.as_bytes_with_nul());
        }
        Some(bytes)
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<(State, Vec<CString>)> {
        let (length, rest) = bytes.split_first_chunk()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (json, strings) = rest.split_at_checked(length)?;
        let strings = strings
            .split_inclusive(|byte| *byte == 0)
            .map(|text| CString::from_vec_with_nul(text.to_vec()));
        let strings = strings.collect::<Result<_, _>>().ok()?;
        Some((serde_json::from_slice(json).ok()?, strings))
    }
}
