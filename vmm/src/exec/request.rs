//! What the guest's kernel asks for, copied and checked.

use std::ffi::CString;

use pinion_abi::boot::{ExecInfo, Inherited, PendingSignal};
use pinion_abi::layout::physical;
use pinion_abi::seccomp::Filters;
use pinion_abi::Errno;

/// More signals than a process may have waiting at once are none of an honest kernel's.
const MOST_SIGNALS: u32 = 1 << 16;

/// execveat(2)'s arguments, and what the program leaves to the next one.
#[derive(Debug)]
pub struct Request {
    pub directory: i32,
    pub path: CString,
    pub arguments: Vec<CString>,
    pub environment: Vec<CString>,
    pub flags: i32,
    pub inherited: Inherited,
    pub pending: Vec<PendingSignal>,
    /// Those of the thread that the monitor does not know.
    pub filters: Filters,
    pub rlimits: [[u64; 2]; 16],
}

impl Request {
    /// As many bytes as an honest request has at most.
    pub const MOST: u64 = physical::STRINGS_BYTES
        + size_of::<ExecInfo>() as u64
        + physical::FILTERS_BYTES
        + MOST_SIGNALS as u64 * size_of::<PendingSignal>() as u64;

    /// `bytes` are the monitor's own copy.
    pub fn parse(bytes: &[u8]) -> Result<Request, Errno> {
        let (head, rest) = bytes
            .split_at_checked(size_of::<ExecInfo>())
            .ok_or(Errno::EINVAL)?;
        // SAFETY: the slice is as long as the structure, which is integers without padding.
        let info = unsafe { head.as_ptr().cast::<ExecInfo>().read_unaligned() };
        if info.signals > MOST_SIGNALS {
            return Err(Errno::EINVAL);
        }
        let signals = info.signals as usize * size_of::<PendingSignal>();
        let (signals, rest) = rest.split_at_checked(signals).ok_or(Errno::EINVAL)?;
        let filters = info.filter_words as usize * 8;
        let (filters, strings) = rest.split_at_checked(filters).ok_or(Errno::EINVAL)?;
        let words = filters.chunks_exact(8).map(|word| {
            // SAFETY: the chunk is as long as the integer.
            unsafe { word.as_ptr().cast::<u64>().read_unaligned() }
        });
        let filters = Filters::from_words(&words.collect::<Vec<_>>())?;
        let pending = signals.chunks_exact(size_of::<PendingSignal>());
        let pending = pending.map(|signal| {
            // SAFETY: the chunk is as long as the array of integers.
            unsafe { signal.as_ptr().cast::<PendingSignal>().read_unaligned() }
        });
        if strings.len() as u64 > physical::STRINGS_BYTES {
            return Err(Errno::E2BIG);
        }
        let mut strings = strings
            .split_inclusive(|byte| *byte == 0)
            .map(|text| CString::from_vec_with_nul(text.to_vec()));
        let mut next = || match strings.next() {
            Some(Ok(text)) => Ok(text),
            _ => Err(Errno::EINVAL),
        };
        let path = next()?;
        let mut several = |count: u32| (0..count).map(|_| next()).collect::<Result<_, _>>();
        Ok(Request {
            directory: info.directory,
            path,
            arguments: several(info.argc)?,
            environment: several(info.envc)?,
            flags: info.flags as i32,
            inherited: info.inherited,
            pending: pending.collect(),
            filters,
            rlimits: info.rlimits,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(info: &ExecInfo, strings: &[u8]) -> Vec<u8> {
        let at = (&raw const *info).cast::<u8>();
        // SAFETY: the structure is that long, and has no padding.
        let head = unsafe { std::slice::from_raw_parts(at, size_of::<ExecInfo>()) };
        [head, strings].concat()
    }

    const INFO: ExecInfo = ExecInfo {
        directory: -100,
        flags: 0,
        argc: 2,
        envc: 1,
        signals: 0,
        filter_words: 0,
        inherited: Inherited {
            blocked: 1,
            ignored: 2,
            timer_slack: 3,
            personality: 4,
        },
        rlimits: [[4, 5]; 16],
    };

    #[test]
    fn requests_are_taken_apart() {
        let request = Request::parse(&bytes(&INFO, b"/a\0b\0\0C=d\0")).unwrap();
        assert_eq!(request.path.as_c_str(), c"/a");
        assert_eq!(request.arguments, [c"b".to_owned(), c"".to_owned()]);
        assert_eq!(request.environment, [c"C=d".to_owned()]);
        assert_eq!(request.rlimits[7], [4, 5]);
    }

    #[test]
    fn what_lacks_something_is_refused() {
        for strings in [&b""[..], b"/a\0b\0", b"/a\0b\0c\0d", b"/a\0b\0\0"] {
            assert_eq!(
                Request::parse(&bytes(&INFO, strings)).unwrap_err(),
                Errno::EINVAL
            );
        }
        assert_eq!(Request::parse(&[0; 20]).unwrap_err(), Errno::EINVAL);
        let many = ExecInfo {
            signals: u32::MAX,
            ..INFO
        };
        let error = Request::parse(&bytes(&many, b"/a\0b\0c\0d\0")).unwrap_err();
        assert_eq!(error, Errno::EINVAL);
    }
}
