//! `pinion-vmm`, the monitor's command line. People use `pinion`; this is its other half.
//!
//! - `pinion-vmm launch --control-fd N` launches one container, as the control socket says.
//! - `pinion-vmm hook --pid PID --cwd DIR` runs one createContainer hook.
//! - `pinion-vmm guest --kernel IMAGE PROGRAM [ARG ...]` runs a program in a microVM, but in no container.
//! - `pinion-vmm missing <FILE` tells what a container's programs asked for in vain.
//! - `pinion-vmm --version`

use std::path::Path;
use std::process::ExitCode;

use pinion_vmm::{bare, container, missing};

const USAGE: &str = "usage: pinion-vmm launch --control-fd N | hook --pid PID --cwd DIR | guest --kernel IMAGE PROGRAM [ARG ...] | missing | --version";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["launch", "--control-fd", fd] => match fd.parse() {
            Ok(fd) if fd > 2 => container::launch(fd),
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
