//! Sockets: what may not block does not, and descriptors travel only where both sides may name them.

use pinion_abi::channel::DATA;

use super::contain::contained;
use super::guest::{int, Arg, Guest, Reply, FLOOR};
use crate::calls::Answer;

const EBADF: i64 = -9;
const EAGAIN: i64 = -11;
const ENOPROTOOPT: i64 = -92;
const EAFNOSUPPORT: i64 = -97;

fn pair(guest: &Guest, kind: i32) -> (i64, i64) {
    let args = [int(libc::AF_UNIX), int(kind), int(0), Arg::Out(8)];
    let reply = guest.call(libc::SYS_socketpair, &args);
    reply.ok();
    let number = |at| i32::from_ne_bytes(reply.outputs[3][at..at + 4].try_into().unwrap()).into();
    (number(0), number(4))
}

/// sendmsg(2) or recvmsg(2) with no data and ancillary data of `control`.
fn message(guest: &Guest, number: i64, fd: i64, control: &[u8], may_block: bool) -> Reply {
    // The first data of a request stand at the beginning of the slot's.
    let at = DATA as u32 + 32;
    let head = [0, 0, at, control.len() as u32, 0, 0, 0, 0];
    let bytes = [head.map(u32::to_ne_bytes).concat(), control.to_vec()].concat();
    guest.ask(number, &[int(fd), Arg::InOut(bytes), int(0)], may_block)
}

/// Ancillary data with descriptors (SCM_RIGHTS).
fn rights(fds: &[i32]) -> Vec<u8> {
    let length = 16 + 4 * fds.len() as u64;
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(
        [1i32, 1]
            .iter()
            .chain(fds)
            .flat_map(|word| word.to_ne_bytes()),
    );
    bytes
}

contained! {
    fn a_helper_never_waits_for_a_socket() {
        let guest = Guest::new();
        let (one, other) = pair(&guest, libc::SOCK_STREAM);
        let receive = |fd, flags: i32| {
            let args = [int(fd), Arg::BufferOut(8), int(8), int(flags), Arg::Null, Arg::Null];
            guest.ask(libc::SYS_recvfrom, &args, false)
        };
        assert_eq!(receive(one, 0).answer, Answer::WouldBlock);
        assert_eq!(receive(one, libc::MSG_WAITALL).answer, Answer::WouldBlock);
        assert_eq!(receive(one, libc::MSG_DONTWAIT).result(), EAGAIN);
        assert_eq!(message(&guest, libc::SYS_recvmsg, one, &[], false).answer, Answer::WouldBlock);
        // As much as goes in is in, and the rest is for who may wait.
        let data = Arg::BufferIn(vec![1; 900_000]);
        let args = [int(one), data, int(900_000), int(0), Arg::Null, int(0)];
        assert_eq!(guest.ask(libc::SYS_sendto, &args, false).answer, Answer::WouldBlock);
        assert_eq!(receive(other, 0).ok(), 8);
        // Nor does one send it again when there is room.
        let mut bytes = vec![0; 1 << 20];
        let mut left = || {
            let (at, length) = (bytes.as_mut_ptr().cast(), bytes.len());
            // SAFETY: the buffer is as long as said.
            unsafe { libc::recv(other as i32, at, length, libc::MSG_DONTWAIT) }
        };
        while left() > 0 {}
        assert_eq!(guest.ask(libc::SYS_sendto, &args, false).answer, Answer::WouldBlock);
        assert_eq!(left(), -1);
        let (one, _other) = pair(&guest, libc::SOCK_STREAM | libc::SOCK_NONBLOCK);
        assert_eq!(receive(one, 0).result(), EAGAIN);
        // Who listens.
        let args = [int(libc::AF_INET), int(libc::SOCK_STREAM), int(0)];
        let server = guest.call(libc::SYS_socket, &args).ok();
        guest.call(libc::SYS_listen, &[int(server), int(1)]).ok();
        let accept = [int(server), Arg::Null, Arg::Null];
        assert_eq!(guest.ask(libc::SYS_accept, &accept, false).answer, Answer::WouldBlock);
        let events = guest.call(libc::SYS_epoll_create1, &[int(0)]).ok();
        let wait = |timeout: i32| {
            let args = [int(events), Arg::Out(12), int(1), int(timeout)];
            guest.ask(libc::SYS_epoll_wait, &args, false).answer
        };
        assert_eq!(wait(-1), Answer::WouldBlock);
        assert_eq!(wait(0), Answer::Result(0));
    }

    fn the_monitors_own_descriptors_are_not_sent() {
        let guest = Guest::new();
        let (one, other) = pair(&guest, libc::SOCK_DGRAM);
        let send = |control: &[u8]| message(&guest, libc::SYS_sendmsg, one, control, false).result();
        for fd in FLOOR..FLOOR + 8 {
            assert_eq!(send(&rights(&[fd])), EBADF, "{fd}");
            assert_eq!(send(&rights(&[0, fd])), EBADF, "{fd}");
        }
        // Ancillary data after others are found, too.
        let credentials = [24u64.to_ne_bytes(), (7u64 << 32 | 1).to_ne_bytes(), [0; 8]].concat();
        assert_eq!(send(&[credentials, rights(&[FLOOR])].concat()), EBADF);
        // What came is the guest's, and can be passed on.
        assert_eq!(send(&rights(&[one as i32])), 0);
        let reply = message(&guest, libc::SYS_recvmsg, other, &[0; 24], false);
        assert_eq!(reply.ok(), 0);
        let fd = i32::from_ne_bytes(reply.outputs[1][32 + 16..][..4].try_into().unwrap());
        assert!(guest.service.owns(fd));
        assert_eq!(send(&rights(&[fd])), 0);
    }

    fn what_is_not_listed_is_not_there() {
        let guest = Guest::new();
        let (one, _other) = pair(&guest, libc::SOCK_STREAM);
        let value = Arg::In(vec![0; 16]);
        // SO_ATTACH_BPF; TCP_ZEROCOPY_RECEIVE; IPT_SO_SET_REPLACE; PACKET_RX_RING.
        for (level, name) in [(1, 50), (6, 35), (0, 64), (263, 5)] {
            let args = [int(one), int(level), int(name), value.clone(), int(16)];
            assert_eq!(guest.call(libc::SYS_setsockopt, &args).result(), ENOPROTOOPT);
            assert_eq!(guest.call(libc::SYS_getsockopt, &args).result(), ENOPROTOOPT);
        }
        // AF_RDS, whose messages name addresses of memory; AF_XDP.
        for family in [21, 44] {
            let args = [int(family), int(libc::SOCK_SEQPACKET), int(0)];
            assert_eq!(guest.call(libc::SYS_socket, &args).result(), EAFNOSUPPORT);
        }
    }
}
