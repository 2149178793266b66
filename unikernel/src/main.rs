//! The kernel image: what a program without the standard library must bring along. The kernel
//! itself is the library beside this file.
#![no_std]
#![no_main]

use core::panic::PanicInfo;

use pinion_unikernel::{boot, mm::heap::Heap};

#[global_allocator]
static HEAP: Heap = Heap::new();

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    match info.location() {
        Some(at) => boot::write_panic(format_args!("{at}: {}", info.message())),
        None => boot::write_panic(format_args!("{}", info.message())),
    }
}

/// The linker's entry; the monitor finds it in the image's header.
#[no_mangle]
pub extern "C" fn start() -> ! {
    boot::start()
}

/// The precompiled core library refers to these two, though nothing unwinds.
#[no_mangle]
extern "C" fn rust_eh_personality() {}

#[no_mangle]
extern "C" fn _Unwind_Resume() -> ! {
    panic!("unwinding")
}

/// # Safety
/// As memcpy(3).
#[no_mangle]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8 {
    // SAFETY: the caller vouches for both; DF is clear in the kernel.
    unsafe {
        core::arch::asm!(
            "rep movsb",
            inout("rcx") bytes => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags)
        );
    }
    to
}

/// # Safety
/// As memmove(3).
#[no_mangle]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8 {
    if (to as usize).wrapping_sub(from as usize) >= bytes {
        // SAFETY: a forward copy reads nothing that it has overwritten.
        return unsafe { memcpy(to, from, bytes) };
    }
    // SAFETY: as memcpy; backwards, with DF set only meanwhile.
    unsafe {
        core::arch::asm!(
            "std",
            "rep movsb",
            "cld",
            inout("rcx") bytes => _,
            inout("rdi") to.wrapping_add(bytes).wrapping_sub(1) => _,
            inout("rsi") from.wrapping_add(bytes).wrapping_sub(1) => _,
            options(nostack)
        );
    }
    to
}

/// # Safety
/// As memset(3).
#[no_mangle]
unsafe extern "C" fn memset(to: *mut u8, value: i32, bytes: usize) -> *mut u8 {
    // SAFETY: the caller vouches for `to`; DF is clear in the kernel.
    unsafe {
        core::arch::asm!(
            "rep stosb",
            inout("rcx") bytes => _, inout("rdi") to => _, in("al") value as u8,
            options(nostack, preserves_flags)
        );
    }
    to
}

/// # Safety
/// As memcmp(3).
#[no_mangle]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, bytes: usize) -> i32 {
    for index in 0..bytes {
        // SAFETY: the caller vouches for both.
        let (a, b) = unsafe {
            (
                left.add(index).read_volatile(),
                right.add(index).read_volatile(),
            )
        };
        if a != b {
            return i32::from(a) - i32::from(b);
        }
    }
    0
}

/// # Safety
/// As bcmp(3).
#[no_mangle]
unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, bytes: usize) -> i32 {
    // SAFETY: the same contract.
    unsafe { memcmp(left, right, bytes) }
}

/// # Safety
/// As strlen(3).
#[no_mangle]
unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut bytes = 0;
    // SAFETY: the caller vouches for a final zero byte.
    while unsafe { text.add(bytes).read_volatile() } != 0 {
        bytes += 1;
    }
    bytes
}
