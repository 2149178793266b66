//! The loopback interface of a new network namespace, which is down there (network_namespaces(7)).

use std::os::fd::AsRawFd;

use crate::errno::{check, check_fd, Errno};

/// Brings it up, in this process's network namespace (netdevice(7)).
pub fn bring_up() -> Result<(), Errno> {
    // SAFETY: socket(2) takes numbers, and the descriptor is new.
    let socket = unsafe {
        check_fd(libc::socket(
            libc::AF_INET,
            libc::SOCK_DGRAM | libc::SOCK_CLOEXEC,
            0,
        ))
    }?;
    // SAFETY: the structure has only integers, arrays and pointers that may be null.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    // SAFETY: the request names its interface and has room for its flags.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &mut request) })?;
    // SAFETY: the call before has filled the flags.
    unsafe { request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short };
    // SAFETY: as before.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &request) })?;
    Ok(())
}
