//! Requests to the machine itself ([`pinion_abi::calls::machine`]): memory, files mapped over it,
//! signals, the end.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pinion_abi::calls::machine::*;
use pinion_abi::channel::{Request, INFO_WORDS};
use pinion_abi::layout::physical::FILTERS_BYTES;
use pinion_abi::layout::{GRANULE, PAGE};
use pinion_abi::seccomp::Filters;
use pinion_abi::Errno;

use super::memory::{MADV_POPULATE_READ, MADV_POPULATE_WRITE};
use super::server::{self, Server};
use super::sites::Sites;
use super::timeline::Timeline;
use super::title::Title;
use super::{awaited, futex, report, search, signals, sites, timers, workers};
use crate::calls::{Answer, GuestMemory, SlotData};
use crate::census::Census;
use crate::exit::{end_as, ExitStatus};
use crate::kvm::Vm;
use crate::limits;

/// Files of which at most so much is mapped get all their pages at once: of a larger one most are not touched.
const POPULATED_FILE: u64 = 256 << 10;
/// As much text is searched for `cpuid`.
const SEARCHED: usize = 8 << 20;
/// The most words that are waited for together (FUTEX_WAITV_MAX, linux/futex.h).
const FUTEXES: usize = 128;
/// The longest text for the log.
const LOG_BYTES: usize = 512;

/// What these requests need besides the guest's memory.
pub struct Machinery {
    pub sites: Option<Sites>,
    /// Where tasks are counted.
    pub census: Option<Census>,
    /// Another one after fork(2).
    pub vm: Mutex<Vm>,
    /// The program's file.
    pub executable: OwnedFd,
    pub verbose: bool,
    /// The signals that the program blocks.
    pub blocked: AtomicU64,
    pub title: Title,
    pub timeline: Timeline,
}

impl Machinery {
    pub(super) fn vm(&self) -> MutexGuard<'_, Vm> {
        self.vm.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Outcome = Result<i64, Errno>;

pub(super) fn last_errno() -> Errno {
    Errno(
        io::Error::last_os_error()
            .raw_os_error()
            .unwrap_or(libc::EIO),
    )
}

impl Server {
    pub(super) fn machine(&self, slot: &SlotData, request: &Request, may_block: bool) -> Answer {
        let [a, b, c, d, e, _] = request.args;
        let outcome = match request.number {
            GROW => self.grow(a, b),
            POPULATE => self.advise(a, b, MADV_POPULATE_WRITE),
            DISCARD => self.advise(a, b, libc::MADV_DONTNEED),
            UNMAP_FILE => self.unmap_file(a, b),
            MAP_FILE => self.map_file(a, b, c, d, e),
            LARGE => self.advise(a, b, libc::MADV_HUGEPAGE),
            REMOVE => self.advise(a, b, libc::MADV_REMOVE),
            FIND_CPUID => self.find_cpuid(slot, &request.args),
            SYNC => self.sync(a, b),
            EXIT => self.end(ExitStatus::Code(a as u8)),
            EXIT_SIGNAL => self.end(ExitStatus::Signal((a as i32).clamp(1, 64))),
            // Standard error is the guest's: it may be a pipe that is full.
            LOG if !may_block => return Answer::WouldBlock,
            LOG => self.log(slot, a, b),
            DISPOSITION => signals::set_disposition(a, b),
            // A mask is a thread's, and signals are for the vCPU's.
            BLOCK if !may_block => return Answer::WouldBlock,
            // Its signals wait until it executes a program.
            BLOCK if server::is_child() => Ok(0),
            BLOCK => self.hold_back(),
            PENDING => Ok(signals::pending() as i64),
            IDLE if !may_block => return Answer::WouldBlock,
            IDLE => {
                self.idle(a, b, c);
                Ok(0)
            }
            WAKE => {
                self.wake(a);
                Ok(0)
            }
            FUTEX_WAIT if !may_block => return Answer::WouldBlock,
            FUTEX_WAIT => self
                .word(a)
                .and_then(|word| futex::wait_shared(word, b, c, d, e)),
            FUTEX_REQUEUE => self.requeue(a, b, c, d),
            FUTEX_WAITV | AWAIT | BARRIER if !may_block => return Answer::WouldBlock,
            FUTEX_WAITV => self.wait_for_one(slot, a, b, c),
            AWAIT => self.awaited.wait(a),
            BARRIER => barrier(),
            FUTEX_WAKE => self.word(a).and_then(|word| futex::wake_shared(word, b, c)),
            CANCEL => {
                workers::cancel(self, a as usize);
                Ok(0)
            }
            TIMER_CREATE => timers::create(a, self.vcpus.target(0)),
            TIMER_DELETE => timers::delete(a),
            ATTACH => self.attach(a, b, c, d),
            SIGNAL => self.signal(slot, a, b),
            PREEMPT => {
                self.header().ticking.store(1, Ordering::SeqCst);
                self.ticker.set(true);
                Ok(0)
            }
            PAUSE if !may_block => return Answer::WouldBlock,
            PAUSE => signals::pause(),
            SET_NOFILE => {
                self.service().set_nofile(a, b);
                Ok(0)
            }
            LIMIT => limits::set(a, b, c),
            TASKS => self.may_have(a),
            SECCOMP => self.judge_by(a, b),
            CLOCK_GETTIME => self.clock(slot, a, b, libc::clock_gettime),
            CLOCK_GETRES => self.clock(slot, a, b, libc::clock_getres),
            _ => Err(Errno::ENOSYS),
        };
        Answer::Result(outcome.unwrap_or_else(Errno::as_result))
    }

    fn judge_by(&self, address: u64, words: u64) -> Outcome {
        let bytes = words.checked_mul(8).filter(|bytes| *bytes <= FILTERS_BYTES);
        let copy = self.copy_of(address, bytes.ok_or(Errno::EINVAL)?)?;
        let words = copy.chunks_exact(8).map(|bytes| {
            let bytes = bytes.iter().rev();
            bytes.fold(0, |word, byte| word << 8 | u64::from(*byte))
        });
        let words: Vec<u64> = words.collect();
        self.service().judge_by(Filters::from_words(&words)?)?;
        Ok(0)
    }

    fn grow(&self, wanted: u64, needed: u64) -> Outcome {
        match self.memory.grow(&self.machinery.vm(), wanted, needed) {
            Ok(Some(bytes)) => Ok(bytes as i64),
            Ok(None) | Err(_) => Err(Errno::ENOMEM),
        }
    }

    /// A word of the guest's memory that other processes may have, too.
    fn word(&self, address: u64) -> Result<*mut u32, Errno> {
        let word = self.memory.host(address, 4).ok_or(Errno::EFAULT)?;
        if address % 4 != 0 {
            return Err(Errno::EINVAL);
        }
        Ok(word.cast())
    }

    fn requeue(&self, address: u64, target: u64, counts: u64, expected: u64) -> Outcome {
        let (word, target) = (self.word(address)?, self.word(target)?);
        futex::requeue_shared(word, target, counts, expected)
    }

    fn wait_for_one(&self, slot: &SlotData, offset: u64, count: u64, deadline: u64) -> Outcome {
        let mut bytes = [0; 16 * FUTEXES];
        let count = usize::try_from(count)
            .ok()
            .filter(|count| *count <= FUTEXES);
        let bytes = &mut bytes[..16 * count.ok_or(Errno::EINVAL)?];
        slot.copy_in(usize::try_from(offset).map_err(|_| Errno::EFAULT)?, bytes)?;
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .rev()
                .fold(0, |all, byte| all << 8 | u64::from(*byte))
        };
        let pair = |bytes: &[u8]| Ok((self.word(number(&bytes[..8]))?, number(&bytes[8..])));
        let words: Result<Vec<_>, Errno> = bytes.chunks_exact(16).map(pair).collect();
        futex::wait_for_one(&words?, deadline)
    }

    fn advise(&self, address: u64, bytes: u64, advice: i32) -> Outcome {
        let pages = self.memory.pages(address, bytes).ok_or(Errno::EFAULT)?;
        // SAFETY: the range lies in the guest's memory above the monitor's own pages; what it holds is
        // the guest's to lose.
        match unsafe { libc::madvise(pages.cast(), bytes as usize, advice) } {
            0 => Ok(0),
            _ => Err(last_errno()),
        }
    }

    /// Anonymous memory again.
    fn unmap_file(&self, address: u64, bytes: u64) -> Outcome {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        self.memory.map(address, bytes, protection, kind, -1, 0)?;
        Ok(0)
    }

    fn map_file(&self, fd: u64, offset: u64, address: u64, bytes: u64, flags: u64) -> Outcome {
        let anonymous = flags & MAP_FILE_ANONYMOUS != 0;
        let (fd, offset) = match anonymous {
            true => (-1, 0),
            false => (self.file(fd, flags)?.as_raw_fd(), offset),
        };
        let shared = flags & MAP_FILE_SHARED != 0 && flags & MAP_FILE_EXECUTABLE == 0;
        let (kind, protection) = match (shared, flags & MAP_FILE_WRITE != 0) {
            (false, _) => (libc::MAP_PRIVATE, libc::PROT_READ | libc::PROT_WRITE),
            (true, false) => (libc::MAP_SHARED, libc::PROT_READ),
            (true, true) => (libc::MAP_SHARED, libc::PROT_READ | libc::PROT_WRITE),
        };
        let kind = kind | if anonymous { libc::MAP_ANONYMOUS } else { 0 };
        let offset = libc::off_t::try_from(offset).map_err(|_| Errno::EOVERFLOW)?;
        // The guest may see the file, as it holds a descriptor of it.
        let pages = self
            .memory
            .map(address, bytes, protection, kind, fd, offset)?;
        let advice = match flags & MAP_FILE_WRITE != 0 {
            true if !shared => Some(MADV_POPULATE_WRITE),
            _ => (bytes <= POPULATED_FILE).then_some(MADV_POPULATE_READ),
        };
        if let Some(advice) = advice.filter(|_| !anonymous) {
            // SAFETY: the range was just mapped. An error (beyond the file's end) changes nothing.
            unsafe { libc::madvise(pages.cast(), bytes as usize, advice) };
        }
        Ok(0)
    }

    /// A segment of System V shared memory over guest pages.
    fn attach(&self, id: u64, address: u64, bytes: u64, flags: u64) -> Outcome {
        let id = id as i32;
        self.memory.pages(address, bytes).ok_or(Errno::EFAULT)?;
        let flags = flags as i32 & libc::SHM_RDONLY;
        // SAFETY: shmat(2) makes a new mapping, at an address that the host chooses.
        let new = unsafe { libc::shmat(id, std::ptr::null(), flags) };
        if new == libc::MAP_FAILED {
            return Err(last_errno());
        }
        // Only now the id stays this segment's, whoever removes and makes others meanwhile.
        let whole = segment_bytes(id)?;
        if whole != bytes {
            // SAFETY: the new mapping is used by nobody, and as long as the segment.
            unsafe { libc::munmap(new, whole as usize) };
            return Err(Errno::EINVAL);
        }
        self.memory.replace(address, bytes, new)?;
        Ok(0)
    }

    fn find_cpuid(&self, slot: &SlotData, args: &[u64; 6]) -> Outcome {
        let [fd, start, bytes, offset, flags, _] = *args;
        let bytes = usize::try_from(bytes)
            .map_err(|_| Errno::EINVAL)?
            .min(SEARCHED);
        let file = self.file(fd, flags)?;
        let sites = self.machinery.sites.as_ref();
        let sites = sites.and_then(|sites| Some((sites, sites::key(file, start, bytes)?)));
        let found = match sites.and_then(|(sites, key)| sites.find(key)) {
            Some(found) => found,
            None => {
                let mut found = Vec::new();
                search::cpuid(file, start, bytes, |at| {
                    found.push(at as u32);
                    found.len() < FOUND
                })?;
                if let Some((sites, key)) = sites {
                    sites.keep(key, &found);
                }
                found
            }
        };
        let offset = usize::try_from(offset).map_err(|_| Errno::EFAULT)?;
        let words: Vec<[u8; 4]> = found.iter().map(|place| place.to_le_bytes()).collect();
        slot.copy_out(offset, words.as_flattened())?;
        Ok(found.len() as i64)
    }

    /// The file that a request names: the program's own, or a descriptor of the guest.
    fn file(&self, fd: u64, flags: u64) -> Result<BorrowedFd<'_>, Errno> {
        if flags & MAP_FILE_EXECUTABLE != 0 {
            return Ok(self.machinery.executable.as_fd());
        }
        let fd = RawFd::try_from(fd).map_err(|_| Errno::EBADF)?;
        if !self.service().owns(fd) {
            return Err(Errno::EBADF);
        }
        // SAFETY: the guest's descriptors are for it to close; what the number means in the call
        // that follows is its own matter, and it is none of the monitor's.
        Ok(unsafe { BorrowedFd::borrow_raw(fd) })
    }

    fn sync(&self, address: u64, bytes: u64) -> Outcome {
        let start = address & !(PAGE - 1);
        let bytes = (address - start)
            .checked_add(bytes)
            .and_then(|bytes| bytes.checked_next_multiple_of(PAGE))
            .filter(|bytes| *bytes <= GRANULE)
            .ok_or(Errno::EINVAL)?;
        let pages = self.memory.pages(start, bytes).ok_or(Errno::EFAULT)?;
        // SAFETY: the range lies in the guest's memory; msync(2) only reads it.
        match unsafe { libc::msync(pages.cast(), bytes as usize, libc::MS_SYNC) } {
            0 => Ok(0),
            _ => Err(last_errno()),
        }
    }

    fn clock(
        &self,
        slot: &SlotData,
        clock: u64,
        offset: u64,
        read: unsafe extern "C" fn(libc::clockid_t, *mut libc::timespec) -> i32,
    ) -> Outcome {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: `read` is clock_gettime(2) or clock_getres(2), which fill one timespec.
        if unsafe { read(clock as libc::clockid_t, &mut time) } != 0 {
            return Err(last_errno());
        }
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&time.tv_sec.to_le_bytes());
        bytes[8..].copy_from_slice(&time.tv_nsec.to_le_bytes());
        slot.copy_out(usize::try_from(offset).map_err(|_| Errno::EFAULT)?, &bytes)?;
        Ok(0)
    }

    /// Queues a signal of the process's own for a signalfd to tell of.
    fn signal(&self, slot: &SlotData, signal: u64, offset: u64) -> Outcome {
        let mut bytes = [0; INFO_WORDS * 4];
        slot.copy_in(
            usize::try_from(offset).map_err(|_| Errno::EFAULT)?,
            &mut bytes,
        )?;
        let mut words = [0; INFO_WORDS];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(4)) {
            *word = bytes
                .iter()
                .rev()
                .fold(0, |word, byte| word << 8 | u32::from(*byte));
        }
        signals::queue(signal, &words)
    }

    fn log(&self, slot: &SlotData, offset: u64, bytes: u64) -> Outcome {
        let mut text = vec![0; usize::try_from(bytes).unwrap_or(LOG_BYTES).min(LOG_BYTES)];
        slot.copy_in(
            usize::try_from(offset).map_err(|_| Errno::EFAULT)?,
            &mut text,
        )?;
        report::line(&text);
        Ok(0)
    }

    /// More threads of this process, or fewer.
    fn may_have(&self, threads: u64) -> Outcome {
        if let Some(census) = self.machinery.census {
            let threads = u32::try_from(threads).map_err(|_| Errno::EAGAIN)?;
            let service = self.service();
            census.grant(threads, service.user_limit(), &|| service.pids())?;
        }
        Ok(0)
    }

    /// Room for one more process.
    pub(super) fn reserve(&self) -> Result<(), Errno> {
        let service = self.service();
        match self.machinery.census {
            Some(census) => census.reserve(service.user_limit(), &|| service.pids()),
            None => Ok(()),
        }
    }

    /// What came of it: the new process, or none.
    pub(super) fn reserved(&self, child: Option<u32>) {
        match (self.machinery.census, child) {
            (Some(census), Some(pid)) => census.made(pid),
            (Some(census), None) => census.release(),
            (None, _) => {}
        }
    }

    /// The program has ended, and so does this process.
    pub(super) fn end(&self, status: ExitStatus) -> ! {
        if let Some(census) = self.machinery.census {
            census.end();
        }
        if self.machinery.verbose {
            report::counters(self);
        }
        awaited::go_on();
        end_as(status)
    }
}

/// membarrier(2): every thread of the machine passes a barrier.
fn barrier() -> Outcome {
    /// linux/membarrier.h.
    const GLOBAL: libc::c_int = 1;
    // SAFETY: the call takes numbers.
    match unsafe { libc::syscall(libc::SYS_membarrier, GLOBAL, 0, 0) } {
        0 => Ok(0),
        _ => Err(last_errno()),
    }
}

/// The bytes of a segment of System V shared memory, in whole pages.
fn segment_bytes(id: i32) -> Result<u64, Errno> {
    // SAFETY: shmid_ds consists of integers; zero is a value of each.
    let mut state: libc::shmid_ds = unsafe { std::mem::zeroed() };
    // SAFETY: shmctl(2) fills the structure.
    if unsafe { libc::shmctl(id, libc::IPC_STAT, &mut state) } != 0 {
        return Err(last_errno());
    }
    (state.shm_segsz as u64)
        .checked_next_multiple_of(PAGE)
        .ok_or(Errno::EINVAL)
}
