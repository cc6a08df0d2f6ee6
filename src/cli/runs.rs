//! Runs as they lie in the store.

use std::sync::Arc;

use crate::error::{Failure, Kind};
use crate::event::Envelope;
use crate::model::RunId;
use crate::plan::Plan;
use crate::run::State;
use crate::store::{Bucket, Journal, Keys, StoreError};

/// A run that was read whole.
pub struct Loaded {
    /// Its plan.
    pub plan: Arc<Plan>,
    /// At its tail.
    pub journal: Journal,
    /// All records.
    pub envelopes: Vec<Envelope>,
    /// Their fold.
    pub state: State,
}

/// Reads a run; `None` if there is no such run.
///
/// # Errors
/// What S3 says, and objects that do not hold what they should.
pub async fn load(bucket: &Bucket, keys: &Keys, run: &RunId) -> Result<Option<Loaded>, StoreError> {
    let key = keys.plan(run);
    let Some(object) = bucket.get(&key).await? else { return Ok(None) };
    let plan: Plan = serde_json::from_slice(&object.bytes)
        .map_err(|error| bucket.corrupt(&key, &format!("is not a plan: {error}")))?;
    let (journal, envelopes) = Journal::open(bucket, keys, run).await?;
    let mut state = State::new(run.clone(), &plan);
    for envelope in &envelopes {
        state.apply(&plan, envelope.at, &envelope.record);
    }
    Ok(Some(Loaded { plan: Arc::new(plan), journal, envelopes, state }))
}

/// A store's error as it reaches a person.
impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        match error {
            StoreError::Aws(error) if error.code.as_deref() == Some("NoSuchBucket") => {
                Failure::new(Kind::Preflight, "the store's bucket does not exist")
                    .help("create it, with versioning, in the region of the environment; `store: bucket:` names it")
            }
            StoreError::Aws(error) => error.into_failure(),
            StoreError::Corrupt { .. } => Failure::new(Kind::Unexpected, error.to_string()),
        }
    }
}

impl From<crate::aws::AwsError> for Failure {
    fn from(error: crate::aws::AwsError) -> Failure {
        error.into_failure()
    }
}

/// Somebody else drives a run on that this process drove.
pub fn taken_over(run: &RunId) -> Failure {
    Failure::new(Kind::NotFinished, format!("another driver has taken over {run}"))
        .help(format!("it drives on; `shipit show {run}` tells how far it is"))
}

/// A run that is claimed, and whose plan is not in the store.
pub fn planless(run: &RunId) -> Failure {
    Failure::new(Kind::Unexpected, format!("the plan of {run} is gone from the store"))
        .help("restore the object's last version in the bucket, then run the same command again")
}
