//! `pinion-vmm`, the monitor's command line. People use `pinion`; this is its other half.
//!
//! - `pinion-vmm launch --control-fd N` launches one container, as the control socket says.
//! - `pinion-vmm join --control-fd N` adds a process to one, in the same way.
//! - `pinion-vmm hook --pid PID --cwd DIR` runs one createContainer hook.
//! - `pinion-vmm guest --kernel IMAGE PROGRAM [ARG ...]` runs a program in a microVM, but in no container.
//! - `pinion-vmm missing <FILE` tells what a container's programs asked for in vain.
//! - `pinion-vmm resume FD` is what execve(2) of a guest makes of its monitor.
//! - `pinion-vmm raised FD ...` is the same by way of the container's key, for a program whose file gives
//!   rights.
//! - `pinion-vmm --version`
//!
//! It is no Rust `main`: that one would ignore SIGPIPE, handle SIGSEGV and open /dev/null for the
//! program's closed streams, all of which a program's next one would inherit.
#![no_main]

use std::path::Path;
use std::process::ExitCode;

use pinion_vmm::{bare, container, exec, missing};

const USAGE: &str = "usage: pinion-vmm launch | join --control-fd N | hook --pid PID --cwd DIR | guest --kernel IMAGE PROGRAM [ARG ...] | missing | --version";

/// The C library's entry.
///
/// # Safety
/// As for any C program: called once, by the C library.
#[no_mangle]
pub unsafe extern "C" fn main(_: libc::c_int, _: *const *const libc::c_char) -> libc::c_int {
    i32::from(run() != ExitCode::SUCCESS)
}

fn run() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [exec::RESUME, fd] => match fd.parse() {
            Ok(fd) if fd > 2 => exec::resume(fd, None),
            _ => return fail(&format!("resume {fd}: not a descriptor above 2")),
        },
        [exec::RAISED, fd, inheritable, settings] => {
            match (fd.parse(), exec::Raised::parse(inheritable, settings)) {
                (Ok(fd), Some(raised)) if fd > 2 => exec::resume(fd, Some(raised)),
                _ => return fail("raised: not by the key"),
            }
        }
        _ => {}
    }
    // By a descriptor it is executed under that one's number.
    // SAFETY: the name is a C string.
    unsafe { libc::prctl(libc::PR_SET_NAME, c"pinion-vmm".as_ptr(), 0, 0, 0) };
    container::signals::ignore_broken_pipes();
    match words[..] {
        [command @ ("launch" | "join"), "--control-fd", fd] => match fd.parse() {
            Ok(fd) if fd > 2 && command == "launch" => container::launch(fd),
            Ok(fd) if fd > 2 => container::join(fd),
            _ => fail(&format!("--control-fd {fd}: not a descriptor above 2")),
        },
        ["hook", "--pid", pid, "--cwd", directory] => match pid.parse() {
            Ok(pid) => match container::hook::run(pid, Path::new(directory)) {
                Ok(never) => match never {},
                Err(error) => fail(&error.to_string()),
            },
            Err(_) => fail(&format!("--pid {pid}: not a process id")),
        },
        ["guest", "--kernel", kernel, ref program @ ..] if !program.is_empty() => {
            bare::run(kernel, program)
        }
        ["missing"] => match missing::print() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error.to_string()),
        },
        ["--version"] => {
            println!("pinion-vmm version {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        _ => fail(USAGE),
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("pinion-vmm: {message}");
    ExitCode::FAILURE
}
