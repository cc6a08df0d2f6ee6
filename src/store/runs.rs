//! Runs as they lie in the store: a plan, a journal, and what both come to. This is the one way to a run, and it believes
//! only what is proved: each object by its format, the plan by the hash in the first entry and by its structure, each entry
//! by the one after it.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::error::Proof;
use super::journal::hex;
use super::{Bucket, Journal, Keys, StoreError};
use crate::event::{Envelope, Record};
use crate::model::RunId;
use crate::plan::{Plan, check};
use crate::run::State;

/// Most problems of a plan that are said.
const PROBLEMS_SAID: usize = 5;

/// A run that was read whole.
pub struct Loaded {
    /// Its plan.
    pub plan: Arc<Plan>,
    /// SHA-256 of the plan's bytes as they lie in the store.
    pub digest: String,
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
/// What S3 says. An object that is of another format, is missing, was changed, or does not hold what it should.
pub async fn load(bucket: &Bucket, keys: &Keys, run: &RunId) -> Result<Option<Loaded>, StoreError> {
    let key = keys.plan(run);
    let (object, journal) = tokio::join!(bucket.get(&key), Journal::open(bucket, keys, run));
    let Some(object) = object? else {
        return if journal?.1.is_empty() { Ok(None) } else { Err(bucket.missing(&key)) };
    };
    let plan: Plan = bucket.parse(&key, &object.bytes, "a plan")?;
    let (journal, envelopes) = journal?;
    let digest = hex(&Sha256::digest(&object.bytes));
    match envelopes.first().map(|envelope| &envelope.record) {
        Some(Record::RunPlanned { plan: planned, .. }) if *planned != digest => {
            return Err(bucket.rewritten(&key, Proof::Digest));
        }
        Some(Record::RunPlanned { .. }) | None => {}
        Some(_) => {
            return Err(bucket.corrupt(&keys.journal_entry(run, 0), "does not begin a run: it names no plan"));
        }
    }
    if keys.beside(&plan.pipeline, &plan.environment) != *keys {
        let what = format!("is a plan of pipeline {} in {}", plan.pipeline, plan.environment);
        return Err(bucket.corrupt(&key, &what));
    }
    let problems: Vec<String> = check::problems(&plan).iter().take(PROBLEMS_SAID).map(ToString::to_string).collect();
    if !problems.is_empty() {
        return Err(bucket.corrupt(&key, &format!("is no plan that can be followed: {}", problems.join("; "))));
    }
    let mut state = State::new(run.clone(), &plan);
    for envelope in &envelopes {
        state.apply(&plan, envelope.at, &envelope.record);
    }
    Ok(Some(Loaded { plan: Arc::new(plan), digest, journal, envelopes, state }))
}
