//! Where users' traffic is, as the journal tells it.

use jiff::Timestamp;

use crate::plan::{Action, Lane, What};
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
    let is_move = |what: &What| match what {
        What::Act(Action::Roll) => state.deployment.is_some(),
        What::Act(Action::Reroute | Action::ShiftAlias { .. }) => true,
        What::Act(_) | What::Hold(_) => false,
    };
    let steps = lane.steps.iter().zip(&state.steps).filter(|(step, _)| is_move(&step.what));
    steps.map(|(_, state)| state).collect()
}
