//! Socket calls of several messages: the kernel makes the calls of one.

use pinion_abi::Errno;

use super::{host, time};
use crate::arch::Frame;
use crate::mm::user;

const SENDMSG: u32 = 46;
const RECVMSG: u32 = 47;

/// struct mmsghdr: a struct msghdr and the bytes of its message.
const MMSGHDR: u64 = 64;
const MESSAGE_BYTES: u64 = 56;
/// UIO_MAXIOV.
const MOST: u32 = 1024;

const MSG_OOB: u64 = 0x1;
const MSG_DONTWAIT: u64 = 0x40;
const MSG_WAITFORONE: u64 = 0x10000;

const MSGHDR_FLAGS: u64 = 48;
const SECOND: i64 = 1_000_000_000;

pub fn sendmmsg(frame: &mut Frame) -> Result<u64, Errno> {
    let [fd, messages, count, flags, ..] = frame.args();
    let mut sent = 0;
    while sent < u64::from((count as u32).min(MOST)) {
        let message = messages.wrapping_add(sent * MMSGHDR);
        let result = host::pass_as(SENDMSG, [fd, message, flags, 0, 0, 0]);
        match told(message, result) {
            Ok(()) => sent += 1,
            Err(errno) if sent == 0 => return Err(errno),
            Err(_) => break,
        }
    }
    Ok(sent)
}

/// Where Linux keeps an error that comes after some messages for the socket's next call, it is lost
/// here.
pub fn recvmmsg(frame: &mut Frame) -> Result<u64, Errno> {
    let [fd, messages, count, mut flags, timeout, _] = frame.args();
    let end = match timeout {
        0 => None,
        place => Some(deadline(user::read(place)?)?),
    };
    let mut received = 0;
    while received < u64::from(count as u32) {
        let message = messages.wrapping_add(received * MMSGHDR);
        let now = flags & !MSG_WAITFORONE;
        let result = host::pass_as(RECVMSG, [fd, message, now, 0, 0, 0]);
        match told(message, result) {
            Ok(()) => received += 1,
            Err(errno) if received == 0 => return Err(errno),
            Err(_) => break,
        }
        if flags & MSG_WAITFORONE != 0 {
            flags |= MSG_DONTWAIT;
        }
        let urgent: u32 = user::read(message + MSGHDR_FLAGS)?;
        let over = end.is_some_and(|end| time::monotonic() >= end);
        if over || u64::from(urgent) & MSG_OOB != 0 {
            break;
        }
    }
    if let Some(end) = end {
        let left = end.saturating_sub(time::monotonic()) as i64;
        user::write(timeout, &[left / SECOND, left % SECOND])?;
    }
    Ok(received)
}

/// Writes the bytes of a message behind its header.
fn told(message: u64, result: Result<u64, Errno>) -> Result<(), Errno> {
    user::write(message + MESSAGE_BYTES, &(result? as u32))
}

fn deadline([seconds, nanoseconds]: [i64; 2]) -> Result<u64, Errno> {
    if seconds < 0 || !(0..SECOND).contains(&nanoseconds) {
        return Err(Errno::EINVAL);
    }
    let span = seconds.saturating_mul(SECOND).saturating_add(nanoseconds);
    Ok(time::monotonic().saturating_add(span as u64))
}
