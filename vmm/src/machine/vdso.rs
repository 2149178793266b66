//! The host's [vvar] and [vdso] pages, which the guest gets read-only.

use std::fs;

use pinion_abi::layout::{PAGE, VDSO_PHYSICAL};

use crate::kvm::abi::{kvm_userspace_memory_region, KVM_MEM_READONLY};
use crate::kvm::{KvmError, Vm};

/// Where they are in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pages {
    pub start: u64,
    pub bytes: u64,
    /// The vDSO's ELF image, from `start`.
    pub image: u64,
}

impl Pages {
    /// Lets a guest read them.
    pub fn give(&self, vm: &Vm) -> Result<(), KvmError> {
        let region = kvm_userspace_memory_region {
            slot: 0,
            flags: KVM_MEM_READONLY,
            guest_phys_addr: VDSO_PHYSICAL,
            memory_size: self.bytes,
            userspace_addr: self.start,
        };
        // SAFETY: the kernel keeps these pages mapped for the process's life; the guest cannot
        // write them.
        unsafe { vm.set_memory(&region) }
    }
}

/// The pages as another process of this host has found them: they have the same layout in each.
pub fn again(bytes: u64, image: u64) -> Option<Pages> {
    // SAFETY: getauxval(3) takes a number.
    let at = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) };
    let start = at.checked_sub(image).filter(|_| at != 0)?;
    Some(Pages {
        start,
        bytes,
        image,
    })
}

/// Finds the pages, if the machine's clock is one that the vDSO reads without a system call.
pub fn find() -> Option<Pages> {
    let clock =
        fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource")
            .ok()?;
    if !matches!(
        clock.trim(),
        "tsc" | "kvm-clock" | "hyperv_clocksource_tsc_page"
    ) {
        return None;
    }
    parse(&fs::read_to_string("/proc/self/maps").ok()?)
}

fn parse(maps: &str) -> Option<Pages> {
    let mut found: Option<(u64, u64)> = None;
    let mut image = None;
    for line in maps.lines() {
        let (Some(range), Some(name)) = (
            line.split(' ').next(),
            line.rsplit(' ')
                .next()
                .filter(|name| name.starts_with("[v")),
        ) else {
            continue;
        };
        if !name.starts_with("[vvar") && name != "[vdso]" {
            continue;
        }
        let (start, end) = range.split_once('-')?;
        let start = u64::from_str_radix(start, 16).ok()?;
        let end = u64::from_str_radix(end, 16).ok()?;
        found = match found {
            None => Some((start, end)),
            // They follow each other in every kernel since 3.15; another order is not for us.
            Some((first, last)) if last == start => Some((first, end)),
            Some(_) => return None,
        };
        if name == "[vdso]" {
            image = Some(start);
        }
    }
    let (start, end) = found?;
    let bytes = end - start;
    (bytes % PAGE == 0).then_some(Pages {
        start,
        bytes,
        image: image? - start,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_found_in_maps() {
        let maps = "7f00-8f00 r--p 0 00:00 0 /lib/x\n\
                    10000-14000 r--p 00000000 00:00 0     [vvar]\n\
                    14000-16000 r--p 00000000 00:00 0     [vvar_vclock]\n\
                    16000-18000 r-xp 00000000 00:00 0     [vdso]\n\
                    ff00-ff80 --xp 0 00:00 0 [vsyscall]\n";
        let pages = parse(maps).unwrap();
        assert_eq!(
            pages,
            Pages {
                start: 0x10000,
                bytes: 0x8000,
                image: 0x6000
            }
        );
        assert_eq!(parse("10000-14000 r--p 0 00:00 0 [heap]\n"), None);
        assert!(find().is_none_or(|pages| pages.bytes > 0));
    }
}
