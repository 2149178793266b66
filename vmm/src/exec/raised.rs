//! The monitor that a key has executed ([`super::key`]). It holds all rights that programs of the
//! container may gain, and what it was given comes from a process that has fewer: it is checked against
//! what the key says, by device and inode, or made anew.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use super::key::{FileId, Settings};
use super::rights::{After, Before, Rights};
use super::state::State;
use crate::calls;
use crate::container::capabilities::Sets;
use crate::container::executable::{self, Executable};
use crate::container::fds;
use crate::container::procfs::Procfs;
use crate::container::rooted;
use crate::errno::{check, Errno};
use crate::machine::Known;

/// The key's word.
#[derive(Debug)]
pub struct Raised {
    /// Of the capabilities, before the key was executed.
    inheritable: u64,
    settings: Settings,
}

const DENIED: Errno = Errno(libc::EPERM);

impl Raised {
    /// `inheritable` has hexadecimal digits.
    pub fn parse(inheritable: &str, settings: &str) -> Option<Raised> {
        Some(Raised {
            inheritable: u64::from_str_radix(inheritable, 16).ok()?,
            settings: serde_json::from_str(settings).ok()?,
        })
    }

    /// Refuses what an honest monitor would not have sent, before any descriptor of it is taken over, and
    /// puts the key's word in the place of the sender's.
    pub fn check(&self, state: &mut State) -> Result<(), Errno> {
        let floor = state.private_floor;
        let mut numbers = vec![
            state.kvm,
            state.kernel,
            state.monitor,
            state.proc,
            state.program,
        ];
        numbers.extend(state.missing);
        numbers.extend(state.key);
        numbers.sort_unstable();
        let apart = numbers.windows(2).all(|pair| pair[0] < pair[1]);
        if floor < 3 || numbers[0] < floor || !apart {
            return Err(DENIED);
        }
        let Settings {
            key,
            monitor,
            kernel,
            missing,
            memory,
            vcpus,
            filters,
            verbose,
        } = &self.settings;
        let same = state.filters == *filters
            && id(state.kernel)? == *kernel
            && id(state.monitor)? == *monitor
            && state.key.map(id).transpose()? == Some(*key)
            && state.missing.map(id).transpose()? == *missing
            && is_kvm(state.kvm)?;
        if !same {
            return Err(DENIED);
        }
        state.memory_limit = *memory;
        state.vcpus = *vcpus;
        state.verbose = *verbose;
        state.known = Known::default();
        state.dumpable = false;
        state.gains = true;
        Ok(())
    }

    /// The program, as who executes it may execute it, and what its file makes of the process.
    pub fn program(
        &self,
        path: &std::ffi::CStr,
        file: OwnedFd,
        arguments: Vec<std::ffi::CString>,
        procfs: &Procfs,
    ) -> Result<(Executable, After), Errno> {
        if rooted::stat(&file)?.st_mode & libc::S_IFMT != libc::S_IFREG {
            return Err(Errno(libc::EACCES));
        }
        let before = Before {
            inheritable: self.inheritable,
            ambient: 0,
            ..Before::current().map_err(host)?
        };
        let sets = Sets::current()?;
        if before.users.1 != 0 {
            let none = Sets {
                effective: 0,
                ..sets
            };
            none.set()?;
        }
        calls::may_execute(file.as_raw_fd()).map_err(host)?;
        sets.all_in_effect().set()?;
        let file = executable::open(&file, procfs)?;
        let executable =
            Executable::new(path, file, arguments, procfs).map_err(|error| error.errno())?;
        let rights = match in_sight(&executable.file, procfs)? {
            true => Rights::of(&executable.file).map_err(host)?,
            false => Rights::default(),
        };
        let after = rights.apply(&before).map_err(host)?;
        Ok((executable, after))
    }
}

/// Whether the file's mount is one of this process's, which the host demands of what gives rights
/// (mnt_may_suid in Linux' fs/namespace.c), and has not nosuid.
fn in_sight(file: impl AsFd, procfs: &Procfs) -> Result<bool, Errno> {
    // SAFETY: statx(2) reads a C string and fills in the struct, whose fields are integers.
    let statx = unsafe {
        let mut statx: libc::statx = std::mem::zeroed();
        check(libc::statx(
            file.as_fd().as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            libc::STATX_MNT_ID,
            &mut statx,
        ))?;
        statx
    };
    let options = procfs.mount_options(statx.stx_mnt_id)?;
    Ok(options.is_some_and(|options| options.split(',').all(|option| option != "nosuid")))
}

fn id(fd: RawFd) -> Result<FileId, Errno> {
    FileId::of(fds::borrow(fd)?)
}

fn is_kvm(fd: RawFd) -> Result<bool, Errno> {
    let stat = rooted::stat(fds::borrow(fd)?)?;
    // devices.txt.
    let kvm = libc::makedev(10, 232);
    Ok(stat.st_mode & libc::S_IFMT == libc::S_IFCHR && stat.st_rdev == kvm)
}

fn host(errno: pinion_abi::Errno) -> Errno {
    Errno(errno.0)
}
