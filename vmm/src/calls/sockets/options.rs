//! Options of sockets, and the list of network interfaces. Decoding lets only those options through
//! that the guest may use.

use pinion_abi::sockets::{option, Value, INSTRUCTION_BYTES, SIZED_BYTES};
use pinion_abi::Errno;

use crate::calls::descriptors::Kind;
use crate::calls::sys::{self, Outcome};
use crate::calls::Call;

const HEAD: usize = SIZED_BYTES as usize;

fn kind(call: &Call) -> Result<Value, Errno> {
    option(call.args.int(1) as u32, call.args.int(2) as u32).ok_or(Errno::ENOPROTOOPT)
}

/// setsockopt(2).
pub(in crate::calls) fn setsockopt(call: &mut Call) -> Outcome {
    if kind(call)? != Value::Filter {
        return call.make();
    }
    let mut words = call.args.words();
    let filter = &mut call.args.data(3)?[HEAD..];
    let program = libc::sock_fprog {
        len: (filter.len() / INSTRUCTION_BYTES as usize) as u16,
        filter: filter.as_mut_ptr().cast(),
    };
    words[3] = &raw const program as u64;
    words[4] = size_of::<libc::sock_fprog>() as u64;
    // SAFETY: the structure and the instructions that it names outlive the call, which only reads them.
    Ok(unsafe { sys::call(libc::SYS_setsockopt, words) }?)
}

/// getsockopt(2).
pub(in crate::calls) fn getsockopt(call: &mut Call) -> Outcome {
    let kind = kind(call)?;
    let mut words = call.args.words();
    let place = call.args.data(3)?;
    words[3] = place[HEAD..].as_mut_ptr() as u64;
    words[4] = place.as_mut_ptr() as u64;
    // SAFETY: the value has the room that its length says: `Decoder::sized`. The kernel writes both.
    let result = unsafe { sys::call(libc::SYS_getsockopt, words) }?;
    if kind == Value::Descriptor {
        let fd = place.get(HEAD..HEAD + 4).ok_or(Errno::EINVAL)?;
        let fd = i32::from_ne_bytes([fd[0], fd[1], fd[2], fd[3]]);
        call.service.table.publish(fd, Kind::Unknown)?;
    }
    Ok(result)
}

/// struct ifconf (netdevice(7)).
#[repr(C)]
struct InterfaceList {
    bytes: i32,
    buffer: *mut u8,
}

/// ioctl(2), SIOCGIFCONF: the list of network interfaces is a structure that says where another one is.
pub(in crate::calls) fn interfaces(call: &mut Call) -> Outcome {
    let mut words = call.args.words();
    let place = call.args.data(2)?;
    let (head, array) = place.split_at_mut(HEAD);
    let buffer = match array.is_empty() {
        true => std::ptr::null_mut(),
        false => array.as_mut_ptr(),
    };
    let mut list = InterfaceList {
        bytes: array.len() as i32,
        buffer,
    };
    words[2] = &raw mut list as u64;
    // SAFETY: the kernel writes the structure, and at most its length into the array.
    let result = unsafe { sys::call(libc::SYS_ioctl, words) }?;
    head[..4].copy_from_slice(&list.bytes.to_ne_bytes());
    Ok(result)
}
