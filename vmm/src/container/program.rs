//! The container's program: where it is, what it is given, and whether the user may run it.

use std::collections::HashMap;
use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::executable::{self, ExecError, Executable, Refusal};
use super::procfs::Procfs;
use super::rooted::{self, c_path, Root};
use crate::errno::{check, Errno};
use crate::plan::Process;

#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    #[error("exec: {name:?}: executable file not found in $PATH")]
    NotInPath { name: String },
    #[error("exec: {name:?}: cannot run executable found relative to current directory")]
    Relative { name: String },
    #[error("exec: {name:?}: stat {name}: {errno}")]
    Stat { name: String, errno: Errno },
    #[error("exec: {name:?}: {errno}")]
    Refused { name: String, errno: Errno },
    #[error(transparent)]
    Executable(#[from] ExecError),
    #[error("process args cannot be empty")]
    NoArgs,
    #[error("process property must not be empty")]
    None,
    #[error("invalid environment variable: {pair:?}")]
    Variable { pair: String },
    #[error("environment variable name can't be empty: {pair:?}")]
    NoName { pair: String },
    #[error("process {what} has a zero byte")]
    ZeroByte { what: &'static str },
    #[error("chdir to cwd ({cwd:?}) set in config.json failed: {errno}")]
    Cwd { cwd: PathBuf, errno: Errno },
    #[error("mkdir {}: {errno}", cwd.display())]
    MakeCwd { cwd: PathBuf, errno: Errno },
    #[error("current working directory is outside of container mount namespace root -- possible container breakout attempt detected")]
    CwdOutside,
}

/// Makes the working directory, before the change of root.
pub fn make_directory(root: &Root, cwd: &Path) -> Result<(), ProgramError> {
    match root.ensure(cwd, rooted::Kind::Directory) {
        Ok(_) => Ok(()),
        // It may be there for the user alone, or the root be read-only: changing to it decides.
        Err(Errno(libc::EACCES | libc::EROFS)) => Ok(()),
        Err(errno) => Err(ProgramError::MakeCwd {
            cwd: cwd.to_owned(),
            errno,
        }),
    }
}

/// Changes to the working directory. Its path can lead neither out of the root nor through a magic
/// link to a directory that is open somewhere (CVE-2024-21626).
pub fn change_directory(root: &Root, cwd: &Path) -> Result<(), ProgramError> {
    let failed = |errno| ProgramError::Cwd {
        cwd: cwd.to_owned(),
        errno,
    };
    let directory = root
        .open_file(cwd, libc::O_PATH | libc::O_DIRECTORY)
        .map_err(failed)?;
    super::rootfs::change_directory(&directory).map_err(failed)?;
    let mut buffer = [0_u8; libc::PATH_MAX as usize];
    // SAFETY: getcwd(2) writes at most as many bytes as the buffer has.
    check(unsafe { libc::syscall(libc::SYS_getcwd, buffer.as_mut_ptr(), buffer.len()) })
        .map_err(failed)?;
    // The system call marks a directory that cannot be reached from the root so: "(unreachable)/".
    if buffer[0] == b'/' {
        Ok(())
    } else {
        Err(ProgramError::CwdOutside)
    }
}

/// Finds the program as runc does: with the plan's PATH and the permissions of the user that this
/// process has become. Returns its path and what it is.
pub fn find(process: &Process, procfs: &Procfs) -> Result<(CString, Executable), ProgramError> {
    let name = process.args.first().ok_or(ProgramError::NoArgs)?;
    let refused = |errno| ProgramError::Refused {
        name: name.clone(),
        errno,
    };
    let (path, file) = if name.contains('/') {
        let file = executable::look_up(Path::new(name)).map_err(|refusal| match refusal {
            Refusal::Stat(errno) => ProgramError::Stat {
                name: name.clone(),
                errno,
            },
            Refusal::Access(errno) => refused(errno),
        })?;
        (PathBuf::from(name), file)
    } else {
        search(process, name)?
    };
    let path = c_path(&path).map_err(refused)?;
    let file = executable::open(&file, procfs).map_err(refused)?;
    let executable = Executable::new(&path, file, arguments(process)?, procfs)?;
    Ok((path, executable))
}

/// As the plan has them, whatever a script makes of them.
pub fn arguments(process: &Process) -> Result<Vec<CString>, ProgramError> {
    c_strings(&process.args, "argument")
}

fn search(process: &Process, name: &str) -> Result<(PathBuf, OwnedFd), ProgramError> {
    let path = variable(process, "PATH").unwrap_or_default();
    if name.is_empty() || path.is_empty() {
        return Err(ProgramError::NotInPath {
            name: name.to_owned(),
        });
    }
    for directory in path.split(':') {
        // As shells do: an empty element is the current directory, which Go refuses to use.
        let directory = if directory.is_empty() { "." } else { directory };
        let candidate = Path::new(directory).join(name);
        if let Ok(file) = executable::look_up(&candidate) {
            return if candidate.is_absolute() {
                Ok((candidate, file))
            } else {
                Err(ProgramError::Relative {
                    name: name.to_owned(),
                })
            };
        }
    }
    Err(ProgramError::NotInPath {
        name: name.to_owned(),
    })
}

/// The value of an environment variable: the last one counts.
fn variable<'a>(process: &'a Process, name: &str) -> Option<&'a str> {
    let mut pairs = process
        .env
        .iter()
        .rev()
        .filter_map(|pair| pair.split_once('='));
    pairs.find_map(|(key, value)| (key == name).then_some(value))
}

/// The plan's environment, and HOME from the image's /etc/passwd if it has none, or an empty one.
pub fn environment(process: &Process, root: &Root) -> Result<Vec<CString>, ProgramError> {
    let mut env = c_strings(&distinct(&process.env)?, "environment")?;
    if variable(process, "HOME").unwrap_or_default().is_empty() {
        env.retain(|variable| variable.as_bytes() != b"HOME=");
        let home = home_of(root, process.uid).unwrap_or_else(|| b"/".to_vec());
        let variable = [b"HOME=".as_slice(), &home].concat();
        env.push(CString::new(variable).map_err(|_| ProgramError::ZeroByte {
            what: "environment",
        })?);
    }
    Ok(env)
}

/// Of two variables of one name the last counts, in the place of the first.
fn distinct(env: &[String]) -> Result<Vec<String>, ProgramError> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut distinct: Vec<String> = Vec::with_capacity(env.len());
    for pair in env {
        let Some((name, _)) = pair.split_once('=') else {
            return Err(ProgramError::Variable { pair: pair.clone() });
        };
        if name.is_empty() {
            return Err(ProgramError::NoName { pair: pair.clone() });
        }
        match places.get(name) {
            Some(place) => distinct[*place].clone_from(pair),
            None => {
                places.insert(name, distinct.len());
                distinct.push(pair.clone());
            }
        }
    }
    Ok(distinct)
}

fn c_strings(texts: &[String], what: &'static str) -> Result<Vec<CString>, ProgramError> {
    let strings = texts.iter().map(|text| CString::new(text.as_bytes()));
    strings
        .collect::<Result<_, _>>()
        .map_err(|_| ProgramError::ZeroByte { what })
}

/// The sixth field of the user's line (passwd(5)).
fn home_of(root: &Root, uid: u32) -> Option<Vec<u8>> {
    /// Longer files are cut.
    const LONGEST: u64 = 1 << 20;
    // The image decides what kind of file this is: opening a FIFO must not wait.
    let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = File::from(root.open_file(Path::new("/etc/passwd"), flags).ok()?);
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut text = Vec::new();
    file.take(LONGEST).read_to_end(&mut text).ok()?;
    home_in(&text, uid)
}

fn home_in(passwd: &[u8], uid: u32) -> Option<Vec<u8>> {
    let uid = uid.to_string();
    passwd.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b':').skip(2);
        let is_user = fields.next()? == uid.as_bytes();
        let home = fields.nth(2)?;
        (is_user && !home.is_empty() && !home.contains(&0)).then(|| home.to_vec())
    })
}

#[cfg(test)]
mod tests {
    use super::{distinct, home_in};

    #[test]
    fn of_two_variables_the_last_counts_where_the_first_stood() {
        let env = |pairs: &[&str]| {
            pairs
                .iter()
                .map(|pair| pair.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            distinct(&env(&["A=1", "B=", "A=2=3"])).unwrap(),
            env(&["A=2=3", "B="])
        );
        assert!(distinct(&env(&["A"])).is_err());
        assert!(distinct(&env(&["=A"])).is_err());
    }

    #[test]
    fn home_is_the_sixth_field_of_the_uids_line() {
        let passwd = b"root:x:0:0:root:/root:/bin/sh\nbroken\nann:x:1000:1000::/home/ann:/bin/sh\nno:x:7:7::\n";
        assert_eq!(home_in(passwd, 0).as_deref(), Some(b"/root".as_slice()));
        assert_eq!(
            home_in(passwd, 1000).as_deref(),
            Some(b"/home/ann".as_slice())
        );
        assert_eq!(home_in(passwd, 7), None);
        assert_eq!(home_in(passwd, 8), None);
    }
}
