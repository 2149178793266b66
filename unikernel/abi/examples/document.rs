//! Writes `docs/abi.md` from the tables of this crate: `npm run docs`. Its test holds the committed
//! file against them.

use std::fmt::Write;

use pinion_abi::calls::{machine, Arg, Call, Wait, Way, CALLS, MAX_DATA};
use pinion_abi::channel::{CHANNEL_BYTES, SLOTS, SLOT_BYTES};
use pinion_abi::layout::{self, per_cpu, physical, GRANULE};
use pinion_abi::ports;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/abi.md");

fn main() -> std::io::Result<()> {
    std::fs::write(PATH, document())
}

fn document() -> String {
    [
        "# What the guest's kernel and its monitor agree on\n\n\
         Generated from `unikernel/abi/src` by `npm run docs`: change that, not this.\n"
            .to_owned(),
        counts(),
        arguments(),
        calls(),
        requests(),
        ports(),
        addresses(),
        boot_memory(),
    ]
    .join("\n")
}

fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut text = format!("| {} |\n|{}\n", header.join(" | "), "---|".repeat(N));
    for row in rows {
        text.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    text
}

fn counts() -> String {
    let count = |of: fn(&Way) -> bool| CALLS.iter().filter(|call| of(&call.way)).count();
    let rows = [
        ("the kernel", count(|way| matches!(way, Way::Guest))),
        (
            "the kernel, or the monitor for it",
            count(|way| matches!(way, Way::Either(..))),
        ),
        (
            "the monitor, never waits",
            count(|way| matches!(way, Way::Host(Wait::Never, _))),
        ),
        (
            "the monitor, may wait",
            count(|way| matches!(way, Way::Host(Wait::Maybe, _))),
        ),
        (
            "the monitor, waits",
            count(|way| matches!(way, Way::Host(Wait::Always, _))),
        ),
        ("refused", count(|way| matches!(way, Way::Refused(..)))),
        ("in all", CALLS.len()),
    ];
    let rows = rows.map(|(who, count)| [who.to_owned(), count.to_string()]);
    format!(
        "## System calls\n\n\
         One row for each in `unikernel/abi/src/calls.rs`. A number without a row is ENOSYS, and counted: a \
         verbose run names what was missing.\n\n{}\n\
         *Never waits*: but for a disk; whoever polls the channel makes the call. *May wait*: a helper \
         tries it without blocking; if it would block, the vCPU leaves and its own thread makes it. *Waits*: \
         the vCPU leaves at once.\n",
        table(["made by", "calls"], rows)
    )
}

fn arguments() -> String {
    let rows = [
        (Arg::Int, "a number, as it is"),
        (Arg::Fd, "a descriptor, which must be the guest's"),
        (Arg::DirFd, "the same, or AT_FDCWD"),
        (Arg::Path, "a string of at most PATH_MAX bytes, copied through the slot; resolved so that it never leads into the monitor"),
        (Arg::In(8), "so many bytes that the call reads, copied through the slot; `out`: that it writes"),
        (Arg::OutLen(1), "bytes that the call writes, as many as the second argument says; `in`: that it reads"),
        (Arg::OutItems(4, 0), "an array that the call writes, its length in the first argument; `in`: that it reads"),
        (Arg::BufferOut(2), "the program's own memory, written in place: the kernel passes guest-physical segments, the monitor checks each"),
        (Arg::VectorIn(2), "the same for an iovec array"),
        (Arg::InMessage(2), "a System V message of so many bytes, its type before it"),
        (Arg::FileHandle, "a struct file_handle with room for as many bytes as it says"),
        (Arg::Family, "a family of sockets, one of those in `unikernel/abi/src/sockets.rs`; others are EAFNOSUPPORT"),
        (Arg::Address(2), "a socket's address of so many bytes; `out`: that the call writes, its length at that argument"),
        (Arg::Option, "the value of a socket's option, one of those in `unikernel/abi/src/sockets.rs`; others are ENOPROTOOPT"),
        (Arg::HeaderIn, "a message's address and ancillary data, copied through the slot, and its data in place"),
        (Arg::Ioctl, "as the call's command says (`unikernel/abi/src/calls/commands.rs`); others are ENOTTY or EINVAL"),
    ];
    let rows = rows.map(|(kind, text)| [format!("`{}`", name(kind)), text.to_owned()]);
    format!(
        "### Arguments of the monitor's calls\n\n\
         The kernel turns each argument so, and the monitor checks it by the same word. Data in a slot \
         are at most {} KiB for one argument.\n\n{}",
        MAX_DATA >> 10,
        table(["argument", "what is passed"], rows)
    )
}

/// As in the table of calls; arguments count from 1, as in man pages' prototypes.
fn name(kind: Arg) -> String {
    let nth = |index: u8| format!("arg {}", index + 1);
    match kind {
        Arg::Int => "int".to_owned(),
        Arg::Fd => "fd".to_owned(),
        Arg::DirFd => "dirfd".to_owned(),
        Arg::Path => "path".to_owned(),
        Arg::In(bytes) => format!("in {bytes} B"),
        Arg::Out(bytes) => format!("out {bytes} B"),
        Arg::InOut(bytes) => format!("in/out {bytes} B"),
        Arg::InLen(at) => format!("in, {} B", nth(at)),
        Arg::OutLen(at) => format!("out, {} B", nth(at)),
        Arg::InItems(bytes, at) => format!("in, {} x {bytes} B", nth(at)),
        Arg::OutItems(bytes, at) => format!("out, {} x {bytes} B", nth(at)),
        Arg::InOutItems(bytes, at) => format!("in/out, {} x {bytes} B", nth(at)),
        Arg::BufferIn(at) => format!("memory in, {} B", nth(at)),
        Arg::BufferOut(at) => format!("memory out, {} B", nth(at)),
        Arg::VectorIn(at) => format!("iovec in, {} items", nth(at)),
        Arg::VectorOut(at) => format!("iovec out, {} items", nth(at)),
        Arg::InMessage(at) => format!("message in, {} B", nth(at)),
        Arg::OutMessage(at) => format!("message out, {} B", nth(at)),
        Arg::FileHandle => "file handle".to_owned(),
        Arg::Family => "family".to_owned(),
        Arg::Address(at) => format!("address in, {} B", nth(at)),
        Arg::AddressOut(at) => format!("address out, B at {}", nth(at)),
        Arg::Option => "option in".to_owned(),
        Arg::OptionOut => "option out".to_owned(),
        Arg::Interfaces => "interfaces out".to_owned(),
        Arg::HeaderIn => "msghdr in".to_owned(),
        Arg::HeaderOut => "msghdr out".to_owned(),
        Arg::State => "state of the file out".to_owned(),
        Arg::Ahead => "what stands in sockets out".to_owned(),
        Arg::Again => "the next openat(2)".to_owned(),
        Arg::Ioctl | Arg::Fcntl | Arg::Shmctl | Arg::Semctl | Arg::Msgctl => {
            "by command".to_owned()
        }
    }
}

fn calls() -> String {
    let rows = CALLS.iter().map(|Call { number, name, way }| {
        let (who, how) = describe(way);
        [number.to_string(), format!("`{name}`"), who, how]
    });
    format!(
        "### All calls\n\n{}",
        table(["number", "name", "made by", "how"], rows)
    )
}

fn describe(way: &Way) -> (String, String) {
    match way {
        Way::Guest => ("kernel".to_owned(), String::new()),
        Way::Host(wait, kinds) | Way::Either(wait, kinds) => {
            let either = matches!(way, Way::Either(..));
            let mut who = if either {
                "kernel or monitor"
            } else {
                "monitor"
            }
            .to_owned();
            who.push_str(match wait {
                Wait::Never => "",
                Wait::Maybe => ", may wait",
                Wait::Always => ", waits",
            });
            let kinds: Vec<String> = kinds.iter().copied().map(name).collect();
            (who, kinds.join("; "))
        }
        Way::Refused(errno, why) => (format!("refused: {}", errno.name()), why.to_string()),
    }
}

fn requests() -> String {
    let rows = machine::REQUESTS.iter().map(|request| {
        let call = format!("`{}({})`", request.name, request.arguments.join(", "));
        [
            request.number.to_string(),
            call,
            request.text.trim().to_owned(),
        ]
    });
    format!(
        "## Requests to the machine\n\n\
         What the kernel asks of the monitor for itself, through the same channel. Addresses are \
         guest-physical. Constants: `unikernel/abi/src/calls/machine.rs`.\n\n{}",
        table(["number", "request", "what it does"], rows)
    )
}

fn ports() -> String {
    let rows = [
        (ports::SERVE, "serve what stands in the channel, then go on"),
        (
            ports::PANIC,
            "the kernel cannot go on; a message stands in the boot information",
        ),
    ];
    let rows = rows.map(|(port, text)| [format!("`{port:#x}`"), text.to_owned()]);
    format!(
        "## Ports\n\n\
         The kernel leaves the guest by an `out` to one of these. One of the program's own is a \
         general-protection fault, as on Linux.\n\n{}",
        table(["port", "meaning"], rows)
    )
}

fn addresses() -> String {
    const BITS_47: u64 = 1 << 47;
    let rows = [
        (
            layout::USER_START,
            layout::USER_END,
            "the program: its segments, heap, mappings and stack, trampolines, the host's vDSO",
        ),
        (
            layout::PER_CPU,
            layout::PER_CPU + per_cpu::END,
            "what is the vCPU's own: variables, descriptor tables, stacks of exceptions and stubs",
        ),
        (
            layout::KERNEL,
            layout::KERNEL + physical::KERNEL_IMAGE_BYTES,
            "the kernel image",
        ),
        (
            layout::PHYSICAL,
            BITS_47,
            "all guest-physical memory, linearly, never executable",
        ),
    ];
    let rows = rows.map(|(start, end, what)| {
        [
            format!("`{start:#x}`"),
            format!("`{end:#x}`"),
            what.to_owned(),
        ]
    });
    format!(
        "## The guest's addresses\n\n\
         From `unikernel/abi/src/layout.rs`. Everything is at ring 3; what is not named is not mapped.\n\n{}",
        table(["from", "to", "what"], rows)
    )
}

fn boot_memory() -> String {
    let pages = |pages: u64| pages * layout::PAGE;
    let mut rows = [
        (
            physical::TABLES,
            pages(physical::TABLES_PAGES),
            "page tables: the monitor's first ones, then those of the linear mapping",
        ),
        (
            physical::BOOT_INFO,
            physical::PER_CPU - physical::BOOT_INFO,
            "`BootInfo` (`unikernel/abi/src/boot.rs`)",
        ),
        (
            physical::STRINGS,
            physical::STRINGS_BYTES,
            "the program's path, arguments and environment",
        ),
        (
            physical::PER_CPU,
            physical::PER_CPU_BYTES,
            "the vCPU's own pages",
        ),
        (physical::CHANNEL, CHANNEL_BYTES, "the channel"),
        (
            physical::KERNEL_IMAGE,
            physical::KERNEL_IMAGE_BYTES,
            "the kernel image, a private mapping of its file",
        ),
    ];
    rows.sort_by_key(|(start, ..)| *start);
    let mut rows: Vec<[String; 3]> = rows
        .map(|(start, bytes, what)| {
            [
                format!("`{start:#x}`"),
                format!("{} KiB", bytes >> 10),
                what.to_owned(),
            ]
        })
        .into();
    let mut rest = |start: u64, what: &str| {
        rows.push([format!("`{start:#x}`"), String::new(), what.to_owned()]);
    };
    rest(
        physical::BOOT_END,
        "what the kernel gives out; it grows on demand",
    );
    rest(
        layout::VDSO_PHYSICAL,
        "the host's vvar and vdso pages, read-only, in a slot of their own",
    );
    let mut text = format!(
        "## The guest's physical memory\n\n\
         Given out in granules of {} MiB. A channel has {SLOTS} slots of {} KiB.\n\n",
        GRANULE >> 20,
        SLOT_BYTES >> 10
    );
    let _ = write!(text, "{}", table(["from", "bytes", "what"], rows));
    text
}

#[cfg(test)]
mod tests {
    use super::{document, PATH};

    #[test]
    fn the_committed_document_is_that_of_the_tables() {
        let committed = std::fs::read_to_string(PATH).unwrap_or_default();
        assert!(
            committed == document(),
            "docs/abi.md is old: run `npm run docs`"
        );
    }
}
