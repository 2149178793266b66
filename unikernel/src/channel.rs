//! The kernel's side of the channel ([`pinion_abi::channel`]).

use core::hint::spin_loop;
use core::sync::atomic::{AtomicU32, Ordering};

use pinion_abi::channel::{state, Header, Slot, DATA, HEADER_BYTES, SLOTS, SLOT_BYTES};
use pinion_abi::layout::{physical, PHYSICAL};
use pinion_abi::Errno;

use crate::arch::entry;
use crate::boot;

const CHANNEL: u64 = PHYSICAL + physical::CHANNEL;
/// Turns of the waiting loop (some 20 ns each) before the vCPU leaves: the helper has no core.
const PATIENCE: u32 = 4000;

/// A bit for each slot in use.
static USED: AtomicU32 = AtomicU32::new(0);

fn header() -> &'static Header {
    // SAFETY: the monitor reserved the channel's pages; all fields are atomics.
    unsafe { &*(CHANNEL as *const Header) }
}

/// A slot that this caller owns until it is dropped.
pub struct Owned {
    index: usize,
}

impl Owned {
    /// Takes a free slot. There is one for every request that can be under way.
    pub fn take() -> Owned {
        loop {
            let used = USED.load(Ordering::Relaxed);
            let index = used.trailing_ones() as usize;
            assert!(
                index < SLOTS,
                "more requests under way than the channel has slots"
            );
            let now = used | 1 << index;
            if USED
                .compare_exchange(used, now, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
            {
                return Owned { index };
            }
        }
    }

    /// Where the slot is; offsets in requests count from here.
    pub fn address(&self) -> u64 {
        CHANNEL + HEADER_BYTES + (self.index * SLOT_BYTES) as u64
    }

    fn slot(&self) -> &'static Slot {
        // SAFETY: the slot lies in the channel's pages; all fields are atomics.
        unsafe { &*(self.address() as *const Slot) }
    }

    /// Makes the request and waits for its result. `blocks`: the vCPU leaves at once.
    pub fn call(&self, number: u32, args: &[u64; 6], blocks: bool) -> i64 {
        let slot = self.slot();
        boot::counters().requests.fetch_add(1, Ordering::Relaxed);
        slot.number.store(number, Ordering::Relaxed);
        for (to, from) in slot.args.iter().zip(args) {
            to.store(*from, Ordering::Relaxed);
        }
        slot.state.store(state::SUBMITTED, Ordering::Release);
        let header = header();
        if blocks || header.polled.load(Ordering::Relaxed) == 0 {
            self.leave();
        } else {
            let tail = header.tail.load(Ordering::Relaxed);
            header.ring[tail as usize % SLOTS].store(self.index as u32, Ordering::Relaxed);
            header.tail.store(tail.wrapping_add(1), Ordering::Release);
            self.wait();
        }
        slot.state.store(state::FREE, Ordering::Relaxed);
        slot.result.load(Ordering::Relaxed)
    }

    fn wait(&self) {
        loop {
            for _ in 0..PATIENCE {
                match self.slot().state.load(Ordering::Acquire) {
                    state::DONE => return,
                    state::WOULD_BLOCK => {
                        self.slot().state.store(state::SUBMITTED, Ordering::Release);
                        return self.leave();
                    }
                    _ => spin_loop(),
                }
            }
            header().direct.store(0, Ordering::Relaxed);
            // SAFETY: leaving for the monitor changes no register.
            unsafe { entry::out_serve() };
        }
    }

    /// Has the vCPU's own thread serve this slot.
    fn leave(&self) {
        loop {
            header()
                .direct
                .store(self.index as u32 + 1, Ordering::Relaxed);
            // SAFETY: as in `wait`.
            unsafe { entry::out_serve() };
            if self.slot().state.load(Ordering::Acquire) == state::DONE {
                return;
            }
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        USED.fetch_and(!(1 << self.index), Ordering::Release);
    }
}

/// A request to the machine itself ([`pinion_abi::calls::machine`]).
pub fn machine_call(number: u32, args: [u64; 5]) -> i64 {
    let [a, b, c, d, e] = args;
    Owned::take().call(number, &[a, b, c, d, e, 0], false)
}

/// A host call whose arguments are numbers.
pub fn host_call(number: u32, args: [u64; 6]) -> Result<u64, Errno> {
    result(Owned::take().call(number, &args, false))
}

/// Turns a call's result into a value or an error.
pub fn result(value: i64) -> Result<u64, Errno> {
    u64::try_from(value).map_err(|_| Errno(-value as i32))
}

/// Sends a text to the monitor's log.
pub fn log(text: &str) {
    let slot = Owned::take();
    let bytes = text.len().min(SLOT_BYTES - DATA);
    // SAFETY: the slot's data have room for that many bytes, and the slot is ours.
    unsafe {
        core::ptr::copy_nonoverlapping(
            text.as_ptr(),
            (slot.address() + DATA as u64) as *mut u8,
            bytes,
        );
    }
    let args = [DATA as u64, bytes as u64, 0, 0, 0, 0];
    slot.call(pinion_abi::calls::machine::LOG, &args, false);
}
