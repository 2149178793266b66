//! Arguments of the socket calls: addresses and options whose length goes both ways, messages.

use pinion_abi::layout::USER_END;
use pinion_abi::sockets::{
    Message, Sized, Value, ADDRESS_BYTES, CONTROL_BYTES, FILTER_BYTES, FILTER_INSTRUCTIONS,
    INSTRUCTION_BYTES, MESSAGE_BYTES, OPTION_BYTES, SIZED_BYTES,
};
use pinion_abi::{sockets, Errno};

use super::{Data, Output, Valid, MAX_VECTOR};
use crate::mm::space::{Access, SPACE};
use crate::mm::user;
use crate::{boot, channel};

/// Where the fields of struct msghdr stand (recvmsg(2)), each eight bytes but for `msg_namelen`.
const MSGHDR_NAME_BYTES: u64 = 8;
const MSGHDR_CONTROL_BYTES: u64 = 40;
const MSGHDR_FLAGS: u64 = 48;

const CLOSE: u32 = 3;

impl Data {
    /// What is not there of a call that is counts as missing.
    pub(super) fn refused(&self, errno: Errno) -> Errno {
        boot::missing().count(self.number);
        errno
    }

    /// A socket's address that the call reads.
    pub(super) fn address(&mut self, from: u64, bytes: u64) -> Result<u64, Errno> {
        let bytes = u32::try_from(bytes as i32).map_err(|_| Errno::EINVAL)?;
        if bytes > ADDRESS_BYTES {
            return Err(Errno::EINVAL);
        }
        self.input(from, bytes.into())
    }

    /// A socket's address that the call writes; its length is told at `length`.
    pub(super) fn address_out(&mut self, index: usize, to: u64, length: u64) -> Result<u64, Errno> {
        if to == 0 {
            return Ok(0);
        }
        let offset = self.sized(ADDRESS_BYTES, ADDRESS_BYTES)?;
        self.outputs[index] = Some(Output {
            offset,
            to,
            bytes: ADDRESS_BYTES.into(),
            valid: Valid::Address { length },
        });
        Ok(offset)
    }

    /// Room for a value whose length goes both ways.
    fn sized(&mut self, room: u32, length: u32) -> Result<u64, Errno> {
        let offset = self.reserve(u64::from(SIZED_BYTES + room))?;
        let head = (self.slot.address() + offset) as *mut Sized;
        // SAFETY: the slot is ours, and has room for it there, as just reserved.
        unsafe { head.write(Sized { length, _pad: 0 }) };
        Ok(offset)
    }

    /// An option's value for setsockopt(2): its arguments are socket, level, name, value and length.
    pub(super) fn option(&mut self, args: &mut [u64; 6]) -> Result<u64, Errno> {
        let [_, level, name, from, length, _] = *args;
        let length = u32::try_from(length as i32).map_err(|_| Errno::EINVAL)?;
        match sockets::option(level as u32, name as u32)
            .ok_or_else(|| self.refused(Errno::ENOPROTOOPT))?
        {
            Value::Bytes | Value::Descriptor => {
                args[4] = length.min(OPTION_BYTES).into();
                self.input(from, args[4])
            }
            Value::Filter if length != FILTER_BYTES => Err(Errno::EINVAL),
            Value::Filter => {
                // struct sock_fprog: how many instructions, and where they stand.
                let [count, place]: [u64; 2] = user::read(from)?;
                let count = u32::from(count as u16);
                if count > FILTER_INSTRUCTIONS {
                    return Err(Errno::ENOMEM);
                }
                let bytes = count * INSTRUCTION_BYTES;
                let offset = self.sized(bytes, bytes)?;
                let to = self.slot.address() + offset + u64::from(SIZED_BYTES);
                // SAFETY: that much was reserved there.
                unsafe { user::copy_in_raw(to, place, bytes.into())? };
                Ok(offset)
            }
        }
    }

    /// An option's value for getsockopt(2): the last argument says where the length stands.
    pub(super) fn option_out(&mut self, index: usize, args: &[u64; 6]) -> Result<u64, Errno> {
        let [_, level, name, to, place, _] = *args;
        let value = sockets::option(level as u32, name as u32)
            .ok_or_else(|| self.refused(Errno::ENOPROTOOPT))?;
        let length: i32 = user::read(place)?;
        let length = u32::try_from(length).map_err(|_| Errno::EINVAL)?;
        let room = value.room(length);
        let length = match value {
            Value::Filter => length.min(FILTER_INSTRUCTIONS),
            _ => room,
        };
        let offset = self.sized(room, length)?;
        // What stands there may be a part of the question.
        let at = self.slot.address() + offset + u64::from(SIZED_BYTES);
        // SAFETY: that much was reserved there.
        unsafe { user::copy_in_raw(at, to, room.into())? };
        self.outputs[index] = Some(Output {
            offset,
            to,
            bytes: room.into(),
            valid: Valid::Option {
                length: place,
                value,
            },
        });
        Ok(offset)
    }

    /// A struct ifconf: an int, the room, and where the array is; NULL asks for the room that it takes.
    pub(super) fn interfaces(&mut self, index: usize, address: u64) -> Result<u64, Errno> {
        const ARRAY: u64 = 8;
        let length: i32 = user::read(address)?;
        let to: u64 = user::read(address + ARRAY)?;
        let length = u32::try_from(length).map_err(|_| Errno::EINVAL)?;
        let room = if to == 0 { 0 } else { length.min(OPTION_BYTES) };
        let offset = self.sized(room, room)?;
        self.outputs[index] = Some(Output {
            offset,
            to,
            bytes: room.into(),
            valid: Valid::Option {
                length: address,
                value: Value::Bytes,
            },
        });
        Ok(offset)
    }

    /// A struct msghdr, whose parts the call reads or writes.
    pub(super) fn header(
        &mut self,
        index: usize,
        address: u64,
        access: Access,
    ) -> Result<u64, Errno> {
        let [name, name_bytes, vector, items, control, control_bytes, _]: [u64; 7] =
            user::read(address)?;
        let reads = access == Access::Read;
        let name_bytes = u32::try_from(name_bytes as i32).map_err(|_| Errno::EINVAL)?;
        if items > MAX_VECTOR {
            return Err(Errno::EMSGSIZE);
        }
        let offset = self.reserve(MESSAGE_BYTES.into())?;
        let mut message = Message {
            name: 0,
            name_bytes: 0,
            control: 0,
            control_bytes: 0,
            data: 0,
            flags: 0,
            _pad: 0,
        };
        if name != 0 && (!reads || name_bytes > 0) {
            let bytes = name_bytes.min(ADDRESS_BYTES);
            message.name_bytes = if reads { bytes } else { ADDRESS_BYTES };
            message.name = if reads {
                self.input(name, bytes.into())?
            } else {
                self.reserve(ADDRESS_BYTES.into())?
            } as u32;
        }
        if reads && control_bytes > CONTROL_BYTES.into() {
            return Err(Errno::ENOBUFS);
        }
        let mut bytes = control_bytes.min(CONTROL_BYTES.into());
        if !reads && !is_writable(control, bytes) {
            // As Linux has it: the message comes, and what goes with it is lost.
            bytes = 0;
        }
        if bytes > 0 {
            message.control_bytes = bytes as u32;
            message.control = if reads {
                self.input(control, bytes)?
            } else {
                self.reserve(bytes)?
            } as u32;
        }
        message.data = self.vector(vector, items, access)?;
        if !reads {
            self.outputs[index] = Some(Output {
                offset,
                to: address,
                bytes: 0,
                valid: Valid::Header { name, control },
            });
        }
        // SAFETY: the slot is ours, and has room for it there, as reserved above.
        unsafe { ((self.slot.address() + offset) as *mut Message).write(message) };
        Ok(offset)
    }

    /// Tells the program an address and its length, as Linux does (move_addr_to_user).
    pub(super) fn tell_address(&self, output: &Output, length: u64) -> Result<(), Errno> {
        let room: i32 = user::read(length)?;
        let (head, at) = self.told(output);
        copy_address(output.to, room, at, head.length)?;
        user::write(length, &head.length)
    }

    /// Tells the program an option's value and its length.
    pub(super) fn tell_option(
        &self,
        output: &Output,
        length: u64,
        value: Value,
    ) -> Result<(), Errno> {
        let (head, at) = self.told(output);
        let bytes = u64::from(value.room(head.length)).min(output.bytes);
        // SAFETY: as many bytes were reserved for it.
        unsafe { user::copy_out_raw(output.to, at, bytes)? };
        user::write(length, &head.length)
    }

    /// The head of a sized value, and where its bytes stand.
    fn told(&self, output: &Output) -> (Sized, u64) {
        let at = self.slot.address() + output.offset;
        // SAFETY: the slot is ours; the head was reserved there.
        let head = unsafe { (at as *const Sized).read() };
        (head, at + u64::from(SIZED_BYTES))
    }

    /// Tells the program what recvmsg(2) says of a message.
    pub(super) fn tell_header(
        &self,
        output: &Output,
        name: u64,
        control: u64,
    ) -> Result<(), Errno> {
        let at = self.slot.address() + output.offset;
        // SAFETY: the slot is ours; the structure was reserved there.
        let message = unsafe { (at as *const Message).read() };
        let header = output.to;
        if message.name != 0 {
            let room: i32 = user::read(header + MSGHDR_NAME_BYTES)?;
            let from = self.slot.address() + u64::from(message.name);
            copy_address(name, room, from, message.name_bytes)?;
            user::write(header + MSGHDR_NAME_BYTES, &message.name_bytes)?;
        }
        user::write(header + MSGHDR_FLAGS, &message.flags)?;
        let bytes = u64::from(message.control_bytes.min(CONTROL_BYTES));
        if message.control != 0 {
            let from = self.slot.address() + u64::from(message.control);
            // SAFETY: as many bytes were reserved for it, or fewer are told.
            unsafe { user::copy_out_raw(control, from, bytes)? };
        }
        user::write(header + MSGHDR_CONTROL_BYTES, &bytes)
    }
}

/// Copies an address of `bytes` to where the program has `room` for one.
fn copy_address(to: u64, room: i32, from: u64, bytes: u32) -> Result<(), Errno> {
    let room = u32::try_from(room).map_err(|_| Errno::EINVAL)?;
    let bytes = room.min(bytes).min(ADDRESS_BYTES);
    // SAFETY: callers have an address's room at `from`.
    unsafe { user::copy_out_raw(to, from, bytes.into()) }
}

fn is_writable(address: u64, bytes: u64) -> bool {
    if bytes == 0 {
        return true;
    }
    let Some(end) = address.checked_add(bytes).filter(|end| *end <= USER_END) else {
        return false;
    };
    let mut space = SPACE.lock();
    let mut at = address;
    while at < end {
        match space.translate(at, Access::Write) {
            Ok((_, piece)) => at += piece,
            Err(_) => return false,
        }
    }
    true
}

/// A connection whose address could not be told is lost, as on Linux.
pub(super) fn drop_connection(fd: i64) {
    if let Ok(fd) = u64::try_from(fd) {
        let _ = channel::host_call(CLOSE, [fd, 0, 0, 0, 0, 0]);
    }
}
