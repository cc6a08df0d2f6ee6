//! How far the processes of a host reach.
//!
//! - [`namespaces`]: Linux with user namespaces. A host has a file system of its own ([`view`]: this machine's below,
//!   copy-on-write on top), sees and kills only its own processes, and finds a `systemctl` that starts units without an
//!   init system. What it changes lies in its directory.
//! - [`writes`]: Linux without them. A host is a directory; Landlock keeps writes and signals inside of it.
//! - neither: a host is a directory, and hooks are ordinary processes of whoever started the sandbox.

#[cfg(target_os = "linux")]
pub mod namespaces;
#[cfg(target_os = "linux")]
pub mod view;
#[cfg(target_os = "linux")]
pub mod writes;

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Bundles that the sandbox hands in, as a host in namespaces sees them.
pub(super) const INBOX: &str = "/run/codedeploy-bundles";

/// What keeps a host's processes from this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confinement {
    /// Namespaces of its own: user, mount, process, host name.
    Namespaces,
    /// Landlock: files are written below the host's directory only.
    Writes,
    /// Nothing.
    None,
}

/// Whether hosts may run with nothing that keeps them from this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Whatever this machine can do is used; if that is nothing, hosts are refused.
    Confined,
    /// If it can do nothing, hosts run all the same.
    Anything,
}

impl Confinement {
    /// What this machine can do: the first that works, tried with a host that ends at once. Without any, why.
    ///
    /// # Errors
    /// What the kernel says to each of them.
    pub fn of_this_machine(program: &Path, directory: &Path) -> Result<Confinement, String> {
        let tried = directory.join("tried");
        let mut whys = Vec::new();
        for confinement in [Confinement::Namespaces, Confinement::Writes] {
            let ended = std::fs::create_dir_all(tried.join("root")).and_then(|()| {
                let mut command = Command::new(program);
                command.arg("sandbox-hosts").args(confinement.words(&tried, "tried")).env_clear();
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output()
            });
            let _left = super::real::clear(&tried);
            match ended {
                Ok(ended) if ended.status.success() => return Ok(confinement),
                Ok(ended) => whys.push(String::from_utf8_lossy(&ended.stderr).trim().to_owned()),
                Err(why) => whys.push(why.to_string()),
            }
        }
        Err(whys.join("; "))
    }

    /// The words after `sandbox-hosts` that start a host's init process.
    pub fn words(self, directory: &Path, name: &str) -> Vec<String> {
        let mode = match self {
            Confinement::Namespaces => "namespaces",
            Confinement::Writes => "writes",
            Confinement::None => "unconfined",
        };
        vec![mode.to_owned(), directory.to_string_lossy().into_owned(), name.to_owned()]
    }
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Confinement::Namespaces => {
                "hosts run in namespaces of their own: they see this machine's files, and change only their own copy"
            }
            Confinement::Writes => {
                "hosts can write below their own directories only (Landlock); this machine has no user namespaces, so an \
                 AppSpec's paths are mapped below HOST_ROOT and hooks have to use it"
            }
            Confinement::None => {
                "hosts are not confined: hooks run with your rights on this machine, and what they delete or stop is yours"
            }
        })
    }
}
