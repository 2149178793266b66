//! Linux's error numbers (asm-generic/errno-base.h, asm-generic/errno.h).

/// An error number, 1 to 4095. A system call returns its negation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Errno(pub i32);

macro_rules! errnos {
    ($($name:ident = $value:literal)*) => {
        impl Errno {
            $(pub const $name: Errno = Errno($value);)*

            /// Its name, or nothing if it is none of these.
            pub const fn name(self) -> &'static str {
                match self.0 {
                    $($value => stringify!($name),)*
                    _ => "",
                }
            }
        }
    };
}

errnos! {
    EPERM = 1 ENOENT = 2 ESRCH = 3 EINTR = 4 EIO = 5 ENXIO = 6 E2BIG = 7 ENOEXEC = 8 EBADF = 9 ECHILD = 10
    EAGAIN = 11 ENOMEM = 12 EACCES = 13 EFAULT = 14 ENOTBLK = 15 EBUSY = 16 EEXIST = 17 EXDEV = 18 ENODEV = 19
    ENOTDIR = 20 EISDIR = 21 EINVAL = 22 ENFILE = 23 EMFILE = 24 ENOTTY = 25 ETXTBSY = 26 EFBIG = 27 ENOSPC = 28
    ESPIPE = 29 EROFS = 30 EMLINK = 31 EPIPE = 32 EDOM = 33 ERANGE = 34 EDEADLK = 35 ENAMETOOLONG = 36 ENOLCK = 37
    ENOSYS = 38 ENOTEMPTY = 39 ELOOP = 40 EOVERFLOW = 75 ENOTSOCK = 88 EMSGSIZE = 90 ENOPROTOOPT = 92 ECONNRESET = 104
    EOPNOTSUPP = 95 EAFNOSUPPORT = 97 ENOBUFS = 105 ETIMEDOUT = 110 EOWNERDEAD = 130
    ERESTARTNOINTR = 513 ERESTARTNOHAND = 514
}

impl Errno {
    /// What a system call returns for this error.
    pub const fn as_result(self) -> i64 {
        -(self.0 as i64)
    }
}
