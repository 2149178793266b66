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

pub mod commands;
pub mod machine;

pub use commands::{control, fcntl, ioctl};

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
    /// A System V message that the call reads: its type, 8 bytes, and as many bytes as the argument of
    /// that index says.
    InMessage(u8),
    /// ... that it writes: as many bytes of it as the call returns.
    OutMessage(u8),
    /// The last argument of shmctl(2), semctl(2), msgctl(2): as [`control`] says of the command before
    /// it.
    Shmctl,
    Semctl,
    Msgctl,
    /// A struct file_handle (name_to_handle_at(2)) with room for as many bytes as its first word says,
    /// [`HANDLE_BYTES`] at most. It is written even if the call fails.
    FileHandle,
    /// A family of sockets: one of [`crate::sockets::family`].
    Family,
    /// A socket's address that the call reads, as long as the argument of that index says, an int.
    Address(u8),
    /// ... that it writes. The argument of that index is where its length stands: first the room, then
    /// the address's own. The monitor gets a [`crate::sockets::Sized`] with room for any address.
    AddressOut(u8),
    /// The value of a socket's option, read by setsockopt(2): [`crate::sockets::option`].
    Option,
    /// ... written by getsockopt(2): a [`crate::sockets::Sized`].
    OptionOut,
    /// A struct ifconf (netdevice(7)), whose array the call writes; the monitor gets a
    /// [`crate::sockets::Sized`].
    Interfaces,
    /// A struct msghdr whose parts the call reads; the monitor gets a [`crate::sockets::Message`].
    HeaderIn,
    /// ... writes.
    HeaderOut,
    /// The offset in the slot from which on the monitor tells what stands in the sockets that are ready
    /// ([`crate::streams`]); 0: nowhere.
    Ahead,
    /// The offset in the slot of an openat(2) that the monitor makes once it has told what stands in sockets
    /// ([`crate::streams::Again`]); 0: none.
    Again,
    /// The offset in the slot of a struct stat, in which the monitor tells the state of a regular file that the call opened
    /// for reading; 0: it does not.
    State,
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
/// Bytes before a System V message, and before a file handle.
pub const HEAD_BYTES: u32 = 8;
/// Linux's MAX_HANDLE_SZ.
pub const HANDLE_BYTES: u32 = 128;
/// Linux's PATH_MAX, the final zero byte included.
pub const PATH_MAX: u32 = 4096;

/// Calls a macro with all rows: `number name (way)`.
#[macro_export]
macro_rules! for_each_call {
    ($callback:ident) => {
        $callback! {
            0 read (host Maybe [Fd BufferOut(2) Int])
            1 write (host Maybe [Fd BufferIn(2) Int])
            2 open (host Maybe [Path Int Int State])
            3 close (host Never [Fd])
            4 stat (host Never [Path Out(144)])
            5 fstat (host Never [Fd Out(144)])
            6 lstat (host Never [Path Out(144)])
            7 poll (host Maybe [InOutItems(8, 1) Int Int])
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
            23 select (host Maybe [Int InOut(128) InOut(128) InOut(128) InOut(16)])
            24 sched_yield (guest)
            25 mremap (guest)
            26 msync (guest)
            27 mincore (guest)
            28 madvise (guest)
            29 shmget (host Never [Int Int Int])
            30 shmat (guest)
            31 shmctl (host Never [Int Int Shmctl])
            32 dup (host Never [Fd])
            33 dup2 (host Never [Fd Int])
            34 pause (guest)
            35 nanosleep (guest)
            36 getitimer (host Never [Int Out(32)])
            37 alarm (host Never [Int])
            38 setitimer (host Never [Int In(32) Out(32)])
            39 getpid (guest)
            40 sendfile (host Maybe [Fd Fd InOut(8) Int])
            41 socket (host Never [Family Int Int])
            42 connect (host Maybe [Fd Address(2) Int])
            43 accept (host Maybe [Fd AddressOut(2) Int])
            44 sendto (host Maybe [Fd BufferIn(2) Int Int Address(5) Int])
            45 recvfrom (host Maybe [Fd BufferOut(2) Int Int AddressOut(5) Int])
            46 sendmsg (host Maybe [Fd HeaderIn Int])
            47 recvmsg (host Maybe [Fd HeaderOut Int])
            48 shutdown (host Never [Fd Int])
            49 bind (host Never [Fd Address(2) Int])
            50 listen (host Never [Fd Int])
            51 getsockname (host Never [Fd AddressOut(2) Int])
            52 getpeername (host Never [Fd AddressOut(2) Int])
            53 socketpair (host Never [Family Int Int Out(8)])
            54 setsockopt (host Never [Fd Int Int Option Int])
            55 getsockopt (host Never [Fd Int Int OptionOut Int])
            56 clone (guest)
            57 fork (guest)
            58 vfork (guest)
            59 execve (guest)
            60 exit (guest)
            61 wait4 (host Always [Int Out(4) Int Out(144)])
            62 kill (host Always [Int Int])
            63 uname (host Never [Out(390)])
            64 semget (host Never [Int Int Int])
            65 semop (host Always [Int InItems(6, 2) Int])
            66 semctl (host Never [Int Int Int Semctl])
            67 shmdt (guest)
            68 msgget (host Never [Int Int])
            69 msgsnd (host Always [Int InMessage(2) Int Int])
            70 msgrcv (host Always [Int OutMessage(2) Int Int Int])
            71 msgctl (host Never [Int Int Msgctl])
            72 fcntl (host Maybe [Fd Int Fcntl])
            73 flock (host Always [Fd Int])
            74 fsync (host Never [Fd])
            75 fdatasync (host Never [Fd])
            76 truncate (host Never [Path Int])
            77 ftruncate (host Never [Fd Int])
            78 getdents (host Never [Fd OutLen(2) Int])
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
            103 syslog (refused EPERM "the host's log is not the container's")
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
            134 uselib (refused ENOSYS "Linux has no libraries of that kind any more")
            135 personality (guest)
            136 ustat (host Never [Int Out(32)])
            137 statfs (host Never [Path Out(120)])
            138 fstatfs (host Never [Fd Out(120)])
            139 sysfs (refused ENOSYS "obsolete: /proc/filesystems tells it")
            140 getpriority (host Never [Int Int])
            141 setpriority (host Never [Int Int Int])
            142 sched_setparam (host Never [Int In(4)])
            143 sched_getparam (host Never [Int Out(4)])
            144 sched_setscheduler (host Never [Int Int In(4)])
            145 sched_getscheduler (host Never [Int])
            146 sched_get_priority_max (host Never [Int])
            147 sched_get_priority_min (host Never [Int])
            148 sched_rr_get_interval (host Never [Int Out(16)])
            149 mlock (guest)
            150 munlock (guest)
            151 mlockall (guest)
            152 munlockall (guest)
            153 vhangup (refused EPERM "it takes CAP_SYS_TTY_CONFIG over the host")
            154 modify_ldt (refused ENOSYS "the processor's tables are the kernel's own")
            155 pivot_root (refused EPERM "mounts are made by config.json alone")
            156 _sysctl (refused ENOSYS "Linux has none any more: /proc/sys is there")
            157 prctl (either Never [Int Int Int Int Int])
            158 arch_prctl (guest)
            159 adjtimex (host Never [InOut(208)])
            160 setrlimit (guest)
            161 chroot (host Never [Path])
            162 sync (host Never [])
            163 acct (refused EPERM "the host's accounting is not the container's")
            164 settimeofday (host Never [In(16) In(8)])
            165 mount (refused EPERM "mounts are made by config.json alone")
            166 umount2 (refused EPERM "mounts are made by config.json alone")
            167 swapon (refused EPERM "the host's swap is not the container's")
            168 swapoff (refused EPERM "the host's swap is not the container's")
            169 reboot (refused EPERM "the host is not the container's")
            170 sethostname (host Never [InLen(1) Int])
            171 setdomainname (host Never [InLen(1) Int])
            172 iopl (refused EPERM "there are no devices behind ports")
            173 ioperm (refused EPERM "there are no devices behind ports")
            174 create_module (refused ENOSYS "Linux has none any more")
            175 init_module (refused EPERM "the host's modules are not the container's")
            176 delete_module (refused EPERM "the host's modules are not the container's")
            177 get_kernel_syms (refused ENOSYS "Linux has none any more")
            178 query_module (refused ENOSYS "Linux has none any more")
            179 quotactl (refused EPERM "the host's quotas are not the container's")
            180 nfsservctl (refused ENOSYS "Linux has none any more")
            181 getpmsg (refused ENOSYS "Linux never had it")
            182 putpmsg (refused ENOSYS "Linux never had it")
            183 afs_syscall (refused ENOSYS "Linux never had it")
            184 tuxcall (refused ENOSYS "Linux never had it")
            185 security (refused ENOSYS "Linux never had it")
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
            205 set_thread_area (refused ENOSYS "Linux has none for 64-bit programs")
            206 io_setup (refused ENOSYS "its ring would lie in the monitor")
            207 io_destroy (refused ENOSYS "see io_setup")
            208 io_getevents (refused ENOSYS "see io_setup")
            209 io_submit (refused ENOSYS "see io_setup")
            210 io_cancel (refused ENOSYS "see io_setup")
            211 get_thread_area (refused ENOSYS "Linux has none for 64-bit programs")
            212 lookup_dcookie (refused ENOSYS "Linux has none any more")
            213 epoll_create (host Never [Int])
            214 epoll_ctl_old (refused ENOSYS "Linux never had it")
            215 epoll_wait_old (refused ENOSYS "Linux never had it")
            216 remap_file_pages (refused ENOSYS "mmap(2) does it")
            217 getdents64 (host Never [Fd OutLen(2) Int])
            218 set_tid_address (guest)
            219 restart_syscall (refused ENOSYS "interrupted calls are made again")
            220 semtimedop (host Always [Int InItems(6, 2) Int In(16)])
            221 fadvise64 (host Never [Fd Int Int Int])
            222 timer_create (guest)
            223 timer_settime (host Never [Int Int In(32) Out(32)])
            224 timer_gettime (host Never [Int Out(32)])
            225 timer_getoverrun (guest)
            226 timer_delete (guest)
            227 clock_settime (host Never [Int In(16)])
            228 clock_gettime (guest)
            229 clock_getres (guest)
            230 clock_nanosleep (guest)
            231 exit_group (guest)
            232 epoll_wait (host Maybe [Fd OutItems(12, 2) Int Int Ahead Again])
            233 epoll_ctl (host Never [Fd Int Fd In(12)])
            234 tgkill (guest)
            235 utimes (host Never [Path In(32)])
            236 vserver (refused ENOSYS "Linux never had it")
            237 mbind (refused ENOSYS "a microVM has one memory node")
            238 set_mempolicy (refused ENOSYS "a microVM has one memory node")
            239 get_mempolicy (refused ENOSYS "a microVM has one memory node")
            240 mq_open (host Never [Path Int Int In(64)])
            241 mq_unlink (host Never [Path])
            242 mq_timedsend (host Always [Fd InLen(2) Int Int In(16)])
            243 mq_timedreceive (host Always [Fd OutLen(2) Int Out(4) In(16)])
            244 mq_notify (host Never [Fd In(64)])
            245 mq_getsetattr (host Never [Fd In(64) Out(64)])
            246 kexec_load (refused EPERM "the host's kernel is not the container's")
            247 waitid (host Always [Int Int Out(128) Int Out(144)])
            248 add_key (refused ENOSYS "the host's keyrings are not the container's")
            249 request_key (refused ENOSYS "the host's keyrings are not the container's")
            250 keyctl (refused ENOSYS "the host's keyrings are not the container's")
            251 ioprio_set (host Never [Int Int Int])
            252 ioprio_get (host Never [Int Int])
            253 inotify_init (host Never [])
            254 inotify_add_watch (host Never [Fd Path Int])
            255 inotify_rm_watch (host Never [Fd Int])
            256 migrate_pages (refused ENOSYS "a microVM has one memory node")
            257 openat (host Maybe [DirFd Path Int Int State])
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
            270 pselect6 (either Maybe [Int InOut(128) InOut(128) InOut(128) InOut(16) Int])
            271 ppoll (either Maybe [InOutItems(8, 1) Int InOut(16) Int Int])
            272 unshare (guest)
            273 set_robust_list (guest)
            274 get_robust_list (guest)
            275 splice (host Always [Fd InOut(8) Fd InOut(8) Int Int])
            276 tee (host Always [Fd Fd Int Int])
            277 sync_file_range (host Never [Fd Int Int Int])
            278 vmsplice (host Always [Fd VectorIn(2) Int Int])
            279 move_pages (refused ENOSYS "a microVM has one memory node")
            280 utimensat (host Never [DirFd Path In(32) Int])
            281 epoll_pwait (either Maybe [Fd OutItems(12, 2) Int Int Ahead Int])
            282 signalfd (either Never [Int In(8) Int])
            283 timerfd_create (host Never [Int Int])
            284 eventfd (host Never [Int])
            285 fallocate (host Never [Fd Int Int Int])
            286 timerfd_settime (host Never [Fd Int In(32) Out(32)])
            287 timerfd_gettime (host Never [Fd Out(32)])
            288 accept4 (host Maybe [Fd AddressOut(2) Int Int])
            289 signalfd4 (either Never [Int In(8) Int Int])
            290 eventfd2 (host Never [Int Int])
            291 epoll_create1 (host Never [Int])
            292 dup3 (host Never [Fd Int Int])
            293 pipe2 (host Never [Out(8) Int])
            294 inotify_init1 (host Never [Int])
            295 preadv (host Never [Fd VectorOut(2) Int Int Int])
            296 pwritev (host Never [Fd VectorIn(2) Int Int Int])
            297 rt_tgsigqueueinfo (either Never [Int Int Int In(128)])
            298 perf_event_open (refused EPERM "it would measure the host")
            299 recvmmsg (guest)
            300 fanotify_init (refused EPERM "it takes CAP_SYS_ADMIN over the host's files")
            301 fanotify_mark (refused EPERM "see fanotify_init")
            302 prlimit64 (guest)
            303 name_to_handle_at (host Never [DirFd Path FileHandle InOut(4) Int])
            304 open_by_handle_at (refused EPERM "it would open any file of the host's file system")
            305 clock_adjtime (host Never [Int InOut(208)])
            306 syncfs (host Never [Fd])
            307 sendmmsg (guest)
            308 setns (refused EPERM "namespaces are joined by config.json alone")
            309 getcpu (guest)
            310 process_vm_readv (host Never [Int Int Int Int Int Int])
            311 process_vm_writev (host Never [Int Int Int Int Int Int])
            312 kcmp (host Never [Int Int Int Int Int])
            313 finit_module (refused EPERM "the host's modules are not the container's")
            314 sched_setattr (host Never [Int In(48) Int])
            315 sched_getattr (host Never [Int Out(48) Int Int])
            316 renameat2 (host Never [DirFd Path DirFd Path Int])
            317 seccomp (guest)
            318 getrandom (host Never [BufferOut(1) Int Int])
            319 memfd_create (host Never [Path Int])
            320 kexec_file_load (refused EPERM "the host's kernel is not the container's")
            321 bpf (refused EPERM "its programs would run in the host")
            322 execveat (guest)
            323 userfaultfd (refused EPERM "its faults are the kernel's own")
            324 membarrier (guest)
            325 mlock2 (guest)
            326 copy_file_range (host Never [Fd InOut(8) Fd InOut(8) Int Int])
            327 preadv2 (host Maybe [Fd VectorOut(2) Int Int Int Int])
            328 pwritev2 (host Maybe [Fd VectorIn(2) Int Int Int Int])
            329 pkey_mprotect (guest)
            330 pkey_alloc (refused ENOSPC "there are no protection keys")
            331 pkey_free (refused EINVAL "there are no protection keys")
            332 statx (host Never [DirFd Path Int Int Out(256)])
            333 io_pgetevents (refused ENOSYS "see io_setup")
            334 rseq (refused ENOSYS "critical sections that were preempted are not restarted yet")
            424 pidfd_send_signal (host Never [Fd Int In(128) Int])
            425 io_uring_setup (refused ENOSYS "its rings would be a second way to the host")
            426 io_uring_enter (refused ENOSYS "see io_uring_setup")
            427 io_uring_register (refused ENOSYS "see io_uring_setup")
            428 open_tree (refused EPERM "mounts are made by config.json alone")
            429 move_mount (refused EPERM "mounts are made by config.json alone")
            430 fsopen (refused EPERM "mounts are made by config.json alone")
            431 fsconfig (refused EPERM "mounts are made by config.json alone")
            432 fsmount (refused EPERM "mounts are made by config.json alone")
            433 fspick (refused EPERM "mounts are made by config.json alone")
            434 pidfd_open (host Never [Int Int])
            435 clone3 (guest)
            436 close_range (host Never [Int Int Int])
            437 openat2 (host Maybe [DirFd Path InLen(3) Int])
            438 pidfd_getfd (refused EPERM "it would take a monitor's descriptors")
            439 faccessat2 (host Never [DirFd Path Int Int])
            440 process_madvise (refused EPERM "it would advise a monitor")
            441 epoll_pwait2 (either Maybe [Fd OutItems(12, 2) Int In(16) Int Int])
            442 mount_setattr (refused EPERM "mounts are made by config.json alone")
            443 quotactl_fd (refused EPERM "the host's quotas are not the container's")
            444 landlock_create_ruleset (refused ENOSYS "rules of the program's own are not supported yet")
            445 landlock_add_rule (refused ENOSYS "see landlock_create_ruleset")
            446 landlock_restrict_self (refused ENOSYS "see landlock_create_ruleset")
            447 memfd_secret (refused ENOSYS "the monitor could not map it")
            448 process_mrelease (refused ENOSYS "it would release a monitor")
            449 futex_waitv (guest)
            450 set_mempolicy_home_node (refused ENOSYS "a microVM has one memory node")
            451 cachestat (host Never [Fd In(16) Out(40) Int])
            452 fchmodat2 (host Never [DirFd Path Int Int])
            453 map_shadow_stack (refused EOPNOTSUPP "shadow stacks need the host's kernel")
            454 futex_wake (guest)
            455 futex_wait (guest)
            456 futex_requeue (guest)
            457 statmount (refused ENOSYS "the mounts are the monitor's: /proc/self/mountinfo tells of them")
            458 listmount (refused ENOSYS "see statmount")
            459 lsm_get_self_attr (refused ENOSYS "the label is the monitor's")
            460 lsm_set_self_attr (refused ENOSYS "see lsm_get_self_attr")
            461 lsm_list_modules (refused ENOSYS "see lsm_get_self_attr")
            462 mseal (refused ENOSYS "mappings cannot be sealed yet")
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
        // Linux 6.12 has these numbers on x86_64, and no others (syscall_64.tbl).
        for number in (0..335).chain(424..463) {
            assert!(find(number).is_some(), "{number}");
        }
        assert_eq!(find(511), None);
        assert_eq!(find(u64::MAX), None);
    }
}
