//! Where users' traffic is, as the journal tells it.

use jiff::Timestamp;

use super::words::clock;
use crate::model::Percent;
use crate::plan::{Action, Lane, OnFunction, Plan, What};
use crate::run::function::left_at;
use crate::run::{LaneState, StepState, StepStatus};

/// Which release serves users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serving {
    /// The baseline, and nothing else was reached.
    Blue,
    /// Both, on the way to green.
    Moving,
    /// The new release.
    Green,
    /// Both, on the way back to the baseline.
    Returning,
    /// The way back failed: possibly both.
    Unsure,
}

/// Who answers the callers of a function's alias, and whether they met the new version.
pub fn calls(plan: &Plan, lane: &Lane, on: &OnFunction, state: &LaneState) -> String {
    let alias = &on.function.alias;
    let version = state.version.as_ref().or(on.version.as_ref());
    let of_version = |version: Option<&String>| version.map(|it| format!(" (version {it})")).unwrap_or_default();
    let new = format!("{}{}", plan.release.label, of_version(version));
    let old = match (&on.baseline.version, &on.baseline.release) {
        (Some(version), Some(release)) => format!("{release} (version {version})"),
        (Some(version), None) => format!("version {version}"),
        (None, _) => return first_calls(alias, &new, serving(lane, state)),
    };
    match (serving(lane, state), first_traffic(lane, state)) {
        (Serving::Blue, None) => format!("{old} answers all calls; {new} never got any"),
        (Serving::Blue, Some(from)) => {
            format!("{old} answers all calls again; {new} got some from {}{}", clock(from), until(state))
        }
        (Serving::Moving, _) => match left_at(lane, state) {
            share if share == Percent::whole(0) => format!("alias {alias} is on its way from {old} to {new}"),
            share => format!("alias {alias} gives {new} {share} of the calls, {old} the rest"),
        },
        (Serving::Green, _) => format!("{new} answers all calls"),
        (Serving::Returning, _) => format!("alias {alias} is on its way back from {new} to {old}: both may answer"),
        (Serving::Unsure, _) => format!("not known: {old} or {new} may answer"),
    }
}

/// The same where there was no alias before.
fn first_calls(alias: &str, new: &str, serving: Serving) -> String {
    match serving {
        Serving::Blue => format!("there is no alias {alias}; {new} never got calls by it"),
        Serving::Moving => format!("alias {alias} is being made for {new}"),
        Serving::Green => format!("{new} answers all calls"),
        Serving::Returning | Serving::Unsure => format!("{new} may answer; there is no earlier version"),
    }
}

/// Until when the new release may have been met.
pub fn until(state: &LaneState) -> String {
    let until = state.restore.as_ref().and_then(|restore| restore.ended);
    until.map(|until| format!(" until {} at the latest", clock(until))).unwrap_or_default()
}

/// Which release of a lane serves users.
pub fn serving(lane: &Lane, state: &LaneState) -> Serving {
    let moved = moves(lane, state);
    let moved = match (moved.first().map(|step| step.status), moved.last().map(|step| step.status)) {
        (_, Some(StepStatus::Done)) => StepStatus::Done,
        (Some(StepStatus::Pending) | None, _) => StepStatus::Pending,
        (Some(StepStatus::Started | StepStatus::Done | StepStatus::Failed), _) => StepStatus::Started,
    };
    match (state.restore.as_ref().map(|restore| restore.status), moved) {
        (Some(StepStatus::Done), _) | (_, StepStatus::Pending) => Serving::Blue,
        (Some(StepStatus::Failed), _) => Serving::Unsure,
        (Some(StepStatus::Pending | StepStatus::Started), _) => Serving::Returning,
        (None, StepStatus::Started | StepStatus::Failed) => Serving::Moving,
        (None, StepStatus::Done) => Serving::Green,
    }
}

/// When the new release first got users' traffic, if it did.
pub fn first_traffic(lane: &Lane, state: &LaneState) -> Option<Timestamp> {
    moves(lane, state).first()?.started
}

/// The steps that move traffic. Hosts are touched by a deployment only.
fn moves<'a>(lane: &Lane, state: &'a LaneState) -> Vec<&'a StepState> {
    let has_begun = |what: &What| *what != What::Act(Action::Roll) || state.deployment.is_some();
    let is_move = |what: &What| what.moves_traffic() && has_begun(what);
    let steps = lane.steps.iter().zip(&state.steps).filter(|(step, _)| is_move(&step.what));
    steps.map(|(_, state)| state).collect()
}
