//! Requests to the machine itself. Their numbers follow Linux's, and they travel as system calls do.

/// One request, as it is documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MachineRequest {
    pub number: u32,
    pub name: &'static str,
    /// What its arguments are, in order.
    pub arguments: &'static [&'static str],
    pub text: &'static str,
}

macro_rules! requests {
    ($($(#[doc = $text:literal])+ $number:literal $name:ident ($($argument:ident),*))*) => {
        $(
            #[doc = concat!("`(", stringify!($($argument),*), ")`:")]
            $(#[doc = $text])+
            pub const $name: u32 = $number;
        )*

        /// All requests, by number.
        pub static REQUESTS: &[MachineRequest] = &[$(MachineRequest {
            number: $number,
            name: stringify!($name),
            arguments: &[$(stringify!($argument)),*],
            text: concat!($($text),+),
        }),*];
    };
}

requests! {
    /// Guest-physical memory grows to `wanted` bytes, or to `needed` where `wanted` is over the
    /// limit. Returns the new size.
    1024 GROW (wanted, needed)
    /// Give these guest-physical pages memory now, zeroed if they had none.
    1025 POPULATE (address, bytes)
    /// The memory of these pages goes back to the host; they read as zero.
    1026 DISCARD (address, bytes)
    /// Map a file over these guest-physical pages. Flags: `MAP_FILE_SHARED`, `MAP_FILE_WRITE`,
    /// `MAP_FILE_EXECUTABLE`, `MAP_FILE_ANONYMOUS`.
    1027 MAP_FILE (fd, offset, address, bytes, flags)
    /// The process ends with exit_group(code). Not answered.
    1028 EXIT (code)
    /// The process dies of a signal that the kernel found (a fault). Not answered.
    1029 EXIT_SIGNAL (signal)
    /// A text in the slot's data for the monitor's log.
    1030 LOG (offset, bytes)
    /// Give these pages large pages in the host (MADV_HUGEPAGE).
    1031 LARGE (address, bytes)
    /// What the host shall do with a signal of that number: `DISPOSITION_DEFAULT`, `_IGNORE`, or
    /// `_HANDLE` (the monitor keeps it for the kernel).
    1032 DISPOSITION (signal, disposition)
    /// The process blocks the signals that the channel's header says (`held`) from now on.
    1033 BLOCK ()
    /// The set of signals that are pending in the host.
    1034 PENDING ()
    /// Waits for a signal (pause(2)); EINTR.
    1035 PAUSE ()
    /// The program's RLIMIT_NOFILE, which the monitor enforces.
    1036 SET_NOFILE (soft, hard)
    /// clock_gettime(2) into 16 bytes of the slot.
    1037 CLOCK_GETTIME (clock, offset)
    /// clock_getres(2) into 16 bytes of the slot.
    1038 CLOCK_GETRES (clock, offset)
    /// msync(2) with MS_SYNC of pages over which a file is mapped.
    1039 SYNC (address, bytes)
    /// The file mapped over these pages is unmapped; they read as zero.
    1040 UNMAP_FILE (address, bytes)
    /// Where the bytes of `cpuid` (0F A2) stand in this part of a file, from `start`: up to `FOUND`
    /// offsets of 4 bytes, in order, into the slot at `offset`. Returns how many. Flags:
    /// `MAP_FILE_EXECUTABLE`.
    1041 FIND_CPUID (fd, start, bytes, offset, flags)
    /// The vCPU has nothing to run: it waits until its `woken` is not that any more, until the
    /// monotonic clock reaches the deadline (nanoseconds; 0: none), or until a signal.
    1042 IDLE (vcpu, woken, deadline)
    /// Threads shall be preempted: vCPUs are kicked when others wait for them. That ends by itself when
    /// there is but one thread (the channel's `several` and `ticking`).
    1043 PREEMPT ()
    /// The call that a worker makes for this slot shall end with EINTR.
    1044 CANCEL (slot)
    /// fork(2): 0 in the child, whose boot information has its pid; made by the vCPU's own thread only.
    /// `awaited`: [`AWAIT`] follows.
    1045 FORK (awaited)
    /// A timer (timer_create(2)) of this clock that tells of its expiry by a note. Returns its id.
    1046 TIMER_CREATE (clock)
    /// timer_delete(2).
    1047 TIMER_DELETE (id)
    /// rt_sigqueueinfo(2) to the process itself, with a siginfo_t of `INFO_WORDS` words in the slot: for
    /// signals that a signalfd of the host shall tell of.
    1048 SIGNAL (signal, offset)
    /// shmat(2) over these guest-physical pages, which are as many as the segment has. Flags: its own.
    1049 ATTACH (id, address, bytes, flags)
    /// execveat(2): the guest-physical `bytes` at `address` hold an `ExecInfo`, then its strings. Answered
    /// only when it fails; made by the vCPU's own thread only.
    1050 EXEC (address, bytes)
    /// vfork(2): a child process uses the same memory and the same vCPU, whose thread waits until the
    /// child has executed a program or ended, which the channel's `child_ended` says. 0 in the child,
    /// whose boot information has its pid. Until then no request goes by the ring, or apart; made by
    /// the vCPU's own thread only.
    1051 VFORK ()
    /// futex(2), FUTEX_WAIT_BITSET, of a word that other processes share, until the monotonic clock
    /// reaches the deadline (nanoseconds; 0: none). `owner`, if it is not 0, is the process that holds
    /// the word as a lock: EOWNERDEAD when it has ended.
    1052 FUTEX_WAIT (address, value, bits, deadline, owner)
    /// futex(2), FUTEX_WAKE_BITSET, likewise.
    1053 FUTEX_WAKE (address, count, bits)
    /// The next vCPU starts, whose pages the kernel has filled; made by a vCPU's own thread only.
    1054 START_VCPU (vcpu)
    /// Each vCPU of the set shall enter its kernel soon: it is woken, or kicked out of the program.
    1055 WAKE (set)
    /// The monitor judges every call from now on, by the filters that the process began with and by
    /// those that stand in these guest-physical `words` at `address`, which all threads have.
    1056 SECCOMP (address, words)
    /// futex(2), FUTEX_CMP_REQUEUE, or FUTEX_REQUEUE if `expected` is [`FUTEX_ANY_VALUE`], of words that
    /// other processes share. `counts`: how many to wake; how many to move, from bit 32 on.
    1057 FUTEX_REQUEUE (address, target, counts, expected)
    /// The process may have that many threads from now on, of which the container's limit and that of
    /// its user have room for the new ones; EAGAIN.
    1058 TASKS (threads)
    /// futex_waitv(2) of words that other processes share: `count` pairs of an address and a value stand in
    /// the slot at `offset`. The deadline as of `FUTEX_WAIT`. Returns which was woken.
    1059 FUTEX_WAITV (offset, count, deadline)
    /// Waits until a child has executed a program or ended (clone(2), CLONE_VFORK).
    1060 AWAIT (pid)
    /// membarrier(2), MEMBARRIER_CMD_GLOBAL.
    1061 BARRIER ()
    /// madvise(2), MADV_REMOVE, of pages over which shared memory is mapped: all who have it read zeroes there.
    1062 REMOVE (address, bytes)
    /// setrlimit(2) of a limit that the host enforces: of CPU time, files' sizes, message queues, priorities.
    1063 LIMIT (resource, soft, hard)
}

/// The most offsets that [`FIND_CPUID`] finds.
pub const FOUND: usize = 1024;

pub const DISPOSITION_DEFAULT: u64 = 0;
pub const DISPOSITION_IGNORE: u64 = 1;
pub const DISPOSITION_HANDLE: u64 = 2;

/// Stores go to the file (MAP_SHARED), not to a private copy.
pub const MAP_FILE_SHARED: u64 = 1;
/// The pages will be written: with `MAP_FILE_SHARED` the descriptor must allow it, without they get their copies now.
pub const MAP_FILE_WRITE: u64 = 2;
/// `fd` and `offset` are ignored: new memory, which children of fork(2) share if it is
/// [`MAP_FILE_SHARED`].
pub const MAP_FILE_ANONYMOUS: u64 = 8;
/// `fd` is ignored: the program's own file, which the kernel has no descriptor of.
pub const MAP_FILE_EXECUTABLE: u64 = 4;

/// No u32.
pub const FUTEX_ANY_VALUE: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_each_other_and_those_of_calls() {
        for (number, request) in (GROW..).zip(REQUESTS) {
            assert_eq!(request.number, number, "{}", request.name);
            assert!(request.arguments.len() <= 5, "{}", request.name);
        }
        assert!(GROW as usize >= crate::calls::NUMBERS);
    }
}
