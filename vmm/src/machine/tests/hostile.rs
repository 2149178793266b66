//! What a hostile guest once could do, or might try.

use std::sync::atomic::Ordering;
use std::time::Duration;

use pinion_abi::calls::machine::*;
use pinion_abi::layout::physical::BOOT_END;
use pinion_abi::layout::{GRANULE, PAGE};

use super::border::{hostile, in_child, server, Channel, Ended, Maps};
use crate::machine::memory::FIRST;

/// linux/memfd.h and fcntl.h, as numbers that the guest passes.
const MFD_ALLOW_SEALING: u64 = 2;
const MFD_HUGETLB: u64 = 4;
const MFD_HUGE_1GB: u64 = 30 << 26;
const F_ADD_SEALS: u64 = 1033;
const F_SEAL_FUTURE_WRITE: u64 = 16;

hostile! {
    fn a_file_that_refuses_to_be_mapped_leaves_no_hole_in_the_guests_memory() {
        let server = server(FIRST);
        let (guest, maps) = (Channel(&server), Maps::open());
        // It refuses in its own mmap operation, after the host has unmapped what was there.
        let sealed = guest.ask_path(libc::SYS_memfd_create, "x", &[MFD_ALLOW_SEALING]) as u64;
        let seal = [sealed, F_ADD_SEALS, F_SEAL_FUTURE_WRITE];
        assert_eq!(guest.ask(libc::SYS_fcntl as u32, &seal), 0);
        let flags = MAP_FILE_SHARED | MAP_FILE_WRITE;
        let mapped = guest.ask(MAP_FILE, &[sealed, 0, BOOT_END, 16 * PAGE, flags]);
        assert_eq!(mapped, -i64::from(libc::EPERM));
        maps.check(&server);

        let version = guest.ask_path(libc::SYS_open, "/proc/version", &[0, 0]) as u64;
        assert!(guest.ask(MAP_FILE, &[version, 0, BOOT_END, 16 * PAGE, 0]) < 0);
        maps.check(&server);
    }

    fn a_huge_page_mapped_over_a_small_one_stays_in_the_guests_memory() {
        // Addresses of the largest pages are in it, but not all of such a page.
        let limit = (1 << 30) + FIRST;
        let server = server(limit);
        let (guest, maps) = (Channel(&server), Maps::open());
        assert_eq!(guest.ask(GROW, &[limit, limit]), limit as i64);
        for size in [0, MFD_HUGE_1GB] {
            let huge = guest.ask_path(libc::SYS_memfd_create, "x", &[MFD_HUGETLB | size]);
            // A host without such pages has nothing to map.
            let Ok(huge) = u64::try_from(huge) else { continue };
            for granule in 2..limit / GRANULE {
                guest.ask(MAP_FILE, &[huge, 0, granule * GRANULE, PAGE, MAP_FILE_SHARED]);
                maps.check(&server);
            }
        }
    }

    fn a_guest_that_takes_all_mappings_of_its_monitor_ends_it_cleanly() {
        let child = in_child(Duration::from_secs(30), |shared| {
            shared.busy[0].store(1, Ordering::Relaxed);
            let server = server(1 << 30);
            let guest = Channel(&server);
            assert_eq!(guest.ask(GROW, &[1 << 30, 1 << 30]), 1 << 30);
            let file = guest.ask_path(libc::SYS_memfd_create, "x", &[0]) as u64;
            for page in (BOOT_END..1 << 30).step_by(2 * PAGE as usize) {
                if guest.ask(MAP_FILE, &[file, 0, page, PAGE, MAP_FILE_SHARED]) < 0 {
                    break;
                }
            }
            // What needs the heap, of another size each time.
            let heap: Vec<Vec<u8>> = (0..4000).map(|size| vec![1; size * 64]).collect();
            assert!(guest.ask(FIND_CPUID, &[0, 0, 1 << 20, 128, MAP_FILE_EXECUTABLE]) >= 0);
            assert_eq!(heap.len(), 4000);
        });
        let ended = child.ended;
        assert!(matches!(ended, Ended::Whole | Ended::Guest), "{ended:?}");
    }

    fn a_signal_handler_of_the_guest_does_not_keep_a_faulting_monitor_alive() {
        for disposition in [DISPOSITION_HANDLE, DISPOSITION_IGNORE] {
            let child = in_child(Duration::from_secs(5), |_| {
                let server = server(FIRST);
                let segv = libc::SIGSEGV as u64;
                assert_eq!(Channel(&server).ask(DISPOSITION, &[segv, disposition]), 0);
                // SAFETY: the write faults, and nothing runs after it.
                unsafe { std::arch::asm!("mov byte ptr [{0}], 0", in(reg) 0_usize) };
            });
            assert_eq!(child.ended, Ended::Crashed(libc::SIGSEGV));
        }
    }

    fn a_thread_of_the_monitor_is_no_process_that_the_guest_can_signal() {
        let server = server(FIRST);
        let guest = Channel(&server);
        // SAFETY: both calls take nothing.
        let (own, thread) = unsafe { (libc::getpid(), || libc::syscall(libc::SYS_gettid)) };
        let kill = |pid: i64, signal: i32| {
            guest.ask(libc::SYS_kill as u32, &[pid as u64, signal as u64])
        };
        std::thread::scope(|scope| {
            let (tell, hear) = std::sync::mpsc::channel();
            let (done, wait) = std::sync::mpsc::channel::<()>();
            scope.spawn(move || {
                tell.send(thread()).unwrap();
                let _ = wait.recv();
            });
            let other = hear.recv().unwrap();
            assert_ne!(other, i64::from(own));
            assert_eq!(kill(other, 0), -i64::from(libc::ESRCH));
            assert_eq!(kill(other, libc::SIGHUP), -i64::from(libc::ESRCH));
            assert_eq!(kill(own.into(), 0), 0);
            drop(done);
        });
    }
}
