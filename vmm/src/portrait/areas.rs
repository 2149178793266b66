//! The guest's mappings: what its kernel says of them, and what the host has mapped there.

use std::sync::atomic::Ordering;

use pinion_abi::layout::{PAGE, USER_END};
use pinion_abi::portrait::{AreaEntry, AREAS, AREA_FILE, AREA_KERNEL, AREA_SHARED, AREA_STACK};

use super::host::{self, Mapped};
use super::View;

/// A program's stack before it grows (setup_arg_pages in Linux's fs/exec.c).
const FIRST_STACK: u64 = 132 << 10;

/// One mapping as its kernel tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    pub start: u64,
    pub end: u64,
    pub flags: u64,
}

impl Area {
    pub fn is(&self, flag: u64) -> bool {
        self.flags & flag != 0
    }
}

/// One line of /proc/PID/maps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    pub area: Area,
    pub offset: u64,
    /// Device and inode, as the host tells them.
    pub file: String,
    pub name: Vec<u8>,
}

impl View {
    /// The kernel's list, by address, without what overlaps.
    pub fn areas(&self) -> Vec<Area> {
        let mut areas = Vec::new();
        self.each::<AreaEntry, AREAS>(&self.portrait().areas, |entry| {
            let area = Area {
                end: entry.end.load(Ordering::Acquire),
                start: entry.start.load(Ordering::Relaxed),
                flags: entry.flags.load(Ordering::Relaxed),
            };
            let pages = (area.start | area.end) % PAGE == 0;
            if pages && area.start < area.end && area.end <= USER_END {
                areas.push(area);
            }
        });
        areas.sort_by_key(|area| area.start);
        let mut end = 0;
        areas.retain(|area| {
            let apart = area.start >= end;
            end = end.max(area.end);
            apart
        });
        areas
    }

    /// What /proc/PID/maps tells: `mapped` is what the host has over the guest's memory.
    pub fn maps(&self, mapped: &[Mapped]) -> Vec<Map> {
        let portrait = self.portrait();
        let word = |word: &std::sync::atomic::AtomicU64| word.load(Ordering::Relaxed);
        let heap = word(&portrait.break_start)..word(&portrait.break_end);
        let vdso = [word(&portrait.vdso[0]), word(&portrait.vdso[1])];
        let mut maps: Vec<Map> = Vec::new();
        for area in self.areas() {
            let mut map = Map {
                area,
                offset: 0,
                file: "00:00 0".to_owned(),
                name: Vec::new(),
            };
            if area.is(AREA_KERNEL) {
                if area.start != vdso[0] || vdso[1] <= area.start || vdso[1] >= area.end {
                    // The kernel's own.
                    continue;
                }
                let (mut data, mut text) = (map.clone(), map);
                (data.area.end, text.area.start) = (vdso[1], vdso[1]);
                data.area.flags &= !libc::PROT_EXEC as u64;
                data.name = b"[vvar]".to_vec();
                text.name = b"[vdso]".to_vec();
                maps.extend([data, text]);
                continue;
            }
            if area.is(AREA_FILE) {
                let first = self.first_page(area.start, area.end);
                let file = first.and_then(|(at, physical)| {
                    let file = host::find(mapped, self.host(physical))?;
                    Some((file, file.offset + self.host(physical) - file.start, at))
                });
                if let Some((file, offset, at)) = file {
                    map.offset = offset.saturating_sub(at - area.start);
                    map.file.clone_from(&file.file);
                    map.name.clone_from(&file.name);
                }
            } else if area.is(AREA_STACK) && area.end == word(&portrait.stack_end) {
                map.area.start = self.stack_start(&area);
                map.name = b"[stack]".to_vec();
            } else if area.start <= heap.end && area.end >= heap.start && !heap.is_empty() {
                map.name = b"[heap]".to_vec();
            }
            maps.push(map);
        }
        maps
    }

    /// How far the first stack has grown: its area is what it may grow to.
    fn stack_start(&self, area: &Area) -> u64 {
        let first = self.first_page(area.start, area.end);
        let touched = first.map_or(area.end, |(at, _)| at);
        let least = area.end.saturating_sub(FIRST_STACK);
        touched.min(least).max(area.start)
    }
}

impl Map {
    /// `rwxp`, as in maps.
    pub fn permissions(&self) -> String {
        let flag = |flag: u64, set, unset| if self.area.is(flag) { set } else { unset };
        [
            flag(libc::PROT_READ as u64, 'r', '-'),
            flag(libc::PROT_WRITE as u64, 'w', '-'),
            flag(libc::PROT_EXEC as u64, 'x', '-'),
            flag(AREA_SHARED, 's', 'p'),
        ]
        .iter()
        .collect()
    }
}
