//! Control groups: the plan says which directories and files, this carries it out.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process;

use super::device_filter::{self, DeviceFilterError};
use crate::errno::Errno;
use crate::plan::Cgroup;

#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    #[error("mkdir {}: {errno}", path.display())]
    Create { path: PathBuf, errno: Errno },
    #[error("error adding pid {pid} to cgroups: failed to write {pid}: open {}: {errno}", path.display())]
    Open {
        pid: u32,
        path: PathBuf,
        errno: Errno,
    },
    #[error("failed to write {value:?}: write {}: {errno}", path.display())]
    Write {
        path: PathBuf,
        value: String,
        errno: Errno,
    },
    #[error(transparent)]
    DeviceFilter(#[from] DeviceFilterError),
}

/// The container's control groups, made and limited, and open for the init to join.
///
/// Writing another process's id waits until no process of the host forks or ends any more, which is
/// a grace period of RCU, some 10 ms. A thread that moves itself alone, and a process that is made
/// where it belongs, wait for nobody.
pub struct Groups {
    /// `tasks` of each hierarchy of version 1.
    tasks: Vec<Join>,
    unified: Option<Unified>,
}

struct Join {
    path: PathBuf,
    file: File,
}

/// The directory in the hierarchy of version 2.
struct Unified {
    directory: File,
    /// `cgroup.procs`.
    processes: Join,
}

impl Groups {
    pub fn create(plan: &Cgroup) -> Result<Groups, CgroupError> {
        for path in &plan.create {
            match fs::create_dir(path) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    return Err(CgroupError::Create {
                        path: path.clone(),
                        errno: error.into(),
                    });
                }
                _ => {}
            }
        }
        for write in &plan.writes {
            let written =
                open(&write.path).and_then(|mut file| file.write_all(write.value.as_bytes()));
            if let (Err(error), false) = (written, write.optional) {
                let (path, value) = (write.path.clone(), write.value.clone());
                return Err(CgroupError::Write {
                    path,
                    value,
                    errno: error.into(),
                });
            }
        }
        if let Some(filter) = &plan.device_filter {
            device_filter::attach(filter)?;
        }
        Groups::open(&plan.join)
    }

    /// Those that exist: directories, one in each hierarchy.
    pub fn open(directories: &[PathBuf]) -> Result<Groups, CgroupError> {
        let mut groups = Groups {
            tasks: Vec::with_capacity(directories.len()),
            unified: None,
        };
        for directory in directories {
            match Join::open(directory.join("tasks")) {
                Ok(tasks) => groups.tasks.push(tasks),
                // Only version 1 has the file.
                Err(CgroupError::Open {
                    errno: Errno(libc::ENOENT),
                    ..
                }) => groups.unified = Some(Unified::open(directory)?),
                Err(error) => return Err(error),
            }
        }
        Ok(groups)
    }

    /// The directory of version 2, for clone3(2), CLONE_INTO_CGROUP.
    pub fn unified(&self) -> Option<&File> {
        self.unified.as_ref().map(|unified| &unified.directory)
    }

    /// Puts a process into the group of version 2, or says why it cannot be there.
    pub fn add_to_unified(&mut self, pid: i32) -> Result<(), CgroupError> {
        match &mut self.unified {
            Some(unified) => unified.processes.write(&pid.to_string()),
            None => Ok(()),
        }
    }

    /// Puts this process, which has one thread, into the groups of version 1.
    pub fn join(&mut self) -> Result<(), CgroupError> {
        self.tasks.iter_mut().try_for_each(|tasks| tasks.write("0"))
    }
}

impl Unified {
    fn open(directory: &Path) -> Result<Unified, CgroupError> {
        let processes = Join::open(directory.join("cgroup.procs"))?;
        let directory = File::open(directory).map_err(|error| CgroupError::Open {
            pid: process::id(),
            path: directory.to_owned(),
            errno: error.into(),
        })?;
        Ok(Unified {
            directory,
            processes,
        })
    }
}

impl Join {
    fn open(path: PathBuf) -> Result<Join, CgroupError> {
        match open(&path) {
            Ok(file) => Ok(Join { path, file }),
            Err(error) => Err(CgroupError::Open {
                pid: process::id(),
                path,
                errno: error.into(),
            }),
        }
    }

    fn write(&mut self, pid: &str) -> Result<(), CgroupError> {
        self.file
            .write_all(pid.as_bytes())
            .map_err(|error| CgroupError::Write {
                path: self.path.clone(),
                value: pid.to_owned(),
                errno: error.into(),
            })
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).open(path)
}
