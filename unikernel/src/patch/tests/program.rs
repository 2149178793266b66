//! Whole programs, patched in their files, do on Linux what they did before.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::elf::{program_headers, Header, LOAD};
use crate::patch::{plan, sites, Kind, Placement, TrampolineRegion};

const REGION: usize = 1 << 20;
/// Entries that make the call themselves, as position-independent code. The way back is kept in xmm14, which
/// no program has in use at a system call (nor Go its xmm15, a zero).
const SYSCALL_ENTRY: &[u8] = &[
    0x66, 0x4c, 0x0f, 0x6e, 0xf1, // movq %rcx, %xmm14
    0x0f, 0x05, // syscall
    0x66, 0x4c, 0x0f, 0x7e, 0xf1, // movq %xmm14, %rcx
    0xff, 0xe1, // jmp *%rcx
];
const CPUID_ENTRY: &[u8] = &[
    0x48, 0x89, 0x1d, 0x08, 0, 0, 0, // mov %rbx, 8(%rip)
    0x0f, 0xa2, // cpuid
    0xff, 0x25, 0, 0, 0, 0, // jmp *(%rip)
];

/// A patched copy of an executable with fixed addresses, removed when dropped.
struct Patched {
    path: PathBuf,
    sites: usize,
}

impl Drop for Patched {
    fn drop(&mut self) {
        // In a temporary directory: nothing to do about a failure.
        let _ = fs::remove_file(&self.path);
    }
}

fn patched(path: &Path) -> Patched {
    let mut file = fs::read(path).unwrap();
    let headers = program_headers(&file);
    let top = headers
        .iter()
        .filter(|header| header.kind == LOAD)
        .map(|header| header.address + header.memory);
    let base = (top.max().unwrap() + REGION as u64) & !0xfff;
    let entries = base + REGION as u64 - 64;
    let mut memory = vec![0_u8; REGION];
    memory[..16].copy_from_slice(&TrampolineRegion::slots(entries, entries + 32));
    memory[REGION - 64..][..SYSCALL_ENTRY.len()].copy_from_slice(SYSCALL_ENTRY);
    memory[REGION - 32..][..CPUID_ENTRY.len()].copy_from_slice(CPUID_ENTRY);

    let mut region = TrampolineRegion::new(base, REGION as u32 - 64);
    let mut count = 0;
    for header in headers
        .iter()
        .filter(|header| header.kind == LOAD && header.flags & 1 != 0)
    {
        let text = file[header.offset..header.offset + header.length].to_vec();
        for site in sites(&text, &[]) {
            let Ok(span) = site.span else { continue };
            let patch = plan(&site, &text, header.address, &mut region).unwrap();
            let at = header.offset + span.start;
            file[at..at + patch.bytes().len()].copy_from_slice(patch.bytes());
            if span.placement == Placement::Before {
                // ud2 in its place proves that every call goes by the trampoline.
                file[header.offset + site.at..][..2].copy_from_slice(&[0x0f, 0x0b]);
            }
            let at = (patch.trampoline_at - base) as usize;
            memory[at..at + patch.trampoline().len()].copy_from_slice(patch.trampoline());
            count += usize::from(site.kind == Kind::Syscall);
        }
    }

    // PT_NOTE or PT_GNU_STACK makes room for a segment with the region.
    let spare = headers
        .iter()
        .rposition(|header| matches!(header.kind, 4 | 0x6474_e551))
        .unwrap();
    file.resize(file.len().next_multiple_of(4096), 0);
    let segment = Header {
        kind: LOAD,
        flags: 7,
        offset: file.len(),
        address: base,
        length: REGION,
        memory: REGION as u64,
    };
    segment.write(&mut file, spare);
    file.extend(memory);
    let name = format!(
        "pinion-patched-{}-{}",
        path.file_name().unwrap().to_str().unwrap(),
        std::process::id()
    );
    let copy = std::env::temp_dir().join(name);
    fs::write(&copy, file).unwrap();
    fs::set_permissions(&copy, Permissions::from_mode(0o755)).unwrap();
    Patched {
        path: copy,
        sites: count,
    }
}

fn run(program: &Path, arguments: &[&str]) -> Output {
    loop {
        // The same name, which busybox goes by.
        match Command::new(program)
            .arg0("busybox")
            .args(arguments)
            .output()
        {
            // Another test's fork still holds the new file open for writing.
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            result => return result.unwrap(),
        }
    }
}

fn compare(path: &Path, runs: &[&[&str]]) {
    let patched = patched(path);
    println!(
        "{}: {} system call sites patched",
        path.display(),
        patched.sites
    );
    for arguments in runs {
        let (expected, output) = (run(path, arguments), run(&patched.path, arguments));
        assert_eq!(output, expected, "{} {arguments:?}", path.display());
        assert!(!output.stdout.is_empty() || !output.stderr.is_empty());
    }
}

#[test]
fn busybox() {
    let script = "for i in 1 2 3; do echo $i; done; echo a b c | tr a-z A-Z | wc -c; ls -l /proc/version; \
        trap 'echo trapped' USR1; kill -USR1 $$; (exit 3); echo $?; date -d @0; cat /etc/passwd | sort | head -3; \
        sleep 0.01 & wait; printf '%s\\n' *; seq 1 2000 | gzip | gunzip | md5sum; id; stat -c %s /bin/sh";
    compare(
        Path::new("/bin/busybox"),
        &[
            &["sh", "-c", script],
            &["ls", "-la", "/etc"],
            &["sha256sum", "/bin/busybox"],
            &["find", "/etc", "-type", "f", "-name", "p*"],
            &["cat", "/nonexistent"],
        ],
    );
}

/// Static Go programs, where the machine has one.
#[test]
fn go() {
    let runc = Path::new("/usr/sbin/runc");
    if runc.exists() {
        compare(
            runc,
            &[
                &["--version"],
                &["features"],
                &["spec", "--help"],
                &["state", "no-such-container"],
            ],
        );
    }
}
