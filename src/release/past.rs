//! A run as far as goals depend on it: what it was to ship, what served before it, and what of both was there at its end.

use std::collections::BTreeMap;

use super::line::Stood;
use crate::event::record::{Outcome, Side};
use crate::model::{Name, Revision, RunId};
use crate::plan::function::hex_of;
use crate::plan::{Intent, Lane, On, OnFunction, Plan};
use crate::run::{LaneState, RunStatus, State, StepStatus};

/// A run that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastRun {
    /// Which.
    pub run: RunId,
    /// Forward or back.
    pub intent: Intent,
    /// The label of what it ships.
    pub release: String,
    /// How it ended; none if it has not.
    pub outcome: Option<Outcome>,
    /// Whether a person stopped it.
    pub is_stopped_by_person: bool,
    /// All targets of its plan.
    pub targets: BTreeMap<Name, PastTarget>,
}

/// What a run did to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastTarget {
    /// What it was to ship.
    pub shipped: Stood,
    /// What served before; none before a first release.
    pub before: Option<Stood>,
    /// What was there at its end.
    pub left: Left,
    /// Whether anything of it began.
    pub is_touched: bool,
}

/// What was on a target when a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// What the run ships.
    Shipped,
    /// What served before it.
    Before,
    /// The run could not tell: it got stuck, was left as it was, or has not ended.
    Unknown,
}

impl PastRun {
    /// Whether it left open what serves, and its way back can be taken up.
    pub fn is_left_open(&self) -> bool {
        let is_unknown = self.targets.values().any(|target| target.left == Left::Unknown);
        is_unknown && matches!(self.outcome, Some(Outcome::Stuck) | None)
    }

    /// A run as its plan and its journal tell it; none if it changed nothing.
    pub fn of(plan: &Plan, state: &State) -> Option<PastRun> {
        let outcome = state.status.outcome();
        let is_touched = state.lanes.iter().any(LaneState::is_touched);
        let is_planned = state.status != RunStatus::Planned;
        if outcome == Some(Outcome::Refused) || !is_planned || (outcome.is_none() && !is_touched) {
            return None;
        }
        let target = |(lane, lane_state): (&Lane, &LaneState)| {
            let revision = state.revisions.get(&lane.target).unwrap_or(&lane.revision).clone();
            let shipped = Stood { label: plan.release.label.clone(), revision };
            let (before, left) = (before(lane), left(lane, lane_state, outcome));
            (lane.target.clone(), PastTarget { shipped, before, left, is_touched: lane_state.is_touched() })
        };
        Some(PastRun {
            run: state.run.clone(),
            intent: plan.intent,
            release: plan.release.label.clone(),
            outcome,
            is_stopped_by_person: state.cause.as_ref().is_some_and(|cause| cause.side == Side::Person),
            targets: plan.lanes().zip(&state.lanes).map(target).collect(),
        })
    }
}

/// What was there when the run ended.
fn left(lane: &Lane, state: &LaneState, outcome: Option<Outcome>) -> Left {
    let is_kept = !lane.steps.is_empty() && state.restore.is_none() && state.cursor().is_none();
    let restored = state.restore.as_ref().map(|restore| restore.status);
    match outcome {
        Some(Outcome::Succeeded) => Left::Shipped,
        Some(Outcome::Refused) => Left::Before,
        // With `rollback: stage` the stages that were done keep the release.
        Some(Outcome::RolledBack | Outcome::Held | Outcome::Stuck) | None if is_kept => Left::Shipped,
        Some(Outcome::RolledBack) => Left::Before,
        Some(Outcome::Held | Outcome::Stuck) | None => match restored {
            Some(StepStatus::Done) => Left::Before,
            None if !state.is_touched() => Left::Before,
            Some(StepStatus::Pending | StepStatus::Started | StepStatus::Failed) | None => Left::Unknown,
        },
    }
}

/// What served on a target before the run, by its own plan.
fn before(lane: &Lane) -> Option<Stood> {
    match &lane.on {
        On::Fleet(fleet) => {
            let live = fleet.baseline.live.as_ref()?;
            let label = live.release.clone().unwrap_or_else(|| short(&live.revision, &live.deployment));
            Some(Stood { label, revision: live.revision.clone() })
        }
        On::Function(on) => of_function(on, &lane.revision),
    }
}

/// The version that was live, as a bundle: by that it is found among the versions, or shipped again.
fn of_function(on: &OnFunction, shipped: &Revision) -> Option<Stood> {
    let version = on.baseline.version.as_ref()?;
    let sha256 = hex_of(&on.baseline.code_sha256)?;
    let revision = on.baseline.bundle.clone().or_else(|| as_bundle(&sha256, shipped))?;
    let label = on.baseline.release.clone().unwrap_or_else(|| short(&revision, version));
    Some(Stood { label, revision })
}

/// Where a bundle of this hash would lie, beside another one.
pub fn as_bundle(sha256: &str, beside: &Revision) -> Option<Revision> {
    let key = beside.key.replace(beside.sha256()?, sha256);
    Some(Revision { bucket: beside.bucket.clone(), key, version: None, etag: None })
}

/// What a bundle without a release is called: the start of its hash, or else something that is known beside it.
fn short(revision: &Revision, beside: &str) -> String {
    revision.sha256().map_or(beside, |hash| &hash[..8]).to_owned()
}
