//! Arguments that say themselves, or by what they belong to, how long they are.

use pinion_abi::{calls, sockets, Errno};

use super::{data_offset, Decoder, Valid, Value};
use crate::calls::ipc;

impl Decoder<'_> {
    /// A [`sockets::Sized`] with its value, whose bytes its length says.
    pub(super) fn sized(
        &self,
        offset: u64,
        room: impl Fn(u32) -> u32,
        valid: Valid,
    ) -> Result<Value, Errno> {
        if offset == 0 {
            return Ok(Value::Null);
        }
        let mut word = [0; 4];
        self.slot.copy_in(data_offset(offset)?, &mut word)?;
        let length = u32::from_ne_bytes(word);
        let bytes = room(length).checked_add(sockets::SIZED_BYTES);
        let bytes = bytes.ok_or(Errno::EINVAL)?;
        let mut value = self.data(offset, bytes as usize, true, valid)?;
        if let Value::Data { bytes, .. } = &mut value {
            // It was copied a second time.
            bytes[..4].copy_from_slice(&length.to_ne_bytes());
        }
        Ok(value)
    }

    /// A handle's own first word says how long it may become.
    pub(super) fn file_handle(&self, offset: u64) -> Result<Value, Errno> {
        let mut word = [0; 4];
        self.slot.copy_in(data_offset(offset)?, &mut word)?;
        let told = u32::from_ne_bytes(word);
        let room = told.min(calls::HANDLE_BYTES);
        let mut value = self.data(
            offset,
            (room + calls::HEAD_BYTES) as usize,
            true,
            Valid::All,
        )?;
        if let Value::Data { bytes, .. } = &mut value {
            // It was copied a second time.
            bytes[..4].copy_from_slice(&told.to_ne_bytes());
        }
        Ok(value)
    }

    /// The values of a set of semaphores, as many as the host says. The set may be another one when the
    /// call comes, so there is room for as many as a set can have.
    pub(super) fn semaphores(&self, offset: u64, set: u64, read: bool) -> Result<Value, Errno> {
        /// Linux's SEMMSL.
        const MOST: usize = 32000;
        let count = ipc::semaphores(set)?;
        if count > MOST {
            return Err(Errno::ENOMEM);
        }
        let valid = if read { Valid::None } else { Valid::All };
        let mut value = self.data(offset, 2 * count, read, valid)?;
        if let Value::Data { bytes, .. } = &mut value {
            bytes.reserve_exact(2 * MOST);
        }
        Ok(value)
    }
}
