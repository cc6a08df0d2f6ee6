//! What the agent does on a host's disk. The host's init process does it, so that it reaches as far as the host does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::super::codedeploy::commands::Specification;
use super::super::super::codedeploy::events::Event;
use super::appspec::{self, AppSpec};
use super::archives::{Which, which};
use super::layout::Layout;
use super::{download, install};

/// A piece of work.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Find the archive of an event, and read its AppSpec.
    Read {
        /// Of which deployment.
        specification: Specification,
        /// Which event.
        event: Event,
    },
    /// Unpack a bundle.
    Store {
        /// Of which deployment.
        specification: Specification,
        /// Where the sandbox has put it.
        bundle: PathBuf,
    },
    /// Copy what an archive says where its AppSpec says.
    Install {
        /// Of which deployment.
        specification: Specification,
    },
    /// See that a script is there and can be executed.
    Prepare {
        /// Where it is.
        script: PathBuf,
    },
}

/// What came of it.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// Well.
    Well,
    /// The archive, and the text of its AppSpec if it has one.
    Found {
        /// Where it is on the host.
        archive: PathBuf,
        /// The file.
        appspec: Option<String>,
    },
    /// There is no such script.
    Missing,
    /// It cannot be made executable.
    NotExecutable,
    /// The agent's text.
    Failed(String),
}

/// Does a piece of work on the host of this layout.
pub fn done(layout: &Layout, work: &Work) -> Done {
    let outcome = match work {
        Work::Read { specification, event } => return found(layout, specification, *event),
        Work::Prepare { script } => return prepared(script),
        Work::Store { specification, bundle } => fs::read(bundle)
            .map_err(|why| why.to_string())
            .and_then(|bytes| download::store(layout, specification, &bytes)),
        Work::Install { specification } => installed(layout, specification),
    };
    outcome.map_or_else(Done::Failed, |()| Done::Well)
}

fn found(layout: &Layout, specification: &Specification, event: Event) -> Done {
    let archive = archive(layout, specification, event);
    let appspec = match fs::read(archive.join(appspec::NAME)) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(_) => None,
    };
    Done::Found { archive, appspec }
}

/// The archive an event's scripts come from.
fn archive(layout: &Layout, specification: &Specification, event: Event) -> PathBuf {
    let current = layout.archive(specification);
    if current.exists() {
        return current;
    }
    let other = match which(event, specification.is_route_back()) {
        Which::Current => None,
        Which::LastSuccessful => layout.last_successful(specification),
        Which::MostRecent => layout.most_recent(specification),
    };
    other.map_or(current, |deployment| deployment.join("deployment-archive"))
}

fn installed(layout: &Layout, specification: &Specification) -> Result<(), String> {
    let archive = layout.archive(specification);
    let text = fs::read_to_string(archive.join(appspec::NAME));
    let text = text.map_err(|_| AppSpec::missing(&archive.to_string_lossy()))?;
    install::install(layout, specification, &AppSpec::parse(&text)?)
}

fn prepared(script: &Path) -> Done {
    let Ok(found) = fs::metadata(script) else { return Done::Missing };
    let mode = found.permissions().mode();
    if mode & 0o111 == 0 && fs::set_permissions(script, fs::Permissions::from_mode(mode | 0o111)).is_err() {
        return Done::NotExecutable;
    }
    Done::Well
}
