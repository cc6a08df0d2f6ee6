//! Decisions that people leave for whoever drives: objects of their own, so that a role can be allowed to promote and
//! nothing else.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::keys::Keys;
use super::objects::{Bucket, Put};
use crate::aws::Class;
use crate::event::decision::{Decision, Wish};
use crate::model::{Format, Name, RunId};
use crate::plan::StepId;

/// What the object holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stored {
    v: Format,
    nonce: String,
    by: String,
    at: Timestamp,
    #[serde(flatten)]
    wish: StoredWish,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
enum StoredWish {
    Abort,
    Promote {
        target: Name,
        step: StepId,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        full: bool,
    },
    Accept {
        target: Name,
        step: StepId,
        number: u32,
    },
}

/// How a decision is called.
pub fn name_of(wish: &Wish) -> String {
    match wish {
        Wish::Abort => "abort".to_owned(),
        Wish::Promote { target, step, full: false } => format!("promote-{target}-{step}"),
        Wish::Promote { target, step, full: true } => format!("promote-full-{target}-{step}"),
        Wish::Accept { target, step, number } => format!("accept-{number}-{target}-{step}"),
    }
}

/// Leaves a decision. False if the same was decided before.
///
/// # Errors
/// What S3 says.
pub async fn leave(
    bucket: &Bucket,
    keys: &Keys,
    run: &RunId,
    wish: &Wish,
    by: &str,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let key = keys.decision(run, &name_of(wish));
    let stored = Stored {
        v: Format::NOW,
        nonce: format!("{:016x}", fastrand::u64(..)),
        by: by.to_owned(),
        at,
        wish: match wish {
            Wish::Abort => StoredWish::Abort,
            Wish::Promote { target, step, full } => {
                StoredWish::Promote { target: target.clone(), step: step.clone(), full: *full }
            }
            Wish::Accept { target, step, number } => {
                StoredWish::Accept { target: target.clone(), step: step.clone(), number: *number }
            }
        },
    };
    let body = serde_json::to_vec(&stored).map_err(|error| bucket.corrupt(&key, &error.to_string()))?;
    Ok(matches!(bucket.put_if_absent(&key, Bytes::from(body)).await?, Put::Done(_)))
}

/// Most decisions that are taken in at once; the rest is there the next time.
const AT_ONCE: usize = 20;

/// Most bytes of a decision, and of who made it: all of it goes into the journal.
const BYTES_MAX: usize = 16 * 1024;
const BY_MAX: usize = 2 * 1024;

/// Reads the decisions that are not among the known ones. One that is not a decision is passed over: nothing that a
/// person writes may stop a run.
///
/// # Errors
/// What S3 says.
pub async fn read_new(
    bucket: &Bucket,
    keys: &Keys,
    run: &RunId,
    known: &[String],
) -> Result<Vec<Decision>, StoreError> {
    let mut decisions = Vec::new();
    let prefix = keys.decisions(run);
    for key in bucket.list(&prefix).await? {
        let Some(name) = key.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(".json")) else { continue };
        if known.iter().any(|known| known == name) {
            continue;
        }
        let bytes = match bucket.get(&key).await {
            Ok(Some(object)) => object.bytes,
            Ok(None) | Err(StoreError::Corrupt { .. }) => continue,
            Err(StoreError::Aws(error)) if matches!(error.class, Class::Denied | Class::Refused) => continue,
            Err(error) => return Err(error),
        };
        decisions.extend(read(name, &bytes));
        if decisions.len() == AT_ONCE {
            break;
        }
    }
    Ok(decisions)
}

/// The decision of this name, if that is what the object holds.
fn read(name: &str, bytes: &[u8]) -> Option<Decision> {
    if bytes.len() > BYTES_MAX {
        return None;
    }
    let stored: Stored = serde_json::from_slice(bytes).ok()?;
    let what = match stored.wish {
        StoredWish::Abort => Wish::Abort,
        StoredWish::Promote { target, step, full } => Wish::Promote { target, step, full },
        StoredWish::Accept { target, step, number } => Wish::Accept { target, step, number },
    };
    let is_named_so = name == name_of(&what);
    (is_named_so && stored.v == Format::NOW && stored.by.len() <= BY_MAX).then(|| Decision {
        name: name.to_owned(),
        by: stored.by,
        what,
    })
}
