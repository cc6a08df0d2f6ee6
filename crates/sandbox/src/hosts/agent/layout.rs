//! Where the agent keeps its files on a host's disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::super::codedeploy::commands::Specification;

/// How many revisions of a group are kept.
const KEPT: usize = 5;

/// A host's disk: what hooks and AppSpec files call `/` is its root directory.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The root directory.
    pub root: PathBuf,
}

/// Where the agent's files lie on the instance.
const AGENT: &str = "/opt/codedeploy-agent/deployment-root";

impl Layout {
    /// Below this directory.
    pub fn new(root: PathBuf) -> Layout {
        Layout { root }
    }

    /// The real place of an absolute path of the instance.
    pub fn real(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The same, if nothing on the way there leads out of the root directory.
    ///
    /// # Errors
    /// The path is not absolute, has `..`, or lies behind a link that leaves the host's root.
    pub fn inside(&self, path: &str) -> Result<PathBuf, String> {
        let clean = path.strip_prefix('/').and_then(super::bundle::clean);
        let clean = clean.ok_or_else(|| format!("{path} is not an absolute path below the root"))?;
        let real = self.root.join(clean);
        let own = self.root.canonicalize().map_err(|why| why.to_string())?;
        let existing = real.ancestors().skip(1).find_map(|ancestor| ancestor.canonicalize().ok());
        match existing {
            Some(existing) if existing.starts_with(&own) => Ok(real),
            _ => Err(format!("{path} leads out of the instance's root directory")),
        }
    }

    fn agent(&self) -> PathBuf {
        self.real(AGENT)
    }

    /// The directory of a deployment.
    pub fn deployment(&self, specification: &Specification) -> PathBuf {
        self.agent().join(&specification.group_id).join(&specification.deployment)
    }

    /// The bundle as it was fetched; it has this name whatever its type.
    pub fn bundle(&self, specification: &Specification) -> PathBuf {
        self.deployment(specification).join("bundle.tar")
    }

    /// The unpacked bundle.
    pub fn archive(&self, specification: &Specification) -> PathBuf {
        self.deployment(specification).join("deployment-archive")
    }

    /// What the scripts of a deployment wrote.
    pub fn scripts_log(&self, specification: &Specification) -> PathBuf {
        self.deployment(specification).join("logs/scripts.log")
    }

    /// What all scripts wrote.
    pub fn common_log(&self) -> PathBuf {
        self.agent().join("deployment-logs/codedeploy-agent-deployments.log")
    }

    /// A file of the group's among the instructions.
    pub fn instructions(&self, specification: &Specification, ending: &str) -> PathBuf {
        self.agent().join("deployment-instructions").join(format!("{}{ending}", specification.group_id))
    }

    /// The directory of the deployment whose Install was the last to end well.
    pub fn last_successful(&self, specification: &Specification) -> Option<PathBuf> {
        noted(&self.instructions(specification, "_last_successful_install"))
    }

    /// The directory of the deployment that was downloaded last.
    pub fn most_recent(&self, specification: &Specification) -> Option<PathBuf> {
        noted(&self.instructions(specification, "_most_recent_install"))
    }

    /// Notes this deployment under an ending of the instructions.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn note(&self, specification: &Specification, ending: &str) -> io::Result<()> {
        let directory = self.deployment(specification).to_string_lossy().into_owned();
        write(&self.instructions(specification, ending), directory.as_bytes())
    }

    /// Notes which deployment is going on.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn begin(&self, specification: &Specification) -> io::Result<()> {
        write(&self.agent().join("ongoing-deployment").join(&specification.deployment), b"")
    }

    /// Removes the oldest revisions of the group so that five are left with the one to come, but never the last successful.
    ///
    /// # Errors
    /// A directory cannot be removed.
    pub fn prune(&self, specification: &Specification) -> io::Result<()> {
        let last = self.last_successful(specification);
        let Ok(entries) = fs::read_dir(self.agent().join(&specification.group_id)) else { return Ok(()) };
        let mut found: Vec<(std::time::SystemTime, PathBuf)> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_name() != specification.deployment.as_str())
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        found.sort();
        let surplus = (found.len() + 1).saturating_sub(KEPT);
        for (_, old) in found.iter().filter(|(_, path)| Some(path) != last.as_ref()).take(surplus) {
            fs::remove_dir_all(old)?;
        }
        Ok(())
    }
}

fn noted(file: &Path) -> Option<PathBuf> {
    fs::read_to_string(file).ok().map(|path| PathBuf::from(path.trim()))
}

/// Writes a file and makes its directory.
///
/// # Errors
/// What the disk says.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(path, content)
}
