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

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::super::state::Inherited;
    use super::*;
    use crate::errno::check_fd;

    const FLOOR: RawFd = 700;

    /// What a container has, at numbers of its monitor.
    struct Honest {
        files: Vec<OwnedFd>,
        raised: Raised,
    }

    fn high(fd: impl AsFd) -> OwnedFd {
        // SAFETY: the call takes numbers.
        let fd = unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_DUPFD_CLOEXEC, FLOOR) };
        check_fd(fd).expect("a number")
    }

    fn file() -> OwnedFd {
        // SAFETY: the name is a C string.
        let fd = unsafe { libc::memfd_create(c"file".as_ptr(), libc::MFD_CLOEXEC) };
        high(check_fd(fd).expect("a file"))
    }

    impl Honest {
        fn new() -> Honest {
            let kvm = high(File::open("/dev/kvm").expect("/dev/kvm"));
            let mut files = vec![kvm];
            files.extend((0..6).map(|_| file()));
            let id = |at: usize| FileId::of(&files[at]).expect("an id");
            let settings = Settings {
                kernel: id(1),
                monitor: id(2),
                missing: Some(id(3)),
                key: id(4),
                memory: Some(64 << 20),
                vcpus: 2,
                filters: vec![1, 2],
                verbose: false,
            };
            let settings = serde_json::to_string(&settings).expect("settings");
            let raised = Raised::parse("1f", &settings).expect("the key's word");
            Honest { files, raised }
        }

        fn state(&self) -> State {
            let number = |at: usize| self.files[at].as_raw_fd();
            State {
                kvm: number(0),
                kernel: number(1),
                monitor: number(2),
                missing: Some(number(3)),
                key: Some(number(4)),
                proc: number(5),
                program: number(6),
                program_bytes: 9,
                private_floor: FLOOR,
                memory_limit: None,
                vcpus: 64,
                known: Known::default(),
                dumpable: true,
                verbose: true,
                rlimits: [[7; 2]; 16],
                inherited: Inherited {
                    blocked: 1,
                    ignored: 2,
                    timer_slack: 3,
                    personality: 4,
                },
                filters: vec![1, 2],
                gains: false,
                readable: true,
                permitted: 5,
                death_signal: 0,
                argc: 1,
            }
        }

        /// What is let pass is what the key says, whatever else it says.
        fn judge(&self, mut state: State) -> bool {
            if self.raised.check(&mut state).is_err() {
                return false;
            }
            let settings = &self.raised.settings;
            let is = |fd: RawFd, known: &FileId| id(fd).as_ref() == Ok(known);
            let others = [state.proc, state.program].into_iter();
            let own = [state.kvm, state.kernel, state.monitor].into_iter();
            let mut numbers: Vec<RawFd> = own.chain(others).collect();
            numbers.extend(state.missing.into_iter().chain(state.key));
            assert!(numbers.iter().all(|fd| *fd >= state.private_floor.max(3)));
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers.len(), 7);
            assert!(is(state.kernel, &settings.kernel) && is(state.monitor, &settings.monitor));
            assert!(state.key.is_some_and(|fd| is(fd, &settings.key)));
            assert!(state.missing.is_some() && is_kvm(state.kvm) == Ok(true));
            assert_eq!(state.filters, settings.filters);
            assert_eq!(state.memory_limit, settings.memory);
            assert_eq!((state.vcpus, state.verbose), (settings.vcpus, false));
            assert_eq!((state.dumpable, state.gains), (false, true));
            assert_eq!(state.known, Known::default());
            true
        }
    }

    #[test]
    fn what_an_honest_monitor_sends_passes() {
        let honest = Honest::new();
        assert!(honest.judge(honest.state()));
    }

    #[test]
    fn no_descriptor_stands_for_another() {
        let honest = Honest::new();
        let fields: [fn(&mut State, RawFd); 7] = [
            |state, fd| state.kvm = fd,
            |state, fd| state.kernel = fd,
            |state, fd| state.monitor = fd,
            |state, fd| state.missing = Some(fd),
            |state, fd| state.key = Some(fd),
            |state, fd| state.proc = fd,
            |state, fd| state.program = fd,
        ];
        let own = honest.files.iter().map(AsRawFd::as_raw_fd);
        let wrong = [RawFd::MIN, -100, -1, 0, 2, 3, FLOOR - 1, RawFd::MAX];
        for (at, set) in fields.iter().enumerate() {
            for fd in own.clone().chain(wrong) {
                let mut state = honest.state();
                set(&mut state, fd);
                // A procfs and a program are looked at by those who use them.
                let right = fd == honest.files[at].as_raw_fd() || at >= 5 && fd == RawFd::MAX;
                assert_eq!(honest.judge(state), right, "{at} {fd}");
            }
        }
        for change in [
            |state: &mut State| state.missing = None,
            |state: &mut State| state.key = None,
            |state: &mut State| state.filters.clear(),
            |state: &mut State| state.private_floor = -1,
            |state: &mut State| state.private_floor = RawFd::MAX,
        ] {
            let mut state = honest.state();
            change(&mut state);
            assert!(!honest.judge(state));
        }
    }

    #[test]
    fn bytes_that_were_changed_are_refused_or_say_nothing_else() {
        let honest = Honest::new();
        let strings = [
            c"/bin/su".to_owned(),
            c"/bin/su".to_owned(),
            c"su".to_owned(),
        ];
        let bytes = honest.state().to_bytes(&strings).expect("bytes");
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        let mut below = |end: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % end as u64) as usize
        };
        let mut passed = 0;
        for _ in 0..20_000 {
            let mut changed = bytes.clone();
            for _ in 0..=below(3) {
                let at = below(changed.len());
                match below(5) {
                    0 => changed[at] = below(256) as u8,
                    1 => changed[at] = b"0123456789-,:{}[]\"en"[below(20)],
                    2 => changed.truncate(at.max(1)),
                    3 => drop(changed.remove(at)),
                    _ => changed.insert(at, b'0' + below(10) as u8),
                }
            }
            if let Some((state, _)) = State::from_bytes(&changed) {
                passed += u32::from(honest.judge(state));
            }
        }
        // Most changes say nothing, or what is the sender's to say.
        assert!(passed > 100, "{passed}");
        for length in [0, 1, u64::MAX, u64::MAX - 7, 1 << 40] {
            let cut = [&length.to_le_bytes()[..], &bytes[8..]].concat();
            assert!(State::from_bytes(&cut).is_none());
        }
    }

    #[test]
    fn the_keys_word_has_one_form() {
        for (inheritable, settings) in [("", "{}"), ("0", ""), ("-1", "{}"), ("0", "{\"key\":1}")] {
            assert!(Raised::parse(inheritable, settings).is_none());
        }
    }
}
