//! The tasks of a container, counted as Linux would count them: a guest's process is several tasks of the host,
//! and its threads are none. They stand in the container's file behind the counts of
//! [`pinion_abi::missing`], in pages that all its monitors share and no guest sees.
//!
//! A process counts for the threads that were granted to it, which its kernel asks for a few at a time. One that
//! is killed takes nothing back: whoever meets the limit counts anew, by who is there.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use pinion_abi::layout::PAGE;
use pinion_abi::missing::MISSING_BYTES;
use pinion_abi::Errno;

use crate::errno;
use crate::machine::MADV_POPULATE_WRITE;

/// Pids are below this on every host (PID_MAX_LIMIT).
const PIDS: usize = 1 << 22;

/// Where the limit stands in the file (`oci/lifecycle/tasks.ts`), and what precedes the processes.
pub const START: u64 = MISSING_BYTES;
pub const HEAD_BYTES: u64 = PAGE;

#[repr(C)]
struct Head {
    /// pids.limit of config.json, or what it was updated to; 0: none.
    limit: AtomicU64,
    /// How many tasks there are, give or take those that were killed.
    tasks: AtomicU64,
    /// A bit for each page of the table that may say something.
    used: [AtomicU64; PAGES / 64],
    /// The page whose processes were the latest when the others were last looked at.
    latest: AtomicUsize,
}

/// Pages of the table, and processes of a page.
const PAGES: usize = PROCESSES_BYTES as usize / PAGE as usize;
const IN_PAGE: usize = PIDS / PAGES;
/// So many pages before the latest one are left alone: their processes may just be made. Pids are given in order.
const YOUNG: usize = 8;

const _: () = assert!(size_of::<Head>() as u64 <= HEAD_BYTES);

/// What is known of the process with that pid.
#[repr(C)]
struct Process {
    /// How many threads it may have; 0: there is no such process.
    granted: AtomicU32,
    /// Its real user.
    user: AtomicU32,
}

/// Bytes of the table of processes.
pub const PROCESSES_BYTES: u64 = (PIDS * size_of::<Process>()) as u64;

/// What the host limits the group to that may have so many tasks (`oci/plan/cgroups/tasks.ts`).
pub fn host_tasks(limit: u64) -> u64 {
    limit.saturating_mul(6).saturating_add(16)
}

/// RLIMIT_NPROC as it applies to the caller: its real user, and the most tasks of that user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfUser {
    pub user: u32,
    pub most: u64,
}

/// Lists the processes of the container.
pub type Pids<'a> = dyn Fn() -> Result<Vec<u32>, Errno> + 'a;

/// The container's count, as this process sees it.
#[derive(Debug, Clone, Copy)]
pub struct Census {
    head: NonNull<Head>,
    processes: NonNull<[Process; PIDS]>,
}

// SAFETY: the memory is mapped for good, and consists of atomics.
unsafe impl Send for Census {}
// SAFETY: as above.
unsafe impl Sync for Census {}

fn pid() -> u32 {
    // SAFETY: getpid(2) takes nothing.
    unsafe { libc::getpid() as u32 }
}

fn user() -> u32 {
    // SAFETY: getuid(2) takes nothing.
    unsafe { libc::getuid() }
}

/// The word and the bit of a page's.
fn bit(page: usize) -> (usize, u64) {
    (page / 64, 1 << (page % 64))
}

fn map(file: BorrowedFd, offset: u64, bytes: u64) -> Option<NonNull<libc::c_void>> {
    // SAFETY: a new mapping of shared memory, which nobody makes shorter.
    let pages = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes as usize,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_NORESERVE,
            file.as_raw_fd(),
            offset as libc::off_t,
        )
    };
    (pages != libc::MAP_FAILED).then(|| NonNull::new(pages))?
}

impl Census {
    /// `processes`: where their table begins in the file, which is long enough.
    pub fn map(file: BorrowedFd, processes: u64) -> Option<Census> {
        let head = map(file, START, HEAD_BYTES)?.cast();
        let processes = map(file, processes, PROCESSES_BYTES)?.cast();
        Some(Census { head, processes })
    }

    fn head(&self) -> &Head {
        // SAFETY: mapped for good, aligned to a page; all bits are valid.
        unsafe { self.head.as_ref() }
    }

    /// `None`: the file system has no room for what is known of it, and a process that touched it would be killed.
    fn process(&self, pid: u32) -> Option<&Process> {
        // SAFETY: as above.
        let process = unsafe { self.processes.as_ref() }.get(pid as usize)?;
        let page = (&raw const *process).map_addr(|address| address & !(PAGE as usize - 1));
        // SAFETY: the page is mapped for good; its contents stay.
        let populated =
            unsafe { libc::madvise(page.cast_mut().cast(), 1, MADV_POPULATE_WRITE) } == 0;
        // EINVAL: before Linux 5.14 there is no such advice.
        (populated || errno::Errno::last() == errno::Errno(libc::EINVAL)).then_some(process)
    }

    /// The most tasks that the container may have.
    pub fn limit(&self) -> Option<u64> {
        let limit = self.head().limit.load(Ordering::Relaxed);
        (limit > 0).then_some(limit)
    }

    /// How many threads a kernel asks for at once: so few that those which it has not made hardly matter.
    /// 0: as many as it likes.
    pub fn unit(&self) -> u32 {
        self.limit()
            .map_or(0, |limit| (limit / 64).clamp(1, 32) as u32)
    }

    fn set(&self, pid: u32, granted: u32) -> u32 {
        let Some(process) = self.process(pid) else {
            return 0;
        };
        let (page, bit) = bit(pid as usize / IN_PAGE);
        if granted > 0 && self.head().used[page].load(Ordering::Relaxed) & bit == 0 {
            self.head().used[page].fetch_or(bit, Ordering::AcqRel);
        }
        process.user.store(user(), Ordering::Relaxed);
        process.granted.swap(granted, Ordering::AcqRel)
    }

    /// This process begins a program, with one thread.
    pub fn begin(&self) {
        // What this or another process of this pid had is counted.
        let left = self.set(pid(), 1);
        if left == 0 {
            self.head().tasks.fetch_add(1, Ordering::AcqRel);
        } else {
            self.less(u64::from(left) - 1);
        }
    }

    /// A process is about to be made.
    pub fn reserve(&self, user: Option<OfUser>, pids: &Pids) -> Result<(), Errno> {
        self.more(1, user, pids)
    }

    /// It was not made after all.
    pub fn release(&self) {
        self.less(1);
    }

    /// The process that was made is there: said by its parent and by itself, whoever comes first.
    pub fn made(&self, pid: u32) {
        self.set(pid, 1);
    }

    /// This process may have that many threads from now on.
    pub fn grant(&self, threads: u32, user: Option<OfUser>, pids: &Pids) -> Result<(), Errno> {
        let Some(process) = self.process(pid()) else {
            return Ok(());
        };
        let threads = threads.max(1);
        let now = process.granted.load(Ordering::Acquire).max(1);
        if threads > now {
            self.more(u64::from(threads - now), user, pids)?;
        } else {
            self.less(u64::from(now - threads));
        }
        self.set(pid(), threads);
        Ok(())
    }

    /// This process ends.
    pub fn end(&self) {
        let pid = pid();
        self.less(self.set(pid, 0).into());
        let page = pid as usize / IN_PAGE;
        if self.head().latest.swap(page, Ordering::Relaxed) != page {
            self.give_back(page);
        }
    }

    /// Old pages that say nothing any more go back to the host. `latest`: where processes are made now.
    fn give_back(&self, latest: usize) {
        let is_used = |page: usize| {
            let (word, bit) = bit(page);
            self.head().used[word].load(Ordering::Acquire) & bit != 0
        };
        let old = (YOUNG..PAGES).map(|age| (latest + PAGES - age) % PAGES);
        for page in old.filter(|page| is_used(*page)) {
            // Another process may just have given it back.
            if self.process((page * IN_PAGE) as u32).is_none() {
                continue;
            }
            // SAFETY: mapped for good; the page lies in the table.
            let processes = unsafe { &self.processes.as_ref()[page * IN_PAGE..][..IN_PAGE] };
            let is_there = |process: &Process| process.granted.load(Ordering::Acquire) != 0;
            if processes.iter().any(is_there) {
                continue;
            }
            let (word, bit) = bit(page);
            self.head().used[word].fetch_and(!bit, Ordering::AcqRel);
            let start = processes.as_ptr().cast_mut().cast();
            // SAFETY: the range is a page of the table, which reads as zero from here on, as it does now but for
            // users. On a file system that cannot do this it stays.
            unsafe { libc::madvise(start, PAGE as usize, libc::MADV_REMOVE) };
        }
    }

    fn less(&self, tasks: u64) {
        let less = |now: u64| Some(now.saturating_sub(tasks));
        let (set, get) = (Ordering::AcqRel, Ordering::Acquire);
        let _ = self.head().tasks.fetch_update(set, get, less);
    }

    fn more(&self, tasks: u64, user: Option<OfUser>, pids: &Pids) -> Result<(), Errno> {
        if let Some(OfUser { user, most }) = user {
            if self.count(pids, Some(user))? + tasks > most {
                return Err(Errno::EAGAIN);
            }
        }
        let all = &self.head().tasks;
        let mut now = all.load(Ordering::Acquire);
        let mut counted = false;
        loop {
            let is_over = self.limit().is_some_and(|limit| now + tasks > limit);
            if is_over && counted {
                return Err(Errno::EAGAIN);
            }
            counted = is_over;
            let from = if is_over {
                self.count(pids, None)?
            } else {
                now
            };
            // To the new count only; whether there is room in it the next turn tells.
            let to = if is_over { from } else { now + tasks };
            match all.compare_exchange(now, to, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) if !is_over => return Ok(()),
                Ok(_) => now = to,
                Err(other) => (now, counted) = (other, false),
            }
        }
    }

    /// The tasks of the processes that are there, of one user or all.
    fn count(&self, pids: &Pids, user: Option<u32>) -> Result<u64, Errno> {
        let mut tasks = 0;
        for pid in pids()? {
            let Some(process) = self.process(pid) else {
                continue;
            };
            let counts = user.is_none_or(|user| process.user.load(Ordering::Relaxed) == user);
            let granted = process.granted.load(Ordering::Acquire);
            tasks += if counts { u64::from(granted) } else { 0 };
        }
        Ok(tasks)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::{AsFd, FromRawFd};
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn the_table_does_not_grow_with_processes_that_have_ended() {
        // SAFETY: the name is a C string; the descriptor is new.
        let file = unsafe {
            let fd = libc::memfd_create(c"tasks".as_ptr(), libc::MFD_CLOEXEC);
            assert!(fd >= 0);
            File::from_raw_fd(fd)
        };
        let processes = START + HEAD_BYTES;
        file.set_len(processes + PROCESSES_BYTES).unwrap();
        let census = Census::map(file.as_fd(), processes).unwrap();
        let alive = [3, 40_000, 100_000];
        // Over the highest pid, and on from there.
        for pid in (0..120_000)
            .chain(PIDS as u32 - 5_000..PIDS as u32)
            .chain(0..5_000)
        {
            census.made(pid);
            if !alive.contains(&pid) {
                census.set(pid, 0);
            }
            if pid as usize % IN_PAGE == IN_PAGE - 1 {
                census.give_back(pid as usize / IN_PAGE);
            }
        }
        let pages = file.metadata().unwrap().blocks() * 512 / PAGE;
        assert!(pages <= (YOUNG + 1 + alive.len() + 1) as u64, "{pages}");
        let all = || Ok([&alive[..], &[5, 119_999]].concat());
        assert_eq!(census.count(&all, None), Ok(alive.len() as u64));
    }
}
