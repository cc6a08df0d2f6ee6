//! The way out of a run that got stuck: a new run of the same plan that begins on the way back, knowing what the stuck one
//! had made.

use crate::event::record::{Cause, Record, Side};
use crate::plan::{Action, Lane, Plan, Step, StepId, What};
use crate::run::{LaneState, State, StepState, StepStatus};

/// What the new run's first entry holds after its beginning: everything of the stuck run on which the way back depends, then
/// that it goes back. Targets that are back already are left alone.
pub fn inherited(plan: &Plan, stuck: &State) -> Vec<Record> {
    let (mut records, mut targets) = (Vec::new(), Vec::new());
    for (lane, state) in plan.lanes().zip(&stuck.lanes) {
        let is_kept = state.restore.is_none() && state.cursor().is_none();
        if lane.steps.is_empty() || !state.is_touched() || state.is_restored() {
            continue;
        }
        for (step, step_state) in lane.steps.iter().zip(&state.steps) {
            records.extend(of_step(lane, step, step_state));
        }
        records.extend(made(lane, state));
        if !is_kept {
            targets.push(lane.target.clone());
        }
    }
    let unknown = || Cause::new(Side::Limit, format!("run {} did not end", stuck.run));
    let cause = stuck.cause.clone().unwrap_or_else(unknown);
    records.push(Record::RollBackBegan { cause, targets });
    records
}

/// Whether a deployment of the stuck run may exist that it never saw.
pub fn may_be_unseen(state: &LaneState) -> bool {
    state.deployment.is_none() && state.steps.iter().any(|step| step.attempt > 0)
}

/// The step of a lane that makes its deployment.
pub fn creates(lane: &Lane) -> Option<&StepId> {
    let is_it = |step: &&Step| matches!(step.what, What::Act(Action::Create | Action::Roll));
    lane.steps.iter().find(is_it).map(|step| &step.id)
}

/// A step as far as it had come.
fn of_step(lane: &Lane, step: &Step, state: &StepState) -> Vec<Record> {
    let (target, step) = (lane.target.clone(), step.id.clone());
    if state.status == StepStatus::Pending {
        return Vec::new();
    }
    let mut records = vec![Record::StepStarted { target: target.clone(), step: step.clone() }];
    if let Some((call, _)) = &state.last_call {
        let (target, step, attempt) = (target.clone(), step.clone(), state.attempt);
        records.push(Record::CallBegan { target: target.clone(), step: step.clone(), attempt, call: call.clone() });
        let trouble = state.trouble.as_ref().map(|(what, ..)| what.clone());
        if !state.is_calling {
            records.push(Record::CallEnded { target, step, attempt, trouble });
        }
    }
    match state.status {
        StepStatus::Done => records.push(Record::StepDone { target, step, note: state.note.clone() }),
        StepStatus::Failed => {
            let cause = state.cause.clone().unwrap_or_else(|| Cause::new(Side::Limit, state.note.clone()));
            records.push(Record::StepFailed { target, step, cause });
        }
        StepStatus::Pending | StepStatus::Started => {}
    }
    records
}

/// What the run had made, as far as it knew.
fn made(lane: &Lane, state: &LaneState) -> Vec<Record> {
    let target = || lane.target.clone();
    let deployment = state.deployment.as_ref().zip(creates(lane)).map(|(deployment, step)| Record::DeploymentSeen {
        target: target(),
        step: step.clone(),
        deployment: deployment.clone(),
        waits: Vec::new(),
    });
    let version = state.version.clone().map(|version| Record::VersionSeen { target: target(), version });
    let moved = state.revision_ids.iter().cloned();
    let moved = moved.map(|revision_id| Record::AliasMoved { target: target(), revision_id });
    deployment.into_iter().chain(version).chain(moved).collect()
}
