//! Capabilities (capabilities(7)): names, sets, and the calls that set them.

use crate::errno::{check, Errno};
use crate::plan;

#[derive(Debug, thiserror::Error)]
pub enum CapabilityError {
    #[error("unknown capability {0:?}")]
    Unknown(String),
    #[error("unable to apply bounding set: {0}")]
    Bounding(Errno),
    #[error("unable to apply caps: {0}")]
    Sets(Errno),
    #[error("unable to apply ambient caps: {0}")]
    Ambient(Errno),
}

/// <linux/capability.h>: a capability's number is its place.
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// The five sets, one bit for each capability.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities {
    pub bounding: u64,
    pub effective: u64,
    pub inheritable: u64,
    pub permitted: u64,
    pub ambient: u64,
}

impl TryFrom<&plan::Capabilities> for Capabilities {
    type Error = CapabilityError;

    fn try_from(plan: &plan::Capabilities) -> Result<Capabilities, CapabilityError> {
        Ok(Capabilities {
            bounding: set(&plan.bounding)?,
            effective: set(&plan.effective)?,
            inheritable: set(&plan.inheritable)?,
            permitted: set(&plan.permitted)?,
            ambient: set(&plan.ambient)?,
        })
    }
}

fn set(names: &[String]) -> Result<u64, CapabilityError> {
    names.iter().try_fold(0, |set, name| {
        let number = NAMES.iter().position(|known| known == name);
        number
            .map(|number| set | 1 << number)
            .ok_or_else(|| CapabilityError::Unknown(name.clone()))
    })
}

impl Capabilities {
    /// Needs CAP_SETPCAP, so it comes first.
    pub fn apply_bounding(&self) -> Result<(), CapabilityError> {
        for number in 0..64 {
            if self.bounding & 1 << number != 0 {
                continue;
            }
            match prctl(libc::PR_CAPBSET_DROP, number, 0) {
                Ok(()) => {}
                // The kernel knows no more.
                Err(Errno(libc::EINVAL)) => break,
                Err(errno) => return Err(CapabilityError::Bounding(errno)),
            }
        }
        Ok(())
    }

    /// The other four, of the calling thread. `spare`: what stays permitted beside them, as far as it is.
    pub fn apply(&self, spare: u64) -> Result<(), CapabilityError> {
        if self.effective & !self.permitted != 0 {
            return Err(CapabilityError::Sets(Errno(libc::EPERM)));
        }
        let now = Sets::current().map_err(CapabilityError::Sets)?;
        let sets = Sets {
            effective: self.effective,
            permitted: self.permitted | spare & now.permitted,
            inheritable: self.inheritable,
        };
        sets.set().map_err(CapabilityError::Sets)?;

        prctl(
            libc::PR_CAP_AMBIENT,
            libc::PR_CAP_AMBIENT_CLEAR_ALL as u64,
            0,
        )
        .map_err(CapabilityError::Ambient)?;
        // Linux raises no other ones (capabilities(7)); runc leaves them out in silence, and its
        // own default config.json asks for ambient capabilities that are not inheritable.
        let ambient = self.ambient & self.permitted & self.inheritable;
        for number in (0..NAMES.len() as u64).filter(|number| ambient & 1 << number != 0) {
            prctl(
                libc::PR_CAP_AMBIENT,
                libc::PR_CAP_AMBIENT_RAISE as u64,
                number,
            )
            .map_err(CapabilityError::Ambient)?;
        }
        Ok(())
    }
}

/// All that there are in <linux/capability.h>.
pub const ALL: u64 = (1 << NAMES.len()) - 1;

/// What capset(2) sets of a thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sets {
    pub effective: u64,
    pub permitted: u64,
    pub inheritable: u64,
}

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

impl Header {
    /// Of the calling thread, by _LINUX_CAPABILITY_VERSION_3: with two sets of 32 bits each.
    const OWN: Header = Header {
        version: 0x2008_0522,
        pid: 0,
    };
}

#[repr(C)]
#[derive(Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

impl Sets {
    /// The calling thread's.
    pub fn current() -> Result<Sets, Errno> {
        let mut data = [Data::default(), Data::default()];
        // SAFETY: capget(2) of version 3 reads one header and writes two of the data structs.
        check(unsafe { libc::syscall(libc::SYS_capget, &Header::OWN, data.as_mut_ptr()) })?;
        let [low, high] = data;
        let both = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        Ok(Sets {
            effective: both(low.effective, high.effective),
            permitted: both(low.permitted, high.permitted),
            inheritable: both(low.inheritable, high.inheritable),
        })
    }

    /// Makes them the calling thread's.
    pub fn set(self) -> Result<(), Errno> {
        let half = |shift: u32| Data {
            effective: (self.effective >> shift) as u32,
            permitted: (self.permitted >> shift) as u32,
            inheritable: (self.inheritable >> shift) as u32,
        };
        let data = [half(0), half(32)];
        // SAFETY: capset(2) of version 3 reads one header and two of the data structs.
        check(unsafe { libc::syscall(libc::SYS_capset, &Header::OWN, data.as_ptr()) })?;
        Ok(())
    }

    pub fn all_in_effect(self) -> Sets {
        Sets {
            effective: self.permitted,
            ..self
        }
    }
}

fn prctl(operation: i32, first: u64, second: u64) -> Result<(), Errno> {
    // SAFETY: the operations used here take numbers.
    check(unsafe { libc::prctl(operation, first, second, 0, 0) })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_numbers_of_the_header() {
        let set = |name: &str| set(&[name.to_owned()]).unwrap();
        assert_eq!(set("CAP_CHOWN"), 1);
        assert_eq!(set("CAP_SYS_ADMIN"), 1 << 21);
        assert_eq!(set("CAP_AUDIT_READ"), 1 << 37);
        assert_eq!(set("CAP_CHECKPOINT_RESTORE"), 1 << 40);
    }

    #[test]
    fn an_unknown_name_is_an_error() {
        let error = set(&["CAP_MAGIC".to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), "unknown capability \"CAP_MAGIC\"");
    }
}
