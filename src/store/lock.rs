//! The lock of an environment: which unfinished run owns it (the claim), and which process drives that run (the lease).
//! The object is never deleted, so its token only grows.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::holder::Holder;
use super::keys::Keys;
use super::objects::{Bucket, Put};
use crate::event::record::{Back, Build, Origin};
use crate::model::{Format, RunId};

/// What the object holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// The format's version.
    pub v: Format,
    /// Grows with every driver.
    pub token: u64,
    /// Makes every write unlike any other.
    pub nonce: String,
    /// The unfinished run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// Its driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Held>,
}

/// The run that owns the environment until it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The run.
    pub run: RunId,
    /// Since when.
    pub since: Timestamp,
    /// Who asked for it.
    pub by: String,
    /// Why: `deploy`, `rollback`.
    pub why: String,
    /// The build that asked, if a CI system did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// The run that it goes back from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<RunId>,
    /// From which release and to which run, if it is a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<Back>,
    /// What the release was made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Why a release that failed here before is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<String>,
    /// Whether it takes up the way back of its parent, which got stuck.
    #[serde(default)]
    pub recovers: bool,
}

/// The process that drives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Which process.
    pub holder: Holder,
    /// When it last said so, by its own wall clock; shown to people, never compared.
    pub beat: Timestamp,
}

/// The lock as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// What it holds; nothing before the first run.
    pub lock: Lock,
    /// For the next conditional write; `None` if there is no object.
    pub etag: Option<String>,
}

/// Reads the lock.
///
/// # Errors
/// What S3 says; an object that is not a lock.
pub async fn read(bucket: &Bucket, keys: &Keys) -> Result<Seen, StoreError> {
    let key = keys.lock();
    let Some(object) = bucket.get(&key).await? else { return Ok(Seen::default()) };
    let lock = bucket.parse(&key, &object.bytes, "a lock")?;
    Ok(Seen { lock, etag: Some(object.etag) })
}

/// Writes the lock if nobody else has meanwhile; gives it back as it is now, or `None` if somebody was faster.
///
/// # Errors
/// What S3 says.
pub async fn write(bucket: &Bucket, keys: &Keys, seen: &Seen, lock: &Lock) -> Result<Option<Seen>, StoreError> {
    let key = keys.lock();
    let lock = Lock { nonce: format!("{:016x}", fastrand::u64(..)), ..lock.clone() };
    let body = serde_json::to_vec(&lock).map_err(|error| bucket.corrupt(&key, &error.to_string()))?;
    let put = match &seen.etag {
        None => bucket.put_if_absent(&key, Bytes::from(body)).await?,
        Some(etag) => bucket.put_if_match(&key, Bytes::from(body), etag).await?,
    };
    Ok(match put {
        Put::Done(etag) => Some(Seen { lock, etag: Some(etag) }),
        Put::Lost => None,
    })
}
