//! What of the socket calls the guest may use, and how their structures stand in a slot.
//!
//! Options are listed, for some of Linux's take addresses of the caller's memory, which would be the
//! monitor's own; so are address families.

/// sizeof(struct sockaddr_storage).
pub const ADDRESS_BYTES: u32 = 128;
/// The most ancillary data of one message (cmsg(3)). Linux has net.core.optmem_max.
pub const CONTROL_BYTES: u32 = 8192;
/// The most bytes of an option's value. No option that is listed has more than that to say.
pub const OPTION_BYTES: u32 = 4096;
/// The most instructions of a socket filter.
pub const FILTER_INSTRUCTIONS: u32 = 1024;
/// sizeof(struct sock_filter).
pub const INSTRUCTION_BYTES: u32 = 8;
/// sizeof(struct sock_fprog), which an option's caller passes for a filter.
pub const FILTER_BYTES: u32 = 16;

/// Bytes of a [`Sized`].
pub const SIZED_BYTES: u32 = 8;

/// The head of a value whose length goes both ways; the value itself follows. As the call finds it, the
/// length is the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Sized {
    pub length: u32,
    pub _pad: u32,
}

/// struct msghdr (recvmsg(2)): offsets in the slot, lengths in bytes. After recvmsg(2) the lengths are
/// what the call says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Message {
    /// The address; 0: none.
    pub name: u32,
    pub name_bytes: u32,
    /// Ancillary data; 0: none.
    pub control: u32,
    pub control_bytes: u32,
    /// [`crate::channel::segments`].
    pub data: u64,
    pub flags: u32,
    pub _pad: u32,
}

/// Bytes of a [`Message`].
pub const MESSAGE_BYTES: u32 = 32;

const _: () = assert!(size_of::<Message>() == MESSAGE_BYTES as usize);
const _: () = assert!(size_of::<Sized>() == SIZED_BYTES as usize);

/// What an option's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// Bytes, and nothing in them is an address.
    Bytes,
    /// struct sock_fprog: a filter, of which the slot has the instructions. Reading it gives those, and the
    /// length counts instructions.
    Filter,
    /// A new descriptor.
    Descriptor,
}

impl Value {
    /// The bytes that reading it takes for a length.
    pub fn room(self, length: u32) -> u32 {
        match self {
            Value::Filter => length.min(FILTER_INSTRUCTIONS) * INSTRUCTION_BYTES,
            Value::Bytes | Value::Descriptor => length.min(OPTION_BYTES),
        }
    }
}

/// What the value of an option is (socket(7), tcp(7), ip(7), ipv6(7), udp(7), raw(7), packet(7),
/// netlink(7), vsock(7), linux/tls.h, linux/if_alg.h, linux/mptcp.h); `None`: ENOPROTOOPT, and the
/// monitor does not make the call.
pub fn option(level: u32, name: u32) -> Option<Value> {
    let plain = match level {
        // SOL_SOCKET. Not: SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_EBPF (programs of bpf(2)).
        1 => match name {
            26 | 51 => return Some(Value::Filter), // SO_ATTACH_FILTER, SO_ATTACH_REUSEPORT_CBPF
            77 => return Some(Value::Descriptor),  // SO_PEERPIDFD
            _ => matches!(name, 1..=49 | 53..=76),
        },
        // SOL_IP. Not: iptables' own, whose tables have addresses in them.
        0 => matches!(name, 1..=26 | 32..=51 | 80),
        // SOL_TCP. Not: TCP_ZEROCOPY_RECEIVE, which writes to an address.
        6 => matches!(name, 1..=34 | 36..=45),
        17 => matches!(name, 1 | 100..=104), // SOL_UDP
        136 => matches!(name, 1 | 10 | 11 | 100..=104), // SOL_UDPLITE
        // SOL_IPV6. Not: ip6tables' own.
        41 => matches!(name, 1..=62 | 66 | 67 | 70 | 72..=78 | 80),
        58 => name == 1,              // SOL_ICMPV6
        255 => matches!(name, 1 | 7), // SOL_RAW
        40 => matches!(name, 0..=8),  // AF_VSOCK
        // SOL_PACKET. Not: rings, which are for mmap(2); PACKET_FANOUT_DATA.
        263 => matches!(name, 1..=4 | 6..=12 | 14..=21 | 23 | 24),
        270 => matches!(name, 1..=5 | 8..=12), // SOL_NETLINK
        279 => matches!(name, 1..=5),          // SOL_ALG
        282 => matches!(name, 1..=4),          // SOL_TLS
        284 => matches!(name, 1..=3),          // SOL_MPTCP
        _ => false,
    };
    plain.then_some(Value::Bytes)
}

/// Whether the guest may have sockets of a family (address_families(7)); others are EAFNOSUPPORT.
/// AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_ALG, AF_VSOCK.
pub fn family(family: u32) -> bool {
    matches!(family, 1 | 2 | 10 | 16 | 17 | 38 | 40)
}
