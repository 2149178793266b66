//! Stream sockets of which the monitor tells what stands in them with the answer of epoll_wait(2), and the reads and
//! writes that the guest's kernel answered by it, which are made here ([`pinion_abi::streams`]).
//!
//! What is looked at stays in its socket until the program has read it (MSG_PEEK), and nothing is sent behind the program
//! for which the socket has no room: so a posted call does what the program was told.

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pinion_abi::calls::{self, MAX_DATA};
use pinion_abi::channel::DATA;
use pinion_abi::streams::{does, Ahead, Does, Posted, ROOM};
use pinion_abi::Errno;

use super::decode::number;
use super::sys::{self, word, Outcome};
use super::{Call, Service, SlotData};

/// The most sockets that are remembered.
const MOST: usize = 1 << 16;
/// The most bytes of one socket that are told.
const PEEKED: usize = 4 << 10;
/// struct epoll_event: `events` at 0, `data` at 4.
const EVENT_BYTES: usize = 12;
const EVENT_DATA: usize = 4;

/// How often a socket that has no room after all is waited for, a second each time, before it is shut.
const PATIENCE: u32 = 10;

/// Words of what SO_MEMINFO tells (linux/sock_diag.h, SK_MEMINFO_*).
const MEMINFO_WORDS: usize = 9;
const SO_MEMINFO: i32 = 55;
const WMEM_ALLOC: usize = 2;
const SNDBUF: usize = 3;
const WMEM_QUEUED: usize = 5;

/// Which socket a ready event is about: epoll(7) tells only the program's own word. What is out of date does no harm:
/// the guest's kernel is told the descriptor's number with what stands in it.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// By the epoll instance's number and the program's word.
    watched: Mutex<HashMap<(RawFd, u64), RawFd>>,
}

pub(super) type Watched<'a> = MutexGuard<'a, HashMap<(RawFd, u64), RawFd>>;

impl Streams {
    /// Keeps all other threads out for a moment.
    pub fn hold(&self) -> Watched<'_> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// epoll_ctl(2).
pub(super) fn epoll_ctl(call: &mut Call) -> Outcome {
    let event = call.args.data(3).map(|event| number(event, EVENT_DATA));
    let [epoll, operation, fd] = [0, 1, 2].map(|index| call.args.int(index));
    let result = call.make()?;
    if let (libc::EPOLL_CTL_ADD | libc::EPOLL_CTL_MOD, Ok(data)) = (operation, event) {
        let mut watched = call.service.streams.hold();
        if watched.len() >= MOST {
            watched.clear();
        }
        match watched.get(&(epoll, data)) {
            Some(known) if *known == fd && operation == libc::EPOLL_CTL_MOD => {}
            _ if is_stream(fd) => {
                watched.insert((epoll, data), fd);
            }
            _ => {
                watched.remove(&(epoll, data));
            }
        }
    }
    Ok(result)
}

fn is_stream(fd: RawFd) -> bool {
    is(fd, libc::SO_TYPE, &[libc::SOCK_STREAM])
        && is(fd, libc::SO_ACCEPTCONN, &[0])
        && is(fd, libc::SO_PROTOCOL, &[libc::IPPROTO_TCP, 0])
        && is(
            fd,
            libc::SO_DOMAIN,
            &[libc::AF_INET, libc::AF_INET6, libc::AF_UNIX],
        )
}

fn is(fd: RawFd, option: i32, wanted: &[i32]) -> bool {
    matches!(option_of(fd, option), Ok([value]) if wanted.contains(&value))
}

fn option_of<const WORDS: usize>(fd: RawFd, option: i32) -> Result<[i32; WORDS], Errno> {
    let mut words = [0; WORDS];
    let mut length = size_of_val(&words) as libc::socklen_t;
    let args = [
        word(fd),
        libc::SOL_SOCKET as u64,
        option as u64,
        words.as_mut_ptr() as u64,
        &raw mut length as u64,
        0,
    ];
    // SAFETY: the value has as many bytes as its length says.
    unsafe { sys::call(libc::SYS_getsockopt, args) }?;
    Ok(words)
}

/// Tells what stands in the sockets of these events, from `offset` in the slot to `end`, which 0 leaves to the slot.
pub(super) fn look(
    call: &Call,
    events: &[u8],
    count: usize,
    offset: u64,
    end: u64,
) -> Result<(), Errno> {
    let start = usize::try_from(offset).map_err(|_| Errno::EFAULT)?;
    let end = usize::try_from(end).map_err(|_| Errno::EFAULT)?;
    let end = match end {
        0 => call.slot.bytes(),
        end => end.min(call.slot.bytes()),
    };
    if start < DATA || start > call.slot.bytes() {
        return Err(Errno::EFAULT);
    }
    let epoll = call.args.fd(0);
    let ready: Vec<RawFd> = {
        let watched = call.service.streams.hold();
        let events = events.chunks_exact(EVENT_BYTES).take(count);
        let readable = events.filter(|event| number(event, 0) & libc::EPOLLIN as u64 != 0);
        let sockets = readable.map(|event| watched.get(&(epoll, number(event, EVENT_DATA))));
        sockets.flatten().copied().collect()
    };
    let (mut at, mut count) = (start + size_of::<u64>(), 0u32);
    let mut bytes = [0; PEEKED];
    for fd in ready {
        let room = end.saturating_sub(at + size_of::<Ahead>());
        let room = room.min(PEEKED) & !7;
        if room == 0 {
            break;
        }
        let Some(ahead) = look_at(fd, &mut bytes[..room]) else {
            continue;
        };
        let head = [ahead.fd as u32, ahead.bytes, ahead.room, 0].map(u32::to_ne_bytes);
        call.slot.copy_out(at, head.as_flattened())?;
        at += size_of::<Ahead>();
        let length = ahead.bytes as usize;
        call.slot.copy_out(at, &bytes[..length])?;
        at += length.next_multiple_of(8);
        count += 1;
    }
    let head = [count, (at - start) as u32].map(u32::to_ne_bytes);
    call.slot.copy_out(start, head.as_flattened())
}

/// `None`: nothing to read, or not like this.
fn look_at(fd: RawFd, to: &mut [u8]) -> Option<Ahead> {
    // The number may be another socket's by now.
    if !is(fd, libc::SO_TYPE, &[libc::SOCK_STREAM]) {
        return None;
    }
    // To read where no bytes stand would take the socket's error away from the program.
    let mut standing = 0;
    let args = [word(fd), libc::FIONREAD, &raw mut standing as u64, 0, 0, 0];
    // SAFETY: FIONREAD writes an int.
    unsafe { sys::call(libc::SYS_ioctl, args) }.ok()?;
    if standing <= 0i32 {
        return None;
    }
    let flags = (libc::MSG_PEEK | libc::MSG_DONTWAIT) as u64;
    let args = [
        word(fd),
        to.as_mut_ptr() as u64,
        to.len() as u64,
        flags,
        0,
        0,
    ];
    // SAFETY: the buffer is as long as said.
    let bytes = unsafe { sys::call(libc::SYS_recvfrom, args) }.ok()?;
    let bytes = u32::try_from(bytes).ok().filter(|bytes| *bytes > 0)?;
    let memory: [i32; MEMINFO_WORDS] = option_of(fd, SO_MEMINFO).ok()?;
    let queued = memory[WMEM_ALLOC].max(memory[WMEM_QUEUED]);
    // The kernel counts its own structures, too.
    let room = memory[SNDBUF].saturating_sub(queued).max(0) as u32 / 4;
    let room = room.min(ROOM);
    Some(Ahead {
        fd,
        bytes,
        room,
        _pad: 0,
    })
}

impl Service {
    /// Makes the calls of a batch; returns how many failed.
    pub fn make_posted(&self, slot: &SlotData, count: u64) -> i64 {
        let (mut at, mut failed) = (DATA, 0);
        for _ in 0..count {
            let mut head = [0; size_of::<Posted>()];
            if slot.copy_in(at, &mut head).is_err() {
                break;
            }
            let start = at + head.len();
            let posted = posted(&head);
            if let Err(errno) = self.make_one(slot, start, &posted) {
                failed += 1;
                let place = at + core::mem::offset_of!(Posted, error);
                // The head lies in the slot.
                let _ = slot.copy_out(place, &errno.0.to_ne_bytes());
            }
            let data = match does(posted.number) {
                Some(Does::Send) => posted.bytes as usize,
                _ => 0,
            };
            at = start + data.next_multiple_of(8);
        }
        failed
    }

    fn make_one(&self, slot: &SlotData, start: usize, posted: &Posted) -> Result<(), Errno> {
        let row = calls::find(posted.number.into()).ok_or(Errno::ENOSYS)?;
        let (_, kinds) = row.host().ok_or(Errno::ENOSYS)?;
        let does = does(posted.number).ok_or(Errno::ENOSYS)?;
        self.judge.judge(row, kinds, &posted.args)?;
        let [fd, other] = [0, 1].map(|index| posted.args[index] as RawFd);
        if !self.table.visible(fd) || does == Does::SendFile && !self.table.visible(other) {
            return Err(Errno::EBADF);
        }
        if posted.bytes > MAX_DATA {
            return Err(Errno::EINVAL);
        }
        let bytes = vec![0; posted.bytes as usize];
        match does {
            Does::Receive => receive(fd, bytes),
            Does::Send => {
                let mut bytes = bytes;
                slot.copy_in(start, &mut bytes)?;
                send_all(fd, bytes.len(), |sent| {
                    let left = bytes.get(sent..).unwrap_or(&[]);
                    let flags = (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as u64;
                    let (address, length) = (left.as_ptr() as u64, left.len() as u64);
                    // SAFETY: the buffer is as long as said.
                    unsafe { sys::call(libc::SYS_sendto, [word(fd), address, length, flags, 0, 0]) }
                })
            }
            Does::SendFile => send_all(fd, posted.bytes as usize, |sent| {
                let mut offset = posted.args[2].saturating_add(sent as u64);
                let left = u64::from(posted.bytes) - sent as u64;
                let args = [word(fd), word(other), &raw mut offset as u64, left, 0, 0];
                // SAFETY: the offset lives through the call.
                match unsafe { sys::call(libc::SYS_sendfile, args) } {
                    // The file is shorter by now.
                    Ok(0) => Err(Errno::ECONNRESET),
                    result => result,
                }
            }),
            Does::Close => self.table.close(fd).map(drop),
        }
    }
}

fn receive(fd: RawFd, mut bytes: Vec<u8>) -> Result<(), Errno> {
    let flags = libc::MSG_DONTWAIT as u64;
    let (address, length) = (bytes.as_mut_ptr() as u64, bytes.len() as u64);
    // SAFETY: the buffer is as long as said.
    unsafe { sys::call(libc::SYS_recvfrom, [word(fd), address, length, flags, 0, 0]) }?;
    Ok(())
}

fn posted(head: &[u8]) -> Posted {
    let args = core::mem::offset_of!(Posted, args);
    Posted {
        number: number(head, 0) as u32,
        bytes: number(head, core::mem::offset_of!(Posted, bytes)) as u32,
        args: core::array::from_fn(|index| number(head, args + 8 * index)),
        error: 0,
        _pad: 0,
    }
}

/// Sends all of it: `send` sends what is left after so many bytes. The program was told that it is sent: if the host
/// has no memory for it for seconds, the connection is shut, rather than that bytes are missing in it.
fn send_all(
    fd: RawFd,
    bytes: usize,
    mut send: impl FnMut(usize) -> Result<i64, Errno>,
) -> Result<(), Errno> {
    let mut sent = 0;
    for _ in 0..PATIENCE {
        match send(sent) {
            Ok(more) => sent += more as usize,
            Err(Errno::EAGAIN) => {}
            Err(Errno::ECONNRESET) if sent < bytes => break,
            Err(errno) => return Err(errno),
        }
        if sent >= bytes {
            return Ok(());
        }
        let mut polled = libc::pollfd {
            fd,
            events: libc::POLLOUT,
            revents: 0,
        };
        // SAFETY: one struct pollfd.
        let _ = unsafe { sys::call(libc::SYS_poll, [&raw mut polled as u64, 1, 1000, 0, 0, 0]) };
    }
    let args = [word(fd), libc::SHUT_RDWR as u64, 0, 0, 0, 0];
    // SAFETY: shutdown(2) takes numbers.
    let _ = unsafe { sys::call(libc::SYS_shutdown, args) };
    Err(Errno::ECONNRESET)
}
