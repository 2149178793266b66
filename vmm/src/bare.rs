//! A microVM without a container: the program sees the host's files as the caller does. For tests
//! of the guest ABI, and for measuring the machine alone.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::process::ExitCode;

use pinion_abi::boot::Inherited;
use pinion_abi::seccomp::Filters;

use crate::calls::{Service, ServiceConfig};
use crate::container::{fds, signals};
use crate::exec;
use crate::exit::end_as;
use crate::machine::{Factory, Guest, Limits, MISSING_FILE_BYTES};

/// Runs the program at a path and ends this process with its status.
pub fn run(kernel: &str, program: &[&str]) -> ExitCode {
    match launch(kernel, program) {
        Ok(never) => never,
        Err(error) => {
            eprintln!("pinion-vmm: {error}");
            ExitCode::FAILURE
        }
    }
}

fn open(path: &str) -> Result<OwnedFd, Box<dyn std::error::Error>> {
    let file = File::open(path).map_err(|error| format!("{path}: {error}"))?;
    Ok(fds::keep_private(file.into())?)
}

/// A container's file of counts and of what monitors remember; this one goes with its processes.
fn counts() -> io::Result<OwnedFd> {
    // SAFETY: the name is a C string; the descriptor is new.
    let file = unsafe { libc::memfd_create(c"missing".as_ptr(), libc::MFD_CLOEXEC) };
    if file < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: as above.
    let file = unsafe { File::from_raw_fd(file) };
    file.set_len(MISSING_FILE_BYTES)?;
    fds::keep_private(file.into())
}

/// The caller's limits, (soft, hard) by number.
fn rlimits() -> [[u64; 2]; 16] {
    let mut rlimits = [[0; 2]; 16];
    for (number, limit) in rlimits.iter_mut().enumerate() {
        let mut host = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: getrlimit(2) fills the structure.
        unsafe { libc::getrlimit(number as libc::__rlimit_resource_t, &mut host) };
        *limit = [host.rlim_cur, host.rlim_max];
    }
    rlimits
}

fn launch(kernel: &str, program: &[&str]) -> Result<ExitCode, Box<dyn std::error::Error>> {
    signals::reset();
    let mut rlimits = rlimits();
    fds::raise_limit().map_err(|errno| io::Error::from_raw_os_error(errno.0))?;
    let kvm = File::options().read(true).write(true).open("/dev/kvm");
    let kvm = fds::keep_private(kvm.map_err(|error| format!("/dev/kvm: {error}"))?.into())?;
    let kernel = File::from(open(kernel)?);
    let executable = open(program[0])?;
    let executable_bytes = File::from(executable.try_clone()?).metadata()?.size();
    let monitor = exec::open_monitor()?;
    let vcpus = std::env::var("PINION_VCPUS").ok();
    let vcpus = vcpus.and_then(|vcpus| vcpus.parse().ok());
    let limits = Limits {
        memory: None,
        vcpus: vcpus.unwrap_or(u32::MAX),
    };
    let missing = Some(fds::keep_private(counts()?)?);
    let factory = Factory::new(kvm, fds::keep_private, kernel, monitor, missing, limits)?;
    let mut machine = factory.make()?;
    // A benchmark's word on when it executed this monitor (bench/programs/started.c).
    let ticks = std::env::var("PINION_EXEC_TICKS").ok();
    if let Some(ticks) = ticks.and_then(|ticks| ticks.parse().ok()) {
        machine.executed_at(ticks);
    }

    let string = |text: &[u8]| CString::new(text);
    let arguments = program
        .iter()
        .map(|text| string(text.as_bytes()))
        .collect::<Result<Vec<_>, _>>()?;
    let environment = std::env::vars_os()
        .map(|(name, value)| string(&[name.as_bytes(), b"=", value.as_bytes()].concat()))
        .collect::<Result<Vec<_>, _>>()?;
    let floor = fds::private_floor();
    let most = floor as u64;
    rlimits[7] = [rlimits[7][0].min(most), rlimits[7][1].min(most)];
    let path = string(program[0].as_bytes())?;
    let service = Service::new(ServiceConfig {
        private_floor: floor,
        nofile: (rlimits[7][0], rlimits[7][1]),
        proc: open("/proc")?,
        executable: fds::keep_private(executable.as_fd().try_clone_to_owned()?)?,
        executable_path: string(fs::canonicalize(program[0])?.as_os_str().as_bytes())?,
        arguments: arguments.clone(),
        environment: environment.clone(),
        filters: Filters::default(),
    })?;
    debug_assert!(executable.as_raw_fd() >= floor);
    let guest = Guest {
        executable,
        executable_bytes,
        path,
        arguments,
        environment,
        rlimits,
        inherited: Inherited::default(),
        verbose: std::env::var_os("PINION_VERBOSE").is_some(),
        secure: false,
        hidden: false,
    };
    end_as(machine.load(guest, service)?.run()?)
}
