//! The first line of a script, as Linux reads it (execve(2), "Interpreter scripts";
//! load_script in fs/binfmt_script.c).

use std::ffi::CString;

/// How much of a file Linux looks at (BINPRM_BUF_SIZE).
const LOOKED_AT: usize = 256;

#[derive(Debug, PartialEq, Eq)]
pub struct Script {
    pub interpreter: CString,
    /// All of the rest of the line, which Linux does not split.
    pub argument: Option<CString>,
}

impl Script {
    /// `None`: the file does not begin with `#!` and a whole name.
    pub fn parse(head: &[u8]) -> Option<Script> {
        let head = head.get(..LOOKED_AT).unwrap_or(head);
        let rest = head.strip_prefix(b"#!")?;
        let (line, is_cut) = match rest.iter().position(|byte| *byte == b'\n') {
            Some(end) => (&rest[..end], false),
            // The last byte becomes the string's end.
            None => match head.get(LOOKED_AT - 1) {
                Some(last) => (&rest[..rest.len() - 1], !ends_name(*last)),
                None => (rest, false),
            },
        };
        let line = trim(line);
        let end = line.iter().position(|byte| ends_name(*byte));
        // A name that may go on beyond what is looked at is not taken; a cut argument is: who reads
        // the script can read all of it.
        if line.is_empty() || (end.is_none() && is_cut) {
            return None;
        }
        let (name, rest) = line.split_at(end.unwrap_or(line.len()));
        let argument = trim(rest).split(|byte| *byte == 0).next()?;
        let argument = (!argument.is_empty()).then(|| CString::new(argument).ok());
        Some(Script {
            interpreter: CString::new(name).ok()?,
            argument: argument.flatten(),
        })
    }

    /// Puts the interpreter, its argument and the script's name in the place of the first argument;
    /// returns the interpreter's name.
    pub fn take_over(self, arguments: &mut Vec<CString>, script: CString) -> CString {
        let first = [Some(self.interpreter.clone()), self.argument, Some(script)];
        arguments.splice(..arguments.len().min(1), first.into_iter().flatten());
        self.interpreter
    }
}

fn ends_name(byte: u8) -> bool {
    blank(byte) || byte == 0
}

fn blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn trim(mut line: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = line {
        if !blank(*first) {
            break;
        }
        line = rest;
    }
    while let [rest @ .., last] = line {
        if !blank(*last) {
            break;
        }
        line = rest;
    }
    line
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;

    /// The arguments that Linux gives to the interpreter of a file with these bytes.
    fn by_linux(file: &Path, text: &str) -> Option<Vec<CString>> {
        fs::write(file, text).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new(file);
        command.arg("last").stdout(Stdio::piped());
        let mut child = loop {
            match command.spawn() {
                Ok(child) => break child,
                // Another test's child has a copy of the descriptor of a moment ago.
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => {}
                Err(_) => return None,
            }
        };
        // They come a moment after the end of the parent's wait for execve(2).
        let arguments = loop {
            let arguments = fs::read(format!("/proc/{}/cmdline", child.id())).unwrap();
            if !arguments.is_empty() {
                break arguments;
            }
        };
        child.kill().unwrap();
        child.wait().unwrap();
        let arguments = arguments
            .strip_suffix(b"\0")
            .unwrap()
            .split(|byte| *byte == 0);
        Some(arguments.map(|text| CString::new(text).unwrap()).collect())
    }

    #[test]
    fn lines_are_read_as_linux_reads_them() {
        let directory = std::env::temp_dir().join(format!("script-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        // Takes any arguments, and waits for a reader of what it prints.
        let name = "/usr/bin/yes";
        let long = "x".repeat(300);
        let blanks = " ".repeat(260);
        let up_to = |bytes: usize| "x".repeat(bytes - "#! ".len() - name.len());
        let cases = [
            format!("#!{name}\n"),
            format!("#!{name}"),
            format!("#! \t{name}\t \n"),
            format!("#!{name} one\n"),
            format!("#!{name} \t one  two\tthree \t\nfour\n"),
            format!("#!{name} one\0two\n"),
            format!("#!{name}\0 one\n"),
            format!("#!{name} {long}\n"),
            format!("#!{name} {}\n", up_to(255)),
            format!("#!{name} {}\n", up_to(256)),
            format!("#!{name} {}", up_to(255)),
            format!("#!{name} {}", up_to(256)),
            format!("#!{name} {}", up_to(257)),
            format!("#!{name}{blanks}one\n"),
            format!("#!/{long}\n"),
            format!("#!{blanks}{name}\n"),
            "#!\n".to_owned(),
            "#! \t \n".to_owned(),
            "#!".to_owned(),
        ];
        let script = directory.join("script");
        let script_name = CString::new(script.to_str().unwrap()).unwrap();
        for text in cases {
            let ours = Script::parse(text.as_bytes()).map(|parsed| {
                let mut arguments = vec![c"first".to_owned(), c"last".to_owned()];
                parsed.take_over(&mut arguments, script_name.clone());
                arguments
            });
            assert_eq!(ours, by_linux(&script, &text), "{text:?}");
        }
        assert_eq!(Script::parse(b"#include"), None);
        fs::remove_dir_all(&directory).unwrap();
    }
}
