//! Where users' traffic is, as the journal tells it.

use jiff::Timestamp;

use crate::plan::{Action, Lane, What};
use crate::run::{LaneState, StepState, StepStatus};

/// Which fleet serves users.
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

/// Which fleet of a lane serves users.
pub fn serving(lane: &Lane, state: &LaneState) -> Serving {
    let reroute = reroute(lane, state).map_or(StepStatus::Pending, |step| step.status);
    match (state.restore.as_ref().map(|restore| restore.status), reroute) {
        (Some(StepStatus::Done), _) | (_, StepStatus::Pending) => Serving::Blue,
        (Some(StepStatus::Failed), _) => Serving::Unsure,
        (Some(StepStatus::Pending | StepStatus::Started), _) => Serving::Returning,
        (None, StepStatus::Started | StepStatus::Failed) => Serving::Moving,
        (None, StepStatus::Done) => Serving::Green,
    }
}

/// When the new release first got users' traffic, if it did.
pub fn first_traffic(lane: &Lane, state: &LaneState) -> Option<Timestamp> {
    reroute(lane, state)?.started
}

fn reroute<'a>(lane: &Lane, state: &'a LaneState) -> Option<&'a StepState> {
    let place = lane.steps.iter().position(|step| step.what == What::Act(Action::Reroute))?;
    state.steps.get(place)
}
