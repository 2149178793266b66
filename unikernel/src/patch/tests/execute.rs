//! Patched code does what the unpatched code does, on the processor.

use proptest::prelude::*;

use super::machine::{Machine, Outcome, Pages, Registers, RAX, RBX, RCX};
use super::snippet::{
    state, Snippet, Step, AFTER, BEFORE, CMP, CODE, CPUID, GETPID, LOAD, LOAD_LEAF, PAGE, SYSCALL,
    XOR_EAX,
};
use crate::patch::decode::decode;
use crate::patch::{apply, plan, site_at, Kind, Placement, PlanError, Site, TrampolineRegion};

/// Trampolines `distance` bytes from an address.
fn region_near(address: u64, distance: i64) -> (TrampolineRegion, Pages) {
    // The first free place from there towards the text.
    let step = if distance < 0 { 0x10_0000 } else { -0x10_0000 };
    let mut pages = None;
    for attempt in 0..1000 {
        let base = address.wrapping_add_signed(distance + attempt * step) & !0xfff;
        pages = Pages::new(base, PAGE);
        if pages.is_some() {
            break;
        }
    }
    let mut pages = pages.expect("a free page near the text");
    let (syscall, cpuid) = Machine::entries();
    pages.bytes()[..16].copy_from_slice(&TrampolineRegion::slots(syscall, cpuid));
    (TrampolineRegion::new(pages.address(), PAGE as u32), pages)
}

/// Patches the snippet and compares every way through it. Gives the placement when it could be patched.
fn compare(steps: &[Step], state: &(Registers, Vec<u8>), distance: i64) -> Option<Placement> {
    let mut machine = Machine::new();
    let mut snippet = Snippet::new(steps);
    let site = snippet.find().expect("a site that has trapped is one");
    let span = site.span.ok()?;
    // What each place of the unpatched code leads to.
    let starts = snippet.starts.clone();
    let expected: Vec<Outcome> = starts
        .iter()
        .map(|&start| snippet.run(&mut machine, snippet.address(start), state).0)
        .collect();

    let (mut region, pages) = region_near(snippet.page.address(), distance);
    let base = snippet.page.address();
    let patch = plan(&site, &snippet.pristine, base, &mut region).unwrap();
    // SAFETY: both lie in pages of the test, in which nothing runs now.
    unsafe {
        apply(
            &patch,
            pages.pointer((patch.trampoline_at - pages.address()) as usize),
            snippet.page.pointer((patch.at - base) as usize),
        );
    }
    let changed: Vec<usize> = (0..PAGE)
        .filter(|&at| snippet.page.bytes()[at] != snippet.pristine[at])
        .collect();
    assert!(
        changed.iter().all(|at| (span.start..span.end).contains(at)),
        "{changed:?} {span:?}"
    );

    for (&start, expected) in starts.iter().zip(&expected) {
        let address = snippet.address(start);
        let inside = span.start < start && start < span.end;
        let from = if inside {
            region.relocated(address).unwrap()
        } else {
            address
        };
        assert!(inside || region.relocated(address).is_none());
        if inside {
            assert_eq!(region.original(from), Some(address));
        }
        let (mut patched, entries) = snippet.run(&mut machine, from, state);
        if span.placement == Placement::Before && start == snippet.site {
            // The program's own `syscall` still stands.
            assert_eq!(entries, 0);
        }
        if entries > 0 {
            check_entry(&machine, &site, &region, &snippet);
            if span.placement == Placement::After && site.kind == Kind::Syscall {
                // Documented: rcx holds the trampoline's address then, unless overwritten since.
                if patched.registers[RCX] != expected.registers[RCX] {
                    assert_eq!(
                        region.original(patched.registers[RCX]),
                        Some(expected.registers[RCX])
                    );
                    patched.registers[RCX] = expected.registers[RCX];
                }
            }
        }
        assert_eq!(patched, *expected, "from {start:#x} of {steps:x?} {span:?}");
    }
    Some(span.placement)
}

/// What the kernel is told: where to go on, and how to make the call anew.
fn check_entry(machine: &Machine, site: &Site, region: &TrampolineRegion, snippet: &Snippet) {
    let after = snippet.address(snippet.site + 2);
    let back = machine.seen()[if site.kind == Kind::Syscall { RCX } else { RBX }];
    assert_eq!(region.original(back).unwrap_or(back), after);
    if site.kind == Kind::Syscall {
        let again = region.restart(back);
        assert_eq!(
            region.original(again).unwrap_or(again),
            snippet.address(snippet.site)
        );
    }
}

#[test]
fn shapes_of_real_programs() {
    let shapes: &[(&str, &[Step], Option<Placement>)] = &[
        (
            "mov imm32",
            &[GETPID, SYSCALL, CMP],
            Some(Placement::Before),
        ),
        (
            "7-byte mov",
            &[Step::Plain(&[0x48, 0xc7, 0xc0, 39, 0, 0, 0]), SYSCALL],
            Some(Placement::Before),
        ),
        (
            "mov between",
            &[GETPID, Step::Plain(&[0x31, 0xd2]), SYSCALL, CMP],
            Some(Placement::Before),
        ),
        (
            "glibc's read",
            &[
                Step::Rip(&[0x80, 0x3d], 0, &[0]),
                Step::Leave(4),
                XOR_EAX,
                SYSCALL,
                CMP,
                Step::Leave(7),
            ],
            Some(Placement::Before),
        ),
        (
            "glibc's syscall()",
            &[
                Step::Plain(&[0x4d, 0x89, 0xc2]),
                Step::Plain(&[0x4d, 0x89, 0xc8]),
                Step::Plain(&[0x4c, 0x8b, 0x4c, 0x24, 0x08]),
                SYSCALL,
                CMP,
            ],
            Some(Placement::Before),
        ),
        (
            "Go's Syscall6",
            &[
                Step::Plain(&[0x48, 0x89, 0xfa]),
                Step::Plain(&[0x48, 0x89, 0xce]),
                Step::Plain(&[0x48, 0x89, 0xdf]),
                SYSCALL,
                CMP,
                Step::Leave(6),
            ],
            Some(Placement::Before),
        ),
        (
            "behind a call",
            &[Step::Plain(&[0xe8, 0, 0, 0, 0]), XOR_EAX, SYSCALL, CMP],
            Some(Placement::After),
        ),
        (
            "nothing before",
            &[Step::Plain(&[0xe8, 0, 0, 0, 0]), SYSCALL, CMP],
            Some(Placement::After),
        ),
        (
            "sigreturn",
            &[Step::Plain(&[0x48, 0xc7, 0xc0, 15, 0, 0, 0]), SYSCALL],
            None,
        ),
        (
            "cpuid",
            &[
                Step::Plain(&[0xb8, 0, 0, 0, 0x80]),
                CPUID,
                Step::Plain(&[0x89, 0xc6]),
            ],
            Some(Placement::Before),
        ),
        (
            "cpuid with subleaf",
            &[
                XOR_EAX,
                Step::Plain(&[0x31, 0xc9]),
                CPUID,
                Step::Rip(&[0x89, 0x05], 8, &[]),
            ],
            Some(Placement::Over),
        ),
        (
            "cpuid behind a call",
            &[
                Step::Plain(&[0xe8, 0, 0, 0, 0]),
                XOR_EAX,
                CPUID,
                Step::Rip(&[0x89, 0x1d], 16, &[]),
            ],
            Some(Placement::After),
        ),
    ];
    for (name, steps, expected) in shapes {
        if expected.is_none() {
            assert!(Snippet::new(steps).find().unwrap().span.is_err(), "{name}");
            continue;
        }
        for seed in 1..20 {
            for distance in [0x10_0000, -0x10_0000, 0x7f00_0000, -0x7f00_0000] {
                assert_eq!(compare(steps, &state(seed), distance), *expected, "{name}");
            }
        }
    }
}

#[test]
fn the_kernel_sees_what_syscall_would_give() {
    let mut machine = Machine::new();
    let mut snippet = Snippet::new(&[GETPID, SYSCALL]);
    let (mut region, pages) = region_near(snippet.page.address(), 0x10_0000);
    let patch = plan(
        &snippet.find().unwrap(),
        &snippet.pristine,
        snippet.page.address(),
        &mut region,
    )
    .unwrap();
    // SAFETY: as in `compare`.
    unsafe {
        apply(
            &patch,
            pages.pointer((patch.trampoline_at - pages.address()) as usize),
            snippet.page.pointer(CODE),
        );
    }
    let state = state(7);
    let (outcome, entries) = snippet.run(&mut machine, snippet.address(CODE), &state);
    let mut expected = state.0;
    expected[RAX] = 39;
    expected[RCX] = snippet.address(snippet.site + 2);
    assert_eq!(machine.seen(), expected);
    assert_eq!(
        (entries, outcome.registers[RAX]),
        (1, std::process::id().into())
    );
    assert_eq!(outcome.stack, state.1);
    assert!(region.is_patched(snippet.address(snippet.site)));
    let used = region.used;
    let second = plan(
        &snippet.find().unwrap(),
        &snippet.pristine,
        snippet.page.address(),
        &mut region,
    )
    .unwrap();
    region.undo(&second);
    assert!(
        region.original(second.trampoline_at).is_none()
            && region.used.next_multiple_of(8) == used.next_multiple_of(8)
    );
    region.forget(snippet.page.address(), snippet.page.address() + PAGE as u64);
    assert!(!region.is_patched(snippet.address(snippet.site)));
}

#[test]
fn a_branch_into_the_span_is_refused() {
    // jmp to the xor, which `mov %edx,%edx; xor %eax,%eax` cannot then be moved with.
    let text = [
        &[0x90; 64][..],
        &[0xeb, 0x03, 0x48, 0x89, 0xd2, 0x31, 0xc0, 0x0f, 0x05],
        &[0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff, 0xc3],
    ]
    .concat();
    let span = site_at(&text, 71, 0..text.len(), &[64], 0)
        .unwrap()
        .span
        .unwrap();
    assert_eq!(span.placement, Placement::After);
    assert!(span.start == 69 || span.start == 71);
    // And from far away, by a 32-bit displacement.
    let far = |jump: bool| {
        let mut text = vec![0x90; 4096];
        text[2000..2009].copy_from_slice(&[0x66, 0x90, 0x48, 0x89, 0xd2, 0x31, 0xc0, 0x0f, 0x05]);
        if jump {
            text[10] = 0xe9;
            text[11..15].copy_from_slice(&(2005_u32 - 15).to_le_bytes());
        }
        site_at(&text, 2007, 0..4096, &[0], 0)
            .unwrap()
            .span
            .unwrap()
    };
    assert_eq!(far(false).placement, Placement::Before);
    assert_ne!(far(true).placement, Placement::Before);
}

#[test]
fn reach_and_room() {
    let text = [&[0x90; 32][..], &[0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3]].concat();
    let site = site_at(&text, 37, 0..text.len(), &[], 0).unwrap();
    let mut far = TrampolineRegion::new(0x4000_0040 + (2 << 30), PAGE as u32);
    assert_eq!(
        plan(&site, &text, 0x4000_0000, &mut far),
        Err(PlanError::OutOfReach)
    );
    assert_eq!(far.used, 16);
    let mut small = TrampolineRegion::new(0x4100_0000, 64);
    assert!(plan(&site, &text, 0x4000_0000, &mut small).is_ok());
    assert!(plan(&site, &text, 0x4000_0000, &mut small).is_ok());
    assert_eq!(
        plan(&site, &text, 0x4000_0000, &mut small),
        Err(PlanError::Full)
    );
    let mut changed = text.clone();
    changed[37] = 0x90;
    let mut near = TrampolineRegion::new(0x4100_0000, PAGE as u32);
    assert_eq!(
        plan(&site, &changed, 0x4000_0000, &mut near),
        Err(PlanError::Changed)
    );
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let some = |pool: &'static [Step], most| {
        proptest::collection::vec(proptest::sample::select(pool), 0..=most)
    };
    (
        any::<bool>(),
        some(BEFORE, 5),
        some(LOAD, 1),
        some(LOAD_LEAF, 1),
        some(BEFORE, 2),
        some(AFTER, 4),
    )
        .prop_map(|(syscall, mut steps, load, leaf, between, after)| {
            if syscall {
                // Without a number the registers' own are used, which are none.
                steps.extend(load);
                steps.extend(between);
                steps.push(SYSCALL);
            } else {
                // Leaf 0 for certain, since others may tell which processor runs.
                steps.push(XOR_EAX);
                steps.extend(between);
                steps.extend(leaf);
                steps.push(CPUID);
            }
            steps.extend(after);
            steps
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn patched_code_does_the_same(steps in steps(), seed in any::<u64>(), far in any::<bool>()) {
        compare(&steps, &state(seed), if far { 0x7e00_0000 } else { 0x10_0000 });
    }
}

#[test]
fn snippets_decode_as_they_were_written() {
    for step in [BEFORE, LOAD, LOAD_LEAF, AFTER].concat() {
        let snippet = Snippet::new(&[step, Step::Plain(&[0x90])]);
        let insn = decode(&snippet.pristine[CODE..]).unwrap();
        assert_eq!(CODE + insn.length(), snippet.starts[1], "{step:x?}");
    }
}
