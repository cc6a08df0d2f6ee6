//! What is shipped: a bundle at a place, and the release that names it.

use serde::{Deserialize, Serialize};

use super::ids::{Name, RunId};
use super::units::Period;

/// A bundle in S3, pinned so that the same bytes are installed days later on a host that scaled out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Revision {
    /// The bucket.
    pub bucket: String,
    /// The object's key.
    pub key: String,
    /// The object's version, if the bucket keeps versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The object's ETag without quotes, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
}

impl Revision {
    /// The content hash, if the key is one of shipit's (`…/artifacts/<sha256>.zip`).
    pub fn sha256(&self) -> Option<&str> {
        let name = self.key.rsplit('/').next()?.strip_suffix(".zip")?;
        (name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(name)
    }

    /// What a bundle without a release is called: the start of its hash, or its place.
    pub fn label(&self) -> String {
        match self.sha256().and_then(|hash| hash.get(..8)) {
            Some(start) => format!("bundle {start}"),
            None => format!("s3://{}/{}", self.bucket, self.key),
        }
    }
}

/// How long the scripts of a bundle may take on one host, by what its AppSpec says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HookTimes {
    /// Until the release is installed and checked.
    pub install: Period,
    /// Around the traffic.
    pub traffic: Period,
}

/// The label of a release and the bundles that go together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// What people call it: `--release`, or the start of the bundles' hash.
    pub label: String,
    /// One bundle per artifact: name, SHA-256 in hex, size in bytes.
    pub bundles: Vec<BundleRef>,
    /// The environment that it comes from, if it was live in another one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Promoted>,
}

/// Where a release was live before it went to the next environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promoted {
    /// The environment.
    pub environment: Name,
    /// The run that made it live there.
    pub run: RunId,
}

/// A bundle, before it has a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleRef {
    /// The artifact's name in the pipeline.
    pub artifact: String,
    /// SHA-256 of the zip, lower-case hex.
    pub sha256: String,
    /// Bytes of the zip.
    pub size: u64,
}
