//! What the guest sees of proc file systems, which lead around the wall when opened as they are.
//!
//! A process of the container is a monitor on the host, so what /proc/PID tells is of three kinds:
//! true of the guest's process too, told by the guest's own truth, or a way around the wall.
//! [`ENTRIES`] says which. What lies outside of the process directories is as the container's
//! mounts have it.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use pinion_abi::Errno;

use super::descriptors::Kind;
use super::portraits::{self, Text};
use super::{names, sys, Service};

/// What a process directory's entry gives the guest.
#[derive(Debug, Clone, Copy)]
enum Rule {
    /// The host's file, and what is below it.
    Host,
    /// EACCES.
    Refused,
    /// A list of descriptors, and one file or link for each: those that the guest can name.
    Descriptors,
    /// A text that the service knows.
    Text(Text),
    /// One that it knows of threads other than the first one, whose own is the host's.
    ThreadText(Text),
    /// A list of threads, and a directory for each.
    Tasks,
    /// A link to a file that the service knows.
    File(fn(&Service) -> Result<OwnedFd, Errno>),
}

/// Entry of a process directory; what the guest's own process gets, and what others'. An entry
/// without a row is refused.
#[rustfmt::skip]
const ENTRIES: &[(&str, Rule, Rule)] = &[
    ("arch_status",   Rule::Host, Rule::Host),
    ("auxv",          Rule::Text(portraits::auxv), Rule::Refused),
    ("cgroup",        Rule::Host, Rule::Host),
    ("children",      Rule::ThreadText(portraits::children), Rule::Host),
    ("clear_refs",    Rule::Refused, Rule::Refused),
    ("cmdline",       Rule::Text(arguments), Rule::Host),
    ("comm",          Rule::ThreadText(portraits::comm), Rule::Host),
    ("coredump_filter", Rule::Refused, Rule::Refused),
    ("cpuset",        Rule::Host, Rule::Host),
    ("cwd",           Rule::File(working_directory), Rule::Refused),
    ("environ",       Rule::Text(environment), Rule::Refused),
    ("exe",           Rule::File(executable), Rule::Refused),
    ("fd",            Rule::Descriptors, Rule::Refused),
    ("fdinfo",        Rule::Descriptors, Rule::Refused),
    ("gid_map",       Rule::Host, Rule::Host),
    ("io",            Rule::Host, Rule::Host),
    ("limits",        Rule::Text(portraits::limits), Rule::Host),
    ("loginuid",      Rule::Host, Rule::Host),
    ("map_files",     Rule::Refused, Rule::Refused),
    ("maps",          Rule::Text(portraits::maps), Rule::Refused),
    ("mem",           Rule::Refused, Rule::Refused),
    ("mountinfo",     Rule::Host, Rule::Host),
    ("mounts",        Rule::Host, Rule::Host),
    ("mountstats",    Rule::Host, Rule::Host),
    ("net",           Rule::Host, Rule::Host),
    ("ns",            Rule::Host, Rule::Host),
    ("numa_maps",     Rule::Refused, Rule::Refused),
    ("oom_adj",       Rule::Host, Rule::Host),
    ("oom_score",     Rule::Host, Rule::Host),
    ("oom_score_adj", Rule::Host, Rule::Host),
    ("pagemap",       Rule::Refused, Rule::Refused),
    ("patch_state",   Rule::Refused, Rule::Refused),
    ("personality",   Rule::Refused, Rule::Refused),
    ("projid_map",    Rule::Host, Rule::Host),
    ("root",          Rule::File(root_directory), Rule::Refused),
    ("sched",         Rule::Host, Rule::Host),
    ("schedstat",     Rule::Host, Rule::Host),
    ("sessionid",     Rule::Host, Rule::Host),
    ("setgroups",     Rule::Host, Rule::Host),
    ("smaps",         Rule::Text(portraits::smaps), Rule::Refused),
    ("smaps_rollup",  Rule::Text(portraits::smaps_rollup), Rule::Refused),
    ("stack",         Rule::Refused, Rule::Refused),
    ("stat",          Rule::Text(portraits::stat), Rule::Host),
    ("statm",         Rule::Text(portraits::statm), Rule::Host),
    ("status",        Rule::Text(portraits::status), Rule::Host),
    ("syscall",       Rule::Refused, Rule::Refused),
    ("task",          Rule::Tasks, Rule::Tasks),
    ("timers",        Rule::Refused, Rule::Refused),
    ("timerslack_ns", Rule::Refused, Rule::Refused),
    ("uid_map",       Rule::Host, Rule::Host),
    ("wchan",         Rule::Host, Rule::Host),
];

/// What stands on the guest's stack, as fs/proc/base.c (get_mm_cmdline) reads it: whoever has written over the
/// last zero writes one string, which may go on into the environment.
fn arguments(service: &Service, _: Option<u32>) -> Result<Vec<u8>, Errno> {
    let (arguments, environment) = (lines(&service.arguments), lines(&service.environment));
    let (end, all) = ends(&arguments, &environment);
    let view = service.view().ok();
    let text = view.and_then(|view| view.string_bytes(all, 0..all));
    let Some(mut text) = text.filter(|_| end > 0) else {
        return Ok(arguments);
    };
    let mut length = end as usize;
    if text[length - 1] != 0 {
        let zero = text.iter().position(|byte| *byte == 0);
        length = zero.map_or(text.len(), |zero| zero + 1);
    }
    text.truncate(length);
    Ok(text)
}

fn environment(service: &Service, _: Option<u32>) -> Result<Vec<u8>, Errno> {
    let (arguments, environment) = (lines(&service.arguments), lines(&service.environment));
    let (start, all) = ends(&arguments, &environment);
    let view = service.view().ok();
    let text = view.and_then(|view| view.string_bytes(all, start..all));
    Ok(text.unwrap_or(environment))
}

/// Where the arguments end, and the environment after them.
fn ends(arguments: &[u8], environment: &[u8]) -> (u64, u64) {
    let end = arguments.len() as u64;
    (end, end + environment.len() as u64)
}

fn lines(strings: &[CString]) -> Vec<u8> {
    strings
        .iter()
        .flat_map(|string| string.as_bytes_with_nul())
        .copied()
        .collect()
}

fn executable(service: &Service) -> Result<OwnedFd, Errno> {
    service
        .anew(
            service.executable.as_raw_fd(),
            libc::O_PATH | libc::O_CLOEXEC,
        )
        .map(sys::own)
}

fn working_directory(_: &Service) -> Result<OwnedFd, Errno> {
    names::open_path(libc::AT_FDCWD, c".", libc::O_DIRECTORY, 0)
}

fn root_directory(_: &Service) -> Result<OwnedFd, Errno> {
    names::open_path(libc::AT_FDCWD, c"/", libc::O_DIRECTORY, 0)
}

/// Ids of threads begin here that their process's monitor does not have (`threads::ids` in the kernel).
const FIRST_OTHER: u32 = 1 << 22;

/// The directory of a process's threads.
pub(super) struct Tasks {
    owner: Owner,
    /// An O_PATH descriptor.
    pub dir: OwnedFd,
}

/// Where a file stands in a proc file system.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// Outside of the process directories.
    System(Vec<Vec<u8>>),
    /// In the directory of a process, and the names below. The main thread's own directory counts as
    /// its process's.
    Process(Owner, Vec<Vec<u8>>),
    /// In the directory of another thread of the monitor.
    Thread,
}

/// Whose a process directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The guest's own.
    Own,
    /// The process's that has this pid in that file system.
    Other(u32),
}

fn place(names: Vec<Vec<u8>>, own: u32) -> Place {
    let Some(pid) = names.first() else {
        return Place::System(names);
    };
    let owner = match number(pid) {
        None => return Place::System(names),
        Some(pid) if pid == own => Owner::Own,
        Some(pid) => Owner::Other(pid),
    };
    match names.get(1..) {
        Some([task, thread, rest @ ..]) if task == b"task" => {
            if thread == pid {
                Place::Process(owner, rest.to_vec())
            } else {
                Place::Thread
            }
        }
        Some(rest) => Place::Process(owner, rest.to_vec()),
        None => Place::Process(owner, Vec::new()),
    }
}

/// A pid, or another number, as /proc has it in names.
pub(super) fn number(name: &[u8]) -> Option<u32> {
    let digits = !name.is_empty() && name.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(name).ok().filter(|_| digits)?;
    text.parse().ok()
}

fn rule(owner: Owner, entry: &[u8]) -> Rule {
    let row = ENTRIES.iter().find(|(name, _, _)| name.as_bytes() == entry);
    row.map_or(Rule::Refused, |(_, of_own, of_others)| match owner {
        Owner::Own => *of_own,
        Owner::Other(_) => *of_others,
    })
}

/// What an open(2) of a file of /proc gives.
pub(super) enum Access {
    /// The file.
    File(Kind),
    /// This text, to be read.
    Text(Vec<u8>),
    /// It is about one of the monitor's threads: the path is to be walked, so that `thread-self`
    /// means the guest's.
    Thread,
}

/// Where a link of /proc leads.
pub(super) enum Link {
    Text(Vec<u8>),
    File(OwnedFd),
}

impl Service {
    fn place(&self, fd: RawFd) -> Result<Place, Errno> {
        let names = self.mounts.locate(self.proc(), fd)?.ok_or(Errno::EACCES)?;
        Ok(place(names, sys::pid() as u32))
    }

    /// Whether a file of /proc may be opened for reading or writing. `fd` is an O_PATH descriptor.
    pub(super) fn proc_access(&self, fd: RawFd) -> Result<Access, Errno> {
        let (owner, names) = match self.place(fd)? {
            // Reading it waits for messages.
            Place::System(names) if names == [b"kmsg"] => return Ok(Access::File(Kind::Other)),
            Place::System(_) => return Ok(Access::File(Kind::Regular)),
            Place::Thread => return Ok(Access::Thread),
            Place::Process(owner, names) => (owner, names),
        };
        let Some((entry, rest)) = names.split_first() else {
            return Ok(Access::File(Kind::Regular));
        };
        match (rule(owner, entry), rest) {
            (Rule::Host | Rule::ThreadText(_), _) => Ok(Access::File(Kind::Regular)),
            (Rule::Tasks, []) => Ok(Access::File(Kind::Listing)),
            (Rule::Descriptors, []) => Ok(Access::File(Kind::Listing)),
            (Rule::Descriptors, [number]) => {
                self.guest_number(number)?;
                Ok(Access::File(Kind::Regular))
            }
            (Rule::Text(text), []) => Ok(Access::Text(text(self, None)?)),
            _ => Err(Errno::EACCES),
        }
    }

    /// Where a link of /proc leads, for the guest. `link` is an O_PATH descriptor of the link.
    pub(super) fn proc_link(&self, link: RawFd) -> Result<Link, Errno> {
        let (owner, names) = match self.place(link)? {
            Place::System(names) => return Ok(Link::Text(system_link(link, &names)?)),
            Place::Thread => return Err(Errno::EACCES),
            Place::Process(owner, names) => (owner, names),
        };
        let (entry, rest) = names.split_first().ok_or(Errno::EACCES)?;
        match (rule(owner, entry), rest) {
            (Rule::File(file), []) => file(self).map(Link::File),
            (Rule::Descriptors, [number]) => {
                let fd = self.guest_number(number)?;
                let flags = libc::O_PATH | libc::O_CLOEXEC;
                self.anew(fd, flags).map(|fd| Link::File(sys::own(fd)))
            }
            (Rule::Host, [name]) if owner == Owner::Own && entry == b"ns" => {
                let path = [b"thread-self/ns/".as_slice(), name].concat();
                let path = CString::new(path).map_err(|_| Errno::EINVAL)?;
                names::open_path(self.proc(), &path, 0, 0).map(Link::File)
            }
            _ => Err(Errno::EACCES),
        }
    }

    /// The text of a link of /proc, as readlink(2) tells it to the guest.
    pub(super) fn proc_link_text(&self, link: RawFd) -> Result<Vec<u8>, Errno> {
        let (owner, names) = match self.place(link)? {
            Place::System(names) => return system_link(link, &names),
            Place::Thread => return Err(Errno::EACCES),
            Place::Process(owner, names) => (owner, names),
        };
        let (entry, rest) = names.split_first().ok_or(Errno::EACCES)?;
        match (rule(owner, entry), rest) {
            (Rule::File(_), []) if entry == b"exe" => Ok(self.executable_path.to_bytes().to_vec()),
            (Rule::File(_), []) => sys::readlink(link, sys::EMPTY),
            (Rule::Descriptors, [number]) => {
                self.guest_number(number)?;
                sys::readlink(link, sys::EMPTY)
            }
            (Rule::Host, _) => sys::readlink(link, sys::EMPTY),
            _ => Err(Errno::EACCES),
        }
    }

    /// What a path names in the directory of a thread of a guest's that its monitor does not have: the
    /// directory of all of the process's threads, and the rest of the path. None if it leads elsewhere.
    pub(super) fn thread_of(&self, dir: RawFd, path: &CStr) -> Option<(Tasks, u32, Vec<u8>)> {
        let path = path.to_bytes();
        let mut start = 0;
        let (from, to, id) = loop {
            let rest = path.get(start..)?;
            let slash = rest.iter().position(|byte| *byte == b'/');
            let end = start + slash.unwrap_or(rest.len());
            match number(&path[start..end]).filter(|id| *id >= FIRST_OTHER) {
                Some(id) => break (start, end, id),
                None => start = slash.map(|_| end + 1)?,
            }
        };
        let above = match &path[..from] {
            [] => c".".to_owned(),
            above => CString::new(above).ok()?,
        };
        let tasks = self.resolve(dir, &above, libc::O_DIRECTORY).ok()?;
        if !sys::is_proc(tasks.as_raw_fd()).ok()? {
            return None;
        }
        let Place::Process(owner, names) = self.place(tasks.as_raw_fd()).ok()? else {
            return None;
        };
        let known = names == [b"task"] && self.thread_ids(owner).ok()?.contains(&id);
        let rest = path[to..].trim_ascii_start();
        let rest = rest.strip_prefix(b"/").unwrap_or(rest).to_vec();
        known.then_some((Tasks { owner, dir: tasks }, id, rest))
    }

    /// A path from the directory of a process's threads into that of the first, which stands for one that the host
    /// does not have.
    pub(super) fn first_thread(&self, tasks: &Tasks, rest: &[u8]) -> Result<CString, Errno> {
        let pid = match tasks.owner {
            Owner::Own => sys::pid() as u32,
            Owner::Other(pid) => pid,
        };
        CString::new([pid.to_string().as_bytes(), b"/", rest].concat()).map_err(|_| Errno::EINVAL)
    }

    /// The text of a file in a thread's directory, if it is one of those that Pinion makes.
    pub(super) fn thread_text(
        &self,
        tasks: &Tasks,
        id: u32,
        entry: &[u8],
    ) -> Option<Result<Vec<u8>, Errno>> {
        match rule(tasks.owner, entry) {
            Rule::Text(text) | Rule::ThreadText(text) => Some(text(self, Some(id))),
            _ => None,
        }
    }

    fn thread_ids(&self, owner: Owner) -> Result<Vec<u32>, Errno> {
        match owner {
            Owner::Own => {
                let threads = self.view()?.threads();
                Ok(threads.iter().map(|thread| thread.id).collect())
            }
            // The first one, which is the process. Of the others only its own monitor knows.
            Owner::Other(pid) => Ok(vec![pid]),
        }
    }

    /// The names of directories that getdents64(2) tells in the place of what the host has in an open one.
    /// None: the host's, but for what the guest cannot name.
    pub(super) fn listed(&self, fd: RawFd) -> Result<Option<Vec<String>>, Errno> {
        let Place::Process(owner, names) = self.place(fd)? else {
            return Ok(None);
        };
        let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        match names[..] {
            [b"task"] => {
                let ids = self.thread_ids(owner)?;
                Ok(Some(ids.iter().map(u32::to_string).collect()))
            }
            _ => Ok(None),
        }
    }

    /// The descriptor that an entry of /proc/self/fd names, if the guest can name it.
    fn guest_number(&self, number: &[u8]) -> Result<RawFd, Errno> {
        let fd = parse_number(number).ok_or(Errno::EACCES)?;
        self.table.visible(fd).then_some(fd).ok_or(Errno::ENOENT)
    }
}

/// The text of a link outside of the process directories. `thread-self` is of the thread that asks:
/// the guest's, not the monitor's that serves it.
fn system_link(link: RawFd, names: &[Vec<u8>]) -> Result<Vec<u8>, Errno> {
    let text = sys::readlink(link, sys::EMPTY)?;
    if names != [b"thread-self"] {
        return Ok(text);
    }
    let pid = text.split(|byte| *byte == b'/').next().unwrap_or_default();
    Ok([pid, b"/task/", pid].concat())
}

pub(super) fn parse_number(name: &[u8]) -> Option<RawFd> {
    std::str::from_utf8(name).ok()?.parse().ok()
}

/// The open descriptors of this process.
pub(super) fn open_numbers(proc: &OwnedFd) -> Result<Vec<RawFd>, Errno> {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    let dir = sys::own(sys::openat(proc.as_raw_fd(), c"thread-self/fd", flags, 0)?);
    let mut numbers = Vec::new();
    let mut entries = vec![0; 16 << 10];
    loop {
        let bytes = sys::getdents(dir.as_raw_fd(), &mut entries)?;
        if bytes == 0 {
            return Ok(numbers);
        }
        retain(&mut entries[..bytes], |name| {
            numbers.extend(parse_number(name).filter(|fd| *fd != dir.as_raw_fd()));
            true
        });
    }
}

/// Writes directory entries as getdents64(2) does, from the `at`th on: `.` and `..`, then directories of these
/// names. Returns the bytes, and which entry is the next one.
pub(super) fn entries(names: &[String], at: usize, to: &mut [u8]) -> (usize, usize) {
    const NAME: usize = 19;
    let all = [".", ".."]
        .into_iter()
        .chain(names.iter().map(String::as_str));
    let (mut bytes, mut next) = (0, at);
    for (index, name) in all.enumerate().skip(at) {
        let length = (NAME + name.len() + 1).next_multiple_of(8);
        let Some(entry) = to.get_mut(bytes..bytes + length) else {
            break;
        };
        entry.fill(0);
        entry[..8].copy_from_slice(&(index as u64 + 1).to_ne_bytes());
        entry[8..16].copy_from_slice(&(index as u64 + 1).to_ne_bytes());
        entry[16..18].copy_from_slice(&(length as u16).to_ne_bytes());
        entry[18] = libc::DT_DIR;
        entry[NAME..NAME + name.len()].copy_from_slice(name.as_bytes());
        bytes += length;
        next = index + 1;
    }
    (bytes, next)
}

/// Drops entries from what getdents64(2) wrote (struct linux_dirent64: record length at 16, name at
/// 19); returns the bytes that are left.
pub(super) fn retain(entries: &mut [u8], mut keep: impl FnMut(&[u8]) -> bool) -> usize {
    const LENGTH: usize = 16;
    const NAME: usize = 19;
    let (mut from, mut to) = (0, 0);
    while let Some(record) = entries.get(from..).filter(|rest| rest.len() > NAME) {
        let length = usize::from(u16::from_ne_bytes([record[LENGTH], record[LENGTH + 1]]));
        let Some(record) = record.get(..length).filter(|_| length > NAME) else {
            break;
        };
        let name = record[NAME..]
            .split(|byte| *byte == 0)
            .next()
            .unwrap_or_default();
        if keep(name) {
            entries.copy_within(from..from + length, to);
            to += length;
        }
        from += length;
    }
    to
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str) -> Place {
        place(
            path.split('/')
                .filter(|name| !name.is_empty())
                .map(|name| name.into())
                .collect(),
            7,
        )
    }

    #[test]
    fn places() {
        assert_eq!(at("meminfo"), Place::System(vec![b"meminfo".to_vec()]));
        assert_eq!(at(""), Place::System(vec![]));
        assert_eq!(at("7"), Place::Process(Owner::Own, vec![]));
        assert_eq!(
            at("8/mem"),
            Place::Process(Owner::Other(8), vec![b"mem".to_vec()])
        );
        assert_eq!(
            at("7/task/7/mem"),
            Place::Process(Owner::Own, vec![b"mem".to_vec()])
        );
        assert_eq!(
            at("7/task"),
            Place::Process(Owner::Own, vec![b"task".to_vec()])
        );
        assert_eq!(at("7/task/9/status"), Place::Thread);
    }

    #[test]
    fn an_entry_without_a_row_is_refused() {
        assert!(matches!(rule(Owner::Own, b"mem (deleted)"), Rule::Refused));
        assert!(matches!(
            rule(Owner::Own, b"new_in_the_next_kernel"),
            Rule::Refused
        ));
        assert!(ENTRIES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
