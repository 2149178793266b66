//! Users and capabilities: a change by one serving thread is every serving thread's.

use super::contain::contained;
use super::guest::{int, path, Arg, Guest};
use crate::calls::Answer;

fn ids(guest: &Guest, number: i64) -> Vec<u8> {
    guest
        .call(number, &[Arg::Out(4), Arg::Out(4), Arg::Out(4)])
        .outputs
        .concat()
}

fn capabilities(guest: &Guest) -> Vec<u8> {
    let header = [
        0x2008_0522u32.to_ne_bytes(),
        std::process::id().to_ne_bytes(),
    ]
    .concat();
    let reply = guest.call(
        libc::SYS_capget,
        &[Arg::InOut(header), Arg::InOut(vec![0; 24])],
    );
    reply.ok();
    reply.outputs[1].clone()
}

/// The state as the calling thread's service calls tell it.
fn state(guest: &Guest) -> Vec<Vec<u8>> {
    let groups = guest.call(libc::SYS_getgroups, &[int(8), Arg::Out(32)]);
    let count = groups.ok() as usize;
    vec![
        ids(guest, libc::SYS_getresuid),
        ids(guest, libc::SYS_getresgid),
        groups.outputs[1][..count * 4].to_vec(),
        capabilities(guest),
    ]
}

contained! {
    fn threads_share_what_one_changes() {
        let guest = Guest::new();
        let priority = guest.call(libc::SYS_getpriority, &[int(0), int(0)]).ok();
        struct Shared<'a>(&'a Guest);
        // SAFETY: one thread at a time uses the guest here.
        unsafe impl Send for Shared<'_> {}
        let list = |ids: &[u32]| Arg::In(ids.iter().flat_map(|id| id.to_ne_bytes()).collect());
        let changes: Vec<(i64, Vec<Arg>)> = vec![
            (libc::SYS_setgroups, vec![int(2), list(&[7, 8])]),
            (libc::SYS_setresgid, vec![int(5), int(6), int(7)]),
            (libc::SYS_setresuid, vec![int(0), int(1000), int(0)]),
            (libc::SYS_setresuid, vec![int(-1), int(0), int(-1)]),
            (libc::SYS_setfsuid, vec![int(1000)]),
            (libc::SYS_setuid, vec![int(1000)]),
        ];
        let (to, from) = std::sync::mpsc::channel::<()>();
        let (answer, answers) = std::sync::mpsc::channel();
        let shared = Shared(&guest);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let shared = shared;
                for () in from {
                    answer.send(state(shared.0)).unwrap();
                }
            });
            for (number, args) in changes {
                assert_eq!(guest.ask(number, &args, false).answer, Answer::WouldBlock);
                guest.call(number, &args).ok();
                let ours = state(&guest);
                to.send(()).unwrap();
                assert_eq!(answers.recv().unwrap(), ours, "after {number}");
            }
            drop(to);
        });
        assert_eq!(guest.call(libc::SYS_setuid, &[int(0)]).result(), -1);
        assert!(guest.open("/a/x", libc::O_CREAT | libc::O_WRONLY) == -13);
        assert_eq!(guest.call(libc::SYS_getpriority, &[int(0), int(0)]).ok(), priority);
        // Nothing of the monitor's own needs became impossible.
        assert!(guest.open("/proc/self/status", libc::O_RDONLY) > 0);
        let reply = guest.call(libc::SYS_readlink, &[path("/proc/self/exe"), Arg::Out(32), int(32)]);
        assert!(reply.ok() > 0);
    }
}
