//! What to type next, by where a run stands.

use super::called;
use super::commands::{Invocation, Suggestion, quoted, resume_processes};
use crate::event::record::{Outcome, Side};
use crate::plan::{Hold, Intent, Plan, What};
use crate::run::held::{Acceptance, acceptance};
use crate::run::{HeldFailure, LaneState, RunStatus, State, StepStatus};

/// Looks into AWS that are suggested at most.
const LOOKS: usize = 4;

/// What to type next, and before that what has to be put right by hand; `is_driven` says whether a process drives the run now.
pub fn suggestions(plan: &Plan, state: &State, invocation: &Invocation, is_driven: bool) -> Vec<Suggestion> {
    let mut all = if state.has_ended() { suspended(plan, state) } else { Vec::new() };
    all.extend(of_status(plan, state, invocation, is_driven));
    all
}

/// Processes of Auto Scaling that CodeDeploy let rest and did not resume.
fn suspended(plan: &Plan, state: &State) -> Vec<Suggestion> {
    let left = state.lanes.iter().filter_map(|lane| Some((lane, lane.processes_left.as_ref()?)));
    let suggestion = |(lane, (group, processes)): (&LaneState, &(String, Vec<String>))| {
        let command = resume_processes(plan.region(&lane.target), group, processes);
        Suggestion::new(command, format!("CodeDeploy did not resume {}", processes.join(", ")))
    };
    left.map(suggestion).take(LOOKS).collect()
}

/// What to type next; `is_driven` says whether a process drives the run now.
fn of_status(plan: &Plan, state: &State, invocation: &Invocation, is_driven: bool) -> Vec<Suggestion> {
    let new = &plan.release.label;
    let old = plan.lanes().find(|lane| !lane.steps.is_empty()).and_then(|lane| lane.live());
    let keeps = old.as_deref().unwrap_or("the baseline");
    let show = Suggestion::new(invocation.show(&state.run), "the whole story");
    let status = invocation.suggest("status", "what is live now");
    let is_aborted = state.cause.as_ref().is_some_and(|cause| cause.side == Side::Person);
    let again = invocation.suggest(&verb(plan), if is_aborted { "again" } else { "again, once the cause is gone" });
    let goes_back = old
        .as_ref()
        .map_or_else(|| "goes back: nothing was live before".to_owned(), |old| format!("rolls back to {old}"));
    let abort = invocation.suggest("abort", goes_back);
    let is_going_back = state.cause.is_some();
    match state.status {
        RunStatus::Ended(Outcome::Succeeded) => match (plan.intent, old) {
            (Intent::Deploy, Some(old)) => vec![status, invocation.suggest("rollback", format!("back to {old}"))],
            (Intent::Deploy, None) | (Intent::Rollback, _) => vec![status],
        },
        RunStatus::Ended(Outcome::RolledBack) => vec![show, again],
        RunStatus::Ended(Outcome::Refused) => vec![again, status],
        RunStatus::Ended(Outcome::Held) => vec![invocation.suggest("rollback", format!("back to {keeps}")), show],
        RunStatus::Ended(Outcome::Stuck) => {
            let back = match &old {
                Some(_) => invocation.suggest("resume", format!("looks anew and goes on towards {keeps}")),
                None => invocation.suggest("deploy", "a release that works; there was none before"),
            };
            [show, back].into_iter().chain(looks(plan, state)).collect()
        }
        RunStatus::Held => {
            let accept = state.held.as_ref().and_then(|held| Some((acceptance(plan, state, held).ok()?, held)));
            let accept =
                accept.map(|(acceptance, held)| invocation.suggest("promote", accepts(plan, acceptance, held)));
            accept.into_iter().chain([abort, show]).collect()
        }
        RunStatus::Paused => {
            let (on, off) = if waits_for_calls(plan, state) {
                (format!("gives {new} more of the calls"), format!("gives {keeps} all calls"))
            } else {
                (format!("moves traffic to {new}"), format!("drops {new}, {keeps} stays"))
            };
            vec![invocation.suggest("promote", on), invocation.suggest("abort", off)]
        }
        RunStatus::Planned | RunStatus::Running | RunStatus::Detached | RunStatus::RollingBack => {
            if !is_going_back && state.lanes.iter().any(|lane| lane.asks().is_some()) {
                return vec![invocation.suggest("promote", "goes on though it cannot be told"), abort];
            }
            match (is_driven, is_going_back) {
                (true, true) => vec![show, status],
                (true, false) => vec![abort, show],
                (false, true) => vec![invocation.suggest("resume", "drives the way back on"), status],
                (false, false) => vec![invocation.suggest("resume", "drives it on"), abort],
            }
        }
    }
}

/// What `promote` does at a failure at which the run is held, in a few words.
fn accepts(plan: &Plan, acceptance: Acceptance, held: &HeldFailure) -> String {
    match (acceptance, &held.condition) {
        (Acceptance::Waived, Some(condition)) => {
            format!("goes on as if {} had passed", called::condition(plan.lane(&held.target), condition))
        }
        (Acceptance::Waived | Acceptance::Over, _) => format!("goes on as if {} had passed", held.step),
        (Acceptance::Again, _) => format!("tries {} again", held.step),
    }
}

/// Whether it is a function that waits for a person.
fn waits_for_calls(plan: &Plan, state: &State) -> bool {
    let mut waiting = plan.lanes().zip(&state.lanes).filter(|(lane, lane_state)| {
        let step = lane_state.cursor().and_then(|place| lane.steps.get(place));
        step.is_some_and(|step| matches!(step.what, What::Hold(Hold::Approval { .. })))
    });
    waiting.next().is_some_and(|(lane, _)| lane.function().is_some())
}

/// The command that makes such a plan and runs it.
pub fn verb(plan: &Plan) -> String {
    match plan.intent {
        Intent::Deploy => "deploy".to_owned(),
        Intent::Rollback => format!("rollback --to {}", quoted(&plan.release.label)),
    }
}

/// AWS's own view of deployments whose way back failed.
fn looks(plan: &Plan, state: &State) -> Vec<Suggestion> {
    let lanes = plan.lanes().zip(&state.lanes);
    let stuck = lanes.filter(|(_, lane)| lane.restore.as_ref().is_some_and(|way| way.status == StepStatus::Failed));
    let looks = stuck.filter_map(|(lane, lane_state)| {
        let id = quoted(lane_state.redeployment.as_ref().or(lane_state.deployment.as_ref())?);
        let region = &plan.sites.get(lane.site)?.region;
        let command = format!("aws deploy get-deployment --region {region} --deployment-id {id}");
        Some(Suggestion::new(command, format!("what CodeDeploy says of {}", lane.target)))
    });
    looks.take(LOOKS).collect()
}
