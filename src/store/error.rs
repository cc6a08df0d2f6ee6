//! Why the bucket could not do it: what AWS said, or what is wrong with which object.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::objects::Bucket;
use crate::aws::AwsError;
use crate::model::{Format, Name, harmless};

/// Most characters of what a parser says about an object.
const WHY_MAX: usize = 300;

/// Why the bucket could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// AWS said no, or nothing.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// An object does not hold what it should.
    #[error("s3://{bucket}/{key}: {what}")]
    Corrupt {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
        /// What is wrong with it.
        what: String,
    },
    /// An object is of a format that this shipit does not read.
    #[error("s3://{bucket}/{key}: has format {v}, and this shipit knows {}", Format::NOW)]
    Format {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
        /// What it says of itself; 0 is what shipit wrote before formats were promises.
        v: u64,
    },
    /// An object is not there, though others say that it must be.
    #[error("s3://{bucket}/{key}: is not there")]
    Missing {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// An object is not the one that was written.
    #[error("s3://{bucket}/{key}: {by}")]
    Rewritten {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
        /// By what that is seen.
        by: Proof,
    },
}

/// By what it is seen that an object is not the one that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Proof {
    /// The first entry of the run's journal names another SHA-256.
    #[error("is not the plan that its run was begun with: it was changed since")]
    Digest,
    /// It does not name the SHA-256 of the entry before it, or not its own place.
    #[error("does not follow from the entry before it: the journal was rewritten")]
    Chain,
}

impl StoreError {
    /// Bucket and key of the object that is at fault; `None` if AWS is.
    pub fn object(&self) -> Option<(&str, &str)> {
        match self {
            StoreError::Aws(_) => None,
            StoreError::Corrupt { bucket, key, .. }
            | StoreError::Format { bucket, key, .. }
            | StoreError::Missing { bucket, key }
            | StoreError::Rewritten { bucket, key, .. } => Some((bucket, key)),
        }
    }

    /// Whether the object was written by a newer shipit, which knows what this one does not.
    pub fn is_newer(&self) -> bool {
        matches!(self, StoreError::Format { v, .. } if *v > u64::from(Format::NOW.number()))
    }

    /// The pipeline and the environment below whose keys the object lies.
    pub fn home(&self) -> Option<(Name, Name)> {
        let parts: Vec<&str> = self.object()?.1.split('/').collect();
        let is_below = |part: &&str| matches!(*part, "runs" | "lock.json" | "head.json");
        let place = parts.iter().rposition(is_below).filter(|place| *place >= 2)?;
        Some((Name::new(parts[place - 2]).ok()?, Name::new(parts[place - 1]).ok()?))
    }
}

/// What every object says of itself.
#[derive(Deserialize)]
struct Version {
    v: u64,
}

impl Bucket {
    /// Reads a document of ours; `what` it should be, with its article. The version is looked at first, so that a newer
    /// document is called newer whatever else has changed in it.
    ///
    /// # Errors
    /// It is none, or of another version.
    pub(super) fn parse<T: DeserializeOwned>(&self, key: &str, bytes: &[u8], what: &str) -> Result<T, StoreError> {
        let version = serde_json::from_slice(bytes).ok().map(|Version { v }| v);
        if let Some(v) = version.filter(|v| *v != u64::from(Format::NOW.number())) {
            return Err(StoreError::Format { bucket: self.name().to_owned(), key: key.to_owned(), v });
        }
        serde_json::from_slice(bytes)
            .map_err(|error| self.corrupt(key, &format!("is not {what}: {}", harmless(&error.to_string(), WHY_MAX))))
    }

    /// Says that an object does not hold what it should.
    pub fn corrupt(&self, key: &str, what: &str) -> StoreError {
        StoreError::Corrupt { bucket: self.name().to_owned(), key: key.to_owned(), what: what.to_owned() }
    }

    /// Says that an object should be there.
    pub fn missing(&self, key: &str) -> StoreError {
        StoreError::Missing { bucket: self.name().to_owned(), key: key.to_owned() }
    }

    /// Says that an object is not the one that was written.
    pub(super) fn rewritten(&self, key: &str, by: Proof) -> StoreError {
        StoreError::Rewritten { bucket: self.name().to_owned(), key: key.to_owned(), by }
    }
}
