//! Texts of /proc/PID, as Linux writes them (proc(5); fs/proc/task_mmu.c, array.c and base.c).

use std::fmt::Write;
use std::fs::File;
use std::sync::atomic::Ordering;

use pinion_abi::layout::PAGE;
use pinion_abi::portrait::{AREA_FILE, AREA_KERNEL, AREA_SHARED, AREA_STACK};

use super::pages::Resident;
use super::{host, Map, View};

/// What a text is made of.
pub struct Process<'a> {
    pub view: View,
    /// The monitor's own /proc/self/maps, and its /proc/self/pagemap where the guest's user may open it.
    pub mapped: Vec<u8>,
    pub pagemap: Option<&'a File>,
    /// How many filters the guest has (seccomp(2)).
    pub filters: usize,
}

impl Process<'_> {
    fn maps(&self) -> Vec<Map> {
        self.view.maps(&host::parse(&self.mapped))
    }

    fn resident(&self, map: &Map) -> Resident {
        let (start, end) = (map.area.start, map.area.end);
        self.view.resident(self.pagemap, start, end)
    }
}

/// The column at which names stand in maps.
const NAMES: usize = 73;

fn write_map(text: &mut Vec<u8>, map: &Map) {
    let line = format!(
        "{:08x}-{:08x} {} {:08x} {} ",
        map.area.start,
        map.area.end,
        map.permissions(),
        map.offset,
        map.file
    );
    let start = text.len();
    text.extend_from_slice(line.as_bytes());
    if !map.name.is_empty() {
        let column = (start + NAMES).max(text.len());
        text.resize(column, b' ');
        text.extend_from_slice(&map.name);
    }
    text.push(b'\n');
}

/// /proc/PID/maps.
pub fn maps(process: &Process) -> Vec<u8> {
    let mut text = Vec::new();
    for map in process.maps() {
        write_map(&mut text, &map);
    }
    text
}

/// /proc/PID/smaps.
pub fn smaps(process: &Process) -> Vec<u8> {
    let mut text = Vec::new();
    for map in process.maps() {
        write_map(&mut text, &map);
        write_sizes(&mut text, Some(&map), process.resident(&map));
    }
    text
}

/// /proc/PID/smaps_rollup.
pub fn smaps_rollup(process: &Process) -> Vec<u8> {
    let maps = process.maps();
    let mut all = Resident::default();
    for map in &maps {
        all += process.resident(map);
    }
    let mut text = Vec::new();
    if let (Some(first), Some(last)) = (maps.first(), maps.last()) {
        let mut whole = first.clone();
        whole.area.end = last.area.end;
        whole.area.flags = 0;
        whole.offset = 0;
        whole.file = "00:00 0".to_owned();
        whole.name = b"[rollup]".to_vec();
        write_map(&mut text, &whole);
        write_sizes(&mut text, None, all);
    }
    text
}

/// Pages that others map too are counted as shared with one other: how many they are the host does not tell.
fn write_sizes(text: &mut Vec<u8>, map: Option<&Map>, resident: Resident) {
    let mut line = |name: &str, bytes: u64| {
        let name = format!("{name}:");
        let line = format!("{name:<16}{:>8} kB\n", bytes >> 10);
        text.extend_from_slice(line.as_bytes());
    };
    if let Some(map) = map {
        line("Size", map.area.end - map.area.start);
        line("KernelPageSize", PAGE);
        line("MMUPageSize", PAGE);
    }
    let private = resident.private_clean + resident.private_dirty;
    line("Rss", resident.bytes());
    line("Pss", private + resident.shared_clean / 2);
    line("Pss_Dirty", resident.private_dirty);
    if map.is_none() {
        line("Pss_Anon", resident.private_dirty);
        line(
            "Pss_File",
            resident.private_clean + resident.shared_clean / 2,
        );
        line("Pss_Shmem", 0);
    }
    line("Shared_Clean", resident.shared_clean);
    line("Shared_Dirty", 0);
    line("Private_Clean", resident.private_clean);
    line("Private_Dirty", resident.private_dirty);
    line("Referenced", resident.bytes());
    line("Anonymous", resident.private_dirty);
    for name in [
        "LazyFree",
        "AnonHugePages",
        "ShmemPmdMapped",
        "FilePmdMapped",
        "Shared_Hugetlb",
        "Private_Hugetlb",
    ] {
        line(name, 0);
    }
    line("Swap", resident.swap);
    line("SwapPss", resident.swap);
    line("Locked", 0);
    if let Some(map) = map {
        text.extend_from_slice(b"THPeligible:    0\nVmFlags: ");
        text.extend_from_slice(vm_flags(map).as_bytes());
        text.push(b'\n');
    }
}

/// Two letters for each (proc(5), VmFlags).
fn vm_flags(map: &Map) -> String {
    let mut flags = String::new();
    for (bit, name) in [
        (libc::PROT_READ as u64, "rd "),
        (libc::PROT_WRITE as u64, "wr "),
        (libc::PROT_EXEC as u64, "ex "),
        (AREA_SHARED, "sh "),
    ] {
        if map.area.is(bit) {
            flags.push_str(name);
        }
    }
    flags.push_str("mr mw me ");
    if map.area.is(AREA_STACK) {
        flags.push_str("gd ");
    }
    flags
}

/// Sums over all mappings, in bytes.
#[derive(Default)]
struct Sizes {
    size: u64,
    data: u64,
    stack: u64,
    text: u64,
    library: u64,
    anonymous: u64,
    file: u64,
    shared: u64,
}

impl Sizes {
    fn of(process: &Process) -> Sizes {
        let mut sizes = Sizes::default();
        let word = |at: usize| process.view.portrait().text[at].load(Ordering::Relaxed);
        let program = word(0)..word(1);
        for map in process.maps() {
            let bytes = map.area.end - map.area.start;
            let writable = map.area.is(libc::PROT_WRITE as u64);
            let executable = map.area.is(libc::PROT_EXEC as u64);
            let shared = map.area.is(AREA_SHARED);
            sizes.size += bytes;
            if map.area.is(AREA_STACK) {
                sizes.stack += bytes;
            } else if writable && !shared {
                sizes.data += bytes;
            } else if executable && map.area.is(AREA_FILE) {
                let own = program.contains(&map.area.start)
                    || map.area.start == program.start / PAGE * PAGE;
                *(if own {
                    &mut sizes.text
                } else {
                    &mut sizes.library
                }) += bytes;
            }
            if map.area.is(AREA_KERNEL) {
                continue;
            }
            let resident = process.resident(&map);
            if shared && map.name.starts_with(b"/dev/zero") {
                sizes.shared += resident.bytes();
            } else if map.area.is(AREA_FILE) {
                // What was written is the process's own copy.
                sizes.anonymous += resident.private_dirty;
                sizes.file += resident.bytes() - resident.private_dirty;
            } else {
                sizes.anonymous += resident.bytes();
            }
        }
        sizes
    }

    fn resident(&self) -> u64 {
        self.anonymous + self.file + self.shared
    }
}

/// /proc/PID/statm.
pub fn statm(process: &Process) -> Vec<u8> {
    let sizes = Sizes::of(process);
    let numbers = [
        sizes.size,
        sizes.resident(),
        sizes.file + sizes.shared,
        sizes.text,
        0,
        sizes.data + sizes.stack,
        0,
    ];
    let words: Vec<String> = numbers
        .iter()
        .map(|bytes| (bytes / PAGE).to_string())
        .collect();
    format!("{}\n", words.join(" ")).into_bytes()
}

/// /proc/PID/status, or /proc/PID/task/TID/status of a thread: `host` is what the host tells of the
/// monitor's first thread.
pub fn status(process: &Process, host: &[u8], thread: Option<u32>) -> Vec<u8> {
    let threads = process.view.threads();
    let sizes = Sizes::of(process);
    let portrait = process.view.portrait();
    let first = threads.iter().find(|known| match thread {
        Some(id) => known.id == id,
        // Ids of the process's own are the host's, which are the smallest.
        None => true,
    });
    let set = |set: u64| Some(format!("\t{set:016x}").into_bytes());
    let kilobytes = |bytes: u64| Some(format!("\t{:>8} kB", bytes >> 10).into_bytes());
    let mut text = Vec::new();
    for line in host.split_inclusive(|byte| *byte == b'\n') {
        let end = line.iter().position(|byte| *byte == b':').unwrap_or(0);
        let value: Option<Vec<u8>> = match &line[..end] {
            b"VmPeak" | b"VmSize" => kilobytes(sizes.size),
            b"VmHWM" | b"VmRSS" => kilobytes(sizes.resident()),
            b"VmLck" | b"VmPin" => kilobytes(0),
            b"RssAnon" => kilobytes(sizes.anonymous),
            b"RssFile" => kilobytes(sizes.file),
            b"RssShmem" => kilobytes(sizes.shared),
            b"VmData" => kilobytes(sizes.data),
            b"VmStk" => kilobytes(sizes.stack),
            b"VmExe" => kilobytes(sizes.text),
            b"VmLib" => kilobytes(sizes.library),
            b"Threads" => Some(format!("\t{}", threads.len().max(1)).into_bytes()),
            b"SigBlk" => first.and_then(|thread| set(thread.blocked)),
            b"SigIgn" => set(portrait.ignored.load(Ordering::Relaxed)),
            b"SigCgt" => set(portrait.caught.load(Ordering::Relaxed)),
            b"Seccomp" => {
                let mode = if process.filters > 0 { 2 } else { 0 };
                Some(format!("\t{mode}").into_bytes())
            }
            b"Seccomp_filters" => Some(format!("\t{}", process.filters).into_bytes()),
            b"Name" => thread.and(first).map(|thread| tabbed(&thread.name)),
            b"Pid" => thread.map(|id| format!("\t{id}").into_bytes()),
            _ => None,
        };
        match value {
            Some(value) => {
                text.extend_from_slice(&line[..=end]);
                text.extend_from_slice(&value);
                text.push(b'\n');
            }
            None => text.extend_from_slice(line),
        }
    }
    text
}

fn tabbed(name: &[u8]) -> Vec<u8> {
    [b"\t", name].concat()
}

/// /proc/PID/stat, as [`status`].
pub fn stat(process: &Process, host: &[u8], thread: Option<u32>) -> Vec<u8> {
    let view = process.view;
    let threads = view.threads();
    let sizes = Sizes::of(process);
    let portrait = view.portrait();
    let word = |word: &std::sync::atomic::AtomicU64| word.load(Ordering::Relaxed);
    let of_thread = thread.and_then(|id| threads.iter().find(|thread| thread.id == id));
    let name_end = host.iter().rposition(|byte| *byte == b')').unwrap_or(0);
    let (head, tail) = host.split_at(name_end);
    let mut text = match of_thread {
        Some(thread) => [format!("{} (", thread.id).as_bytes(), &thread.name].concat(),
        None => head.to_vec(),
    };
    // Small signals only (proc(5)).
    let signals = |set: u64| set & 0x7fff_ffff;
    let blocked = of_thread
        .or(threads.first())
        .map_or(0, |thread| thread.blocked);
    let tail = String::from_utf8_lossy(tail);
    for (index, field) in tail.trim_end().split(' ').enumerate() {
        // As numbered in proc(5); the first one is the end of field 2.
        let value = match index + 2 {
            20 => Some(threads.len().max(1) as u64),
            23 => Some(sizes.size),
            24 => Some(sizes.resident() / PAGE),
            25 => Some(word(&portrait.limits[libc::RLIMIT_RSS as usize][0])),
            26 => Some(word(&portrait.text[0])),
            27 => Some(word(&portrait.text[1])),
            28 => Some(word(&portrait.stack_start)),
            32 => Some(signals(blocked)),
            33 => Some(signals(word(&portrait.ignored))),
            34 => Some(signals(word(&portrait.caught))),
            45 => Some(word(&portrait.data[0])),
            46 => Some(word(&portrait.data[1])),
            47 => Some(word(&portrait.break_start)),
            _ => None,
        };
        if index > 0 {
            text.push(b' ');
        }
        match value {
            // Not for everybody's eyes: the host gives them as 0 or 1 to who may not see them.
            Some(value) => text.extend_from_slice(value.to_string().as_bytes()),
            None => text.extend_from_slice(field.as_bytes()),
        }
    }
    text.push(b'\n');
    text
}

/// By number: name and unit (fs/proc/base.c).
const LIMITS: [(&str, &str); 16] = [
    ("Max cpu time", "seconds"),
    ("Max file size", "bytes"),
    ("Max data size", "bytes"),
    ("Max stack size", "bytes"),
    ("Max core file size", "bytes"),
    ("Max resident set", "bytes"),
    ("Max processes", "processes"),
    ("Max open files", "files"),
    ("Max locked memory", "bytes"),
    ("Max address space", "bytes"),
    ("Max file locks", "locks"),
    ("Max pending signals", "signals"),
    ("Max msgqueue size", "bytes"),
    ("Max nice priority", ""),
    ("Max realtime priority", ""),
    ("Max realtime timeout", "us"),
];

/// /proc/PID/limits.
pub fn limits(view: View) -> Vec<u8> {
    let mut text = String::new();
    let mut line = |name: &str, soft: &str, hard: &str, unit: &str| {
        let _ = write!(text, "{name:<25} {soft:<20} {hard:<20} ");
        let _ = match unit {
            "" => writeln!(text),
            unit => writeln!(text, "{unit:<10}"),
        };
    };
    line("Limit", "Soft Limit", "Hard Limit", "Units");
    for ((name, unit), limit) in LIMITS.iter().zip(&view.portrait().limits) {
        let [soft, hard] =
            [&limit[0], &limit[1]].map(|limit| match limit.load(Ordering::Relaxed) {
                u64::MAX => "unlimited".to_owned(),
                limit => limit.to_string(),
            });
        line(name, &soft, &hard, unit);
    }
    text.into_bytes()
}

/// /proc/PID/auxv.
pub fn auxiliary(view: View) -> Vec<u8> {
    let words = view.portrait().auxiliary.iter();
    let words: Vec<u64> = words.map(|word| word.load(Ordering::Relaxed)).collect();
    let pairs = words.chunks_exact(2);
    let end = pairs.clone().position(|pair| pair[0] == 0);
    let pairs = pairs.take(end.map_or(0, |end| end + 1));
    pairs
        .flatten()
        .flat_map(|word| word.to_ne_bytes())
        .collect()
}
