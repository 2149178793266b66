//! What execve(2) would make of a program's file: an ELF file and its dynamic linker, or a script,
//! whose first line names the program that reads it. What could not run is refused in runc's words.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use pinion_abi::elf::{Elf, ElfError};
use pinion_abi::layout::PAGE;

use super::fds;
use super::procfs::Procfs;
use super::rooted::{self, c_path};
use super::script::Script;
use crate::errno::{check, Errno};

/// How many scripts may name each other (bprm_execve in Linux' fs/exec.c).
const MAX_SCRIPTS: usize = 5;

#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    #[error("exec {}: {errno}", path.display())]
    File { path: Box<Path>, errno: Errno },
    #[error("exec {}: {}", path.display(), elf.text())]
    Elf { path: Box<Path>, elf: ElfError },
    /// Linux says the same of a missing interpreter as of a missing program, which puzzles people.
    #[error("exec {}: interpreter {}: {errno}", path.display(), interpreter.display())]
    Interpreter {
        path: Box<Path>,
        interpreter: Box<Path>,
        errno: Errno,
    },
    /// What is to read a script.
    #[error("exec {}: interpreter {}: {}", path.display(), interpreter.display(), elf.text())]
    ScriptElf {
        path: Box<Path>,
        interpreter: Box<Path>,
        elf: ElfError,
    },
    /// The dynamic linker.
    #[error("exec {}: interpreter {}: {}", path.display(), interpreter.display(), elf.text())]
    InterpreterElf {
        path: Box<Path>,
        interpreter: Box<Path>,
        elf: ElfError,
    },
}

impl ExecError {
    /// What execve(2) says of it.
    pub fn errno(&self) -> Errno {
        match self {
            // Linux tells a directory from other files that are no programs as little as this.
            ExecError::File { errno, .. } | ExecError::Interpreter { errno, .. } => match errno {
                Errno(libc::EISDIR) => Errno(libc::EACCES),
                errno => *errno,
            },
            ExecError::Elf { .. } | ExecError::ScriptElf { .. } => Errno(libc::ENOEXEC),
            ExecError::InterpreterElf { .. } => Errno(libc::ELIBBAD),
        }
    }
}

/// An ELF file that can be loaded, and the arguments that it gets.
#[derive(Debug)]
pub struct Executable {
    /// Open for reading (a private descriptor).
    pub file: OwnedFd,
    pub bytes: u64,
    /// What /proc/self/exe leads to.
    pub path: CString,
    pub arguments: Vec<CString>,
}

impl Executable {
    /// Of the file at `path`, which is open as [`open`] returns it.
    pub fn new(
        path: &CStr,
        file: OwnedFd,
        mut arguments: Vec<CString>,
        procfs: &Procfs,
    ) -> Result<Executable, ExecError> {
        let program = as_path(path);
        let mut file = File::from(file);
        let mut name = path.to_owned();
        for _ in 0..=MAX_SCRIPTS {
            let failed = |errno| failure(program, &name, errno);
            let (head, bytes) = head(&file).map_err(failed)?;
            if !head.starts_with(b"#!") {
                let elf = Elf::parse(&head, bytes).map_err(|elf| bad_elf(program, &name, elf))?;
                check_linker(&elf, &file, program, procfs)?;
                let file = OwnedFd::from(file);
                let path = procfs
                    .path_of(&file)
                    .map_err(|errno| failure(program, &name, errno))?;
                return Ok(Executable {
                    file,
                    bytes,
                    path,
                    arguments,
                });
            }
            let Some(script) = Script::parse(&head) else {
                return Err(failed(Errno(libc::ENOEXEC)));
            };
            file = open_interpreter(&script.interpreter, procfs)
                .map_err(|errno| failure(program, &script.interpreter, errno))?;
            name = script.take_over(&mut arguments, name);
        }
        Err(failure(program, path, Errno(libc::ELOOP)))
    }
}

fn as_path(name: &CStr) -> &Path {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()))
}

/// `name` is the program itself or an interpreter of it.
fn failure(program: &Path, name: &CStr, errno: Errno) -> ExecError {
    let (path, name) = (Box::from(program), as_path(name));
    if name == program {
        return ExecError::File { path, errno };
    }
    let interpreter = Box::from(name);
    ExecError::Interpreter {
        path,
        interpreter,
        errno,
    }
}

fn bad_elf(program: &Path, name: &CStr, elf: ElfError) -> ExecError {
    let (path, name) = (Box::from(program), as_path(name));
    if name == program {
        return ExecError::Elf { path, elf };
    }
    let interpreter = Box::from(name);
    ExecError::ScriptElf {
        path,
        interpreter,
        elf,
    }
}

/// The file's first page, and its length.
fn head(file: &File) -> Result<(Vec<u8>, u64), Errno> {
    let bytes = file.metadata().map_err(Errno::from)?.len();
    let mut head = vec![0; bytes.min(PAGE) as usize];
    let mut filled = 0;
    while filled < head.len() {
        match file.read_at(&mut head[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    head.truncate(filled);
    Ok((head, bytes))
}

/// The kernel in the guest loads the dynamic linker; that it can is seen here.
fn check_linker(elf: &Elf, file: &File, program: &Path, procfs: &Procfs) -> Result<(), ExecError> {
    let Some((offset, bytes)) = elf.interpreter else {
        return Ok(());
    };
    let truncated = |_| ExecError::Elf {
        path: Box::from(program),
        elf: ElfError::Truncated,
    };
    // At most a page, by the parser.
    let mut name = vec![0; bytes as usize];
    file.read_exact_at(&mut name, offset).map_err(truncated)?;
    let name = CStr::from_bytes_until_nul(&name).map_err(|_| ExecError::File {
        path: Box::from(program),
        errno: Errno(libc::ENOEXEC),
    })?;
    let failed = |errno| failure(program, name, errno);
    let linker = open_interpreter(name, procfs).map_err(failed)?;
    let (head, bytes) = head(&linker).map_err(failed)?;
    Elf::parse(&head, bytes).map_err(|elf| ExecError::InterpreterElf {
        path: Box::from(program),
        interpreter: Box::from(as_path(name)),
        elf,
    })?;
    Ok(())
}

fn open_interpreter(name: &CStr, procfs: &Procfs) -> Result<File, Errno> {
    let file = look_up(as_path(name)).map_err(Refusal::errno)?;
    Ok(open(&file, procfs)?.into())
}

/// Why a path is no program, by the step that found it.
pub enum Refusal {
    Stat(Errno),
    Access(Errno),
}

impl Refusal {
    pub fn errno(self) -> Errno {
        match self {
            Refusal::Stat(errno) | Refusal::Access(errno) => errno,
        }
    }
}

/// Go's exec.findExecutable, on a file that is looked up once (O_PATH). A magic link is not
/// followed: /proc/self/exe is the monitor's own binary (CVE-2019-5736).
pub fn look_up(path: &Path) -> Result<OwnedFd, Refusal> {
    let name = c_path(path).map_err(Refusal::Stat)?;
    // SAFETY: AT_FDCWD is no descriptor that could be closed.
    let here = unsafe { BorrowedFd::borrow_raw(libc::AT_FDCWD) };
    let file = rooted::openat2(here, &name, libc::O_PATH, rooted::RESOLVE_NO_MAGICLINKS)
        .map_err(Refusal::Stat)?;
    match rooted::stat(&file).map_err(Refusal::Stat)?.st_mode & libc::S_IFMT {
        libc::S_IFREG => {}
        libc::S_IFDIR => return Err(Refusal::Access(Errno(libc::EISDIR))),
        // A FIFO with the x bit would be opened, and waited for.
        _ => return Err(Refusal::Access(Errno(libc::EACCES))),
    }
    // SAFETY: the path is an empty C string.
    check(unsafe {
        libc::syscall(
            libc::SYS_faccessat2,
            file.as_raw_fd(),
            c"".as_ptr(),
            libc::X_OK,
            libc::AT_EACCESS | libc::AT_EMPTY_PATH,
        )
    })
    .map_err(Refusal::Access)?;
    Ok(file)
}

/// Opens a file that was looked up, for reading, at a private descriptor.
pub fn open(file: &OwnedFd, procfs: &Procfs) -> Result<OwnedFd, Errno> {
    let file = procfs.reopen(file, libc::O_RDONLY | libc::O_NOCTTY)?;
    fds::make_private(file)
}
