//! Calls that a guest posts: no batch makes more of the host than requests do.

use pinion_abi::channel::{DATA, SLOT_BYTES};

use super::contain::contained;
use super::guest::{int, Arg, Guest, FLOOR};
use crate::calls::SlotData;

const READ: u32 = 0;
const WRITE: u32 = 1;
const CLOSE: u32 = 3;
const SENDFILE: u32 = 40;

/// A posted call as it stands in a batch, with what it sends.
fn posted(number: u32, fd: i64, bytes: u32, data: &[u8]) -> Vec<u8> {
    let mut call = [number, bytes].map(u32::to_ne_bytes).concat();
    call.extend((fd as u64).to_ne_bytes());
    call.extend([0; 8]);
    call.extend(u64::from(bytes).to_ne_bytes());
    call.extend([0; 32]);
    call.extend(data);
    call
}

fn make(guest: &Guest, calls: &[u8], count: u64) -> (i64, Vec<u8>) {
    let mut slot = vec![0; SLOT_BYTES];
    slot[DATA..][..calls.len()].copy_from_slice(calls);
    // SAFETY: the bytes outlive the value, and nothing else refers to them meanwhile.
    let data = unsafe { SlotData::new(slot.as_mut_ptr(), slot.len()) };
    (guest.service.make_posted(&data, count), slot)
}

fn pair(guest: &Guest) -> (i64, i64) {
    let args = [
        int(libc::AF_UNIX),
        int(libc::SOCK_STREAM),
        int(0),
        Arg::Out(8),
    ];
    let reply = guest.call(libc::SYS_socketpair, &args);
    reply.ok();
    let number = |at| i32::from_ne_bytes(reply.outputs[3][at..at + 4].try_into().unwrap()).into();
    (number(0), number(4))
}

contained! {
    fn what_is_posted_is_sent_and_taken() {
        let guest = Guest::new();
        let (one, other) = pair(&guest);
        let calls = [posted(WRITE, one, 8, b"abcdefgh"), posted(READ, other, 3, b"")].concat();
        assert_eq!(make(&guest, &calls, 2).0, 0);
        let args = [int(other), Arg::BufferOut(8), int(8)];
        assert_eq!(guest.call(libc::SYS_read, &args).ok(), 5);
        // Nobody is there any more.
        guest.call(libc::SYS_close, &[int(other)]).ok();
        let (failed, slot) = make(&guest, &posted(WRITE, one, 8, b"abcdefgh"), 1);
        assert_eq!((failed, slot[DATA + 56]), (1, libc::EPIPE as u8));
    }

    fn what_no_honest_kernel_posts_does_nothing() {
        let guest = Guest::new();
        let (one, _other) = pair(&guest);
        for (number, fd, bytes) in [
            (WRITE, FLOOR.into(), 8),
            (READ, FLOOR.into(), 8),
            (WRITE, -1, 8),
            (WRITE, one, u32::MAX),
            (READ, one, u32::MAX),
            (WRITE, one, SLOT_BYTES as u32),
            (CLOSE, FLOOR.into(), 0),
            // From descriptor 0, which has nothing to read.
            (SENDFILE, one, 8),
            (u32::MAX, one, 0),
            // No socket.
            (READ, 0, 8),
        ] {
            let (failed, _) = make(&guest, &posted(number, fd, bytes, &[]), 1);
            assert_eq!(failed, 1, "{number} {fd} {bytes}");
        }
        // More calls than the slot has.
        assert!(make(&guest, &[], 1 << 40).0 > 0);
        let calls = posted(WRITE, one, u32::MAX, &[]);
        assert_eq!(make(&guest, &calls, u64::MAX).0, 1);
    }
}
