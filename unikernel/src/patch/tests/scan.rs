//! The sites of real programs: objdump says where they are and what branches into their spans.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::elf::{samples, text_segments, Text};
use crate::patch::search::syscall_and_cpuid;
use crate::patch::{plain_sites, plan, site_at, sites, Kind, Placement, Site, TrampolineRegion};

/// What objdump's linear sweep says of a file, by address.
#[derive(Default)]
struct Listing {
    instructions: BTreeSet<u64>,
    sites: BTreeMap<u64, Kind>,
    targets: BTreeSet<u64>,
}

fn listing(path: &Path) -> Listing {
    let mut objdump = Command::new("objdump")
        .args(["-d", "-w", "--insn-width=15"])
        .arg(path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("objdump is in binutils");
    let mut listing = Listing::default();
    for line in BufReader::new(objdump.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
    {
        let mut fields = line.split('\t');
        let (Some(address), Some(_), Some(text)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let address = u64::from_str_radix(address.trim().trim_end_matches(':'), 16).unwrap();
        listing.instructions.insert(address);
        let mut words = text.split_whitespace();
        let name = words.next().unwrap_or("");
        match name {
            "syscall" => _ = listing.sites.insert(address, Kind::Syscall),
            "cpuid" => _ = listing.sites.insert(address, Kind::Cpuid),
            _ if name.starts_with('j') || name == "call" || name.starts_with("loop") => {
                let target = words.next().unwrap_or("").trim_start_matches("0x");
                listing.targets.extend(u64::from_str_radix(target, 16).ok());
            }
            _ => {}
        }
    }
    assert!(objdump.wait().unwrap().success());
    listing
}

#[derive(Default, Debug)]
struct Tally {
    before: usize,
    over: usize,
    after: usize,
    refused: usize,
    evident: usize,
}

impl Tally {
    fn add(&mut self, site: &Site) {
        match site.span.map(|span| span.placement) {
            Ok(Placement::Before) => self.before += 1,
            Ok(Placement::Over) => self.over += 1,
            Ok(Placement::After) => self.after += 1,
            Err(_) => self.refused += 1,
        }
        self.evident += usize::from(site.is_evident() && site.span.is_ok());
    }

    fn total(&self) -> usize {
        self.before + self.over + self.after + self.refused
    }
}

/// Spans begin and end on instruction boundaries and nothing branches into them.
fn check_span(text: &Text, site: &Site, listing: &Listing) {
    let Ok(span) = site.span else { return };
    let (start, end) = (
        text.address + span.start as u64,
        text.address + span.end as u64,
    );
    assert!(end - start >= 5 && span.start <= site.at);
    assert!(
        listing.instructions.contains(&start),
        "{start:#x} is no instruction"
    );
    assert!(
        listing.instructions.contains(&end),
        "{end:#x} is no instruction"
    );
    let inside: Vec<_> = listing.targets.range(start + 1..end).collect();
    let boundary = inside
        .iter()
        .find(|target| listing.instructions.contains(target));
    assert!(
        boundary.is_none(),
        "a branch to {boundary:x?} lands in {start:x}..{end:x}"
    );
}

#[test]
fn sites_of_real_programs() {
    for path in samples() {
        let listing = listing(&path);
        let (mut syscalls, mut cpuids) = (Tally::default(), Tally::default());
        let (mut missed, mut false_sites, mut false_evident) = (Vec::new(), Vec::new(), 0);
        for text in text_segments(&path) {
            let clock = Instant::now();
            let found = sites(&text.bytes, &[]);
            let took = clock.elapsed();
            println!(
                "{}: {} KiB of text in {took:?}",
                path.display(),
                text.bytes.len() / 1024
            );
            let mut region = TrampolineRegion::new((text.address + (16 << 20)) & !0xfff, 1 << 20);
            for site in &found {
                let address = text.address + site.at as u64;
                if listing.sites.contains_key(&address) {
                    check_span(&text, site, &listing);
                    if site.span.is_ok() {
                        let patch = plan(site, &text.bytes, text.address, &mut region).unwrap();
                        assert_eq!(region.original(patch.trampoline_at), Some(patch.at));
                    } else {
                        println!("  {address:x} {site:x?}");
                    }
                    if site.kind == Kind::Syscall {
                        &mut syscalls
                    } else {
                        &mut cpuids
                    }
                    .add(site);
                } else {
                    false_evident += usize::from(site.is_evident());
                    false_sites.push(address);
                }
            }
            let offsets: BTreeSet<u64> = found
                .iter()
                .map(|site| text.address + site.at as u64)
                .collect();
            let range = text.address..text.address + text.bytes.len() as u64;
            missed.extend(
                listing
                    .sites
                    .range(range)
                    .map(|(at, _)| *at)
                    .filter(|at| !offsets.contains(at)),
            );
            one_by_one(&text, &found);
            let clock = Instant::now();
            let plain = plain_sites(&text.bytes);
            println!("  plain: {} in {:?}", plain.len(), clock.elapsed());
            assert!(plain.iter().all(|site| found.contains(site)));
        }
        println!(
            "  syscall {}: {syscalls:?}\n  cpuid {}: {cpuids:?}",
            syscalls.total(),
            cpuids.total()
        );
        println!("  missed {missed:x?}, not in objdump's view {false_sites:x?}, evident of those {false_evident}");
        assert_eq!(false_evident, 0);
        for (tally, kind) in [(&syscalls, Kind::Syscall), (&cpuids, Kind::Cpuid)] {
            let listed = listing
                .sites
                .values()
                .filter(|&&listed| listed == kind)
                .count();
            let patchable = tally.total() - tally.refused;
            // A few of what objdump lists in a library of cryptography are constants.
            assert!(
                (patchable + 3) * 100 >= listed * 95,
                "{kind:?}: {patchable} of {listed}"
            );
        }
    }
}

/// A site found by its trap is the site found by the search.
fn one_by_one(text: &Text, found: &[Site]) {
    let mut floor = 0;
    for site in found {
        let window = site.at.saturating_sub(1 << 20)..site.at + (1 << 20);
        let single = site_at(&text.bytes, site.at, window, &[], floor).unwrap();
        assert_eq!((single.kind, single.at), (site.kind, site.at));
        if let (Ok(single), Ok(span)) = (single.span, site.span) {
            assert_eq!(single, span);
        }
        floor = site
            .span
            .map_or(site.at + 2, |span| span.end.max(site.at + 2));
    }
}

#[test]
fn search_finds_every_pair() {
    let mut text = vec![0x90; 1000];
    let places = [0, 14, 15, 16, 62, 63, 64, 127, 500, 901, 930, 998];
    for (index, at) in places.into_iter().enumerate() {
        text[at] = 0x0f;
        text[at + 1] = if index % 2 == 0 { 0x05 } else { 0xa2 };
    }
    let expected: Vec<usize> = (0..999)
        .filter(|&at| text[at] == 0x0f && matches!(text[at + 1], 5 | 0xa2))
        .collect();
    for length in 0..=text.len() {
        let mut found = Vec::new();
        syscall_and_cpuid(&text[..length], |at| found.push(at));
        assert!(
            found
                .iter()
                .copied()
                .eq(expected.iter().copied().filter(|at| at + 1 < length)),
            "{length}"
        );
    }
}

#[test]
fn search_speed() {
    let text: Vec<u8> = text_segments(&samples()[0]).remove(0).bytes.repeat(16);
    let clock = Instant::now();
    let mut count = 0;
    syscall_and_cpuid(black_box(&text), |_| count += 1);
    let seconds = clock.elapsed().as_secs_f64();
    println!(
        "search: {:.1} GB/s, {count} pairs",
        text.len() as f64 / seconds / 1e9
    );
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]

        /// No bytes make the scanner or the planner panic, and sites and spans stay within the text.
        #[test]
        fn any_text(mut text in proptest::collection::vec(any::<u8>(), 0..600), at in proptest::collection::vec((0..600_usize, any::<bool>()), 0..6)) {
            for (at, syscall) in at {
                if at + 1 < text.len() {
                    text[at..at + 2].copy_from_slice(if syscall { &[0x0f, 0x05] } else { &[0x0f, 0xa2] });
                }
            }
            let mut found = sites(&text, &[]);
            found.extend((0..text.len()).filter_map(|at| site_at(&text, at, 0..usize::MAX, &[0], 0)));
            let mut region = TrampolineRegion::new(0x10_0000, 1 << 16);
            for site in found {
                prop_assert!(site.at + 2 <= text.len());
                if let Ok(span) = site.span {
                    prop_assert!(span.start <= site.at && span.end <= text.len() && span.end - span.start >= 5);
                    let patch = plan(&site, &text, 0x40_0000, &mut region);
                    if let Ok(patch) = patch {
                        prop_assert_eq!(patch.bytes().len(), span.end - span.start);
                        let end = patch.trampoline_at + patch.trampoline().len() as u64;
                        for rip in patch.trampoline_at..end {
                            prop_assert!(region.original(rip).is_some());
                        }
                    }
                }
            }
        }
    }
}
