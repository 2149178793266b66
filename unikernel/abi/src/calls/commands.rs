//! Calls whose third argument depends on a command, the second: which commands the guest may use.

use super::Arg;

/// What ioctl(2)'s third argument is for a command that the guest may use (ioctl_list(2),
/// asm-generic/ioctls.h); `None`: ENOTTY, and the monitor does not make the call.
pub fn ioctl(command: u32) -> Option<Arg> {
    Some(match command {
        0x5401 => Arg::Out(36),               // TCGETS
        0x5402..=0x5404 => Arg::In(36),       // TCSETS, TCSETSW, TCSETSF
        0x5409..=0x540b => Arg::Int,          // TCSBRK, TCXONC, TCFLSH
        0x540c..=0x540e | 0x5422 => Arg::Int, // TIOCEXCL, TIOCNXCL, TIOCSCTTY, TIOCNOTTY
        0x540f | 0x5429 => Arg::Out(4),       // TIOCGPGRP, TIOCGSID
        0x5410 => Arg::In(4),                 // TIOCSPGRP
        0x5411 | 0x541b => Arg::Out(4),       // TIOCOUTQ, FIONREAD
        0x5413 => Arg::Out(8),                // TIOCGWINSZ
        0x5414 => Arg::In(8),                 // TIOCSWINSZ
        0x5420 | 0x5421 => Arg::In(4),        // TIOCPKT, FIONBIO
        0x5441 => Arg::Int,                   // TIOCGPTPEER
        0x5424 => Arg::Out(4),                // TIOCGETD
        0x5450 | 0x5451 => Arg::Int,          // FIONCLEX, FIOCLEX
        0x5452 => Arg::In(4),                 // FIOASYNC
        0x5460 => Arg::Out(8),                // FIOQSIZE
        0x2 => Arg::Out(4),                   // FIGETBSZ
        // The argument is an int, whatever the command's number says (ioctl_iflags(2)).
        0x8008_6601 => Arg::Out(4),               // FS_IOC_GETFLAGS
        0x4008_6602 => Arg::In(4),                // FS_IOC_SETFLAGS
        0x801c_581f => Arg::Out(28),              // FS_IOC_FSGETXATTR
        0x401c_5820 => Arg::In(28),               // FS_IOC_FSSETXATTR
        0x4004_9409 => Arg::Fd,                   // FICLONE
        0x8004_5200 => Arg::Out(4),               // RNDGETENTCNT
        0x8004_5430 | 0x8004_5439 => Arg::Out(4), // TIOCGPTN, TIOCGPTLCK
        0x4004_5431 => Arg::In(4),                // TIOCSPTLCK
        0x8004_5440 => Arg::Out(4),               // TIOCGEXCL
        0x802c_542a => Arg::Out(44),              // TCGETS2
        0x402c_542b..=0x402c_542d => Arg::In(44), // TCSETS2, TCSETSW2, TCSETSF2
        0x8901 | 0x8902 => Arg::In(4),            // FIOSETOWN, SIOCSPGRP
        0x8903..=0x8905 => Arg::Out(4),           // FIOGETOWN, SIOCGPGRP, SIOCATMARK
        0x8906 | 0x8907 => Arg::Out(16),          // SIOCGSTAMP, SIOCGSTAMPNS
        SIOCGIFCONF => Arg::Interfaces,
        // struct ifreq, but for those with an address in it (netdevice(7)): SIOCGIFNAME, SIOCGIFFLAGS to
        // SIOCSIFNETMASK, SIOCGIFMETRIC to SIOCSIFHWADDR, SIOCGIFHWADDR to SIOCSIFPFLAGS, SIOCGIFTXQLEN,
        // SIOCSIFTXQLEN, SIOCGIFMAP.
        0x8910 | 0x8913..=0x891e | 0x8921..=0x8924 => Arg::InOut(40),
        0x8927 | 0x8931..=0x8935 | 0x8942 | 0x8943 | 0x8970 => Arg::InOut(40),
        0x8953..=0x8955 => Arg::InOut(68), // SIOCDARP, SIOCGARP, SIOCSARP
        0x89a0 | 0x89a1 => Arg::In(16),    // SIOCBRADDBR, SIOCBRDELBR: a name
        0x89a2 | 0x89a3 => Arg::InOut(40), // SIOCBRADDIF, SIOCBRDELIF: struct ifreq
        _ => return None,
    })
}

/// ioctl(2)'s command that lists network interfaces (netdevice(7)).
pub const SIOCGIFCONF: u32 = 0x8912;

/// What fcntl(2)'s third argument is; `None`: EINVAL.
pub fn fcntl(command: u32) -> Option<Arg> {
    Some(match command {
        0 | 1030 => Arg::Int,           // F_DUPFD, F_DUPFD_CLOEXEC
        1..=4 => Arg::Int,              // F_GETFD, F_SETFD, F_GETFL, F_SETFL
        5 | 36 => Arg::InOut(32),       // F_GETLK, F_OFD_GETLK
        6 | 7 | 37 | 38 => Arg::In(32), // F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW
        8..=11 => Arg::Int,             // F_SETOWN, F_GETOWN, F_SETSIG, F_GETSIG
        15 => Arg::In(8),               // F_SETOWN_EX
        16 => Arg::Out(8),              // F_GETOWN_EX
        1024..=1026 => Arg::Int,        // F_SETLEASE, F_GETLEASE, F_NOTIFY
        1031..=1034 => Arg::Int,        // F_SETPIPE_SZ, F_GETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS
        1035 | 1037 => Arg::Out(8),     // F_GET_RW_HINT, F_GET_FILE_RW_HINT
        1036 | 1038 => Arg::In(8),      // F_SET_RW_HINT, F_SET_FILE_RW_HINT
        _ => return None,
    })
}

/// What the last argument of shmctl(2), semctl(2) or msgctl(2) (`kind`) is for a command; `None`: EINVAL.
/// An array of a semaphore set's values is [`Arg::Semctl`] itself: the set tells its length.
pub fn control(kind: Arg, command: u32) -> Option<Arg> {
    // struct shmid64_ds, semid64_ds, msqid64_ds; shminfo64, seminfo, msginfo; shm_info.
    let (state, limits, usage) = match kind {
        Arg::Shmctl => (112, 72, 48),
        Arg::Semctl => (104, 40, 40),
        Arg::Msgctl => (120, 32, 32),
        _ => return None,
    };
    Some(match (command, kind) {
        (0, _) => Arg::Int,                                // IPC_RMID
        (1, _) => Arg::In(state),                          // IPC_SET
        (2, _) => Arg::Out(state),                         // IPC_STAT
        (3, _) => Arg::Out(limits),                        // IPC_INFO
        (11 | 12, Arg::Shmctl) => Arg::Int,                // SHM_LOCK, SHM_UNLOCK
        (13 | 15, Arg::Shmctl) => Arg::Out(state),         // SHM_STAT, SHM_STAT_ANY
        (14, Arg::Shmctl) => Arg::Out(usage),              // SHM_INFO
        (11 | 13, Arg::Msgctl) => Arg::Out(state),         // MSG_STAT, MSG_STAT_ANY
        (12, Arg::Msgctl) => Arg::Out(usage),              // MSG_INFO
        (11 | 12 | 14 | 15 | 16, Arg::Semctl) => Arg::Int, // GETPID, GETVAL, GETNCNT, GETZCNT, SETVAL
        (13 | 17, Arg::Semctl) => Arg::Semctl,             // GETALL, SETALL
        (18 | 20, Arg::Semctl) => Arg::Out(state),         // SEM_STAT, SEM_STAT_ANY
        (19, Arg::Semctl) => Arg::Out(usage),              // SEM_INFO
        _ => return None,
    })
}

/// semctl(2)'s command that reads all values, and the one that sets them.
pub const GETALL: u32 = 13;
pub const SETALL: u32 = 17;
/// Its command that tells of a set, the bytes of what it tells, and where among them stands the
/// number of semaphores (struct semid64_ds).
pub const IPC_STAT: u32 = 2;
pub const SET_BYTES: usize = 104;
pub const SET_COUNT: usize = 80;
