//! Decisions that people leave for whoever drives: objects of their own, so that a role can be allowed to promote and
//! nothing else.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys::Keys;
use super::objects::{Bucket, Put, StoreError};
use crate::event::decision::{Decision, Wish};
use crate::model::{Name, RunId};
use crate::plan::StepId;

/// What the object holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stored {
    v: u32,
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
    Promote { target: Name, step: StepId },
}

/// How a decision is called.
pub fn name_of(wish: &Wish) -> String {
    match wish {
        Wish::Abort => "abort".to_owned(),
        Wish::Promote { target, step } => format!("promote-{target}-{step}"),
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
        v: 0,
        nonce: format!("{:016x}", fastrand::u64(..)),
        by: by.to_owned(),
        at,
        wish: match wish {
            Wish::Abort => StoredWish::Abort,
            Wish::Promote { target, step } => StoredWish::Promote { target: target.clone(), step: step.clone() },
        },
    };
    let body = serde_json::to_vec(&stored).map_err(|error| bucket.corrupt(&key, &error.to_string()))?;
    Ok(matches!(bucket.put_if_absent(&key, Bytes::from(body)).await?, Put::Done(_)))
}

/// Reads the decisions that are not among the known ones. One that cannot be read is passed over: nothing that a person
/// writes may stop a run.
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
        let Some(object) = bucket.get(&key).await? else { continue };
        let Ok(stored) = serde_json::from_slice::<Stored>(&object.bytes) else { continue };
        let what = match stored.wish {
            StoredWish::Abort => Wish::Abort,
            StoredWish::Promote { target, step } => Wish::Promote { target, step },
        };
        decisions.push(Decision { name: name.to_owned(), by: stored.by, what });
    }
    Ok(decisions)
}
