//! The decoder's idea of instruction boundaries is objdump's.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::elf::samples;
use crate::patch::decode::{decode, MAX_LENGTH};
use crate::patch::insn::{DecodeError, Flow, Insn};

#[derive(Default)]
struct Agreement {
    instructions: usize,
    /// Data that objdump takes for code: undefined forms (`lock` on a load, `mov` to cs), 16-bit branches.
    refused: Vec<String>,
    differ: Vec<String>,
}

/// Walks `objdump -d` line by line: each instruction's bytes, decoded alone, must have its length.
fn compare(path: &Path) -> Agreement {
    let mut objdump = Command::new("objdump")
        .args(["-d", "-w", "--no-addresses", "--insn-width=15"])
        .arg(path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("objdump is in binutils");
    let mut result = Agreement::default();
    for line in BufReader::new(objdump.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
    {
        let mut fields = line.split('\t');
        let (Some(""), Some(hex), Some(text)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let prefix_alone =
            text.starts_with("rex") || text.starts_with("data16") && hex.trim().len() == 2;
        if text.contains("(bad)") || text.starts_with(".byte") || prefix_alone {
            continue;
        }
        let bytes: Vec<u8> = hex
            .split_whitespace()
            .map(|byte| u8::from_str_radix(byte, 16).unwrap())
            .collect();
        result.instructions += 1;
        match decode(&bytes) {
            Ok(insn) if insn.length() == bytes.len() => {}
            Ok(insn) => result.differ.push(format!("{hex}| {text}| {}", insn.len)),
            Err(error) => result.refused.push(format!("{hex}| {text}| {error}")),
        }
    }
    assert!(objdump.wait().unwrap().success());
    result
}

#[test]
fn boundaries_agree_with_objdump() {
    for path in samples() {
        let result = compare(&path);
        let (differ, refused) = (result.differ.len(), result.refused.len());
        let total = result.instructions;
        println!(
            "{}: {total} instructions, {differ} of another length, {refused} refused",
            path.display()
        );
        for line in result
            .differ
            .iter()
            .take(20)
            .chain(result.refused.iter().take(3))
        {
            println!("  {line}");
        }
        assert!(total > 1000);
        assert!(differ * 10_000 < total, "{}", path.display());
        assert!(refused * 1000 < total, "{}", path.display());
    }
}

fn one(bytes: &[u8]) -> Insn {
    decode(bytes).unwrap_or_else(|error| panic!("{bytes:02x?}: {error}"))
}

#[test]
fn lengths_and_positions() {
    let cases: &[(&[u8], u8, Option<u8>)] = &[
        (&[0xb8, 1, 0, 0, 0], 5, None),
        (&[0x66, 0xb8, 1, 0], 4, None),
        (&[0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8], 10, None),
        (&[0x48, 0xc7, 0xc0, 1, 0, 0, 0], 7, None),
        (&[0xa1, 1, 2, 3, 4, 5, 6, 7, 8], 9, None),
        (&[0x67, 0xa1, 1, 2, 3, 4], 6, None),
        (&[0x80, 0x3d, 1, 2, 3, 4, 0], 7, Some(2)),
        (&[0x48, 0x8b, 0x05, 1, 2, 3, 4], 7, Some(3)),
        (&[0x8b, 0x04, 0x25, 1, 2, 3, 4], 7, None),
        (&[0xf6, 0x05, 1, 2, 3, 4, 9], 7, Some(2)),
        (&[0xf7, 0xd8], 2, None),
        (&[0xf7, 0xc0, 1, 2, 3, 4], 6, None),
        (&[0xc5, 0xfd, 0x6f, 0x05, 1, 2, 3, 4], 8, Some(4)),
        (&[0xc4, 0xe3, 0x7d, 0x39, 0xc1, 1], 6, None),
        (
            &[0x62, 0xf1, 0x7c, 0x48, 0x10, 0x05, 1, 2, 3, 4],
            10,
            Some(6),
        ),
        (&[0x62, 0xf1, 0xfd, 0x48, 0x6f, 0x47, 1], 7, None),
        (&[0xc8, 1, 0, 0], 4, None),
        (&[0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0], 10, None),
    ];
    for (bytes, len, rip_disp) in cases {
        let insn = one(bytes);
        assert_eq!((insn.len, insn.rip_disp), (*len, *rip_disp), "{bytes:02x?}");
        for short in 0..bytes.len() {
            assert_eq!(
                decode(&bytes[..short]),
                Err(DecodeError::Truncated),
                "{bytes:02x?}"
            );
        }
    }
}

#[test]
fn flows() {
    let cases: &[(&[u8], Flow)] = &[
        (&[0x0f, 0x05], Flow::Syscall),
        (&[0x0f, 0xa2], Flow::Cpuid),
        (
            &[0x74, 0xfe],
            Flow::Jcc {
                condition: 4,
                rel: -2,
            },
        ),
        (
            &[0x0f, 0x87, 1, 0, 0, 0],
            Flow::Jcc {
                condition: 7,
                rel: 1,
            },
        ),
        (&[0xeb, 3], Flow::Jmp { rel: 3 }),
        (&[0xe9, 0xff, 0xff, 0xff, 0xff], Flow::Jmp { rel: -1 }),
        (&[0xe8, 0, 1, 0, 0], Flow::Call { rel: 256 }),
        (&[0xe3, 5], Flow::Loop { rel: 5 }),
        (&[0xff, 0xd0], Flow::CallIndirect),
        (&[0xff, 0x25, 0, 0, 0, 0], Flow::Leave),
        (&[0xc3], Flow::Leave),
        (&[0xf3, 0xc3], Flow::Leave),
        (&[0x0f, 0x0b], Flow::Trap),
        (&[0xcc], Flow::Trap),
    ];
    for (bytes, flow) in cases {
        assert_eq!(one(bytes).flow, *flow, "{bytes:02x?}");
    }
    assert!(one(&[0x0f, 0x0b]).is_terminator());
    assert!(!one(&[0xcc]).is_terminator());
}

#[test]
fn invalid_in_64_bit_mode() {
    let cases: &[&[u8]] = &[
        &[0x06],
        &[0x27],
        &[0x60],
        &[0x82, 0xc0, 1],
        &[0x9a, 0, 0, 0, 0, 0, 0],
        &[0xea, 0, 0, 0, 0, 0, 0],
        &[0xd4, 10],
        &[0xff, 0xff],
        &[0xf0, 0x89, 0xc0],
        &[0xf0, 0x8b, 0x00],
        &[0x66; 16],
        &[0x66, 0xc5, 0xf8, 0x77],
    ];
    for bytes in cases {
        assert_eq!(decode(bytes), Err(DecodeError::Invalid), "{bytes:02x?}");
    }
    assert_eq!(
        decode(&[0x66, 0xe9, 0, 0, 0, 0]),
        Err(DecodeError::Ambiguous)
    );
    assert_eq!(decode(&[]), Err(DecodeError::Truncated));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn any_bytes_decode_or_fail(bytes in proptest::collection::vec(any::<u8>(), 0..32)) {
        match decode(&bytes) {
            Ok(insn) => {
                let length = insn.length();
                prop_assert!((1..=MAX_LENGTH).contains(&length) && length <= bytes.len());
                prop_assert!(usize::from(insn.imm) <= length || insn.imm == 0);
                if let Some(at) = insn.rip_disp {
                    prop_assert!(usize::from(at) + 4 <= length);
                }
                // What follows an instruction does not change it.
                prop_assert_eq!(decode(&bytes[..length]), Ok(insn));
            }
            Err(DecodeError::Truncated) => prop_assert!(bytes.len() < MAX_LENGTH),
            Err(_) => {}
        }
    }
}
