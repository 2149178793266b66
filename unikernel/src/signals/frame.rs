//! The frame of a handler on the program's stack: struct rt_sigframe (arch/x86/include/asm/
//! sigframe.h, asm/sigcontext.h), and the way back from it.

use pinion_abi::layout::{selector, USER_END};
use pinion_abi::Errno;

use super::info::Info;
use super::Action;
use crate::arch::per_cpu::variables;
use crate::arch::switch::Extended;
use crate::arch::{entry, Frame};
use crate::mm::user;
use crate::text;
use crate::threads::current;

pub const SA_ONSTACK: u64 = 0x0800_0000;
pub const SA_RESTART: u64 = 0x1000_0000;
pub const SA_NODEFER: u64 = 0x4000_0000;
pub const SA_RESETHAND: u64 = 0x8000_0000;
const SA_RESTORER: u64 = 0x0400_0000;

/// Bytes below rsp that belong to the program (System V ABI).
const RED_ZONE: u64 = 128;
/// struct ucontext and siginfo_t.
const CONTEXT_BYTES: u64 = 304;
const INFO_BYTES: u64 = 128;
/// Words of struct ucontext: up to the registers, and the mask.
const REGISTERS: usize = 5;
const MASK: usize = 37;
/// UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS.
const CONTEXT_FLAGS: u64 = 7;
/// The flags that a program may set: all but those of the system (Linux's FIX_EFLAGS).
const USER_FLAGS: u64 = 0x25_0dd5;
/// The direction flag, and the trap flag.
const CLEARED: u64 = 1 << 10 | 1 << 8;

/// Where FXSAVE's area says what XSAVE adds, and the words that mark it.
const SOFTWARE: u64 = 464;
const MAGIC1: u32 = 0x4650_5853;
const MAGIC2: u32 = 0x4650_5845;

/// The alternate stack (sigaltstack(2)) if the handler wants it and is not on it already.
fn stack_for(rsp: u64, action: &Action) -> u64 {
    let [base, flags, bytes] = *current().alternate_stack.lock();
    let enabled = flags & 2 == 0 && bytes > 0;
    let on_it = rsp > base && rsp - base <= bytes;
    if action.flags & SA_ONSTACK != 0 && enabled && !on_it {
        return base + bytes;
    }
    rsp.wrapping_sub(RED_ZONE)
}

/// siginfo_t as words (asm-generic/siginfo.h).
pub fn siginfo(info: &Info) -> [u32; INFO_BYTES as usize / 4] {
    let mut words = [0; INFO_BYTES as usize / 4];
    words[..info.words.len()].copy_from_slice(&info.words);
    words
}

/// Puts the frame onto the stack and the handler's start into the registers. `mask` comes back
/// with the handler's return.
pub fn push(frame: &mut Frame, info: &Info, action: &Action, mask: u64) -> Result<(), Errno> {
    if action.flags & SA_RESTORER == 0 {
        return Err(Errno::EFAULT);
    }
    let extended = Extended::of_program(frame);
    let bytes = Extended::bytes() as u64;
    let state = stack_for(frame.rsp, action).wrapping_sub(bytes + 4) & !63;
    let mut at = state.wrapping_sub(INFO_BYTES + CONTEXT_BYTES + 8);
    at = (at & !15).wrapping_sub(8);
    if at >= USER_END || state >= USER_END {
        return Err(Errno::EFAULT);
    }
    let (context, siginfo_at) = (at + 8, at + 8 + CONTEXT_BYTES);

    // SAFETY: the area is as long as `bytes`.
    unsafe { user::copy_out_raw(state, extended.address(), bytes)? };
    let software = [MAGIC1, bytes as u32 + 4, Extended::MASK, 0, bytes as u32];
    user::write_slice(state + SOFTWARE, &software)?;
    user::write(state + bytes, &MAGIC2)?;

    let mut words = [0u64; MASK + 1];
    words[0] = CONTEXT_FLAGS;
    let [base, flags, size] = *current().alternate_stack.lock();
    words[2..5].copy_from_slice(&[base, flags, size]);
    // SAFETY: this vCPU's own variables.
    let fault_address = unsafe { (*variables()).fault_address };
    let selectors = u64::from(selector::USER_CODE) | u64::from(selector::USER_DATA) << 48;
    words[REGISTERS..REGISTERS + 24].copy_from_slice(&[
        frame.r8,
        frame.r9,
        frame.r10,
        frame.r11,
        frame.r12,
        frame.r13,
        frame.r14,
        frame.r15,
        frame.rdi,
        frame.rsi,
        frame.rbp,
        frame.rbx,
        frame.rdx,
        frame.rax,
        frame.rcx,
        frame.rsp,
        text::original(frame.rip),
        frame.flags & USER_FLAGS | entry::KERNEL_FLAGS,
        selectors,
        frame.error,
        frame.original,
        mask,
        fault_address,
        state,
    ]);
    words[MASK] = mask;
    user::write_slice(context, &words)?;
    user::write_slice(siginfo_at, &siginfo(info))?;
    user::write(at, &action.restorer)?;

    Extended::clear(frame);
    frame.rsp = at;
    frame.rip = action.handler;
    frame.rdi = u64::from(info.signal().0);
    frame.rsi = siginfo_at;
    frame.rdx = context;
    frame.rax = 0;
    frame.flags &= !CLEARED;
    Ok(())
}

/// rt_sigreturn(2): takes the registers, the extended state and the mask back from the frame that
/// the handler has returned to. Returns the mask.
pub fn pop(frame: &mut Frame) -> Result<u64, Errno> {
    // The restorer's address was popped by the handler's return.
    let words: [u64; MASK + 1] = user::read(frame.rsp)?;
    let registers = &words[REGISTERS..];
    let state = registers[23];
    if state != 0 {
        let mut extended = Extended::of_program(frame);
        let marks: [u32; 5] = user::read(state + SOFTWARE)?;
        let bytes = Extended::bytes() as u64;
        let whole = marks[0] == MAGIC1 && u64::from(marks[4]) == bytes;
        let taken = if whole { bytes } else { 512 };
        // SAFETY: the area is as long as `bytes`, which is more than 512.
        unsafe { user::copy_in_raw(extended.address(), state, taken)? };
        extended.sanitize(whole);
        extended.load(frame);
    }
    [
        frame.r8, frame.r9, frame.r10, frame.r11, frame.r12, frame.r13, frame.r14, frame.r15,
    ] = registers[..8].try_into().map_err(|_| Errno::EFAULT)?;
    [
        frame.rdi, frame.rsi, frame.rbp, frame.rbx, frame.rdx, frame.rax, frame.rcx, frame.rsp,
    ] = registers[8..16].try_into().map_err(|_| Errno::EFAULT)?;
    frame.rip = registers[16];
    frame.flags = registers[17] & USER_FLAGS | entry::KERNEL_FLAGS;
    if frame.rip >= USER_END {
        return Err(Errno::EFAULT);
    }
    Ok(words[MASK])
}
