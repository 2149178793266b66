//! Calls whose third argument depends on a command, the second: which commands the guest may use.

use super::Arg;

/// What ioctl(2)'s third argument is for a command that the guest may use (ioctl_list(2),
/// asm-generic/ioctls.h); `None`: ENOTTY, and the monitor does not make the call.
pub fn ioctl(command: u32) -> Option<Arg> {
    Some(match command {
        0x5401 => Arg::Out(36),                   // TCGETS
        0x5402..=0x5404 => Arg::In(36),           // TCSETS, TCSETSW, TCSETSF
        0x5409..=0x540b => Arg::Int,              // TCSBRK, TCXONC, TCFLSH
        0x540f | 0x5429 => Arg::Out(4),           // TIOCGPGRP, TIOCGSID
        0x5410 => Arg::In(4),                     // TIOCSPGRP
        0x5411 | 0x541b => Arg::Out(4),           // TIOCOUTQ, FIONREAD
        0x5413 => Arg::Out(8),                    // TIOCGWINSZ
        0x5414 => Arg::In(8),                     // TIOCSWINSZ
        0x5421 => Arg::In(4),                     // FIONBIO
        0x5450 | 0x5451 => Arg::Int,              // FIONCLEX, FIOCLEX
        0x802c_542a => Arg::Out(44),              // TCGETS2
        0x402c_542b..=0x402c_542d => Arg::In(44), // TCSETS2, TCSETSW2, TCSETSF2
        _ => return None,
    })
}

/// What fcntl(2)'s third argument is; `None`: EINVAL.
pub fn fcntl(command: u32) -> Option<Arg> {
    Some(match command {
        0 | 1030 => Arg::Int,           // F_DUPFD, F_DUPFD_CLOEXEC
        1..=4 => Arg::Int,              // F_GETFD, F_SETFD, F_GETFL, F_SETFL
        5 | 36 => Arg::InOut(32),       // F_GETLK, F_OFD_GETLK
        6 | 7 | 37 | 38 => Arg::In(32), // F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW
        8..=11 => Arg::Int,             // F_SETOWN, F_GETOWN, F_SETSIG, F_GETSIG
        1024 | 1025 => Arg::Int,        // F_SETLEASE, F_GETLEASE
        1031..=1034 => Arg::Int,        // F_SETPIPE_SZ, F_GETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS
        1035 | 1037 => Arg::Out(8),     // F_GET_RW_HINT, F_GET_FILE_RW_HINT
        1036 | 1038 => Arg::In(8),      // F_SET_RW_HINT, F_SET_FILE_RW_HINT
        _ => return None,
    })
}
