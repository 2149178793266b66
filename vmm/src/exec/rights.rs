//! What the file of a program gives the process that executes it: set-user-ID, set-group-ID and file
//! capabilities (execve(2), capabilities(7); bprm_fill_uid in Linux' fs/exec.c, cap_bprm_creds_from_file
//! in security/commoncap.c). The host executes the monitor, whose file gives nothing, so the monitor
//! does it.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};

use pinion_abi::Errno;

use crate::container::capabilities::{self, Sets};
use crate::container::rooted;
use crate::errno::{self, check};

const ATTRIBUTE: &CStr = c"security.capability";
/// `struct vfs_cap_data` of <linux/capability.h>.
const REVISION_MASK: u32 = 0xff00_0000;
const REVISION_2: u32 = 0x0200_0000;
const REVISION_3: u32 = 0x0300_0000;
const EFFECTIVE: u32 = 1;
/// securebits.h, SECBIT_NOROOT.
const NO_ROOT: i32 = 1;
const ROOT: u32 = 0;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights {
    pub user: Option<u32>,
    pub group: Option<u32>,
    pub capabilities: Option<FileCapabilities>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileCapabilities {
    permitted: u64,
    inheritable: u64,
    effective: bool,
}

/// What decides, of the process that executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    /// (real, effective)
    pub users: (u32, u32),
    pub groups: (u32, u32),
    pub bounding: u64,
    pub inheritable: u64,
    pub ambient: u64,
    pub no_root: bool,
}

/// What it becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct After {
    pub user: u32,
    pub group: u32,
    pub sets: Sets,
    pub ambient: u64,
    /// The program is not to trust its caller (getauxval(3), AT_SECURE).
    pub secure: bool,
}

impl Rights {
    /// Of an open file.
    pub fn of(file: impl AsFd) -> Result<Rights, Errno> {
        let file = file.as_fd();
        let stat = rooted::stat(file).map_err(own)?;
        const GROUP: u32 = libc::S_ISGID | libc::S_IXGRP;
        let rights = Rights {
            user: (stat.st_mode & libc::S_ISUID != 0).then_some(stat.st_uid),
            group: (stat.st_mode & GROUP == GROUP).then_some(stat.st_gid),
            capabilities: FileCapabilities::of(file)?,
        };
        if rights == Rights::default() || no_set_ids(file)? {
            return Ok(Rights::default());
        }
        // Then no more capabilities than the process has already: the host sees to that.
        if no_new_privileges() {
            return Ok(Rights {
                capabilities: rights.capabilities,
                ..Rights::default()
            });
        }
        Ok(rights)
    }

    /// EPERM if the file asks for more than the process may have.
    pub fn apply(self, before: &Before) -> Result<After, Errno> {
        let (real, effective) = before.users;
        let user = self.user.unwrap_or(effective);
        let group = self.group.unwrap_or(before.groups.1);
        let set_id = user != real || group != before.groups.0;
        let (mut permitted, mut in_effect) = (0, false);
        if let Some(file) = self.capabilities {
            permitted = before.bounding & file.permitted | before.inheritable & file.inheritable;
            in_effect = file.effective;
            if in_effect && file.permitted & !permitted != 0 {
                return Err(Errno::EPERM);
            }
        }
        // A set-user-ID-root program with capabilities of its own has those only.
        let own_only = self.capabilities.is_some() && user == ROOT && real != ROOT;
        if !before.no_root && !own_only && (user == ROOT || real == ROOT) {
            permitted = before.bounding | before.inheritable;
            in_effect = user == ROOT;
        }
        let ambient = match self.capabilities.is_some() || set_id {
            true => 0,
            false => before.ambient,
        };
        permitted |= ambient;
        Ok(After {
            user,
            group,
            sets: Sets {
                effective: if in_effect { permitted } else { ambient },
                permitted,
                inheritable: before.inheritable,
            },
            ambient,
            secure: set_id || real != ROOT && (in_effect || permitted & !ambient != 0),
        })
    }
}

impl FileCapabilities {
    fn of(file: impl AsFd) -> Result<Option<FileCapabilities>, Errno> {
        let mut bytes = [0_u8; 24];
        // SAFETY: the name is a C string; as many bytes are written as the buffer has at most.
        let result = check(unsafe {
            libc::fgetxattr(
                file.as_fd().as_raw_fd(),
                ATTRIBUTE.as_ptr(),
                bytes.as_mut_ptr().cast(),
                bytes.len(),
            ) as i64
        });
        match result {
            Ok(length) => Ok(FileCapabilities::parse(&bytes[..length as usize])),
            Err(errno::Errno(libc::ENODATA | libc::EOPNOTSUPP | libc::ERANGE)) => Ok(None),
            Err(errno) => Err(own(errno)),
        }
    }

    fn parse(bytes: &[u8]) -> Option<FileCapabilities> {
        let words = bytes.chunks_exact(4);
        let words: Vec<u32> = words
            .map(|word| {
                word.iter()
                    .rev()
                    .fold(0, |all, byte| all << 8 | u32::from(*byte))
            })
            .collect();
        let (magic, sets, root) = match words[..] {
            [magic, a, b, c, d] if magic & REVISION_MASK == REVISION_2 => (magic, [a, b, c, d], 0),
            [magic, a, b, c, d, root] if magic & REVISION_MASK == REVISION_3 => {
                (magic, [a, b, c, d], root)
            }
            _ => return None,
        };
        let both = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        // Given by the root of another user namespace.
        (root == ROOT).then(|| FileCapabilities {
            permitted: both(sets[0], sets[2]) & capabilities::ALL,
            inheritable: both(sets[1], sets[3]) & capabilities::ALL,
            effective: magic & EFFECTIVE != 0,
        })
    }
}

/// The attribute of a file that gives all that the process's bounding set allows, but not into effect.
pub fn set_all(file: impl AsFd) -> Result<(), errno::Errno> {
    let bytes: Vec<u8> = [REVISION_2, u32::MAX, u32::MAX, u32::MAX, u32::MAX]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    // SAFETY: the name is a C string; the kernel reads the bytes.
    check(unsafe {
        libc::fsetxattr(
            file.as_fd().as_raw_fd(),
            ATTRIBUTE.as_ptr(),
            bytes.as_ptr().cast(),
            bytes.len(),
            0,
        )
    })?;
    Ok(())
}

/// Whether the file's mount has nosuid.
fn no_set_ids(file: impl AsFd) -> Result<bool, Errno> {
    let mut found = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: the call fills the struct, of which zero is a value.
    let flags = unsafe {
        check(libc::fstatvfs(file.as_fd().as_raw_fd(), found.as_mut_ptr())).map_err(own)?;
        found.assume_init().f_flag
    };
    Ok(flags & libc::ST_NOSUID != 0)
}

pub fn no_new_privileges() -> bool {
    prctl(libc::PR_GET_NO_NEW_PRIVS, 0) == 1
}

impl Before {
    /// Of this process.
    pub fn current() -> Result<Before, Errno> {
        let set = |option, first: Option<i32>| {
            (0..64_u64).fold(0, |set, number| {
                let is_set = match first {
                    // SAFETY: the operation takes numbers.
                    Some(first) => unsafe { libc::prctl(option, first, number, 0, 0) },
                    None => prctl(option, number),
                };
                set | u64::from(is_set == 1) << number
            })
        };
        // SAFETY: these calls take nothing.
        let (users, groups) = unsafe {
            (
                (libc::getuid(), libc::geteuid()),
                (libc::getgid(), libc::getegid()),
            )
        };
        Ok(Before {
            users,
            groups,
            bounding: set(libc::PR_CAPBSET_READ, None),
            inheritable: Sets::current().map_err(own)?.inheritable,
            ambient: set(libc::PR_CAP_AMBIENT, Some(libc::PR_CAP_AMBIENT_IS_SET)),
            no_root: prctl(libc::PR_GET_SECUREBITS, 0) & NO_ROOT != 0,
        })
    }
}

impl After {
    /// Makes them the process's, as far as the host lets it. The saved ids follow the effective ones.
    pub fn take(self) -> Result<(), Errno> {
        let now = Sets::current().map_err(own)?;
        // All in effect for the change of ids, and not lost by it.
        now.all_in_effect().set().map_err(own)?;
        prctl(libc::PR_SET_KEEPCAPS, 1);
        const SAME: u32 = u32::MAX;
        // SAFETY: the calls take numbers.
        let (group, user) = unsafe {
            (
                check(libc::syscall(
                    libc::SYS_setresgid,
                    SAME,
                    self.group,
                    self.group,
                )),
                check(libc::syscall(
                    libc::SYS_setresuid,
                    SAME,
                    self.user,
                    self.user,
                )),
            )
        };
        prctl(libc::PR_SET_KEEPCAPS, 0);
        // SAFETY: the operation takes numbers.
        unsafe {
            libc::prctl(
                libc::PR_CAP_AMBIENT,
                libc::PR_CAP_AMBIENT_CLEAR_ALL,
                0,
                0,
                0,
            );
        }
        let now = Sets::current().map_err(own)?;
        let permitted = self.sets.permitted & now.permitted;
        let sets = Sets {
            effective: self.sets.effective & permitted,
            permitted,
            inheritable: self.sets.inheritable,
        };
        sets.set().map_err(own)?;
        for number in (0..64).filter(|number| self.ambient & 1 << number != 0) {
            // SAFETY: the operation takes numbers. What cannot be raised was not.
            unsafe {
                libc::prctl(
                    libc::PR_CAP_AMBIENT,
                    libc::PR_CAP_AMBIENT_RAISE,
                    number as u64,
                    0,
                    0,
                );
            }
        }
        group.and(user).map_err(own)?;
        Ok(())
    }
}

fn prctl(option: i32, argument: u64) -> i32 {
    // SAFETY: the options used here take numbers.
    unsafe { libc::prctl(option, argument, 0, 0, 0) }
}

fn own(errno: errno::Errno) -> Errno {
    Errno(errno.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: Before = Before {
        users: (1000, 1000),
        groups: (1000, 1000),
        bounding: 0b1111,
        inheritable: 0,
        ambient: 0,
        no_root: false,
    };

    #[test]
    fn a_set_user_id_root_program_has_the_bounding_set() {
        let rights = Rights {
            user: Some(0),
            ..Rights::default()
        };
        let after = rights.apply(&USER).unwrap();
        assert_eq!((after.user, after.group, after.secure), (0, 1000, true));
        assert_eq!(after.sets.permitted, 0b1111);
        assert_eq!(after.sets.effective, 0b1111);
        let after = rights
            .apply(&Before {
                no_root: true,
                ..USER
            })
            .unwrap();
        assert_eq!(after.sets.permitted, 0);
    }

    #[test]
    fn a_file_gives_what_the_bounding_set_allows() {
        let mut bytes = [0; 20];
        bytes[3] = 2;
        bytes[4] = 0b1_0010;
        let file = FileCapabilities::parse(&bytes).unwrap();
        let rights = |file| Rights {
            capabilities: Some(file),
            ..Rights::default()
        };
        let after = rights(file).apply(&USER).unwrap();
        assert_eq!((after.sets.permitted, after.sets.effective), (0b10, 0));
        assert_eq!((after.user, after.secure), (1000, true));
        bytes[0] = 1;
        let file = FileCapabilities::parse(&bytes).unwrap();
        assert_eq!(rights(file).apply(&USER).unwrap_err(), Errno::EPERM);
    }

    #[test]
    fn nothing_given_leaves_everything() {
        let ambient = Before {
            inheritable: 0b100,
            ambient: 0b100,
            ..USER
        };
        let after = Rights::default().apply(&ambient).unwrap();
        assert_eq!(after.sets.effective, 0b100);
        assert!(!after.secure || after.sets.permitted != 0b100);
    }
}
