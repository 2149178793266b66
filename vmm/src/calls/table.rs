//! Which function makes which call.

use pinion_abi::calls::NUMBERS;

use super::sys::Outcome;
use super::{
    descriptors, directories, entries, files, identity, ipc, links, notify, open, privileges,
    processes,
    sockets::{self, options, transfer},
    stats, streams, waiting, xattrs, Call,
};

pub(super) type Handler = fn(&mut Call) -> Outcome;

/// Passes the call on as it was decoded. For calls that take no path, make no descriptor, do not
/// block, and whose numbers are numbers to the host too.
fn pass(call: &mut Call) -> Outcome {
    call.make()
}

/// Every call of the host, by number.
#[rustfmt::skip]
pub(super) static HANDLERS: &[(u32, Handler)] = &[
    (0, files::read),                  // read
    (1, files::write),                 // write
    (2, open::open),                   // open
    (3, descriptors::close),           // close
    (4, stats::stat),                  // stat
    (5, pass),                         // fstat
    (6, stats::lstat),                 // lstat
    (7, waiting::poll),                // poll
    (8, pass),                         // lseek
    (16, descriptors::ioctl),          // ioctl
    (17, files::pread),                // pread64
    (18, files::pwrite),               // pwrite64
    (19, files::read),                 // readv
    (20, files::write),                // writev
    (21, stats::access),               // access
    (22, descriptors::pipe),           // pipe
    (23, waiting::select),             // select
    (29, pass),                        // shmget
    (31, pass),                        // shmctl
    (32, descriptors::make),           // dup
    (33, descriptors::dup2),           // dup2
    (36, pass),                        // getitimer
    (37, pass),                        // alarm
    (38, pass),                        // setitimer
    (40, files::sendfile),             // sendfile
    (41, sockets::socket),             // socket
    (42, sockets::connect),            // connect
    (43, sockets::accept),             // accept
    (44, transfer::sendto),            // sendto
    (45, transfer::recvfrom),          // recvfrom
    (46, transfer::sendmsg),           // sendmsg
    (47, transfer::recvmsg),           // recvmsg
    (48, pass),                        // shutdown
    (49, sockets::bind),               // bind
    (50, pass),                        // listen
    (51, sockets::name),               // getsockname
    (52, sockets::name),               // getpeername
    (53, sockets::socketpair),         // socketpair
    (54, options::setsockopt),         // setsockopt
    (55, options::getsockopt),         // getsockopt
    (61, pass),                        // wait4
    (62, processes::kill),             // kill
    (63, pass),                        // uname
    (64, pass),                        // semget
    (65, pass),                        // semop
    (66, pass),                        // semctl
    (68, pass),                        // msgget
    (69, pass),                        // msgsnd
    (70, pass),                        // msgrcv
    (71, pass),                        // msgctl
    (72, descriptors::fcntl),          // fcntl
    (73, pass),                        // flock
    (74, pass),                        // fsync
    (75, pass),                        // fdatasync
    (76, stats::truncate),             // truncate
    (77, pass),                        // ftruncate
    (78, files::getdents),             // getdents
    (79, pass),                        // getcwd
    (80, directories::chdir),             // chdir
    (81, pass),                        // fchdir
    (82, entries::rename),             // rename
    (83, entries::mkdir),              // mkdir
    (84, entries::rmdir),              // rmdir
    (85, open::creat),                 // creat
    (86, entries::link),               // link
    (87, entries::unlink),             // unlink
    (88, entries::symlink),            // symlink
    (89, links::readlink),             // readlink
    (90, stats::chmod),                // chmod
    (91, pass),                        // fchmod
    (92, stats::chown),                // chown
    (93, pass),                        // fchown
    (94, stats::lchown),               // lchown
    (95, pass),                        // umask
    (98, pass),                        // getrusage
    (99, pass),                        // sysinfo
    (100, pass),                       // times
    (102, pass),                       // getuid
    (104, pass),                       // getgid
    (105, identity::change),           // setuid
    (106, identity::change),           // setgid
    (107, pass),                       // geteuid
    (108, pass),                       // getegid
    (109, pass),                       // setpgid
    (110, pass),                       // getppid
    (111, pass),                       // getpgrp
    (112, pass),                       // setsid
    (113, identity::change),           // setreuid
    (114, identity::change),           // setregid
    (115, pass),                       // getgroups
    (116, identity::change),           // setgroups
    (117, identity::change),           // setresuid
    (118, pass),                       // getresuid
    (119, identity::change),           // setresgid
    (120, pass),                       // getresgid
    (121, pass),                       // getpgid
    (122, identity::change),           // setfsuid
    (123, identity::change),           // setfsgid
    (124, pass),                       // getsid
    (125, processes::capget),          // capget
    (126, identity::capset),           // capset
    (129, processes::queue_signal),    // rt_sigqueueinfo
    (132, stats::utime),               // utime
    (133, entries::mknod),             // mknod
    (136, pass),                       // ustat
    (137, stats::statfs),              // statfs
    (138, pass),                       // fstatfs
    (140, processes::priority),        // getpriority
    (141, processes::priority),        // setpriority
    (142, processes::scheduling),      // sched_setparam
    (143, processes::scheduling),      // sched_getparam
    (144, processes::scheduling),      // sched_setscheduler
    (145, processes::scheduling),      // sched_getscheduler
    (146, pass),                       // sched_get_priority_max
    (147, pass),                       // sched_get_priority_min
    (148, processes::scheduling),      // sched_rr_get_interval
    (157, privileges::set_or_tell),    // prctl
    (159, pass),                       // adjtimex
    (161, directories::chroot),            // chroot
    (162, pass),                       // sync
    (164, pass),                       // settimeofday
    (170, pass),                       // sethostname
    (171, pass),                       // setdomainname
    (187, pass),                       // readahead
    (188, xattrs::by_path),            // setxattr
    (189, xattrs::by_path),            // lsetxattr
    (190, pass),                       // fsetxattr
    (191, xattrs::by_path),            // getxattr
    (192, xattrs::by_path),            // lgetxattr
    (193, pass),                       // fgetxattr
    (194, xattrs::by_path),            // listxattr
    (195, xattrs::by_path),            // llistxattr
    (196, pass),                       // flistxattr
    (197, xattrs::by_path),            // removexattr
    (198, xattrs::by_path),            // lremovexattr
    (199, pass),                       // fremovexattr
    (203, processes::scheduling),      // sched_setaffinity
    (204, processes::scheduling),      // sched_getaffinity
    (213, descriptors::make),          // epoll_create
    (217, files::getdents64),          // getdents64
    (220, pass),                       // semtimedop
    (221, pass),                       // fadvise64
    (223, pass),                       // timer_settime
    (224, pass),                       // timer_gettime
    (227, pass),                       // clock_settime
    (232, waiting::epoll_wait),        // epoll_wait
    (233, streams::epoll_ctl),         // epoll_ctl
    (235, stats::utimes),              // utimes
    (240, descriptors::make),          // mq_open
    (241, pass),                       // mq_unlink
    (242, pass),                       // mq_timedsend
    (243, pass),                       // mq_timedreceive
    (244, ipc::mq_notify),             // mq_notify
    (245, pass),                       // mq_getsetattr
    (247, pass),                       // waitid
    (251, processes::io_priority),     // ioprio_set
    (252, processes::io_priority),     // ioprio_get
    (253, descriptors::make),          // inotify_init
    (254, notify::inotify_add_watch),  // inotify_add_watch
    (255, pass),                       // inotify_rm_watch
    (257, open::openat),               // openat
    (258, entries::mkdirat),           // mkdirat
    (259, entries::mknodat),           // mknodat
    (260, stats::fchownat),            // fchownat
    (261, stats::futimesat),           // futimesat
    (262, stats::newfstatat),          // newfstatat
    (263, entries::unlinkat),          // unlinkat
    (264, entries::renameat),          // renameat
    (265, entries::linkat),            // linkat
    (266, entries::symlinkat),         // symlinkat
    (267, links::readlinkat),          // readlinkat
    (268, stats::fchmodat),            // fchmodat
    (269, stats::faccessat),           // faccessat
    (270, waiting::pselect6),          // pselect6
    (271, waiting::ppoll),             // ppoll
    (275, pass),                       // splice
    (276, pass),                       // tee
    (277, pass),                       // sync_file_range
    (278, files::vmsplice),            // vmsplice
    (280, stats::utimensat),           // utimensat
    (281, waiting::epoll_wait),        // epoll_pwait
    (282, descriptors::signalfd),      // signalfd
    (283, descriptors::make),          // timerfd_create
    (284, descriptors::make),          // eventfd
    (285, pass),                       // fallocate
    (286, pass),                       // timerfd_settime
    (287, pass),                       // timerfd_gettime
    (288, sockets::accept),            // accept4
    (289, descriptors::signalfd),      // signalfd4
    (290, descriptors::make),          // eventfd2
    (291, descriptors::make),          // epoll_create1
    (292, descriptors::dup3),          // dup3
    (293, descriptors::pipe),          // pipe2
    (294, descriptors::make),          // inotify_init1
    (295, files::pread),               // preadv
    (296, files::pwrite),              // pwritev
    (297, processes::queue_signal),    // rt_tgsigqueueinfo
    (303, stats::name_to_handle_at),   // name_to_handle_at
    (305, pass),                       // clock_adjtime
    (306, pass),                       // syncfs
    (310, processes::other_memory),    // process_vm_readv
    (311, processes::other_memory),    // process_vm_writev
    (312, processes::kcmp),            // kcmp
    (314, processes::sched_setattr),   // sched_setattr
    (315, processes::sched_getattr),   // sched_getattr
    (316, entries::renameat2),         // renameat2
    (318, files::getrandom),           // getrandom
    (319, descriptors::make),          // memfd_create
    (326, pass),                       // copy_file_range
    (327, files::preadv2),             // preadv2
    (328, files::pwritev2),            // pwritev2
    (332, stats::statx),               // statx
    (424, pass),                       // pidfd_send_signal
    (434, descriptors::make),          // pidfd_open
    (436, descriptors::close_range),   // close_range
    (437, open::openat2),              // openat2
    (439, stats::faccessat2),          // faccessat2
    (441, waiting::epoll_pwait2),      // epoll_pwait2
    (451, pass),                       // cachestat
    (452, stats::fchmodat2),           // fchmodat2
];

static BY_NUMBER: [Option<Handler>; NUMBERS] = {
    let mut handlers: [Option<Handler>; NUMBERS] = [None; NUMBERS];
    let mut at = 0;
    while at < HANDLERS.len() {
        handlers[HANDLERS[at].0 as usize] = Some(HANDLERS[at].1);
        at += 1;
    }
    handlers
};

/// The function that makes a call.
pub(super) fn handler(number: u32) -> Option<Handler> {
    *BY_NUMBER.get(number as usize)?
}

/// Calls that the service makes of the host, beside those in [`HANDLERS`] themselves: those that it
/// makes in their place, and its own. For the list of what the monitor may call.
pub const HOST_CALLS: &[i64] = &[
    libc::SYS_preadv2,
    libc::SYS_pwritev2,
    libc::SYS_preadv,
    libc::SYS_pwritev,
    libc::SYS_openat2,
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_statx,
    libc::SYS_newfstatat,
    libc::SYS_fstatfs,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_fcntl,
    libc::SYS_dup3,
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_wait,
    libc::SYS_select,
    libc::SYS_epoll_pwait2,
    libc::SYS_faccessat,
    libc::SYS_fchmodat,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_unlinkat,
    libc::SYS_symlinkat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_fchdir,
    libc::SYS_memfd_create,
    libc::SYS_write,
    libc::SYS_pread64,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    // Credentials of the serving threads.
    libc::SYS_prctl,
    // A thread with a working directory of its own (`aside`).
    libc::SYS_unshare,
    libc::SYS_clone,
    libc::SYS_clone3,
];

#[cfg(test)]
mod tests {
    use pinion_abi::calls::CALLS;

    use super::*;

    #[test]
    fn every_call_of_the_host_has_a_handler() {
        for call in CALLS {
            let host = call.host().is_some();
            assert_eq!(handler(call.number).is_some(), host, "{}", call.name);
        }
        assert!(HANDLERS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
