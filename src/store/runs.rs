//! Runs as they lie in the store: a plan, a journal, and what both come to. This is the one way to a run.

use std::sync::Arc;

use super::{Bucket, Journal, Keys, StoreError};
use crate::event::Envelope;
use crate::model::RunId;
use crate::plan::Plan;
use crate::run::State;

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
