//! Calls that the monitor makes: each argument is turned as its row says.

mod segments;
mod sockets;

use pinion_abi::calls::{self, commands, Arg, Wait, HANDLE_BYTES, HEAD_BYTES, MAX_DATA, PATH_MAX};
use pinion_abi::channel::{DATA, SLOT_BYTES};
use pinion_abi::layout::USER_END;
use pinion_abi::sockets::{self as sockets_abi, Value};
use pinion_abi::streams::EVENTS;
use pinion_abi::Errno;

use super::mapped;
use crate::arch::Frame;
use crate::boot;
use crate::channel::{self, Owned};
use crate::mm::space::{Access, SPACE};
use crate::mm::user;
use crate::signals;
use crate::streams;
use crate::threads::scheduler;

const IOCTL: u32 = 16;
const PIPE: u32 = 22;
const PIPE2: u32 = 293;
const FCNTL: u32 = 72;
const SELECT: u32 = 23;
const PSELECT6: u32 = 270;
const PPOLL: u32 = 271;
const NAME_TO_HANDLE_AT: u32 = 303;
const ACCEPT: u32 = 43;
const ACCEPT4: u32 = 288;
const SOCKETPAIR: u32 = 53;
/// Calls whose data are one message, of which a part would be another.
const WHOLE: [u32; 2] = [44, 46];

/// The most items of an iovec array (UIO_MAXIOV).
const MAX_VECTOR: u64 = 1024;
/// The most bytes of one read or write (MAX_RW_COUNT).
const MAX_BYTES: u64 = 0x7fff_f000;

/// What is copied to the program after the call.
#[derive(Clone, Copy)]
struct Output {
    offset: u64,
    to: u64,
    bytes: u64,
    valid: Valid,
}

/// How many bytes of an output the call wrote.
#[derive(Clone, Copy)]
enum Valid {
    All,
    /// As many items of this size as the call returned.
    Items(u64),
    /// All, but no error if the memory is read-only.
    Hint,
    /// All, though the call failed.
    Always,
    /// The head of a message and as many bytes as the call returned.
    Message,
    /// An address, if the call worked: its length stands there.
    Address {
        length: u64,
    },
    /// An option's value, the same.
    Option {
        length: u64,
        value: Value,
    },
    /// What recvmsg(2) says of a message: its address and its ancillary data go there.
    Header {
        name: u64,
        control: u64,
    },
}

/// The data area of a slot while a request is built.
struct Data {
    slot: Owned,
    used: u64,
    outputs: [Option<Output>; 6],
    number: u32,
    /// Memory that ends early is an error, rather than the end of the data.
    whole: bool,
    /// Where the monitor tells what stands in sockets, if it shall.
    ahead: Option<u64>,
    /// Where it tells of a file that was opened.
    state: Option<u64>,
    /// Where it is asked to open one.
    again: Option<u64>,
}

/// Bytes of struct epoll_event.
const EVENT_BYTES: u32 = 12;

impl Data {
    fn reserve(&mut self, bytes: u64) -> Result<u64, Errno> {
        let offset = self.used.next_multiple_of(8);
        let end = offset.checked_add(bytes).ok_or(Errno::EINVAL)?;
        if end > SLOT_BYTES as u64 {
            return Err(Errno::EINVAL);
        }
        self.used = end;
        Ok(offset)
    }

    fn room(&self) -> u64 {
        (SLOT_BYTES as u64).saturating_sub(self.used.next_multiple_of(8))
    }

    fn input(&mut self, from: u64, bytes: u64) -> Result<u64, Errno> {
        if from == 0 {
            return Ok(0);
        }
        let offset = self.reserve(bytes)?;
        // SAFETY: the reserved part of the slot has that many bytes.
        unsafe { user::copy_in_raw(self.slot.address() + offset, from, bytes)? };
        Ok(offset)
    }

    fn output(&mut self, index: usize, to: u64, bytes: u64, valid: Valid) -> Result<u64, Errno> {
        if to == 0 {
            return Ok(0);
        }
        let offset = self.reserve(bytes)?;
        self.outputs[index] = Some(Output {
            offset,
            to,
            bytes,
            valid,
        });
        Ok(offset)
    }

    fn path(&mut self, from: u64) -> Result<u64, Errno> {
        if from == 0 {
            return Ok(0);
        }
        let room = self.room().min(u64::from(PATH_MAX));
        let offset = self.used.next_multiple_of(8);
        // SAFETY: the slot has `room` bytes left from `offset` on.
        let bytes = unsafe { user::copy_string_raw(self.slot.address() + offset, from, room)? };
        self.used = offset + bytes;
        Ok(offset)
    }

    fn argument(&mut self, index: usize, kind: Arg, args: &mut [u64; 6]) -> Result<u64, Errno> {
        let value = args[index];
        let other = |at: u8| args[usize::from(at)];
        match kind {
            Arg::Int | Arg::Fd | Arg::DirFd => Ok(value),
            Arg::Path => self.path(value),
            Arg::In(bytes) => self.input(value, u64::from(bytes)),
            Arg::Out(bytes) => self.output(index, value, u64::from(bytes), Valid::All),
            Arg::InOut(bytes) => {
                let offset = self.input(value, u64::from(bytes))?;
                if offset != 0 {
                    let bytes = u64::from(bytes);
                    self.outputs[index] = Some(Output {
                        offset,
                        to: value,
                        bytes,
                        valid: Valid::All,
                    });
                }
                Ok(offset)
            }
            Arg::InLen(at) => self.input(value, other(at)),
            Arg::OutLen(at) => {
                let bytes = other(at).min(u64::from(MAX_DATA)).min(self.room());
                args[usize::from(at)] = bytes;
                self.output(index, value, bytes, Valid::Items(1))
            }
            Arg::InItems(size, at) => self.input(value, items(size, other(at))?),
            Arg::InOutItems(size, at) => {
                let bytes = items(size, other(at))?;
                let offset = self.input(value, bytes)?;
                if offset != 0 {
                    self.outputs[index] = Some(Output {
                        offset,
                        to: value,
                        bytes,
                        valid: Valid::All,
                    });
                }
                Ok(offset)
            }
            Arg::OutItems(size, at) => {
                let most = match self.ahead {
                    Some(_) => EVENTS,
                    None => (u64::from(MAX_DATA).min(self.room()) / u64::from(size)).max(1),
                };
                let count = other(at) as i32;
                // As epoll_wait(2) and getgroups(2) have it: otherwise more is told than there is room for.
                if count < 0 || size == EVENT_BYTES && count > i32::MAX / EVENT_BYTES as i32 {
                    return Err(Errno::EINVAL);
                }
                let count = (count as u64).min(most);
                args[usize::from(at)] = count;
                let size = u64::from(size);
                self.output(index, value, count * size, Valid::Items(size))
            }
            Arg::BufferIn(at) => self.buffer(value, other(at), Access::Read),
            Arg::BufferOut(at) => self.buffer(value, other(at), Access::Write),
            Arg::VectorIn(at) => self.vector(value, other(at), Access::Read),
            Arg::VectorOut(at) => self.vector(value, other(at), Access::Write),
            Arg::Ioctl => match calls::ioctl(args[1] as u32) {
                Some(kind) => self.argument(index, kind, args),
                None => {
                    boot::missing().count_command(IOCTL, args[1] as u32);
                    Err(Errno::ENOTTY)
                }
            },
            Arg::InMessage(at) => {
                let bytes = other(at).checked_add(HEAD_BYTES.into());
                self.input(value, bytes.ok_or(Errno::EINVAL)?)
            }
            Arg::OutMessage(at) => {
                if i64::try_from(other(at)).is_err() {
                    return Err(Errno::EINVAL);
                }
                let most = u64::from(MAX_DATA - HEAD_BYTES);
                args[usize::from(at)] = other(at).min(most);
                let bytes = args[usize::from(at)] + u64::from(HEAD_BYTES);
                self.output(index, value, bytes, Valid::Message)
            }
            Arg::FileHandle => {
                let bytes: u32 = user::read(value)?;
                let bytes = u64::from(bytes.min(HANDLE_BYTES) + HEAD_BYTES);
                let offset = self.input(value, bytes)?;
                self.outputs[index] = Some(Output {
                    offset,
                    to: value,
                    bytes,
                    valid: Valid::Always,
                });
                Ok(offset)
            }
            Arg::Family if sockets_abi::family(value as u32) => Ok(value),
            Arg::Family => Err(self.refused(Errno::EAFNOSUPPORT)),
            Arg::Address(at) => self.address(value, other(at)),
            Arg::AddressOut(at) => self.address_out(index, value, other(at)),
            Arg::Option => self.option(args),
            Arg::OptionOut => self.option_out(index, args),
            Arg::Interfaces => self.interfaces(index, value),
            Arg::HeaderIn => self.header(index, value, Access::Read),
            Arg::HeaderOut => self.header(index, value, Access::Write),
            Arg::Ahead if self.ahead.is_some() => {
                let bytes = self.room().saturating_sub(streams::AGAIN_BYTES) & !7;
                let offset = self.reserve(bytes)?;
                // The monitor may tell nothing.
                // SAFETY: the slot is ours.
                unsafe { ((self.slot.address() + offset) as *mut u64).write(0) };
                self.ahead = Some(offset);
                Ok(offset)
            }
            Arg::Ahead => Ok(0),
            // With other threads, one could take the descriptor's number before this one is told of it.
            Arg::Again if self.ahead.is_some() && scheduler::count() == 1 => {
                let offset = self.reserve(streams::AGAIN_BYTES)?;
                // SAFETY: so many bytes of our slot were reserved there.
                let asked = unsafe { streams::ask_again(self.slot.address(), offset) };
                self.again = asked.then_some(offset);
                Ok(self.again.unwrap_or(0))
            }
            Arg::Again => Ok(0),
            Arg::State => {
                let offset = self.reserve(streams::STATE_BYTES as u64)?;
                self.state = Some(offset);
                Ok(offset)
            }
            Arg::Shmctl | Arg::Msgctl | Arg::Semctl => {
                let command = args[index - 1] as u32;
                match calls::control(kind, command).ok_or(Errno::EINVAL)? {
                    Arg::Semctl => {
                        let bytes = 2 * semaphores(args[0])?;
                        match command {
                            commands::GETALL => self.output(index, value, bytes, Valid::All),
                            _ => self.input(value, bytes),
                        }
                    }
                    kind => self.argument(index, kind, args),
                }
            }
            Arg::Fcntl => match calls::fcntl(args[1] as u32) {
                Some(kind) => self.argument(index, kind, args),
                None => {
                    boot::missing().count_command(FCNTL, args[1] as u32);
                    Err(Errno::EINVAL)
                }
            },
        }
    }
}

/// How many semaphores a set has.
fn semaphores(set: u64) -> Result<u64, Errno> {
    const SEMCTL: u32 = 66;
    let slot = Owned::take();
    let args = [set, 0, commands::IPC_STAT.into(), DATA as u64, 0, 0];
    channel::result(slot.call(SEMCTL, &args, Wait::Never))?;
    let at = slot.address() + (DATA + commands::SET_COUNT) as u64;
    // SAFETY: the slot is ours, and the answer stands in its data.
    Ok(unsafe { (at as *const u64).read() })
}

fn items(size: u32, count: u64) -> Result<u64, Errno> {
    u64::from(size).checked_mul(count).ok_or(Errno::EINVAL)
}

/// Passes on a call of a row marked `either`.
pub fn pass(frame: &Frame) -> Result<u64, Errno> {
    pass_as(frame.original as u32, frame.args())
}

/// Makes a call of the monitor's by its row.
pub fn pass_as(number: u32, args: [u64; 6]) -> Result<u64, Errno> {
    let row = calls::find(number.into()).ok_or(Errno::ENOSYS)?;
    let (wait, kinds) = row.host().ok_or(Errno::ENOSYS)?;
    call(row.number, wait, kinds, args)
}

/// Makes the call of a row marked `host`.
pub fn call(number: u32, wait: Wait, kinds: &[Arg], mut args: [u64; 6]) -> Result<u64, Errno> {
    mapped::forget_descriptor(number, &args);
    if let Some(result) = streams::answer(number, &args) {
        return result;
    }
    if let Some(fd) = streams::forget(number, kinds, &args) {
        channel::close(fd);
    }
    let _under_way = streams::UnderWay::begin(kinds, &args);
    let asked = streams::now();
    let mut data = Data {
        slot: Owned::take_for_call(),
        used: DATA as u64,
        outputs: [None; 6],
        whole: WHOLE.contains(&number),
        number,
        state: None,
        again: None,
        ahead: (kinds.contains(&Arg::Ahead) && streams::any()).then_some(0),
    };
    let mut passed = args;
    for (index, kind) in kinds.iter().enumerate() {
        passed[index] = data.argument(index, *kind, &mut args)?;
    }
    match number {
        // What is left of the timeout is told if it can be (poll_select_finish).
        SELECT | PSELECT6 | PPOLL => {
            let timeout = if number == PPOLL { 2 } else { 4 };
            if let Some(output) = &mut data.outputs[timeout] {
                output.valid = Valid::Hint;
            }
        }
        // The mount is told though the handle has no room (name_to_handle_at(2)).
        NAME_TO_HANDLE_AT => {
            if let Some(output) = &mut data.outputs[3] {
                output.valid = Valid::Always;
            }
        }
        // Descriptors that the program is not told of would stay for ever.
        PIPE | PIPE2 | SOCKETPAIR => {
            let pair = if number == SOCKETPAIR {
                args[3]
            } else {
                args[0]
            };
            let mut space = SPACE.lock();
            for at in [pair, pair.wrapping_add(7)] {
                let writable = at < USER_END && space.translate(at, Access::Write).is_ok();
                if !writable {
                    return Err(Errno::EFAULT);
                }
            }
        }
        _ => {}
    }
    // Lengths that were clamped go along clamped.
    for (index, kind) in kinds.iter().enumerate() {
        if let Arg::OutLen(at) | Arg::OutItems(_, at) | Arg::OutMessage(at) = kind {
            let _ = index;
            passed[usize::from(*at)] = args[usize::from(*at)];
        }
        if matches!(kind, Arg::Option) {
            passed[4] = args[4];
        }
    }
    let value = data.slot.call_unlocked(number, &passed, wait);
    signals::caused(data.slot.caused());
    match u64::try_from(value) {
        Ok(made) => streams::made(number, &args, made),
        Err(_) => {
            if let Some(errno) = streams::failed(number, &args) {
                return Err(errno);
            }
        }
    }
    if let Some(offset) = data.state.filter(|_| value >= 0) {
        // The path stands in the slot before the state.
        let path = kinds.iter().position(|kind| *kind == Arg::Path);
        let start = path.map_or(offset, |index| passed[index].min(offset));
        let address = data.slot.address();
        // SAFETY: the slot is ours, and so many bytes of it were reserved there.
        let (state, path) = unsafe {
            let path = (address + start) as *const u8;
            (
                ((address + offset) as *const [u64; streams::STATE_BYTES / 8]).read(),
                core::slice::from_raw_parts(path, (offset - start) as usize),
            )
        };
        streams::opened(number, &args, value as u64, state, path);
    }
    if let Some(offset) = data.ahead.filter(|_| value > 0) {
        // SAFETY: the slot is ours.
        unsafe { streams::look(data.slot.address(), offset, asked) };
        if let Some(offset) = data.again {
            // SAFETY: as above.
            unsafe { streams::answered_again(data.slot.address(), offset) };
        }
    }
    let interrupted = Errno::EINTR.as_result();
    for output in data.outputs.iter().flatten() {
        let told = match output.valid {
            _ if value < 0 => Ok(()),
            Valid::Address { length } => data.tell_address(output, length),
            Valid::Option { length, value } => data.tell_option(output, length, value),
            Valid::Header { name, control } => data.tell_header(output, name, control),
            _ => Ok(()),
        };
        if told.is_err() && matches!(number, ACCEPT | ACCEPT4) {
            sockets::drop_connection(value);
        }
        told?;
        let bytes = match output.valid {
            Valid::All | Valid::Hint if value >= 0 || value == interrupted => output.bytes,
            Valid::Always => output.bytes,
            Valid::Message if value >= 0 => u64::from(HEAD_BYTES) + value as u64,
            Valid::Items(size) if value > 0 => (value as u64).saturating_mul(size),
            _ => 0,
        };
        if bytes == 0 {
            continue;
        }
        // SAFETY: the output lies in our slot, `output.bytes` long.
        let copied = unsafe {
            user::copy_out_raw(
                output.to,
                data.slot.address() + output.offset,
                bytes.min(output.bytes),
            )
        };
        if !matches!(output.valid, Valid::Hint) {
            copied?;
        }
    }
    channel::result(value)
}
