//! Timers that send signals (timer_create(2)). They run in the host; here is what each sends, and how
//! often it expired while its signal waited.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use pinion_abi::calls::machine;
use pinion_abi::Errno;
use spin::Mutex;

use super::info::Info;
use super::{post, Signal};
use crate::channel;
use crate::threads::Thread;

/// What a timer's expiry does (sigevent(3)).
#[derive(Clone)]
pub struct Event {
    /// None: nothing (SIGEV_NONE).
    pub signal: Option<Signal>,
    /// None: the timer's id.
    pub value: Option<u64>,
    /// None: the process is told.
    pub thread: Option<Arc<Thread>>,
}

struct Timer {
    event: Event,
    /// Whether its signal waits to be taken.
    waits: bool,
    /// Expiries since that signal was sent.
    missed: u32,
    /// What timer_getoverrun(2) tells: those of the last signal that was taken.
    overrun: u32,
}

static TIMERS: Mutex<BTreeMap<u32, Timer>> = Mutex::new(BTreeMap::new());

/// Linux's DELAYTIMER_MAX.
const MOST: u32 = i32::MAX as u32;

/// timer_create(2): the timer's id.
pub fn create(clock: u64, event: Event) -> Result<u32, Errno> {
    let id = channel::result(channel::machine_call(
        machine::TIMER_CREATE,
        [clock, 0, 0, 0, 0],
    ))? as u32;
    let timer = Timer {
        event,
        waits: false,
        missed: 0,
        overrun: 0,
    };
    TIMERS.lock().insert(id, timer);
    Ok(id)
}

/// timer_delete(2).
pub fn delete(id: u32) -> Result<(), Errno> {
    TIMERS.lock().remove(&id).ok_or(Errno::EINVAL)?;
    channel::result(channel::machine_call(
        machine::TIMER_DELETE,
        [id.into(), 0, 0, 0, 0],
    ))?;
    Ok(())
}

/// The process has none any more: it is a new one.
pub fn forget() {
    TIMERS.lock().clear();
}

/// timer_getoverrun(2).
pub fn overrun(id: u32) -> Result<u64, Errno> {
    let timers = TIMERS.lock();
    let timer = timers.get(&id).ok_or(Errno::EINVAL)?;
    Ok(timer.overrun.into())
}

/// A timer has expired once, and as often again as the host counted.
pub fn expired(id: u32, again: u32) {
    let (info, thread) = {
        let mut timers = TIMERS.lock();
        let Some(timer) = timers.get_mut(&id) else {
            return;
        };
        let Some(signal) = timer.event.signal else {
            return;
        };
        if timer.waits {
            timer.missed = timer
                .missed
                .saturating_add(again)
                .saturating_add(1)
                .min(MOST);
            return;
        }
        timer.waits = true;
        timer.missed = again.min(MOST);
        let value = timer.event.value.unwrap_or(id.into());
        (
            Info::of_timer(signal, id, value),
            timer.event.thread.clone(),
        )
    };
    if post(info, thread.as_deref()).is_err() {
        dropped(&info);
    }
}

/// A signal was taken: a timer's tells how often it expired meanwhile.
pub fn taken(info: &mut Info) {
    let Some(id) = info.timer else { return };
    if let Some(timer) = TIMERS.lock().get_mut(&id) {
        timer.waits = false;
        timer.overrun = core::mem::take(&mut timer.missed);
        info.words[5] = timer.overrun;
    }
}

/// A signal is not going to be taken.
pub fn dropped(info: &Info) {
    let Some(id) = info.timer else { return };
    if let Some(timer) = TIMERS.lock().get_mut(&id) {
        timer.waits = false;
    }
}
