//! What the head of an environment is told of a run.

use std::collections::BTreeMap;

use crate::event::record::Outcome;
use crate::model::Name;
use crate::plan::{Lane, Plan};
use crate::run::{RunStatus, State};
use crate::store::head::{Live, RunSummary};

/// What the head of the environment is told of a run that has ended: the run in a line, and what it made live.
pub fn summarize(plan: &Plan, state: &State) -> (RunSummary, BTreeMap<Name, Live>) {
    let (by, why, started) = state.started.clone().unwrap_or_default();
    let outcome = match state.status {
        RunStatus::Ended(outcome) => Some(outcome),
        RunStatus::Planned | RunStatus::Running | RunStatus::Paused | RunStatus::Detached | RunStatus::RollingBack => {
            None
        }
    };
    let live = |lane: &Lane| {
        let revision = state.revisions.get(&lane.target).unwrap_or(&lane.revision).clone();
        let since = state.ended.unwrap_or(started);
        (lane.target.clone(), Live { release: plan.release.label.clone(), revision, run: state.run.clone(), since })
    };
    let made_live = match outcome {
        Some(Outcome::Succeeded) => plan.lanes().map(live).collect(),
        Some(Outcome::RolledBack | Outcome::Held | Outcome::Stuck | Outcome::Refused) | None => BTreeMap::new(),
    };
    let summary = RunSummary {
        run: state.run.clone(),
        why,
        release: plan.release.label.clone(),
        by,
        started,
        ended: state.ended,
        outcome,
        cause: state.cause.as_ref().map(|cause| cause.what.clone()),
        build: state.build.clone(),
    };
    (summary, made_live)
}
