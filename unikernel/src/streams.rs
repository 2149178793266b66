//! Stream sockets that only this process has. What the monitor tells of them with the answer of epoll_wait(2)
//! answers the program's reads, and their room its writes; the monitor makes those calls in one batch with the next
//! request ([`pinion_abi::streams`]). A round of a server's event loop thus leaves the guest once.
//!
//! A descriptor counts as the process's own from accept(2) or socket(2) on, until something is done by which
//! another number or another process could have its socket.

mod batch;
mod file;
mod opening;

use core::mem::size_of;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use pinion_abi::calls::Arg;
use pinion_abi::channel::SLOT_BYTES;
use pinion_abi::streams::{self, does, Ahead, Does};
use pinion_abi::Errno;
use spin::Mutex;

use crate::arch;
use crate::mm::user;
use crate::syscalls::threads::shared;
pub use batch::is_round;
use batch::Batch;
use file::File;
pub use file::STATE_BYTES;
use opening::Opening;
pub use opening::{answered_again, ask_again, AGAIN_BYTES};

mod number {
    pub const OPEN: u32 = 2;
    pub const CLOSE: u32 = 3;
    pub const FSTAT: u32 = 5;
    pub const WRITEV: u32 = 20;
    pub const DUP: u32 = 32;
    pub const DUP2: u32 = 33;
    pub const SOCKET: u32 = 41;
    pub const ACCEPT: u32 = 43;
    pub const SENDTO: u32 = 44;
    pub const RECVFROM: u32 = 45;
    pub const SENDMSG: u32 = 46;
    pub const SETSOCKOPT: u32 = 54;
    pub const FCNTL: u32 = 72;
    pub const EPOLL_CTL: u32 = 233;
    pub const OPENAT: u32 = 257;
    pub const NEWFSTATAT: u32 = 262;
    pub const ACCEPT4: u32 = 288;
    pub const DUP3: u32 = 292;
    pub const CLOSE_RANGE: u32 = 436;
}
use number::*;

const AT_FDCWD: i32 = -100;
const AT_EMPTY_PATH: u32 = 0x1000;
const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;
const SOCK_STREAM: u32 = 1;
const SOCK_TYPE_MASK: u32 = 0xf;
const IPPROTO_TCP: u32 = 6;
const F_DUPFD: u32 = 0;
const F_DUPFD_CLOEXEC: u32 = 1030;
const SOL_SOCKET: u32 = 1;
const SO_PEEK_OFF: u32 = 42;
const MSG_DONTWAIT: u64 = 0x40;
const MSG_NOSIGNAL: u64 = 0x4000;
const FLAGS: u64 = MSG_DONTWAIT | MSG_NOSIGNAL;

/// For how long the monitor looks after the batch at least, once it has told what stands in sockets (ticks of the
/// time-stamp counter, which has one for each nanosecond or more).
const WATCHED: u64 = streams::WATCHED_NS;

/// The most pieces of a write that is posted.
const PIECES: usize = 8;
/// The most descriptors that are looked after.
const MOST: usize = 1 << 16;

/// The words of struct msghdr but for its flags (sendmsg(2)).
struct Message {
    name: u64,
    vector: u64,
    items: u64,
    control_bytes: u64,
}

#[derive(Default)]
struct Stream {
    /// What stands in it, as far as the program has not read it: from where to where in [`Streams::bytes`].
    from: usize,
    to: usize,
    room: u32,
    /// With what a call behind the program failed: the next call's answer.
    error: Option<Errno>,
    /// Calls about it that are under way, and when the last one began, ended or was answered ([`Streams::time`]).
    under_way: u32,
    touched: u64,
}

struct Streams {
    own: BTreeMap<i32, Stream>,
    bytes: Vec<u8>,
    batch: Batch,
    file: File,
    opening: Opening,
    /// When the monitor last told what stands in sockets.
    looked: u64,
    /// Counts what happens to sockets: what a thread asked before another one's call about a socket does not hold for it.
    time: u64,
}

static STREAMS: Mutex<Streams> = Mutex::new(Streams {
    own: BTreeMap::new(),
    bytes: Vec::new(),
    batch: Batch::new(),
    file: File::none(),
    opening: Opening::none(),
    looked: 0,
    time: 0,
});

/// Whether to have it told what stands in sockets.
pub fn any() -> bool {
    !shared::active() && !STREAMS.lock().own.is_empty()
}

/// Answers a call that the monitor makes later, or that needs none. `None`: it is to be made now.
pub fn answer(number: u32, args: &[u64; 6]) -> Option<Result<u64, Errno>> {
    let does = does(number);
    if shared::active() || does.is_none() && !matches!(number, OPEN | FSTAT | OPENAT | NEWFSTATAT) {
        return None;
    }
    let mut streams = STREAMS.lock();
    let fd = args[0] as i32;
    match (number, does) {
        (OPEN, _) => return streams.open(args[0], args[1]).map(Ok),
        (OPENAT, _) if fd == AT_FDCWD => return streams.open(args[1], args[2]).map(Ok),
        (FSTAT, _) => return streams.file.tell(fd, args[1]),
        (NEWFSTATAT, _) => {
            let itself = args[3] as u32 == AT_EMPTY_PATH && user::read(args[1]) == Ok(0u8);
            return itself.then(|| streams.file.tell(fd, args[2])).flatten();
        }
        (_, Some(Does::Close)) => return streams.close(number, args).map(Ok),
        _ => {}
    }
    streams.settle();
    let stream = streams.own.get_mut(&fd)?;
    if let Some(errno) = stream.error.take() {
        return Some(Err(errno));
    }
    match does? {
        Does::Receive => streams.read(number, args),
        Does::Send => streams.write(number, args),
        Does::SendFile => streams.send_file(number, args),
        Does::Close => None,
    }
    .map(Ok)
}

/// A call is made: what it may change of descriptors and sockets is no longer known. Returns a descriptor that is to be
/// closed before.
pub fn forget(number: u32, kinds: &[Arg], args: &[u64; 6]) -> Option<u64> {
    let mut streams = STREAMS.lock();
    let left = streams.file.settle().map(|fd| fd as u64);
    // What is posted is made before this call.
    let batch = &mut streams.batch;
    let posted = left.is_some_and(|fd| batch.post(CLOSE, [fd, 0, 0, 0, 0, 0], 0, &[]));
    let left = left.filter(|_| !posted);
    let fd = args[0] as i32;
    streams.file.age();
    let replaced = match number {
        CLOSE => fd,
        DUP2 | DUP3 => args[1] as i32,
        _ => -1,
    };
    if number == CLOSE_RANGE || streams.file.is(replaced) {
        streams.file = File::none();
    }
    if streams.own.is_empty() {
        return left;
    }
    match number {
        CLOSE | DUP => drop(streams.own.remove(&fd)),
        DUP2 | DUP3 => {
            streams.own.remove(&fd);
            streams.own.remove(&(args[1] as i32));
        }
        FCNTL if matches!(args[1] as u32, F_DUPFD | F_DUPFD_CLOEXEC) => {
            streams.own.remove(&fd);
        }
        SETSOCKOPT if (args[1] as u32, args[2] as u32) == (SOL_SOCKET, SO_PEEK_OFF) => {
            streams.own.remove(&fd);
        }
        CLOSE_RANGE => streams.own.clear(),
        // A descriptor may be passed on.
        SENDMSG if message(args).is_none_or(|header| header.control_bytes != 0) => {
            streams.own.clear()
        }
        EPOLL_CTL => {}
        _ => {
            for (kind, arg) in kinds.iter().zip(args) {
                if let (Arg::Fd, Some(stream)) = (kind, streams.own.get_mut(&(*arg as i32))) {
                    stream.to = stream.from;
                    if does(number) != Some(Does::Receive) {
                        stream.room = 0;
                    }
                }
            }
        }
    }
    left
}

/// A call has made a descriptor.
pub fn made(number: u32, args: &[u64; 6], fd: u64) {
    let is_own = match number {
        ACCEPT | ACCEPT4 => true,
        SOCKET => {
            let [family, kind, protocol] = [args[0], args[1], args[2]].map(|arg| arg as u32);
            matches!(family, AF_INET | AF_INET6)
                && kind & SOCK_TYPE_MASK == SOCK_STREAM
                && matches!(protocol, 0 | IPPROTO_TCP)
        }
        _ => false,
    };
    if is_own {
        let mut streams = STREAMS.lock();
        let touched = streams.tick();
        if streams.own.len() < MOST {
            let stream = Stream {
                touched,
                ..Stream::default()
            };
            streams.own.insert(fd as i32, stream);
        }
    }
}

/// A call about sockets that is being made. What another thread is told of them meanwhile may be true no more.
pub struct UnderWay([i32; 6]);

impl UnderWay {
    pub fn begin(kinds: &[Arg], args: &[u64; 6]) -> UnderWay {
        let mut fds = [-1; 6];
        let mut streams = STREAMS.lock();
        if !streams.own.is_empty() {
            let time = streams.tick();
            for (at, kind) in kinds.iter().enumerate() {
                let fd = args[at] as i32;
                if let (Arg::Fd, Some(stream)) = (kind, streams.own.get_mut(&fd)) {
                    fds[at] = fd;
                    (stream.under_way, stream.touched) = (stream.under_way + 1, time);
                }
            }
        }
        UnderWay(fds)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.0 == [-1; 6] {
            return;
        }
        let mut streams = STREAMS.lock();
        let time = streams.tick();
        for fd in self.0 {
            if let Some(stream) = streams.own.get_mut(&fd) {
                stream.under_way = stream.under_way.saturating_sub(1);
                stream.touched = time;
            }
        }
    }
}

/// The time, for what is asked now.
pub fn now() -> u64 {
    STREAMS.lock().time
}

/// With what a call of before failed, if this one, which has just been made, failed by it.
pub fn failed(number: u32, args: &[u64; 6]) -> Option<Errno> {
    does(number)?;
    let mut streams = STREAMS.lock();
    streams.settle();
    let stream = streams.own.get_mut(&(args[0] as i32))?;
    stream.error.take()
}

/// A file has been opened, whose state stands in these bytes, if it is regular and is read only. `path`: where the
/// path that the call was given begins.
pub fn opened(number: u32, args: &[u64; 6], fd: u64, state: [u64; STATE_BYTES / 8], path: &[u8]) {
    let mut streams = STREAMS.lock();
    let flags = match number {
        OPEN => Some(args[1]),
        OPENAT if args[0] as i32 == AT_FDCWD => Some(args[2]),
        _ => None,
    };
    let is_regular = streams.file.opened(fd as i32, state);
    match flags {
        Some(flags) if is_regular => streams.opening.note(path, flags as u32),
        _ => streams.opening = Opening::none(),
    }
}

/// Other processes have all descriptors now. Returns one that is to be closed before.
#[must_use]
pub fn share() -> Option<u64> {
    let mut streams = STREAMS.lock();
    let left = streams.file.settle();
    streams.own.clear();
    streams.file = File::none();
    left.map(|fd| fd as u64)
}

/// As [`share`], in the new process, whose channel is empty.
pub fn start_anew() {
    let _ = share();
    STREAMS.lock().batch.forget();
}

/// Takes what the monitor told, from `offset` of a slot's bytes on, when it was asked at that time.
///
/// # Safety
/// The slot at that address is the caller's.
pub unsafe fn look(slot: u64, offset: u64, asked: u64) {
    let mut streams = STREAMS.lock();
    streams.looked = arch::ticks();
    let Streams { own, bytes, .. } = &mut *streams;
    for stream in own.values_mut() {
        (stream.from, stream.to, stream.room) = (0, 0, 0);
    }
    // SAFETY: the caller's slot.
    let told = unsafe {
        let start = (slot + offset) as *const u8;
        core::slice::from_raw_parts(start, SLOT_BYTES.saturating_sub(offset as usize))
    };
    let [count, length] = [0, 32].map(|shift| (word(told, 0) >> shift) as u32 as usize);
    bytes.clear();
    bytes.extend_from_slice(told.get(..length).unwrap_or(told));
    let mut at = size_of::<u64>();
    for _ in 0..count {
        let [first, second] = [at, at + 8].map(|at| word(bytes, at));
        let ahead = Ahead {
            fd: first as i32,
            bytes: (first >> 32) as u32,
            room: second as u32,
            _pad: 0,
        };
        at += size_of::<Ahead>();
        let end = at + ahead.bytes as usize;
        if end > bytes.len() {
            return;
        }
        let known = own.get_mut(&ahead.fd);
        if let Some(stream) = known.filter(|stream| stream.holds_since(asked)) {
            (stream.from, stream.to, stream.room) = (at, end, ahead.room);
        }
        at = end.next_multiple_of(8);
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..at + 8).map(TryInto::try_into) {
        Some(Ok(word)) => u64::from_ne_bytes(word),
        _ => 0,
    }
}

fn message(args: &[u64; 6]) -> Option<Message> {
    let [name, _, vector, items, _, control_bytes] = user::read::<[u64; 6]>(args[1]).ok()?;
    Some(Message {
        name,
        vector,
        items,
        control_bytes,
    })
}

impl Stream {
    /// Whether no thread's call was about it since that time.
    fn holds_since(&self, asked: u64) -> bool {
        self.under_way == 0 && self.touched <= asked
    }
}

impl Streams {
    fn tick(&mut self) -> u64 {
        self.time += 1;
        self.time
    }

    /// Posts a call, if the monitor looks after the batch.
    fn post(&mut self, number: u32, args: [u64; 6], bytes: u64, pieces: &[[u64; 2]]) -> bool {
        arch::ticks().wrapping_sub(self.looked) < WATCHED
            && self.batch.post(number, args, bytes, pieces)
    }

    /// Learns what became of a batch that has been made.
    fn settle(&mut self) {
        let Streams { own, batch, .. } = self;
        batch.settle(|fd, errno| {
            // A socket that can send no more says so again, with its signal.
            if let Some(stream) = own.get_mut(&fd) {
                stream.room = 0;
                if errno != Errno::EPIPE {
                    stream.error = Some(errno);
                }
            }
        });
    }

    fn read(&mut self, number: u32, args: &[u64; 6]) -> Option<u64> {
        let [fd, to, bytes, flags, address, _] = *args;
        if number == RECVFROM && (address != 0 || flags & !FLAGS != 0) {
            return None;
        }
        let stream = self.own.get_mut(&(fd as i32))?;
        let taken = bytes.min((stream.to - stream.from) as u64);
        if taken == 0 {
            return None;
        }
        let from = self.bytes[stream.from..].as_ptr() as u64;
        // SAFETY: as many bytes stand there.
        let copied = unsafe { user::copy_out_raw(to, from, taken) };
        let args = [
            fd,
            0,
            taken,
            if number == RECVFROM { flags } else { 0 },
            0,
            0,
        ];
        if copied.is_err() || !self.post(number, args, taken, &[]) {
            return None;
        }
        let touched = self.tick();
        let stream = self.own.get_mut(&(fd as i32))?;
        (stream.from, stream.touched) = (stream.from + taken as usize, touched);
        Some(taken)
    }

    /// sendfile(2) of the file that was opened last, from where the program says.
    fn send_file(&mut self, number: u32, args: &[u64; 6]) -> Option<u64> {
        let [to, from, place, bytes, ..] = *args;
        let stream = self.own.get_mut(&(to as i32))?;
        let offset: u64 = user::read(place).ok()?;
        if bytes == 0
            || bytes > stream.room.into()
            || !self.file.has(from as i32, offset, bytes)
            || user::write(place, &offset).is_err()
            || !self.post(number, [to, from, offset, bytes, 0, 0], bytes, &[])
        {
            return None;
        }
        let touched = self.tick();
        let stream = self.own.get_mut(&(to as i32))?;
        (stream.room, stream.touched) = (stream.room - bytes as u32, touched);
        // It could be written just before.
        let _ = user::write(place, &(offset + bytes));
        Some(bytes)
    }

    /// open(2) of the file that the monitor opened again.
    fn open(&mut self, path: u64, flags: u64) -> Option<u64> {
        if !self.opening.is(path, flags as u32) {
            return None;
        }
        self.file.take().map(|fd| fd as u64)
    }

    /// close(2) of the file that was opened last.
    fn close(&mut self, number: u32, args: &[u64; 6]) -> Option<u64> {
        self.settle();
        let fd = args[0] as i32;
        if self.file.is(fd) && self.file.put_back() {
            return Some(0);
        }
        if !self.file.is(fd) || !self.post(number, [args[0], 0, 0, 0, 0, 0], 0, &[]) {
            return None;
        }
        self.file = File::none();
        Some(0)
    }

    fn write(&mut self, number: u32, args: &[u64; 6]) -> Option<u64> {
        let [fd, first, second, flags, address, _] = *args;
        let stream = self.own.get_mut(&(fd as i32))?;
        if stream.room == 0 {
            return None;
        }
        let mut pieces = [[0u64; 2]; PIECES];
        let (vector, items) = match number {
            SENDMSG => {
                let header = message(args)?;
                if header.name != 0 || header.control_bytes != 0 || second & !FLAGS != 0 {
                    return None;
                }
                (header.vector, header.items)
            }
            SENDTO if address != 0 || flags & !FLAGS != 0 => return None,
            WRITEV => (first, second),
            _ => {
                pieces[0] = [first, second];
                (0, 1)
            }
        };
        let pieces = pieces.get_mut(..usize::try_from(items).ok()?)?;
        if vector != 0 {
            for (at, piece) in pieces.iter_mut().enumerate() {
                *piece = user::read(vector + at as u64 * size_of::<[u64; 2]>() as u64).ok()?;
            }
        }
        let bytes = pieces
            .iter()
            .try_fold(0u64, |sum, [_, bytes]| sum.checked_add(*bytes))?;
        if bytes == 0
            || bytes > stream.room.into()
            || !self.batch.post(number, *args, bytes, pieces)
        {
            return None;
        }
        stream.room -= bytes as u32;
        self.time += 1;
        stream.touched = self.time;
        Some(bytes)
    }
}
