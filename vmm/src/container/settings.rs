//! The container's host name, domain name, loopback interface and sysctls.

use super::loopback;
use super::procfs::Procfs;
use crate::errno::{check, Errno};
use crate::plan::{LaunchPlan, Namespace, NamespaceKind};

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("{call}: {errno}")]
    Call { call: &'static str, errno: Errno },
    #[error("write sysctl {name:?}: {errno}")]
    Sysctl { name: String, errno: Errno },
}

/// Where the sysctls are, if the plan has any: to be opened before the change of root, when it is the
/// host's, and no image's, /proc that serves where none can be mounted (CVE-2025-52881).
pub fn open_procfs(plan: &LaunchPlan) -> Result<Option<Procfs>, SettingsError> {
    let wanted = !plan.sysctl.is_empty();
    wanted
        .then(Procfs::complete)
        .transpose()
        .map_err(|errno| SettingsError::Call {
            call: "mount a private procfs",
            errno,
        })
}

/// Sets them in the namespaces of this process. `procfs` is [`open_procfs`]'s.
pub fn apply(plan: &LaunchPlan, procfs: Option<&Procfs>) -> Result<(), SettingsError> {
    let failed = |call| move |errno| SettingsError::Call { call, errno };
    if let Some(name) = &plan.hostname {
        // SAFETY: sethostname(2) reads as many bytes as it is told.
        check(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) })
            .map_err(failed("sethostname"))?;
    }
    if let Some(name) = &plan.domainname {
        // SAFETY: setdomainname(2) reads as many bytes as it is told.
        check(unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) })
            .map_err(failed("setdomainname"))?;
    }
    let new_network = |namespace: &Namespace| {
        namespace.kind == NamespaceKind::Network && namespace.path.is_none()
    };
    if plan.namespaces.iter().any(new_network) {
        loopback::bring_up().map_err(failed("bring up the loopback interface"))?;
    }
    let Some(procfs) = procfs else {
        return Ok(());
    };
    for (name, value) in &plan.sysctl {
        let file = sysctl_file(name);
        procfs
            .write_sysctl(&file, value)
            .map_err(|errno| SettingsError::Sysctl {
                name: name.clone(),
                errno,
            })?;
    }
    Ok(())
}

/// As sysctl(8): the first separator decides which of `.` and `/` separates.
fn sysctl_file(name: &str) -> String {
    match name.find(['.', '/']) {
        Some(first) if name.as_bytes()[first] == b'.' => name
            .chars()
            .map(|letter| match letter {
                '.' => '/',
                '/' => '.',
                letter => letter,
            })
            .collect(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::sysctl_file;

    #[test]
    fn the_first_separator_of_a_sysctl_decides() {
        assert_eq!(sysctl_file("net.ipv4.ip_forward"), "net/ipv4/ip_forward");
        assert_eq!(
            sysctl_file("net.ipv4.conf.eth0/1.forwarding"),
            "net/ipv4/conf/eth0.1/forwarding"
        );
        assert_eq!(
            sysctl_file("net/ipv4/conf/eth0.1/forwarding"),
            "net/ipv4/conf/eth0.1/forwarding"
        );
    }
}
