//! Detours around `syscall` and `cpuid`, which cost microseconds when they leave the guest.
//!
//! [`sites`] or [`plain_sites`] (a whole segment, when it is mapped) or [`site_at`] (one site, when it
//! traps) say which bytes of the text a jump can replace; [`plan`] lays out that jump and its trampoline in a [`TrampolineRegion`] within
//! 2 GiB; [`apply`] writes both.
//!
//! A text segment may hold data that looks like a site. So when a segment is mapped, only sites that are
//! [`Site::is_evident`] are for patching; the others wait for their first trap, which proves that they are code.
//!
//! What is not seen: an indirect branch (a jump table, a stored code address) to an instruction inside a span other
//! than its first. Spans are as short as can be for that reason, three in four hold one instruction only,
//! and the bytes behind the jump are `int3`: a thread that arrives there goes on at
//! [`TrampolineRegion::relocated`] of its address.

mod context;
mod decode;
mod insn;
mod opcodes;
mod region;
mod scan;
mod search;
#[cfg(test)]
mod tests;
mod trampoline;

use core::ptr;
use core::sync::atomic::{fence, AtomicU64, Ordering};

pub use region::TrampolineRegion;
pub use scan::{plain_sites, site_at, sites, Kind, Placement, Refusal, Site, Span};
pub use trampoline::{plan, Patch, PlanError};

/// Writes a patch: the trampoline to `trampoline`, then the jump to `text`.
///
/// The rule for live text: a processor may fetch an instruction while it is written, and only a store within one
/// aligned quad is seen whole. So the jump is one such store where it fits; where it crosses a quad's
/// end, every other vCPU must be parked. A span of several instructions needs them parked in any case:
/// a thread that stands inside it, running or not, must be moved by [`TrampolineRegion::relocated`]
/// before it runs on. Neither matters when text is patched before it is mapped executable.
///
/// # Safety
/// `trampoline` and `text` are writable views of the memory that the program sees at `patch.trampoline_at` and
/// `patch.at`, as long as `patch.trampoline()` and `patch.bytes()`; `text` is as aligned as `patch.at` in a quad;
/// nothing else writes there; and the rule above is kept.
pub unsafe fn apply(patch: &Patch, trampoline: *mut u8, text: *mut u8) {
    let (code, jump) = (patch.trampoline(), patch.bytes());
    // SAFETY: the caller gives room for both.
    unsafe {
        ptr::copy_nonoverlapping(code.as_ptr(), trampoline, code.len());
    }
    fence(Ordering::SeqCst);
    let skew = text as usize % 8;
    if skew + jump.len() <= 8 {
        let mut mask = [0; 8];
        let mut bytes = [0; 8];
        mask[skew..skew + jump.len()].fill(0xff);
        bytes[skew..skew + jump.len()].copy_from_slice(jump);
        // SAFETY: the quad is aligned and holds the span, so it lies in the page that the caller made
        // writable; the caller says that nothing else writes the span, and a lost race for the rest fails.
        let quad = unsafe { AtomicU64::from_ptr(text.sub(skew).cast()) };
        let merge = |old: u64| Some(old & !u64::from_ne_bytes(mask) | u64::from_ne_bytes(bytes));
        // Never an error: `merge` always gives a value.
        let _ = quad.fetch_update(Ordering::SeqCst, Ordering::SeqCst, merge);
    } else {
        // SAFETY: as for the trampoline.
        unsafe {
            ptr::copy_nonoverlapping(jump.as_ptr(), text, jump.len());
        }
    }
    fence(Ordering::SeqCst);
}
