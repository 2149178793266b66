//! The arguments of a request, checked and copied as the call's row says.

mod structures;

use std::ffi::{CStr, CString};
use std::os::fd::RawFd;

use pinion_abi::calls::{self, commands, Arg, MAX_DATA};
use pinion_abi::channel::{self, Segment};
use pinion_abi::{sockets, Errno};

use super::descriptors::Table;
use super::memory::{GuestMemory, SlotData};
use super::sockets::message::Message;

/// As many pieces of memory as one call takes (UIO_MAXIOV).
const MAX_SEGMENTS: u32 = 1024;
const SEGMENT_BYTES: usize = size_of::<Segment>();

/// One argument. What the guest can change was copied once, before it was checked.
enum Value {
    Number(u64),
    Null,
    Path(CString),
    Data {
        bytes: Vec<u8>,
        at: usize,
        valid: Valid,
    },
    Memory(Vec<libc::iovec>),
    Message(Box<Message>),
}

/// How much of a buffer is copied back into the slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Valid {
    /// Nothing: the call only reads it.
    None,
    All,
    /// The call's result, in units of that many bytes.
    Result(usize),
    /// The head of a message, and as many bytes as the call's result.
    Message,
}

/// The arguments of one call.
pub(super) struct Args {
    values: [Value; 6],
}

pub(super) struct Decoder<'a> {
    pub memory: &'a dyn GuestMemory,
    pub slot: &'a SlotData,
    pub table: &'a Table,
}

impl Decoder<'_> {
    /// Checks the arguments in order; the first that is wrong decides the error.
    pub fn decode(&self, kinds: &[Arg], mut raw: [u64; 6]) -> Result<Args, Errno> {
        let mut values = [const { Value::Number(0) }; 6];
        for (index, kind) in kinds.iter().enumerate().take(6) {
            let value = self.value(*kind, index, &mut raw)?;
            if let Some(place) = values.get_mut(index) {
                *place = value;
            }
        }
        // A buffer's length may stand before or behind it, and may have been cut to size.
        for (index, kind) in kinds.iter().enumerate().take(6) {
            if matches!(kind, Arg::Int) {
                values[index] = Value::Number(raw[index]);
            }
        }
        Ok(Args { values })
    }

    fn value(&self, kind: Arg, index: usize, raw: &mut [u64; 6]) -> Result<Value, Errno> {
        let arg = raw[index];
        match kind {
            Arg::Int | Arg::Ahead | Arg::Again | Arg::State => Ok(Value::Number(arg)),
            Arg::Fd => {
                let fd = arg as RawFd;
                if !self.table.visible(fd) {
                    return Err(Errno::EBADF);
                }
                Ok(Value::Number(super::sys::word(fd)))
            }
            Arg::DirFd => {
                // With an absolute path Linux does not look at it, so a bad one is no error yet.
                let fd = arg as RawFd;
                let named = fd == libc::AT_FDCWD || self.table.visible(fd);
                Ok(Value::Number(super::sys::word(if named { fd } else { -1 })))
            }
            Arg::Path => self.path(arg),
            Arg::In(bytes) => self.data(arg, bytes as usize, true, Valid::None),
            Arg::Out(bytes) => self.data(arg, bytes as usize, false, Valid::All),
            Arg::InOut(bytes) => self.data(arg, bytes as usize, true, Valid::All),
            Arg::InLen(length) => {
                let bytes = raw.get(usize::from(length)).copied().unwrap_or(0);
                if bytes > MAX_DATA.into() {
                    return Err(Errno::E2BIG);
                }
                self.data(arg, bytes as usize, true, Valid::None)
            }
            Arg::OutLen(length) => {
                let bytes = raw.get_mut(usize::from(length)).ok_or(Errno::EINVAL)?;
                *bytes = (*bytes).min(MAX_DATA.into());
                self.data(arg, *bytes as usize, false, Valid::Result(1))
            }
            Arg::InOutItems(bytes, count) => {
                self.data(arg, items(raw, bytes, count, false)?, true, Valid::All)
            }
            Arg::InItems(bytes, count) => {
                self.data(arg, items(raw, bytes, count, false)?, true, Valid::None)
            }
            Arg::OutItems(bytes, count) => {
                let length = items(raw, bytes, count, true)?;
                self.data(arg, length, false, Valid::Result(bytes as usize))
            }
            Arg::BufferIn(_) | Arg::BufferOut(_) | Arg::VectorIn(_) | Arg::VectorOut(_) => {
                self.segments(arg)
            }
            Arg::Ioctl => {
                let kind = calls::ioctl(raw[1] as u32).ok_or(Errno::ENOTTY)?;
                self.value(kind, index, raw)
            }
            Arg::InMessage(length) => {
                let bytes = message(raw, length)?;
                self.data(arg, bytes, true, Valid::None)
            }
            Arg::OutMessage(length) => {
                let bytes = message(raw, length)?;
                self.data(arg, bytes, false, Valid::Message)
            }
            Arg::FileHandle => self.file_handle(arg),
            Arg::Shmctl | Arg::Semctl | Arg::Msgctl => {
                let command = raw[index - 1] as u32;
                match calls::control(kind, command).ok_or(Errno::EINVAL)? {
                    Arg::Semctl => self.semaphores(arg, raw[0], command == commands::SETALL),
                    kind => self.value(kind, index, raw),
                }
            }
            Arg::Family if sockets::family(arg as u32) => Ok(Value::Number(arg)),
            Arg::Family => Err(Errno::EAFNOSUPPORT),
            Arg::Address(length) => {
                let bytes = raw.get(usize::from(length)).copied().unwrap_or(0) as u32;
                if bytes > sockets::ADDRESS_BYTES {
                    return Err(Errno::EINVAL);
                }
                self.data(arg, bytes as usize, true, Valid::None)
            }
            Arg::AddressOut(_) => self.sized(arg, |_| sockets::ADDRESS_BYTES, Valid::All),
            Arg::Option => match sockets::option(raw[1] as u32, raw[2] as u32) {
                None => Err(Errno::ENOPROTOOPT),
                Some(sockets::Value::Filter) => self.sized(arg, |bytes| bytes, Valid::None),
                Some(_) if raw[4] > sockets::OPTION_BYTES.into() => Err(Errno::EINVAL),
                Some(_) => self.data(arg, raw[4] as usize, true, Valid::None),
            },
            Arg::OptionOut => match sockets::option(raw[1] as u32, raw[2] as u32) {
                None => Err(Errno::ENOPROTOOPT),
                Some(value) => self.sized(arg, |length| value.room(length), Valid::All),
            },
            Arg::Interfaces => {
                self.sized(arg, |length| length.min(sockets::OPTION_BYTES), Valid::All)
            }
            Arg::HeaderIn => Ok(Value::Message(Box::new(self.message(arg, false)?))),
            Arg::HeaderOut => Ok(Value::Message(Box::new(self.message(arg, true)?))),
            Arg::Fcntl => {
                let kind = calls::fcntl(raw[1] as u32).ok_or(Errno::EINVAL)?;
                self.value(kind, index, raw)
            }
        }
    }

    fn path(&self, offset: u64) -> Result<Value, Errno> {
        if offset == 0 {
            return Ok(Value::Null);
        }
        let start = data_offset(offset)?;
        let limit = self
            .slot
            .bytes()
            .saturating_sub(start)
            .min(calls::PATH_MAX as usize);
        let mut text = Vec::with_capacity(128);
        while text.len() < limit {
            let at = text.len();
            let step = (limit - at).min(128);
            text.resize(at + step, 0);
            self.slot.copy_in(start + at, &mut text[at..])?;
            if let Some(end) = text[at..].iter().position(|byte| *byte == 0) {
                text.truncate(at + end);
                return CString::new(text)
                    .map(Value::Path)
                    .map_err(|_| Errno::EINVAL);
            }
        }
        Err(if limit == calls::PATH_MAX as usize {
            Errno::ENAMETOOLONG
        } else {
            Errno::EFAULT
        })
    }

    pub(super) fn bytes(&self, offset: u32, length: u32, most: u32) -> Result<Vec<u8>, Errno> {
        if length > most {
            return Err(Errno::EINVAL);
        }
        let mut bytes = vec![0; length as usize];
        if length > 0 {
            self.slot.copy_in(data_offset(offset.into())?, &mut bytes)?;
        }
        Ok(bytes)
    }

    fn data(&self, offset: u64, length: usize, read: bool, valid: Valid) -> Result<Value, Errno> {
        if offset == 0 {
            return Ok(Value::Null);
        }
        let at = data_offset(offset)?;
        if length > MAX_DATA as usize {
            return Err(Errno::EINVAL);
        }
        match at.checked_add(length) {
            Some(end) if end <= self.slot.bytes() => {}
            _ => return Err(Errno::EFAULT),
        }
        let mut bytes = vec![0; length];
        if read {
            self.slot.copy_in(at, &mut bytes)?;
        }
        Ok(Value::Data { bytes, at, valid })
    }

    fn segments(&self, arg: u64) -> Result<Value, Errno> {
        self.pieces(arg).map(Value::Memory)
    }

    /// Pieces of the guest's memory.
    pub(super) fn pieces(&self, arg: u64) -> Result<Vec<libc::iovec>, Errno> {
        let (offset, count) = channel::segments_of(arg);
        if count > MAX_SEGMENTS {
            return Err(Errno::EINVAL);
        }
        let mut bytes = vec![0; count as usize * SEGMENT_BYTES];
        if count > 0 {
            self.slot.copy_in(data_offset(offset.into())?, &mut bytes)?;
        }
        let mut vector = Vec::with_capacity(count as usize);
        for item in bytes.chunks_exact(SEGMENT_BYTES) {
            let (address, bytes) = (number(item, 0), number(item, 8));
            let base = self.memory.host(address, bytes).ok_or(Errno::EFAULT)?;
            vector.push(libc::iovec {
                iov_base: base.cast(),
                iov_len: bytes as usize,
            });
        }
        Ok(vector)
    }
}

/// An offset into the data of a slot; its head is not for arguments.
pub(super) fn data_offset(offset: u64) -> Result<usize, Errno> {
    usize::try_from(offset)
        .ok()
        .filter(|at| *at >= channel::DATA)
        .ok_or(Errno::EFAULT)
}

/// The bytes of an array whose item count is another argument, an `int`; `cut` shortens it to what
/// a buffer holds.
fn items(raw: &mut [u64; 6], bytes: u32, count: u8, cut: bool) -> Result<usize, Errno> {
    let items = raw.get_mut(usize::from(count)).ok_or(Errno::EINVAL)?;
    let signed = *items as i32;
    let most = MAX_DATA / bytes.max(1);
    let wanted = u32::try_from(signed).map_err(|_| Errno::EINVAL)?;
    if wanted > most && !cut {
        return Err(Errno::EINVAL);
    }
    *items = wanted.min(most).into();
    Ok(wanted.min(most) as usize * bytes as usize)
}

/// The bytes of a message with its head.
fn message(raw: &[u64; 6], length: u8) -> Result<usize, Errno> {
    let bytes = raw.get(usize::from(length)).copied().unwrap_or(0);
    match bytes.checked_add(calls::HEAD_BYTES.into()) {
        Some(bytes) if bytes <= MAX_DATA.into() => Ok(bytes as usize),
        _ => Err(Errno::EINVAL),
    }
}

/// The 8 bytes at an offset, as the machine's number.
pub(super) fn number(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    for (to, from) in word.iter_mut().zip(bytes.iter().skip(at)) {
        *to = *from;
    }
    u64::from_ne_bytes(word)
}

impl Args {
    /// A number, or 0 for an argument that is none.
    pub fn number(&self, index: usize) -> u64 {
        match self.values.get(index) {
            Some(Value::Number(number)) => *number,
            _ => 0,
        }
    }

    /// An `int`: the low 32 bits, as Linux takes it.
    pub fn int(&self, index: usize) -> i32 {
        self.number(index) as i32
    }

    pub fn fd(&self, index: usize) -> RawFd {
        self.int(index)
    }

    /// A path; EFAULT for NULL.
    pub fn path(&self, index: usize) -> Result<&CStr, Errno> {
        self.path_or_null(index).ok_or(Errno::EFAULT)
    }

    pub fn path_or_null(&self, index: usize) -> Option<&CStr> {
        match self.values.get(index) {
            Some(Value::Path(path)) => Some(path),
            _ => None,
        }
    }

    /// A buffer; EFAULT for NULL.
    pub fn data(&mut self, index: usize) -> Result<&mut Vec<u8>, Errno> {
        match self.values.get_mut(index) {
            Some(Value::Data { bytes, .. }) => Ok(bytes),
            _ => Err(Errno::EFAULT),
        }
    }

    pub fn data_or_null(&mut self, index: usize) -> Option<&mut Vec<u8>> {
        self.data(index).ok()
    }

    /// A message; EFAULT for anything else.
    pub fn message(&mut self, index: usize) -> Result<&mut Message, Errno> {
        match self.values.get_mut(index) {
            Some(Value::Message(message)) => Ok(message),
            _ => Err(Errno::EFAULT),
        }
    }

    /// Pieces of the guest's memory.
    pub fn memory(&self, index: usize) -> &[libc::iovec] {
        match self.values.get(index) {
            Some(Value::Memory(vector)) => vector,
            _ => &[],
        }
    }

    /// The argument as a system call takes it: a number, or the address of the monitor's copy.
    pub fn word(&mut self, index: usize) -> u64 {
        match self.values.get_mut(index) {
            Some(Value::Number(number)) => *number,
            Some(Value::Path(path)) => path.as_ptr() as u64,
            Some(Value::Data { bytes, .. }) => bytes.as_mut_ptr() as u64,
            Some(Value::Memory(vector)) => vector.as_ptr() as u64,
            Some(Value::Null | Value::Message(_)) | None => 0,
        }
    }

    pub fn words(&mut self) -> [u64; 6] {
        [0, 1, 2, 3, 4, 5].map(|index| self.word(index))
    }

    /// Copies back what the call wrote. A failed call may have written too: ppoll(2) does.
    pub fn copy_back(&self, slot: &SlotData, result: i64) -> Result<(), Errno> {
        for value in &self.values {
            if let Value::Message(message) = value {
                message.copy_back(slot, result)?;
            }
            let Value::Data { bytes, at, valid } = value else {
                continue;
            };
            let length = match valid {
                Valid::None => 0,
                Valid::All => bytes.len(),
                Valid::Message => usize::try_from(result)
                    .map_or(0, |bytes| bytes.saturating_add(calls::HEAD_BYTES as usize)),
                Valid::Result(unit) => usize::try_from(result).unwrap_or(0).saturating_mul(*unit),
            };
            slot.copy_out(*at, &bytes[..length.min(bytes.len())])?;
        }
        Ok(())
    }
}
