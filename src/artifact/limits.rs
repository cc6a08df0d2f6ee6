//! How large a bundle may be, and the problems that trees and zips have in common.

use std::path::Path;

use super::entry::shown;
use crate::yaml::Problem;

/// The largest number of files.
pub const MAX_ENTRIES: usize = 100_000;
/// The largest bundle, packed or not, unless the pipeline says that it knows.
pub const MAX_BYTES: u64 = 2 << 30;
/// The largest bundle even then.
pub const MAX_BYTES_LARGE: u64 = 16 << 30;
/// The AppSpec's name: the service asks agents for no other.
pub const APPSPEC: &str = "appspec.yml";
/// The largest AppSpec that is read, and the largest script that is looked at.
pub const MAX_TEXT: u64 = 1 << 20;

/// How large a bundle may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Packed or not.
    pub most_bytes: u64,
}

impl Limits {
    /// The limits of an artifact that may be large or not.
    pub fn of(allow_large: bool) -> Limits {
        Limits { most_bytes: if allow_large { MAX_BYTES_LARGE } else { MAX_BYTES } }
    }
}

/// More bytes than a bundle may have.
pub fn too_large(limits: Limits) -> Problem {
    let problem = Problem::whole(format!("larger than {} GiB [bundle/size]", limits.most_bytes >> 30));
    if limits.most_bytes < MAX_BYTES_LARGE {
        problem.help("`allow_large: true` at the artifact accepts it: every host has to download and unpack it in time")
    } else {
        problem.help("leave out what hosts can fetch elsewhere")
    }
}

/// A path that cannot be read.
pub fn cannot_read(path: &Path, error: &std::io::Error) -> Problem {
    Problem::whole(format!("cannot read `{}`: {} [bundle/unreadable]", shown(&path.to_string_lossy()), error.kind()))
}

/// No AppSpec where it must be; says where one was seen.
pub fn no_appspec<'n>(mut names: impl Iterator<Item = &'n str>) -> Problem {
    let problem = Problem::whole("there is no appspec.yml at the root [appspec/missing]");
    let is_one = |name: &&str| {
        let last = name.rsplit('/').next().unwrap_or(name).to_lowercase();
        last == APPSPEC || last == "appspec.yaml"
    };
    let Some(found) = names.find(is_one) else {
        return problem.help("every bundle needs one; if it is there, an ignore file or `exclude` leaves it out");
    };
    if found.contains('/') {
        problem.help(format!("there is one at `{}`; ship its directory, as appspec.yml", shown(found)))
    } else {
        problem.help(format!("there is `{}`; the agent looks for appspec.yml, in these letters", shown(found)))
    }
}
