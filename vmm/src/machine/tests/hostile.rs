//! What a hostile guest once could do, or might try.

use pinion_abi::calls::machine::*;
use pinion_abi::layout::physical::BOOT_END;
use pinion_abi::layout::{GRANULE, PAGE};

use super::border::{check_mappings, hostile, server, Channel};
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
        let guest = Channel(&server);
        // It refuses in its own mmap operation, after the host has unmapped what was there.
        let sealed = guest.ask_path(libc::SYS_memfd_create, "x", &[MFD_ALLOW_SEALING]) as u64;
        let seal = [sealed, F_ADD_SEALS, F_SEAL_FUTURE_WRITE];
        assert_eq!(guest.ask(libc::SYS_fcntl as u32, &seal), 0);
        let flags = MAP_FILE_SHARED | MAP_FILE_WRITE;
        let mapped = guest.ask(MAP_FILE, &[sealed, 0, BOOT_END, 16 * PAGE, flags]);
        assert_eq!(mapped, -i64::from(libc::EPERM));
        check_mappings(&server);

        let version = guest.ask_path(libc::SYS_open, "/proc/version", &[0, 0]) as u64;
        assert!(guest.ask(MAP_FILE, &[version, 0, BOOT_END, 16 * PAGE, 0]) < 0);
        check_mappings(&server);
    }

    fn a_huge_page_mapped_over_a_small_one_stays_in_the_guests_memory() {
        // Addresses of the largest pages are in it, but not all of such a page.
        let limit = (1 << 30) + FIRST;
        let server = server(limit);
        let guest = Channel(&server);
        assert_eq!(guest.ask(GROW, &[limit, limit]), limit as i64);
        for size in [0, MFD_HUGE_1GB] {
            let huge = guest.ask_path(libc::SYS_memfd_create, "x", &[MFD_HUGETLB | size]);
            // A host without such pages has nothing to map.
            let Ok(huge) = u64::try_from(huge) else { continue };
            for granule in 2..limit / GRANULE {
                guest.ask(MAP_FILE, &[huge, 0, granule * GRANULE, PAGE, MAP_FILE_SHARED]);
                check_mappings(&server);
            }
        }
    }
}
