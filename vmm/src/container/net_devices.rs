//! Network interfaces of the host that become the container's (config-linux.md, "Network Devices"): moved
//! into its network namespace with their permanent addresses, and brought up, by rtnetlink(7).

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use crate::errno::{check, check_fd, Errno};
use crate::plan::NetDevice;

#[derive(Debug, thiserror::Error)]
pub enum NetDeviceError {
    #[error("move network device {name}: {step}: {errno}")]
    Device {
        name: String,
        step: &'static str,
        errno: Errno,
    },
    #[error("netlink socket: {0}")]
    Socket(Errno),
    #[error("join the network namespace: {0}")]
    Join(Errno),
}

/// Types, flags and attributes of <linux/netlink.h>, <linux/rtnetlink.h>, <linux/if_link.h> and
/// <linux/if_addr.h>.
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_CREATE: u16 = 0x400;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const RTM_NEWLINK: u16 = 16;
const RTM_SETLINK: u16 = 19;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const IFLA_IFNAME: u16 = 3;
const IFLA_NET_NS_FD: u16 = 28;
const IFA_LABEL: u16 = 3;
const IFA_CACHEINFO: u16 = 6;
const IFA_F_PERMANENT: u8 = 0x80;
const SCOPE_UNIVERSE: u8 = 0;

/// Bytes of struct nlmsghdr, ifinfomsg, ifaddrmsg and the head of a struct rtattr.
const HEADER: usize = 16;
const LINK: usize = 16;
const ADDRESS: usize = 8;
const ATTRIBUTE: usize = 4;

/// Interfaces to be moved, found in the namespace that has them.
pub struct NetDevices<'a> {
    socket: Netlink,
    devices: Vec<Found<'a>>,
}

struct Found<'a> {
    plan: &'a NetDevice,
    index: u32,
    /// Bodies of RTM_NEWADDR.
    addresses: Vec<Vec<u8>>,
}

impl Found<'_> {
    fn failed(&self, step: &'static str) -> impl Fn(Errno) -> NetDeviceError + '_ {
        move |errno| NetDeviceError::Device {
            name: self.plan.host.clone(),
            step,
            errno,
        }
    }
}

impl NetDevices<'_> {
    /// Finds them in the network namespace of this process. `None`: there are none to move.
    pub fn find(plan: &[NetDevice]) -> Result<Option<NetDevices<'_>>, NetDeviceError> {
        if plan.is_empty() {
            return Ok(None);
        }
        let socket = Netlink::open().map_err(NetDeviceError::Socket)?;
        let mut devices = Vec::with_capacity(plan.len());
        for device in plan {
            let mut found = Found {
                plan: device,
                index: 0,
                addresses: Vec::new(),
            };
            found.index = index_of(&device.host).map_err(found.failed("find"))?;
            found.addresses = socket
                .addresses(found.index)
                .map_err(found.failed("addresses"))?;
            devices.push(found);
        }
        Ok(Some(NetDevices { socket, devices }))
    }

    /// Moves them into a network namespace, which this process then joins to set them up.
    pub fn move_into(&self, namespace: &File) -> Result<(), NetDeviceError> {
        for device in &self.devices {
            let mut name = device.plan.container.clone().into_bytes();
            name.push(0);
            let mut body = link(device.index, 0);
            attribute(
                &mut body,
                IFLA_NET_NS_FD,
                &namespace.as_raw_fd().to_ne_bytes(),
            );
            attribute(&mut body, IFLA_IFNAME, &name);
            self.socket
                .request(RTM_SETLINK, NLM_F_ACK, &body)
                .map_err(device.failed("move"))?;
        }
        // SAFETY: setns(2) takes numbers.
        check(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) })
            .map_err(NetDeviceError::Join)?;
        let inside = Netlink::open().map_err(NetDeviceError::Socket)?;
        for device in &self.devices {
            let index = index_of(&device.plan.container).map_err(device.failed("find"))?;
            for address in &device.addresses {
                let mut body = address.clone();
                body[4..ADDRESS].copy_from_slice(&index.to_ne_bytes());
                inside
                    .request(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE, &body)
                    .map_err(device.failed("address"))?;
            }
            inside
                .request(RTM_NEWLINK, NLM_F_ACK, &link(index, libc::IFF_UP as u32))
                .map_err(device.failed("bring up"))?;
        }
        Ok(())
    }
}

fn index_of(name: &str) -> Result<u32, Errno> {
    let name = CString::new(name).map_err(|_| Errno(libc::EINVAL))?;
    // SAFETY: the name is a C string.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(Errno::last()),
        index => Ok(index),
    }
}

/// A struct ifinfomsg, which sets `flags`.
fn link(index: u32, flags: u32) -> Vec<u8> {
    let mut body = vec![0; 4];
    for word in [index, flags, flags] {
        body.extend(word.to_ne_bytes());
    }
    debug_assert_eq!(body.len(), LINK);
    body
}

fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend(((ATTRIBUTE + value.len()) as u16).to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// A socket of rtnetlink(7), which stays in the network namespace where it was opened.
struct Netlink(OwnedFd);

impl Netlink {
    fn open() -> Result<Netlink, Errno> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        // SAFETY: socket(2) takes numbers.
        let socket =
            check_fd(unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE) })?;
        Ok(Netlink(socket))
    }

    /// Sends a request; returns types and bodies of what comes before its end.
    fn request(&self, kind: u16, flags: u16, body: &[u8]) -> Result<Vec<(u16, Vec<u8>)>, Errno> {
        let mut message = Vec::with_capacity(HEADER + body.len());
        message.extend(((HEADER + body.len()) as u32).to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend((flags | NLM_F_REQUEST).to_ne_bytes());
        message.extend([0; 8]);
        message.extend(body);
        let fd = self.0.as_fd().as_raw_fd();
        // SAFETY: send(2) reads as many bytes as it is told.
        check(unsafe { libc::send(fd, message.as_ptr().cast(), message.len(), 0) as i64 })?;
        let mut answers = Vec::new();
        let mut buffer = vec![0_u8; 64 << 10];
        loop {
            // SAFETY: recv(2) writes as many bytes as it is told at most.
            let bytes = check(unsafe {
                libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), 0) as i64
            })? as usize;
            let mut left = buffer.get(..bytes).ok_or(Errno(libc::EIO))?;
            while left.len() >= HEADER {
                let size = word(left, 0).ok_or(Errno(libc::EIO))? as usize;
                let body = left.get(HEADER..size).ok_or(Errno(libc::EIO))?;
                match half(left, 4) {
                    Some(NLMSG_DONE) => return Ok(answers),
                    Some(NLMSG_ERROR) => {
                        return match word(body, 0).map(|error| error as i32) {
                            Some(0) => Ok(answers),
                            error => Err(Errno(error.map_or(libc::EIO, |error| -error))),
                        };
                    }
                    kind => answers.push((kind.unwrap_or(0), body.to_vec())),
                }
                left = left.get(size.next_multiple_of(4)..).unwrap_or_default();
            }
        }
    }

    /// The permanent global addresses of an interface, as they can be added again.
    fn addresses(&self, index: u32) -> Result<Vec<Vec<u8>>, Errno> {
        let all = self.request(RTM_GETADDR, NLM_F_DUMP, &[0; ADDRESS])?;
        let kept = |(kind, body): &(u16, Vec<u8>)| {
            *kind == RTM_NEWADDR
                && body
                    .get(2)
                    .is_some_and(|flags| flags & IFA_F_PERMANENT != 0)
                && body.get(3) == Some(&SCOPE_UNIVERSE)
                && word(body, 4) == Some(index)
        };
        let addresses = all.iter().filter(|answer| kept(answer));
        Ok(addresses.map(|(_, body)| addable(body)).collect())
    }
}

/// An address without what belongs to its old place: the label, which has the old name, and times.
fn addable(body: &[u8]) -> Vec<u8> {
    let mut kept = body.get(..ADDRESS).unwrap_or_default().to_vec();
    let mut left = body.get(ADDRESS..).unwrap_or_default();
    while let (Some(size), Some(kind)) = (half(left, 0), half(left, 2)) {
        let Some(value) = left.get(ATTRIBUTE..size.into()) else {
            break;
        };
        if ![IFA_LABEL, IFA_CACHEINFO].contains(&kind) {
            attribute(&mut kept, kind, value);
        }
        left = left
            .get(usize::from(size).next_multiple_of(4)..)
            .unwrap_or_default();
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_added_without_its_label() {
        let mut body = vec![2, 24, IFA_F_PERMANENT, 0, 7, 0, 0, 0];
        attribute(&mut body, 1, &[10, 0, 0, 1]);
        let expected = body.clone();
        attribute(&mut body, IFA_LABEL, b"eth0\0");
        attribute(&mut body, IFA_CACHEINFO, &[0; 16]);
        assert_eq!(addable(&body), expected);
        body.extend([200, 0, 1, 0]);
        assert_eq!(addable(&body), expected);
        assert!(addable(&[]).is_empty());
    }
}
