//! The oracle is Linux: the same calls, one after the other, by the service in one directory and
//! directly in another, give the same results and leave the same files.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::contain::contained;
use super::guest::{int, linux, path, Arg, Guest, Reply, CWD};
use crate::calls::Answer;

/// Of the same length, so that sizes of links agree; deep, so that `..` stays inside.
const OURS: &str = "/a/1/2/3/4/5/6/w";
const THEIRS: &str = "/b/1/2/3/4/5/6/w";

const NAMES: &[&str] = &[
    "f", "g", "d", "l", "m", "e", ".", "..", "", "f/", "d/", "l/",
];
/// Link targets; `@` is the test's directory.
const TARGETS: &[&str] = &[
    "f", "d", "../w/f", "nowhere", "l", "@/d", "d/g", "", "@/m", "./d/",
];

#[derive(Debug, Clone)]
struct Op {
    call: usize,
    names: Vec<usize>,
    others: Vec<usize>,
    bits: u32,
    number: u32,
    file: usize,
    absolute: bool,
    may_block: bool,
}

fn op() -> impl Strategy<Value = Op> {
    let name = || vec(0..NAMES.len(), 1..4);
    let rest = (
        any::<u32>(),
        any::<u32>(),
        any::<usize>(),
        any::<bool>(),
        any::<bool>(),
    );
    (0..CALLS.len(), name(), name(), rest).prop_map(|(call, names, others, rest)| {
        let (bits, number, file, absolute, may_block) = rest;
        Op {
            call,
            names,
            others,
            bits,
            number,
            file,
            absolute,
            may_block,
        }
    })
}

/// Open files, ours and theirs.
type Files = Vec<(i64, i64)>;

/// One side of the comparison.
struct Side<'a> {
    root: &'static str,
    dir: i64,
    file: i64,
    op: &'a Op,
}

impl Side<'_> {
    fn name(&self, names: &[usize]) -> String {
        let text: Vec<&str> = names.iter().map(|index| NAMES[*index]).collect();
        let text = text.join("/");
        match self.op.absolute {
            true => format!("{}/{text}", self.root),
            false => text.trim_start_matches('/').to_owned(),
        }
    }

    /// A directory and a first path.
    fn first(&self) -> [Arg; 2] {
        [int(self.dir), path(self.name(&self.op.names))]
    }

    fn second(&self) -> [Arg; 2] {
        [int(self.dir), path(self.name(&self.op.others))]
    }

    fn plain(&self) -> Arg {
        path(format!(
            "{}/{}",
            self.root,
            self.op
                .names
                .iter()
                .map(|i| NAMES[*i])
                .collect::<Vec<_>>()
                .join("/")
        ))
    }

    fn target(&self) -> Arg {
        path(TARGETS[self.op.number as usize % TARGETS.len()].replace('@', self.root))
    }

    /// Some of these flags.
    fn some(&self, flags: &[i32]) -> Arg {
        let chosen = flags
            .iter()
            .enumerate()
            .filter(|(at, _)| self.op.bits >> at & 1 != 0);
        int(chosen.fold(0, |all, (_, flag)| all | flag))
    }

    /// Linux looks for a negative length before it looks for the file.
    fn length(&self) -> Arg {
        int(i64::from(self.op.number % 300) - i64::from(self.file >= 0))
    }

    fn number(&self, below: u32) -> Arg {
        int(self.op.number % below)
    }
}

const OPEN: &[i32] = &[
    libc::O_WRONLY,
    libc::O_RDWR,
    libc::O_CREAT,
    libc::O_EXCL,
    libc::O_TRUNC,
    libc::O_APPEND,
    libc::O_DIRECTORY,
    libc::O_NOFOLLOW,
    libc::O_CLOEXEC,
    libc::O_PATH,
    libc::O_NOATIME,
];
const AT: &[i32] = &[libc::AT_SYMLINK_NOFOLLOW, libc::AT_EMPTY_PATH];
const TIMES: [i64; 4] = [1_000_000, 5, 2_000_000, 6];

fn times() -> Arg {
    Arg::In(TIMES.iter().flat_map(|word| word.to_ne_bytes()).collect())
}

fn open_flags(side: &Side) -> i64 {
    // O_NONBLOCK, or a FIFO would stop both.
    let Arg::Int(flags) = side.some(OPEN) else {
        unreachable!()
    };
    flags | i64::from(libc::O_NONBLOCK)
}

fn open_how(side: &Side) -> Arg {
    let flags = open_flags(side) as u64;
    let creates = flags & libc::O_CREAT as u64 != 0;
    let how = [
        flags,
        if creates { 0o640 } else { 0 },
        u64::from(side.op.number) & 0x1f,
    ];
    Arg::In(how.iter().flat_map(|word| word.to_ne_bytes()).collect())
}

type Make = fn(&Side) -> Vec<Arg>;

/// The calls and their arguments.
#[rustfmt::skip]
const CALLS: &[(i64, Make)] = &[
    (libc::SYS_openat, |s| [&s.first()[..], &[int(open_flags(s)), s.number(0o10000)]].concat()),
    (libc::SYS_openat, |s| [&s.first()[..], &[int(open_flags(s) | 0o20_200_000), s.number(0o10000)]].concat()),
    (libc::SYS_openat2, |s| [&s.first()[..], &[open_how(s), int(24)]].concat()),
    (libc::SYS_open, |s| vec![s.plain(), int(open_flags(s)), s.number(0o1000)]),
    (libc::SYS_newfstatat, |s| [&s.first()[..], &[Arg::Out(144), s.some(AT)]].concat()),
    (libc::SYS_newfstatat, |s| vec![int(s.file), path(""), Arg::Out(144), int(libc::AT_EMPTY_PATH)]),
    (libc::SYS_stat, |s| vec![s.plain(), Arg::Out(144)]),
    (libc::SYS_lstat, |s| vec![s.plain(), Arg::Out(144)]),
    (libc::SYS_fstat, |s| vec![int(s.file), Arg::Out(144)]),
    (libc::SYS_access, |s| vec![s.plain(), s.number(9)]),
    (libc::SYS_faccessat, |s| [&s.first()[..], &[s.number(8)]].concat()),
    (439, |s| [&s.first()[..], &[s.number(8), s.some(&[libc::AT_SYMLINK_NOFOLLOW, libc::AT_EMPTY_PATH, 0x200, 1])]].concat()),
    (libc::SYS_mkdirat, |s| [&s.first()[..], &[s.number(0o1000)]].concat()),
    (libc::SYS_mkdir, |s| vec![s.plain(), s.number(0o1000)]),
    (libc::SYS_unlinkat, |s| [&s.first()[..], &[s.some(&[libc::AT_REMOVEDIR])]].concat()),
    (libc::SYS_rmdir, |s| vec![s.plain()]),
    (libc::SYS_unlink, |s| vec![s.plain()]),
    (libc::SYS_renameat2, |s| [&s.first()[..], &s.second(), &[s.some(&[1, 2])]].concat()),
    (libc::SYS_renameat, |s| [&s.first()[..], &s.second()].concat()),
    (libc::SYS_linkat, |s| [&s.first()[..], &s.second(), &[s.some(&[libc::AT_SYMLINK_FOLLOW, 8])]].concat()),
    (libc::SYS_symlinkat, |s| [&[s.target()], &s.first()[..]].concat()),
    (libc::SYS_symlink, |s| vec![s.target(), s.plain()]),
    (libc::SYS_readlinkat, |s| [&s.first()[..], &[Arg::Out(200), int(200)]].concat()),
    (libc::SYS_readlink, |s| vec![s.plain(), Arg::Out(4), s.number(5)]),
    (libc::SYS_chmod, |s| vec![s.plain(), s.number(0o10000)]),
    (libc::SYS_fchmodat, |s| [&s.first()[..], &[s.number(0o10000)]].concat()),
    (452, |s| [&s.first()[..], &[s.number(0o1000), s.some(AT)]].concat()),
    (libc::SYS_fchownat, |s| [&s.first()[..], &[s.number(3), int(-1), s.some(AT)]].concat()),
    (libc::SYS_lchown, |s| vec![s.plain(), int(-1), s.number(3)]),
    (libc::SYS_truncate, |s| vec![s.plain(), int(i64::from(s.op.number % 300) - 1)]),
    (libc::SYS_utimensat, |s| [&s.first()[..], &[times(), s.some(AT)]].concat()),
    (libc::SYS_utimensat, |s| vec![int(s.file), Arg::Null, times(), int(0)]),
    (libc::SYS_utimes, |s| vec![s.plain(), times()]),
    (libc::SYS_utime, |s| vec![s.plain(), times()]),
    (libc::SYS_mknodat, |s| [&s.first()[..], &[int(libc::S_IFIFO | 0o600), int(0)]].concat()),
    (libc::SYS_mknod, |s| vec![s.plain(), s.number(0x10000), int(0)]),
    (libc::SYS_setxattr, |s| vec![s.plain(), path("user.x"), Arg::In(b"value".to_vec()), int(5), s.some(&[1, 2])]),
    (libc::SYS_lgetxattr, |s| vec![s.plain(), path("user.x"), Arg::Out(16), s.number(16)]),
    (libc::SYS_listxattr, |s| vec![s.plain(), Arg::Out(64), int(64)]),
    (libc::SYS_removexattr, |s| vec![s.plain(), path("user.x")]),
    (libc::SYS_write, |s| vec![int(s.file), Arg::BufferIn(vec![b'x'; s.op.number as usize % 3000]), int(s.op.number % 3000)]),
    (libc::SYS_read, |s| vec![int(s.file), Arg::BufferOut(3000), int(3000)]),
    (libc::SYS_pread64, |s| vec![int(s.file), Arg::BufferOut(100), int(100), s.length()]),
    (libc::SYS_pwrite64, |s| vec![int(s.file), Arg::BufferIn(b"hello".to_vec()), int(5), s.length()]),
    (libc::SYS_lseek, |s| vec![int(s.file), int(i64::from(s.op.bits % 200) - 100), s.number(6)]),
    (libc::SYS_ftruncate, |s| vec![int(s.file), s.length()]),
    (libc::SYS_fallocate, |s| vec![int(s.file), s.some(&[1, 2]), int(0), s.number(5000)]),
    (libc::SYS_fchmod, |s| vec![int(s.file), s.number(0o10000)]),
    (libc::SYS_fsync, |s| vec![int(s.file)]),
    (libc::SYS_fcntl, |s| vec![int(s.file), int(libc::F_GETFL), int(0)]),
    (libc::SYS_fcntl, |s| vec![int(s.file), int(libc::F_GETFD), int(0)]),
    (libc::SYS_ioctl, |s| vec![int(s.file), int(0x541b), Arg::Out(4)]),
    (libc::SYS_getdents64, |s| vec![int(s.file), Arg::Out(2000), int(2000)]),
    (libc::SYS_close, |s| vec![int(s.file)]),
];

const OPENING: &[i64] = &[libc::SYS_open, libc::SYS_openat, libc::SYS_openat2];

/// When both paths are wrong, either decides the error.
const TWO_PATHS: &[i64] = &[libc::SYS_renameat, libc::SYS_renameat2, libc::SYS_linkat];

/// What is compared of a reply: inode numbers, device numbers and times differ by right.
fn essence(number: i64, reply: &Reply) -> (i64, Vec<u8>) {
    let mut result = reply.result();
    if TWO_PATHS.contains(&number) && result < 0 {
        result = -1;
    }
    if number == libc::SYS_fcntl && result > 0 {
        // A file that was opened anew does not remember O_NOFOLLOW, which nothing asks for.
        result &= !i64::from(libc::O_NOFOLLOW);
    }
    let outputs = reply
        .outputs
        .iter()
        .find(|bytes| !bytes.is_empty())
        .cloned()
        .unwrap_or_default();
    let outputs = match number {
        _ if result < 0 => Vec::new(),
        libc::SYS_stat | libc::SYS_lstat | libc::SYS_fstat | libc::SYS_newfstatat => {
            // struct stat: st_nlink to st_gid, st_size.
            let directory = u32::from_ne_bytes(outputs[24..28].try_into().unwrap()) & libc::S_IFMT
                == libc::S_IFDIR;
            [
                &outputs[16..36],
                if directory { &[] } else { &outputs[48..56] },
            ]
            .concat()
        }
        libc::SYS_getdents64 => {
            let mut entries = outputs[..result as usize].to_vec();
            let mut names = Vec::new();
            crate::calls::procfs::retain(&mut entries, |name| {
                names.push(name.to_vec());
                true
            });
            names.sort();
            names.join(&b'/')
        }
        libc::SYS_readlink | libc::SYS_readlinkat => String::from_utf8_lossy(&outputs)
            .replacen("/a/", "/b/", 1)
            .into_bytes(),
        _ => outputs,
    };
    (result, outputs)
}

fn one(guest: &Guest, op: &Op, dirs: (i64, i64), files: &mut Files) -> Result<(), TestCaseError> {
    let (number, make) = CALLS[op.call];
    let at = if files.is_empty() {
        None
    } else {
        Some(op.file % files.len())
    };
    let (our_file, their_file) = at.map_or((-1, -1), |at| files[at]);
    let ours = Side {
        root: OURS,
        dir: dirs.0,
        file: our_file,
        op,
    };
    let theirs = Side {
        root: THEIRS,
        dir: dirs.1,
        file: their_file,
        op,
    };
    let mut reply = guest.ask(number, &make(&ours), op.may_block);
    if reply.answer == Answer::WouldBlock {
        reply = guest.ask(number, &make(&ours), true);
    }
    let expected = linux(number, &make(&theirs));
    let mut what = (essence(number, &reply), essence(number, &expected));
    if OPENING.contains(&number) && what.0 .0 >= 0 && what.1 .0 >= 0 {
        files.push((what.0 .0, out_of_the_way(what.1 .0)));
        what = Default::default();
    }
    prop_assert_eq!(what.0, what.1, "{} {:?}", number, make(&ours));
    if number == libc::SYS_close {
        at.map(|at| files.remove(at));
    }
    Ok(())
}

/// Their files do not take the numbers that ours are to get.
fn out_of_the_way(fd: i64) -> i64 {
    let with_flag = linux(libc::SYS_fcntl, &[int(fd), int(libc::F_GETFD), int(0)]).ok();
    let command = if with_flag == 0 {
        libc::F_DUPFD
    } else {
        libc::F_DUPFD_CLOEXEC
    };
    let moved = linux(libc::SYS_fcntl, &[int(fd), int(command), int(700)]).ok();
    linux(libc::SYS_close, &[int(fd)]).ok();
    moved
}

/// All files below a directory: what each is, and what it holds.
fn tree(root: &Path) -> BTreeMap<String, (u32, u64, String)> {
    let mut found = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            // A user may not be allowed to look.
            let Ok(data) = entry.metadata() else { continue };
            let content = match data.file_type() {
                kind if kind.is_dir() => {
                    left.push(path.clone());
                    String::new()
                }
                kind if kind.is_symlink() => std::fs::read_link(&path)
                    .unwrap_or_default()
                    .to_string_lossy()
                    .replacen("/a/", "/b/", 1),
                kind if kind.is_file() => format!("{:?}", std::fs::read(&path).ok()),
                _ => String::new(),
            };
            let name = path
                .strip_prefix(root)
                .expect("below")
                .to_string_lossy()
                .into_owned();
            found.insert(name, (data.mode(), data.nlink(), content));
        }
    }
    found
}

/// Removes a directory, also one that its owner may not read.
fn clear(dir: &Path) {
    let _ = std::fs::set_permissions(dir, std::os::unix::fs::PermissionsExt::from_mode(0o700));
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => clear(&entry.path()),
            _ => std::fs::remove_file(entry.path()).expect("remove a file"),
        }
    }
    let _ = std::fs::remove_dir(dir);
}

fn compare(guest: &Guest, ops: &[Op]) -> Result<(), TestCaseError> {
    for root in [OURS, THEIRS] {
        let top = Path::new(root).ancestors().nth(5).expect("a parent");
        clear(top);
        std::fs::create_dir_all(root).expect("a directory");
        std::fs::write(format!("{root}/f"), "content").expect("a file");
        std::fs::create_dir(format!("{root}/d")).expect("a directory");
        std::os::unix::fs::symlink("d", format!("{root}/l")).expect("a link");
        std::os::unix::fs::symlink("f", format!("{root}/m")).expect("a link");
    }
    let ours = guest.open(OURS, libc::O_RDONLY | libc::O_DIRECTORY);
    let open = [CWD, path(THEIRS), int(libc::O_RDONLY), int(0)];
    let theirs = out_of_the_way(linux(libc::SYS_openat, &open).ok());
    let mut files = Files::new();
    let mut result = Ok(());
    for op in ops {
        result = one(guest, op, (ours, theirs), &mut files);
        if result.is_err() {
            break;
        }
    }
    files.push((ours, theirs));
    for (ours, theirs) in files {
        guest.call(libc::SYS_close, &[int(ours)]).ok();
        linux(libc::SYS_close, &[int(theirs)]).ok();
    }
    result?;
    prop_assert_eq!(tree(Path::new(OURS)), tree(Path::new(THEIRS)));
    Ok(())
}

fn run(guest: &Guest, cases: u32) {
    let config = Config {
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::with_cases(cases)
    };
    // The same sequences each time: new ones are for whoever looks for differences, not for all.
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, random);
    let result = runner.run(&vec(op(), 1..40), |ops| compare(guest, &ops));
    if let Err(error) = result {
        panic!("{error}");
    }
}

contained! {
    fn files_are_as_on_linux_for_root() {
        run(&Guest::new(), 1500);
    }

    fn files_are_as_on_linux_for_a_user() {
        let guest = Guest::new();
        for dir in ["/a", "/b"] {
            std::os::unix::fs::chown(dir, Some(1), Some(1)).unwrap();
        }
        // SAFETY: numbers only.
        unsafe {
            assert_eq!(libc::setresgid(1, 1, 1), 0);
            assert_eq!(libc::setresuid(1, 1, 1), 0);
        }
        run(&guest, 1500);
    }
}
