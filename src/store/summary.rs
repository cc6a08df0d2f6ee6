//! What the head of an environment is told of a run.

use std::collections::BTreeMap;

use super::head::{Live, RunSummary, digests};
use crate::event::record::{Cause, Outcome};
use crate::model::{Name, Period};
use crate::plan::{Action, Lane, Plan, StepId, What};
use crate::run::{LaneState, State};

/// What the head of the environment is told of a run that has ended: the run in a line, and what it made live.
pub fn summarize(plan: &Plan, state: &State) -> (RunSummary, BTreeMap<Name, Live>) {
    let (by, why, started) = state.started.clone().unwrap_or_default();
    let outcome = state.status.outcome();
    let live = |lane: &Lane| {
        let revision = state.revisions.get(&lane.target).unwrap_or(&lane.revision).clone();
        let since = state.ended.unwrap_or(started);
        let (release, run, origin) = (plan.release.label.clone(), state.run.clone(), state.origin.clone());
        (lane.target.clone(), Live { release, revision, run, since, origin })
    };
    let made_live = match outcome {
        Some(Outcome::Succeeded) => plan.lanes().map(live).collect(),
        // With `rollback: stage` the stages that were done keep the new release.
        Some(Outcome::RolledBack | Outcome::Held | Outcome::Stuck) => {
            let lanes = plan.lanes().zip(&state.lanes);
            let kept =
                lanes.filter(|(lane, it)| !lane.steps.is_empty() && it.restore.is_none() && it.cursor().is_none());
            kept.map(|(lane, _)| live(lane)).collect()
        }
        Some(Outcome::Refused) | None => BTreeMap::new(),
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
        parent: state.parent.clone(),
        back: state.back.clone(),
        took: if outcome == Some(Outcome::Succeeded) { took(plan, state) } else { BTreeMap::new() },
        moved: plan.lanes().zip(&state.lanes).filter_map(moved).collect(),
        build: state.build.clone(),
        digests: digests(&plan.release.bundles),
        dirty: state.origin.as_ref().is_some_and(|origin| origin.dirty),
        is_to_blame: state.cause.as_ref().is_some_and(Cause::blames_the_release),
    };
    (summary, made_live)
}

/// The revision id with which the run left the alias of a lane, if it moved it.
fn moved((lane, state): (&Lane, &LaneState)) -> Option<(Name, String)> {
    Some((lane.target.clone(), state.revision_ids.last()?.clone()))
}

/// How long the acts of each target took. How long holds take is said by the pipeline.
fn took(plan: &Plan, state: &State) -> BTreeMap<Name, BTreeMap<StepId, Period>> {
    let of_lane = |(lane, lane_state): (&Lane, &LaneState)| {
        let steps = lane.steps.iter().zip(&lane_state.steps);
        let acts = steps.filter(|(step, _)| matches!(&step.what, What::Act(action) if *action != Action::Compare));
        let took = acts.filter_map(|(step, step_state)| {
            let seconds = step_state.ended?.duration_since(step_state.started?).as_secs();
            Some((step.id.clone(), Period::seconds(u64::try_from(seconds).ok()?)))
        });
        (lane.target.clone(), took.collect::<BTreeMap<StepId, Period>>())
    };
    plan.lanes().zip(&state.lanes).map(of_lane).filter(|(_, took)| !took.is_empty()).collect()
}
