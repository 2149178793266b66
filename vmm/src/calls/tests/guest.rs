//! A guest without a machine: memory, one slot, and a service.

use std::ffi::CString;
use std::os::fd::{FromRawFd, OwnedFd};

use pinion_abi::channel::{self, Request, DATA, SLOT_BYTES};
use pinion_abi::seccomp::Filters;

use crate::calls::{Answer, GuestMemory, Service, ServiceConfig, SlotData};

pub const FLOOR: i32 = 512;
const PAGE: usize = 4096;
/// Guest-physical memory begins here, so that addresses are not offsets by chance.
pub const MEMORY_BASE: u64 = 0x20_0000;
pub const MEMORY_BYTES: usize = 1 << 20;

/// Mapped memory between two pages that fault.
pub struct Fenced {
    base: *mut u8,
    bytes: usize,
}

impl Fenced {
    pub fn new(bytes: usize) -> Fenced {
        assert_eq!(bytes % PAGE, 0);
        // SAFETY: a new mapping, and the middle of it.
        let base = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let whole = bytes + 2 * PAGE;
            let base = libc::mmap(std::ptr::null_mut(), whole, libc::PROT_NONE, flags, -1, 0);
            assert_ne!(base, libc::MAP_FAILED);
            let base = base.cast::<u8>().add(PAGE);
            let access = libc::PROT_READ | libc::PROT_WRITE;
            assert_eq!(libc::mprotect(base.cast(), bytes, access), 0);
            base
        };
        Fenced { base, bytes }
    }

    pub fn write(&self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= self.bytes);
        // SAFETY: checked against the mapping.
        unsafe { self.base.add(offset).copy_from(bytes.as_ptr(), bytes.len()) };
    }

    pub fn read(&self, offset: usize, bytes: usize) -> Vec<u8> {
        assert!(offset + bytes <= self.bytes);
        let mut copy = vec![0; bytes];
        // SAFETY: checked against the mapping.
        unsafe { self.base.add(offset).copy_to(copy.as_mut_ptr(), bytes) };
        copy
    }
}

impl GuestMemory for Fenced {
    fn host(&self, address: u64, bytes: u64) -> Option<*mut u8> {
        let offset = usize::try_from(address.checked_sub(MEMORY_BASE)?).ok()?;
        let end = offset.checked_add(usize::try_from(bytes).ok()?)?;
        (end <= self.bytes).then(|| self.base.wrapping_add(offset))
    }
}

/// An argument as the guest's kernel passes it, and as Linux takes it.
#[derive(Debug, Clone)]
pub enum Arg {
    Int(i64),
    Null,
    Path(String),
    In(Vec<u8>),
    /// That many bytes for the call to write.
    Out(usize),
    InOut(Vec<u8>),
    /// The guest's memory, read by the call.
    BufferIn(Vec<u8>),
    /// ... written by it.
    BufferOut(usize),
}

pub fn path(text: impl Into<String>) -> Arg {
    Arg::Path(text.into())
}

pub fn int(number: impl Into<i64>) -> Arg {
    Arg::Int(number.into())
}

pub const CWD: Arg = Arg::Int(libc::AT_FDCWD as i64);

pub struct Guest {
    pub memory: Fenced,
    pub slot: Fenced,
    pub service: Service,
}

/// What a call gave: its answer, and for each argument what the call wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub answer: Answer,
    pub outputs: Vec<Vec<u8>>,
}

impl Reply {
    pub fn result(&self) -> i64 {
        match self.answer {
            Answer::Result(result) => result,
            Answer::WouldBlock => panic!("the call would block"),
        }
    }

    /// The result as a descriptor or count.
    pub fn ok(&self) -> i64 {
        let result = self.result();
        assert!(result >= 0, "error {}", -result);
        result
    }
}

impl Guest {
    pub fn new() -> Guest {
        let config = ServiceConfig {
            private_floor: FLOOR,
            nofile: (256, 256),
            proc: proc_of_its_own(),
            executable: std::fs::File::open("/proc/self/exe")
                .expect("open the program")
                .into(),
            executable_path: c"/bin/program".to_owned(),
            arguments: [c"program", c"-x"].map(CString::from).to_vec(),
            environment: [c"A=1"].map(CString::from).to_vec(),
            filters: Filters::default(),
        };
        let service = Service::new(config).expect("make a service");
        Guest {
            memory: Fenced::new(MEMORY_BYTES),
            slot: Fenced::new(SLOT_BYTES),
            service,
        }
    }

    pub fn slot(&self) -> SlotData {
        // SAFETY: the slot is mapped as long as the guest lives, and only copied from and to.
        unsafe { SlotData::new(self.slot.base, self.slot.bytes) }
    }

    /// Writes a request's arguments and has it served.
    pub fn ask(&self, number: i64, args: &[Arg], may_block: bool) -> Reply {
        let mut words = [0u64; 6];
        let (mut data, mut memory) = (DATA, 0);
        let mut places = Vec::new();
        for (word, arg) in words.iter_mut().zip(args) {
            let mut place = (false, 0, 0);
            let mut put = |bytes: &[u8]| {
                let at = data;
                self.slot.write(at, bytes);
                data = (at + bytes.len()).next_multiple_of(16);
                at as u64
            };
            let mut pieces = |bytes: &[u8]| {
                let start = memory;
                self.memory.write(start, bytes);
                memory += bytes.len();
                // Two pieces, as if the buffer crossed into another page elsewhere.
                let half = bytes.len() / 2;
                [(start, half), (start + half, bytes.len() - half)]
                    .iter()
                    .flat_map(|(at, bytes)| [MEMORY_BASE + *at as u64, *bytes as u64])
                    .flat_map(u64::to_ne_bytes)
                    .collect::<Vec<u8>>()
            };
            *word = match arg {
                Arg::Int(number) => *number as u64,
                Arg::Null => 0,
                Arg::Path(text) => put(&[text.as_bytes(), &[0]].concat()),
                Arg::In(bytes) => put(bytes),
                Arg::Out(bytes) => {
                    let at = put(&vec![0; *bytes]);
                    place = (false, at as usize, *bytes);
                    at
                }
                Arg::InOut(bytes) => {
                    let at = put(bytes);
                    place = (false, at as usize, bytes.len());
                    at
                }
                Arg::BufferIn(bytes) => channel::segments(put(&pieces(bytes)) as u32, 2),
                Arg::BufferOut(bytes) => {
                    let list = pieces(&vec![0; *bytes]);
                    place = (true, memory_start(&list), *bytes);
                    channel::segments(put(&list) as u32, 2)
                }
            };
            places.push(place);
        }
        let request = Request {
            number: number as u32,
            args: words,
        };
        let answer = self
            .service
            .serve(&self.memory, &self.slot(), request, may_block);
        let outputs = places.iter().map(|(in_memory, at, bytes)| match in_memory {
            true => self.memory.read(*at, *bytes),
            false => self.slot.read(*at, *bytes),
        });
        Reply {
            answer,
            outputs: outputs.collect(),
        }
    }

    /// As the vCPU's own thread does it.
    pub fn call(&self, number: i64, args: &[Arg]) -> Reply {
        self.ask(number, args, true)
    }

    /// openat(2) of an absolute path.
    pub fn open(&self, name: &str, flags: i32) -> i64 {
        self.call(libc::SYS_openat, &[CWD, path(name), int(flags), int(0o644)])
            .result()
    }

    /// What read(2) gives, up to 64 KiB.
    pub fn read(&self, fd: i64) -> Vec<u8> {
        let reply = self.call(
            libc::SYS_read,
            &[int(fd), Arg::BufferOut(64 << 10), int(64 << 10)],
        );
        let bytes = reply.ok() as usize;
        reply.outputs[1][..bytes].to_vec()
    }
}

fn memory_start(list: &[u8]) -> usize {
    let address = u64::from_ne_bytes(list[..8].try_into().unwrap());
    (address - MEMORY_BASE) as usize
}

/// A proc file system of this pid namespace that is mounted nowhere.
pub fn proc_of_its_own() -> OwnedFd {
    const FSOPEN: i64 = 430;
    const FSCONFIG: i64 = 431;
    const FSMOUNT: i64 = 432;
    const CMD_CREATE: i32 = 6;
    const CLOEXEC: i32 = 1;
    // SAFETY: strings and numbers; the descriptors are new.
    unsafe {
        let context = libc::syscall(FSOPEN, c"proc".as_ptr(), CLOEXEC) as i32;
        assert!(context >= 0, "fsopen: {}", std::io::Error::last_os_error());
        let null = std::ptr::null::<u8>();
        assert_eq!(
            libc::syscall(FSCONFIG, context, CMD_CREATE, null, null, 0),
            0
        );
        let mount = libc::syscall(FSMOUNT, context, CLOEXEC, 0) as i32;
        assert!(mount >= 0, "fsmount: {}", std::io::Error::last_os_error());
        libc::close(context);
        OwnedFd::from_raw_fd(mount)
    }
}

/// The same call made directly, in this process.
pub fn linux(number: i64, args: &[Arg]) -> Reply {
    let mut buffers: Vec<Vec<u8>> = Vec::new();
    let mut words = [0u64; 6];
    for (word, arg) in words.iter_mut().zip(args) {
        let mut buffer = match arg {
            Arg::Path(text) => [text.as_bytes(), &[0]].concat(),
            Arg::In(bytes) | Arg::InOut(bytes) | Arg::BufferIn(bytes) => bytes.clone(),
            Arg::Out(bytes) | Arg::BufferOut(bytes) => vec![0; *bytes],
            Arg::Int(_) | Arg::Null => Vec::new(),
        };
        *word = match arg {
            Arg::Int(number) => *number as u64,
            Arg::Null => 0,
            _ => buffer.as_mut_ptr() as u64,
        };
        buffers.push(buffer);
    }
    // SAFETY: every pointer is to a buffer as long as the argument says; tests pass numbers only
    // where the call takes numbers.
    let result = unsafe { crate::calls::sys::call(number, words) };
    let answer = Answer::Result(result.unwrap_or_else(|errno| errno.as_result()));
    let written = |arg: &Arg| matches!(arg, Arg::Out(_) | Arg::InOut(_) | Arg::BufferOut(_));
    let outputs = args.iter().zip(buffers);
    let outputs = outputs
        .map(|(arg, bytes)| if written(arg) { bytes } else { Vec::new() })
        .collect();
    Reply { answer, outputs }
}
