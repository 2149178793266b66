//! Control groups: the plan says which directories and files, this carries it out.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use super::device_filter::{self, DeviceFilterError};
use crate::errno::Errno;
use crate::plan::Cgroup;

#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    #[error("mkdir {}: {errno}", path.display())]
    Create { path: PathBuf, errno: Errno },
    #[error("failed to write {value:?} to {}: {errno}", path.display())]
    Write {
        path: PathBuf,
        value: String,
        errno: Errno,
    },
    #[error(transparent)]
    DeviceFilter(#[from] DeviceFilterError),
}

/// The container's control groups, made and limited; their `cgroup.procs` are open.
pub struct Groups(Vec<(PathBuf, File)>);

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
        let opened = plan.join.iter().map(|directory| {
            let path = directory.join("cgroup.procs");
            match open(&path) {
                Ok(file) => Ok((path, file)),
                Err(error) => Err(CgroupError::Write {
                    path,
                    value: String::new(),
                    errno: error.into(),
                }),
            }
        });
        Ok(Groups(opened.collect::<Result<_, _>>()?))
    }

    /// Puts a process into all of them.
    pub fn add(&mut self, pid: i32) -> Result<(), CgroupError> {
        for (path, file) in &mut self.0 {
            file.write_all(pid.to_string().as_bytes())
                .map_err(|error| CgroupError::Write {
                    path: path.clone(),
                    value: pid.to_string(),
                    errno: error.into(),
                })?;
        }
        Ok(())
    }
}

fn open(path: &PathBuf) -> std::io::Result<File> {
    OpenOptions::new().write(true).open(path)
}
