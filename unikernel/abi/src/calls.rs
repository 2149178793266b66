//! The system calls: one row each, from which come the kernel's dispatch, the monitor's checks and
//! docs/abi.md. Numbers are those of x86_64 (arch/x86/entry/syscalls/syscall_64.tbl).
//!
//! A row's way says who does the call:
//! - `guest`: the kernel, by the handler of that name in `unikernel/src/syscalls`;
//! - `host`: the monitor, on the container's behalf. The kernel turns each argument as its [`Arg`]
//!   says; the monitor checks each by the same word and makes the call;
//! - `either`: the kernel's handler of that name, which passes on what it cannot answer alone, as a
//!   `host` row says;
//! - `refused`: nobody, with this error and for this reason. ENOSYS is counted as missing.
//!
//! A number without a row is ENOSYS and counted.

mod commands;
pub mod machine;

pub use commands::{fcntl, ioctl};

use crate::errno::Errno;

/// How the kernel passes one argument to the monitor, and what the monitor checks of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arg {
    /// A number, as it is.
    Int,
    /// A descriptor of the guest.
    Fd,
    /// A descriptor of the guest, or AT_FDCWD.
    DirFd,
    /// The offset in the slot of a string that ends with a zero byte, at most PATH_MAX; 0 is NULL.
    Path,
    /// The offset in the slot of that many bytes which the call reads; 0 is NULL.
    In(u32),
    /// ... which the call writes.
    Out(u32),
    /// ... which it reads and writes.
    InOut(u32),
    /// Bytes that the call reads, as many as the argument of that index says.
    InLen(u8),
    /// Bytes that the call writes, at most as many as the argument of that index says (and
    /// [`MAX_DATA`]); as many are valid as the call returns.
    OutLen(u8),
    /// An array that the call reads and writes: bytes of an item, index of the item count.
    InOutItems(u32, u8),
    /// ... that the call writes: as many items are valid as it returns.
    OutItems(u32, u8),
    /// ... that the call reads.
    InItems(u32, u8),
    /// Memory of the guest that the call reads, as long as the argument of that index says. The
    /// monitor gets [`crate::channel::segments`].
    BufferIn(u8),
    /// ... that the call writes.
    BufferOut(u8),
    /// An iovec array with as many items as the argument of that index says, whose memory the call
    /// reads; the monitor gets [`crate::channel::segments`].
    VectorIn(u8),
    /// ... writes.
    VectorOut(u8),
    /// The third argument of ioctl(2): as [`ioctl`] says of the second.
    Ioctl,
    /// The third argument of fcntl(2): as [`fcntl`] says of the second.
    Fcntl,
}

/// How a host call may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// It does not, but for a disk: any server does it.
    Never,
    /// It may: a helper tries it without blocking and answers
    /// [`crate::channel::state::WOULD_BLOCK`] if it would.
    Maybe,
    /// It does, or nobody can tell: the vCPU's own thread does it.
    Always,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Guest,
    Host(Wait, &'static [Arg]),
    /// The kernel, or the monitor for it.
    Either(Wait, &'static [Arg]),
    Refused(Errno, &'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    pub number: u32,
    pub name: &'static str,
    pub way: Way,
}

/// The most bytes that one `In`, `Out`, `InLen` or `OutLen` argument carries.
pub const MAX_DATA: u32 = 16 << 10;
/// Linux's PATH_MAX, the final zero byte included.
pub const PATH_MAX: u32 = 4096;

/// Calls a macro with all rows: `number name (way)`.
#[macro_export]
macro_rules! for_each_call {
    ($callback:ident) => {
        $callback! {
            0 read (host Maybe [Fd BufferOut(2) Int])
            1 write (host Maybe [Fd BufferIn(2) Int])
            2 open (host Maybe [Path Int Int])
            3 close (host Never [Fd])
            4 stat (host Never [Path Out(144)])
            5 fstat (host Never [Fd Out(144)])
            6 lstat (host Never [Path Out(144)])
            7 poll (host Always [InOutItems(8, 1) Int Int])
            8 lseek (host Never [Fd Int Int])
            9 mmap (guest)
            10 mprotect (guest)
            11 munmap (guest)
            12 brk (guest)
            13 rt_sigaction (guest)
            14 rt_sigprocmask (guest)
            15 rt_sigreturn (guest)
            16 ioctl (host Never [Fd Int Ioctl])
            17 pread64 (host Never [Fd BufferOut(2) Int Int])
            18 pwrite64 (host Never [Fd BufferIn(2) Int Int])
            19 readv (host Maybe [Fd VectorOut(2) Int])
            20 writev (host Maybe [Fd VectorIn(2) Int])
            21 access (host Never [Path Int])
            22 pipe (host Never [Out(8)])
            23 select (host Always [Int InOut(128) InOut(128) InOut(128) InOut(16)])
            24 sched_yield (guest)
            25 mremap (guest)
            26 msync (guest)
            27 mincore (guest)
            28 madvise (guest)
            32 dup (host Never [Fd])
            33 dup2 (host Never [Fd Int])
            34 pause (guest)
            35 nanosleep (guest)
            36 getitimer (host Never [Int Out(32)])
            37 alarm (host Never [Int])
            38 setitimer (host Never [Int In(32) Out(32)])
            39 getpid (guest)
            40 sendfile (host Always [Fd Fd InOut(8) Int])
            56 clone (guest)
            57 fork (guest)
            58 vfork (guest)
            59 execve (refused ENOSYS "processes are not supported yet")
            60 exit (guest)
            61 wait4 (host Always [Int Out(4) Int Out(144)])
            62 kill (host Always [Int Int])
            63 uname (host Never [Out(390)])
            72 fcntl (host Maybe [Fd Int Fcntl])
            73 flock (host Always [Fd Int])
            74 fsync (host Never [Fd])
            75 fdatasync (host Never [Fd])
            76 truncate (host Never [Path Int])
            77 ftruncate (host Never [Fd Int])
            79 getcwd (host Never [OutLen(1) Int])
            80 chdir (host Never [Path])
            81 fchdir (host Never [Fd])
            82 rename (host Never [Path Path])
            83 mkdir (host Never [Path Int])
            84 rmdir (host Never [Path])
            85 creat (host Maybe [Path Int])
            86 link (host Never [Path Path])
            87 unlink (host Never [Path])
            88 symlink (host Never [Path Path])
            89 readlink (host Never [Path OutLen(2) Int])
            90 chmod (host Never [Path Int])
            91 fchmod (host Never [Fd Int])
            92 chown (host Never [Path Int Int])
            93 fchown (host Never [Fd Int Int])
            94 lchown (host Never [Path Int Int])
            95 umask (host Never [Int])
            96 gettimeofday (guest)
            97 getrlimit (guest)
            98 getrusage (host Always [Int Out(144)])
            99 sysinfo (host Never [Out(112)])
            100 times (host Never [Out(32)])
            101 ptrace (refused EPERM "a monitor is not to be traced by its guests")
            102 getuid (host Never [])
            104 getgid (host Never [])
            105 setuid (host Never [Int])
            106 setgid (host Never [Int])
            107 geteuid (host Never [])
            108 getegid (host Never [])
            109 setpgid (host Never [Int Int])
            110 getppid (host Never [])
            111 getpgrp (host Never [])
            112 setsid (host Never [])
            113 setreuid (host Never [Int Int])
            114 setregid (host Never [Int Int])
            115 getgroups (host Never [Int OutItems(4, 0)])
            116 setgroups (host Never [Int InItems(4, 0)])
            117 setresuid (host Never [Int Int Int])
            118 getresuid (host Never [Out(4) Out(4) Out(4)])
            119 setresgid (host Never [Int Int Int])
            120 getresgid (host Never [Out(4) Out(4) Out(4)])
            121 getpgid (host Never [Int])
            122 setfsuid (host Never [Int])
            123 setfsgid (host Never [Int])
            124 getsid (host Never [Int])
            125 capget (host Never [InOut(8) InOut(24)])
            126 capset (host Never [In(8) In(24)])
            127 rt_sigpending (guest)
            128 rt_sigtimedwait (guest)
            129 rt_sigqueueinfo (either Never [Int Int In(128)])
            130 rt_sigsuspend (guest)
            131 sigaltstack (guest)
            132 utime (host Never [Path In(16)])
            133 mknod (host Never [Path Int Int])
            135 personality (guest)
            137 statfs (host Never [Path Out(120)])
            138 fstatfs (host Never [Fd Out(120)])
            140 getpriority (host Never [Int Int])
            141 setpriority (host Never [Int Int Int])
            149 mlock (guest)
            150 munlock (guest)
            151 mlockall (guest)
            152 munlockall (guest)
            157 prctl (guest)
            158 arch_prctl (guest)
            160 setrlimit (guest)
            161 chroot (host Never [Path])
            162 sync (host Never [])
            170 sethostname (host Never [InLen(1) Int])
            171 setdomainname (host Never [InLen(1) Int])
            186 gettid (guest)
            187 readahead (host Never [Fd Int Int])
            188 setxattr (host Never [Path Path InLen(3) Int Int])
            189 lsetxattr (host Never [Path Path InLen(3) Int Int])
            190 fsetxattr (host Never [Fd Path InLen(3) Int Int])
            191 getxattr (host Never [Path Path OutLen(3) Int])
            192 lgetxattr (host Never [Path Path OutLen(3) Int])
            193 fgetxattr (host Never [Fd Path OutLen(3) Int])
            194 listxattr (host Never [Path OutLen(2) Int])
            195 llistxattr (host Never [Path OutLen(2) Int])
            196 flistxattr (host Never [Fd OutLen(2) Int])
            197 removexattr (host Never [Path Path])
            198 lremovexattr (host Never [Path Path])
            199 fremovexattr (host Never [Fd Path])
            200 tkill (guest)
            201 time (guest)
            202 futex (guest)
            203 sched_setaffinity (host Always [Int Int InLen(1)])
            204 sched_getaffinity (host Always [Int Int OutLen(1)])
            213 epoll_create (host Never [Int])
            217 getdents64 (host Never [Fd OutLen(2) Int])
            218 set_tid_address (guest)
            221 fadvise64 (host Never [Fd Int Int Int])
            222 timer_create (guest)
            223 timer_settime (host Never [Int Int In(32) Out(32)])
            224 timer_gettime (host Never [Int Out(32)])
            225 timer_getoverrun (guest)
            226 timer_delete (guest)
            228 clock_gettime (guest)
            229 clock_getres (guest)
            230 clock_nanosleep (guest)
            231 exit_group (guest)
            232 epoll_wait (host Always [Fd OutItems(12, 2) Int Int])
            233 epoll_ctl (host Never [Fd Int Fd In(12)])
            234 tgkill (guest)
            235 utimes (host Never [Path In(32)])
            247 waitid (host Always [Int Int Out(128) Int Out(144)])
            257 openat (host Maybe [DirFd Path Int Int])
            258 mkdirat (host Never [DirFd Path Int])
            259 mknodat (host Never [DirFd Path Int Int])
            260 fchownat (host Never [DirFd Path Int Int Int])
            261 futimesat (host Never [DirFd Path In(32)])
            262 newfstatat (host Never [DirFd Path Out(144) Int])
            263 unlinkat (host Never [DirFd Path Int])
            264 renameat (host Never [DirFd Path DirFd Path])
            265 linkat (host Never [DirFd Path DirFd Path Int])
            266 symlinkat (host Never [Path DirFd Path])
            267 readlinkat (host Never [DirFd Path OutLen(3) Int])
            268 fchmodat (host Never [DirFd Path Int])
            269 faccessat (host Never [DirFd Path Int])
            270 pselect6 (either Always [Int InOut(128) InOut(128) InOut(128) InOut(16) Int])
            271 ppoll (either Always [InOutItems(8, 1) Int InOut(16) Int Int])
            273 set_robust_list (guest)
            274 get_robust_list (guest)
            277 sync_file_range (host Never [Fd Int Int Int])
            280 utimensat (host Never [DirFd Path In(32) Int])
            281 epoll_pwait (either Always [Fd OutItems(12, 2) Int Int Int Int])
            282 signalfd (either Never [Int In(8) Int])
            283 timerfd_create (host Never [Int Int])
            285 fallocate (host Never [Fd Int Int Int])
            286 timerfd_settime (host Never [Fd Int In(32) Out(32)])
            287 timerfd_gettime (host Never [Fd Out(32)])
            289 signalfd4 (either Never [Int In(8) Int Int])
            290 eventfd2 (host Never [Int Int])
            291 epoll_create1 (host Never [Int])
            292 dup3 (host Never [Fd Int Int])
            293 pipe2 (host Never [Out(8) Int])
            295 preadv (host Never [Fd VectorOut(2) Int Int Int])
            296 pwritev (host Never [Fd VectorIn(2) Int Int Int])
            297 rt_tgsigqueueinfo (either Never [Int Int Int In(128)])
            302 prlimit64 (guest)
            306 syncfs (host Never [Fd])
            309 getcpu (guest)
            310 process_vm_readv (refused EPERM "it would read a monitor")
            311 process_vm_writev (refused EPERM "it would write a monitor")
            316 renameat2 (host Never [DirFd Path DirFd Path Int])
            318 getrandom (host Never [BufferOut(1) Int Int])
            319 memfd_create (host Never [Path Int])
            322 execveat (refused ENOSYS "processes are not supported yet")
            324 membarrier (guest)
            326 copy_file_range (host Never [Fd InOut(8) Fd InOut(8) Int Int])
            327 preadv2 (host Maybe [Fd VectorOut(2) Int Int Int Int])
            328 pwritev2 (host Maybe [Fd VectorIn(2) Int Int Int Int])
            332 statx (host Never [DirFd Path Int Int Out(256)])
            334 rseq (refused ENOSYS "critical sections that were preempted are not restarted yet")
            425 io_uring_setup (refused ENOSYS "its rings would be a second way to the host")
            435 clone3 (guest)
            436 close_range (host Never [Int Int Int])
            437 openat2 (host Maybe [DirFd Path InLen(3) Int])
            439 faccessat2 (host Never [DirFd Path Int Int])
            441 epoll_pwait2 (either Always [Fd OutItems(12, 2) Int In(16) Int Int])
            452 fchmodat2 (host Never [DirFd Path Int Int])
        }
    };
}

macro_rules! way {
    (guest) => {
        Way::Guest
    };
    (refused $errno:ident $why:literal) => {
        Way::Refused(Errno::$errno, $why)
    };
    (either $wait:ident [$($arg:ident $(($($parameter:literal),*))?)*]) => {
        Way::Either(Wait::$wait, &[$(Arg::$arg $(($($parameter),*))?),*])
    };
    (host $wait:ident [$($arg:ident $(($($parameter:literal),*))?)*]) => {
        Way::Host(Wait::$wait, &[$(Arg::$arg $(($($parameter),*))?),*])
    };
}

macro_rules! table {
    ($($number:literal $name:ident ($($way:tt)*))*) => {
        /// All rows, by number.
        pub static CALLS: &[Call] = &[
            $(Call { number: $number, name: stringify!($name), way: way!($($way)*) }),*
        ];
    };
}

for_each_call!(table);

const fn position(number: u32) -> u16 {
    let mut at = 0;
    while at < CALLS.len() {
        if CALLS[at].number == number {
            return at as u16 + 1;
        }
        at += 1;
    }
    0
}

/// Numbers from here on have no row.
pub const NUMBERS: usize = 512;

static POSITIONS: [u16; NUMBERS] = {
    let mut positions = [0; NUMBERS];
    let mut number = 0;
    while number < NUMBERS {
        positions[number] = position(number as u32);
        number += 1;
    }
    positions
};

impl Call {
    /// How the monitor makes the call, if it ever does.
    pub fn host(&self) -> Option<(Wait, &'static [Arg])> {
        match self.way {
            Way::Host(wait, kinds) | Way::Either(wait, kinds) => Some((wait, kinds)),
            Way::Guest | Way::Refused(..) => None,
        }
    }
}

/// The row of a number.
pub fn find(number: u64) -> Option<&'static Call> {
    let position = *POSITIONS.get(usize::try_from(number).ok()?)?;
    CALLS.get(usize::from(position).checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_order_and_found() {
        for pair in CALLS.windows(2) {
            assert!(pair[0].number < pair[1].number, "{}", pair[1].name);
        }
        for call in CALLS {
            assert_eq!(find(u64::from(call.number)), Some(call));
            if let Some((_, args)) = call.host() {
                assert!(args.len() <= 6, "{}", call.name);
            }
        }
        assert_eq!(find(511), None);
        assert_eq!(find(u64::MAX), None);
    }
}
