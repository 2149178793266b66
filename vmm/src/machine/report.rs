//! What the monitor says on standard error: the kernel's log, and the counters of a verbose run.

use std::sync::atomic::Ordering;

use pinion_abi::boot::BootInfo;
use pinion_abi::calls;
use pinion_abi::layout::physical;
use pinion_abi::missing::Missing;

use super::server::Server;
use crate::exit::{end_as, ExitStatus};

/// One line of the kernel. Bytes that are no printable ASCII are replaced: they come from a guest.
pub fn line(text: &[u8]) {
    let mut line: Vec<u8> = text
        .iter()
        .map(|byte| {
            if (b' '..=b'~').contains(byte) {
                *byte
            } else {
                b'?'
            }
        })
        .collect();
    line.push(b'\n');
    // One call, and no lock that another thread holds while it waits. Who cannot be told is not told.
    // SAFETY: write(2) reads the text.
    unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
}

/// Has a panic end this process in one line, as a lack of memory does: the standard library panics
/// when it cannot give a new thread its signal stack, which a guest can bring about.
pub fn end_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        line(format!("pinion-vmm: {panic}").as_bytes());
        end_as(ExitStatus::Signal(libc::SIGKILL));
    }));
}

/// The guest's boot information, which it may write at any time.
pub fn boot_info(server: &Server) -> &BootInfo {
    let at = server
        .memory
        .boot_pages()
        .wrapping_add(physical::BOOT_INFO as usize);
    // SAFETY: the page stays mapped. Only its atomics are read through this reference.
    unsafe { &*at.cast::<BootInfo>() }
}

/// What the guest says that it did not get.
fn missing(server: &Server) -> &Missing {
    let at = server
        .memory
        .boot_pages()
        .wrapping_add(physical::MISSING as usize);
    // SAFETY: the page stays mapped; all fields are atomics.
    unsafe { &*at.cast::<Missing>() }
}

/// The message of a kernel that could not go on.
pub fn panic_text(server: &Server) -> Vec<u8> {
    let info: *const BootInfo = boot_info(server);
    // SAFETY: the page stays mapped; the bytes are copied by volatile reads, any value is fine.
    unsafe {
        let bytes = (&raw const (*info).panic_bytes).read_volatile().min(256) as usize;
        (0..bytes)
            .map(|at| (&raw const (*info).panic[at]).read_volatile())
            .collect()
    }
}

pub fn counters(server: &Server) {
    let counters = &boot_info(server).counters;
    let mut text = format!("exits {}", server.exits.load(Ordering::Relaxed));
    for (name, counter) in [
        ("patched calls", &counters.patched_calls),
        ("trapped calls", &counters.trapped_calls),
        ("cpuid", &counters.cpuid_calls),
        ("sites", &counters.sites),
        ("page faults", &counters.page_faults),
        ("flushes", &counters.tlb_flushes),
        ("requests", &counters.requests),
    ] {
        text.push_str(&format!(", {name} {}", counter.load(Ordering::Relaxed)));
    }
    line(text.as_bytes());
    line(format!("requests: {}", server.profile.text()).as_bytes());
    let guest = [
        (
            "first instruction",
            counters.started_at.load(Ordering::Relaxed),
        ),
        ("first call", counters.first_call_at.load(Ordering::Relaxed)),
    ];
    line(format!("boot: {}", server.machinery.timeline.text(&guest)).as_bytes());
    for refused in missing(server).refused() {
        let name = calls::find(refused.call.into()).map_or("", |call| call.name);
        let command = refused
            .command
            .map_or(String::new(), |command| format!(" {command:#x}"));
        let (number, count) = (refused.call, refused.count);
        line(
            format!("not supported: system call {number} {name}{command}, {count} times")
                .as_bytes(),
        );
    }
}
