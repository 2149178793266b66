//! The kernel's copies from and to the program's memory. An address that cannot be accessed is
//! EFAULT; the page-fault handler sends the copy to its fixup.
//!
//! No lock of the address space may be held: a copy can fault, and the fault needs it.

use core::mem::MaybeUninit;

use pinion_abi::layout::USER_END;
use pinion_abi::Errno;

use crate::arch::entry;

/// Whether `bytes` from `address` on are the program's to name.
fn check(address: u64, bytes: u64) -> Result<(), Errno> {
    match address.checked_add(bytes) {
        Some(end) if end <= USER_END => Ok(()),
        _ => Err(Errno::EFAULT),
    }
}

/// Copies from the program's memory to the kernel's.
///
/// # Safety
/// `to` has room for `bytes`.
pub unsafe fn copy_in_raw(to: u64, from: u64, bytes: u64) -> Result<(), Errno> {
    check(from, bytes)?;
    // SAFETY: the caller vouches for `to`; `from` is user memory, faults are fixed up.
    match unsafe { entry::user_copy(to, from, bytes) } {
        0 => Ok(()),
        _ => Err(Errno::EFAULT),
    }
}

/// Copies from the kernel's memory to the program's.
///
/// # Safety
/// `bytes` can be read at `from`.
pub unsafe fn copy_out_raw(to: u64, from: u64, bytes: u64) -> Result<(), Errno> {
    check(to, bytes)?;
    // SAFETY: the caller vouches for `from`; `to` is user memory, faults are fixed up.
    match unsafe { entry::user_copy(to, from, bytes) } {
        0 => Ok(()),
        _ => Err(Errno::EFAULT),
    }
}

/// Types that are plain bytes: any bytes are a value, and a value has no padding.
///
/// # Safety
/// As said.
pub unsafe trait Plain: Copy {}
// SAFETY: integers and arrays of them are plain.
unsafe impl Plain for u8 {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for i32 {}
// SAFETY: as above.
unsafe impl Plain for u64 {}
// SAFETY: as above.
unsafe impl Plain for i64 {}
// SAFETY: as above.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

pub fn read<T: Plain>(address: u64) -> Result<T, Errno> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: `value` has room for a T.
    unsafe { copy_in_raw(value.as_mut_ptr() as u64, address, size_of::<T>() as u64)? };
    // SAFETY: all bytes were written, and any bytes are a T.
    Ok(unsafe { value.assume_init() })
}

pub fn write<T: Plain>(address: u64, value: &T) -> Result<(), Errno> {
    // SAFETY: `value` is readable.
    unsafe { copy_out_raw(address, value as *const T as u64, size_of::<T>() as u64) }
}

pub fn write_slice<T: Plain>(address: u64, values: &[T]) -> Result<(), Errno> {
    // SAFETY: `values` is readable.
    unsafe { copy_out_raw(address, values.as_ptr() as u64, size_of_val(values) as u64) }
}

/// Changes a word of the program's in one step, as other vCPUs and the program's own threads see it;
/// returns what it was.
pub fn update(address: u64, change: impl Fn(u32) -> u32) -> Result<u32, Errno> {
    check(address, 4)?;
    loop {
        let old: u32 = read(address)?;
        // SAFETY: the address is the program's; faults are fixed up.
        match unsafe { entry::user_exchange(address, old, change(old)) } {
            0 => return Ok(old),
            1 => {}
            _ => return Err(Errno::EFAULT),
        }
    }
}

/// Copies a string with its final zero byte; returns its length with that byte. ENAMETOOLONG if
/// there is none in `most` bytes.
///
/// # Safety
/// `to` has room for `most` bytes.
pub unsafe fn copy_string_raw(to: u64, from: u64, most: u64) -> Result<u64, Errno> {
    let room = most.min(USER_END.checked_sub(from).ok_or(Errno::EFAULT)?);
    // SAFETY: the caller vouches for `to`; `from` is user memory, faults are fixed up.
    match unsafe { entry::user_copy_string(to, from, room) } {
        0 if room < most => Err(Errno::EFAULT),
        0 => Err(Errno::ENAMETOOLONG),
        bytes => u64::try_from(bytes).map_err(|_| Errno::EFAULT),
    }
}
