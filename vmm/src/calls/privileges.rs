//! What prctl(2) says and sets of a thread's privileges, beside its ids and capabilities, and of its
//! parent and children.

use std::ffi::c_int;

use pinion_abi::Errno;

use super::identity::change;
use super::sys::{self, Outcome};
use super::Call;
use crate::machine::title;

/// linux/capability.h has 41; the host's kernel refuses what it does not have.
const CAPABILITIES: u64 = 64;
/// linux/securebits.h.
const SECBIT_KEEP_CAPS: u64 = 1 << 4;

fn prctl(option: c_int, args: [u64; 2]) -> Result<i64, Errno> {
    // SAFETY: callers pass options that take numbers only.
    unsafe { sys::call(libc::SYS_prctl, [option as u64, args[0], args[1], 0, 0, 0]) }
}

/// prctl(2), for the options that are the host's. Those that would write an integer return it here.
pub(super) fn set_or_tell(call: &mut Call) -> Outcome {
    match call.args.int(0) {
        option @ (libc::PR_GET_PDEATHSIG | libc::PR_GET_CHILD_SUBREAPER) => {
            let mut value: c_int = 0;
            let to = &raw mut value as u64;
            // SAFETY: both options write one integer.
            unsafe { sys::call(libc::SYS_prctl, [option as u64, to, 0, 0, 0, 0]) }?;
            Ok(value.into())
        }
        libc::PR_CAPBSET_DROP
        | libc::PR_SET_SECUREBITS
        | libc::PR_SET_KEEPCAPS
        | libc::PR_SET_NO_NEW_PRIVS
        | libc::PR_CAP_AMBIENT => change(call),
        libc::PR_SET_PDEATHSIG
        | libc::PR_CAPBSET_READ
        | libc::PR_GET_SECUREBITS
        | libc::PR_GET_KEEPCAPS
        | libc::PR_GET_NO_NEW_PRIVS
        | libc::PR_SET_CHILD_SUBREAPER => call.make(),
        // The name itself, as two numbers.
        libc::PR_SET_NAME => {
            let words = [1, 2].map(|argument| call.args.number(argument).to_ne_bytes());
            let name = words.as_flattened();
            let end = name.iter().position(|byte| *byte == 0);
            title::set_name(&name[..end.unwrap_or(name.len())])
                .map(|()| 0)
                .map_err(|errno| Errno(errno.0).into())
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

/// What credentials have beside ids and capabilities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Privileges {
    bounding: u64,
    ambient: u64,
    secure_bits: u64,
    no_new: bool,
}

impl Privileges {
    /// The calling thread's.
    pub fn current() -> Result<Privileges, Errno> {
        let set = |has: &dyn Fn(u64) -> Result<i64, Errno>| {
            let known = (0..CAPABILITIES).take_while(|number| has(*number) != Err(Errno::EINVAL));
            known.fold(0, |set, number| {
                set | u64::from(has(number) == Ok(1)) << number
            })
        };
        let ambient = libc::PR_CAP_AMBIENT_IS_SET as u64;
        Ok(Privileges {
            bounding: set(&|number| prctl(libc::PR_CAPBSET_READ, [number, 0])),
            ambient: set(&|number| prctl(libc::PR_CAP_AMBIENT, [ambient, number])),
            secure_bits: prctl(libc::PR_GET_SECUREBITS, [0; 2])? as u64,
            no_new: prctl(libc::PR_GET_NO_NEW_PRIVS, [0; 2])? == 1,
        })
    }

    /// Takes over what needs capabilities, while the calling thread has them in effect.
    pub fn take_over_first(&self) -> Result<(), Errno> {
        let now = Privileges::current()?;
        let dropped = now.bounding & !self.bounding;
        for number in (0..CAPABILITIES).filter(|number| dropped >> number & 1 != 0) {
            prctl(libc::PR_CAPBSET_DROP, [number, 0])?;
        }
        if (now.secure_bits ^ self.secure_bits) & !SECBIT_KEEP_CAPS != 0 {
            prctl(libc::PR_SET_SECUREBITS, [self.secure_bits, 0])?;
        }
        Ok(())
    }

    /// Takes over the rest, when ids and capabilities are as they shall be.
    pub fn take_over_last(&self) -> Result<(), Errno> {
        let keeps = u64::from(self.secure_bits & SECBIT_KEEP_CAPS != 0);
        prctl(libc::PR_SET_KEEPCAPS, [keeps, 0])?;
        prctl(
            libc::PR_CAP_AMBIENT,
            [libc::PR_CAP_AMBIENT_CLEAR_ALL as u64, 0],
        )?;
        for number in (0..CAPABILITIES).filter(|number| self.ambient >> number & 1 != 0) {
            prctl(
                libc::PR_CAP_AMBIENT,
                [libc::PR_CAP_AMBIENT_RAISE as u64, number],
            )?;
        }
        if self.no_new {
            prctl(libc::PR_SET_NO_NEW_PRIVS, [1, 0])?;
        }
        Ok(())
    }
}
