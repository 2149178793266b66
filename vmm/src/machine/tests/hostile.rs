//! What a hostile guest once could do, or might try.

use std::sync::atomic::Ordering;
use std::time::Duration;

use pinion_abi::calls::machine::*;
use pinion_abi::channel::{APART, DATA};
use pinion_abi::layout::physical::BOOT_END;
use pinion_abi::layout::{GRANULE, PAGE};

use super::border::{hostile, in_child, server, Channel, Ended, Maps};
use crate::machine::memory::FIRST;
use crate::machine::report::end_on_panic;

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
            take_all_mappings(&guest);
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

    fn a_signal_of_the_c_library_is_not_for_the_guest_to_send_itself() {
        // As setuid(3) of a process with threads tells each of them: SI_TKILL, of its own process.
        const SETXID: u64 = 33;
        // SAFETY: the call takes nothing.
        let pid = || unsafe { libc::getpid() };
        let info = |pid: i32| [SETXID as i32, 0, -6, 0, pid, 0].map(i32::to_ne_bytes).concat();
        type Ask = fn(&Channel, u64) -> i64;
        let ways: [Ask; 3] = [
            |guest, _| guest.ask(SIGNAL, &[SETXID, DATA as u64]),
            |guest, pid| {
                let queue = libc::SYS_rt_sigqueueinfo as u32;
                guest.ask(queue, &[pid, SETXID, DATA as u64])
            },
            |guest, pid| {
                let queue = libc::SYS_rt_tgsigqueueinfo as u32;
                guest.ask(queue, &[pid, pid, SETXID, DATA as u64])
            },
        ];
        for ask in ways {
            let child = in_child(Duration::from_secs(5), |_| {
                let server = server(FIRST);
                let guest = Channel(&server);
                // The library's handler is there from the first thread on.
                std::thread::spawn(|| ()).join().unwrap();
                guest.write(0, DATA, &info(pid()));
                assert_eq!(ask(&guest, pid() as u64), -i64::from(libc::EINVAL));
            });
            assert_eq!(child.ended, Ended::Whole);
        }
    }

    fn a_log_that_nobody_reads_keeps_no_helper() {
        let child = in_child(Duration::from_secs(5), |shared| {
            let server = server(FIRST);
            let guest = Channel(&server);
            let mut pipe = [0; 2];
            // SAFETY: pipe2(2) fills the array, dup2(2) takes numbers.
            unsafe {
                libc::pipe2(pipe.as_mut_ptr(), 0);
                libc::dup2(pipe[1], 2);
            }
            shared.busy[0].store(1, Ordering::Relaxed);
            for _ in 0..1000 {
                guest.fill(0, LOG, &[DATA as u64, 512]);
                let header = server.header();
                let tail = header.tail.fetch_add(1, Ordering::Relaxed);
                header.ring[tail as usize % header.ring.len()].store(0, Ordering::Relaxed);
                assert_eq!(server.drain(), 1);
            }
        });
        assert_eq!(child.ended, Ended::Whole);
    }

    fn a_worker_that_cannot_start_is_no_end_of_the_monitor() {
        // With a few mappings more for its thread each time.
        for spared in 0..8 {
            let child = in_child(Duration::from_secs(30), |shared| {
                shared.busy[0].store(1, Ordering::Relaxed);
                let server = server(1 << 30);
                let guest = Channel(&server);
                end_on_panic();
                take_all_mappings(&guest);
                // Large pages split a mapping; with one more between two of them they merge.
                let split = |page| guest.ask(LARGE, &[(1 << 30) - page * PAGE, PAGE]);
                let last = (1..).step_by(2).find(|page| split(*page) < 0).unwrap();
                for page in (2..last).step_by(2).take(spared) {
                    split(page);
                }
                // Without a thread the vCPU's own does it.
                let sleep = [0, 1_000_000u64].map(u64::to_ne_bytes).concat();
                guest.write(1, DATA, &sleep);
                guest.fill(1, libc::SYS_nanosleep as u32, &[DATA as u64, 0]);
                server.header().vcpus[0].direct.store(2 | APART, Ordering::Relaxed);
                server.serve_direct(0);
                std::thread::sleep(Duration::from_millis(50));
            });
            let ended = child.ended;
            let fine = matches!(ended, Ended::Whole | Ended::Guest);
            assert!(fine, "{spared}: {ended:?}");
        }
    }
}

/// Maps a file over every other page, as often as the host lets the monitor.
fn take_all_mappings(guest: &Channel) {
    assert_eq!(guest.ask(GROW, &[1 << 30, 1 << 30]), 1 << 30);
    let file = guest.ask_path(libc::SYS_memfd_create, "x", &[0]) as u64;
    for page in (BOOT_END..1 << 30).step_by(2 * PAGE as usize) {
        if guest.ask(MAP_FILE, &[file, 0, page, PAGE, MAP_FILE_SHARED]) < 0 {
            break;
        }
    }
}
