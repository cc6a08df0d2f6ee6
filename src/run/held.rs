//! What a person can do about a failure at which the run is held.

use super::state::{HeldFailure, State};
use crate::event::record::Side;
use crate::plan::{Action, Hold, Plan, What};

/// What becomes of a failure that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// The condition counts as passed from here on.
    Waived,
    /// The step is over, as if it had passed.
    Over,
    /// The step is tried again, with a whole limit.
    Again,
}

/// What becomes of the failure if a person accepts it.
///
/// # Errors
/// Why it cannot be: the only way from here is back.
pub fn acceptance(plan: &Plan, state: &State, held: &HeldFailure) -> Result<Acceptance, String> {
    if held.condition.is_some() {
        return Ok(Acceptance::Waived);
    }
    let lost = || format!("{} has no step {}", held.target, held.step);
    let step = plan.lane(&held.target).and_then(|lane| lane.step(&held.step)).ok_or_else(lost)?;
    let deployment = state.lane(&held.target).and_then(|lane| lane.deployment.as_ref());
    match (held.cause.side, &step.what) {
        (Side::Foreign, _) => Err(format!("{} is in somebody else's hands", held.target)),
        // Its hosts are as it left them, and nothing but another deployment changes that.
        (Side::CodeDeploy | Side::Person, _) if deployment.is_some() => {
            Err(format!("deployment {} is over and cannot go on", deployment.map_or("", String::as_str)))
        }
        (_, What::Hold(Hold::Bake { .. } | Hold::Approval { .. } | Hold::Later))
        | (_, What::Act(Action::Test { .. } | Action::Task { .. } | Action::Compare)) => Ok(Acceptance::Over),
        (_, What::Act(_)) => Ok(Acceptance::Again),
    }
}
