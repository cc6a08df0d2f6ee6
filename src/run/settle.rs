//! What a step still needs, by what is seen: one arm per action. Nothing here waits; a step that is not there yet says why.

use jiff::Timestamp;

use super::explain::why_it_ended;
use super::state::LaneState;
use super::step::StepState;
use super::task;
use super::view::LaneView;
use super::{function, rolling};
use crate::event::call::{CallKind, Share};
use crate::event::record::{Cause, Side};
use crate::model::Percent;
use crate::model::facts::{Deployment, Overview, Status};
use crate::plan::{Action, Lane, On, OnFleet};

/// The actions that only functions have.
macro_rules! of_functions {
    () => {
        Action::UpdateCode
            | Action::PublishVersion
            | Action::ShiftAlias { .. }
            | Action::Test { .. }
            | Action::PruneVersions { .. }
    };
}

/// What comes next for a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Advance {
    /// One call that changes something, or looks closely once.
    Call(Call),
    /// Not there yet: why, and how far if that can be counted.
    Wait(String, Option<(usize, usize)>),
    /// There.
    Done(String),
    /// It will not get there.
    Broken(Cause),
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Creates the deployment of the new revision, or finds it again.
    Create,
    /// Makes the deployment configuration, or finds that it is there.
    EnsureConfig,
    /// Compares green with blue.
    Compare,
    /// Ends the wait before traffic moves.
    MoveTraffic(String),
    /// Ends the wait before blue is terminated.
    LetBlueGo(String),
    /// Looks whether a create whose answer was lost has made a deployment.
    Find,
    /// Stops a deployment and rolls it back.
    Stop(String),
    /// Creates a deployment of the baseline, or finds it again.
    Redeploy,
    /// Takes an instance of a green group that is still registered out of the load balancer.
    TakeOut(String),
    /// Deletes a green group that serves nobody.
    DeleteLeftover(String),
    /// Puts the bundle into `$LATEST`.
    UpdateCode {
        /// As which it was seen.
        revision_id: String,
    },
    /// Publishes `$LATEST`.
    Publish {
        /// As which it was seen.
        revision_id: String,
    },
    /// Calls a version and compares its answer.
    Test {
        /// The version.
        version: String,
        /// The place of the call in its step.
        place: usize,
        /// Counts from 1.
        round: u32,
        /// Of how many.
        times: u32,
        /// What people call it.
        name: String,
    },
    /// Does something around the traffic.
    Task {
        /// What people call it.
        name: String,
        /// Counts from 1.
        round: u32,
        /// Of how many.
        times: u32,
    },
    /// Makes the alias.
    CreateAlias {
        /// Where all calls go.
        version: String,
    },
    /// Takes away the alias that this run made.
    DeleteAlias,
    /// Sends the alias's calls to a version, and a share of them to another.
    Shift {
        /// The version.
        version: String,
        /// The other, and its share.
        share: Option<(String, Percent)>,
        /// As which the alias was seen.
        revision_id: String,
    },
    /// Deletes an old version that nobody uses.
    Prune,
    /// Puts the baseline's code back into `$LATEST`.
    RestoreCode {
        /// As which it was seen.
        revision_id: String,
    },
}

impl Call {
    /// What it does and to what, as it is recorded.
    pub fn kind(&self) -> CallKind {
        match self.clone() {
            Call::Create => CallKind::CreateDeployment,
            Call::EnsureConfig => CallKind::EnsureConfig,
            Call::Compare => CallKind::Compare,
            Call::MoveTraffic(deployment) => CallKind::MoveTraffic { deployment },
            Call::LetBlueGo(deployment) => CallKind::LetBlueGo { deployment },
            Call::Find => CallKind::FindDeployment,
            Call::Stop(deployment) => CallKind::StopDeployment { deployment },
            Call::Redeploy => CallKind::DeployBaseline,
            Call::TakeOut(group) => CallKind::TakeOut { group },
            Call::DeleteLeftover(group) => CallKind::DeleteLeftover { group },
            Call::UpdateCode { .. } => CallKind::UpdateCode,
            Call::Publish { .. } => CallKind::PublishVersion,
            Call::Test { version, place, round, times, name } => {
                CallKind::TestVersion { version, place, round, times, name }
            }
            Call::Task { name, round, times } => CallKind::Task { name, round, times },
            Call::CreateAlias { version } => CallKind::CreateAlias { version },
            Call::DeleteAlias => CallKind::DeleteAlias,
            Call::Shift { version, share, .. } => {
                let share = share.map(|(version, weight)| Share { version, weight });
                CallKind::ShiftAlias { version, share }
            }
            Call::Prune => CallKind::PruneVersions,
            Call::RestoreCode { .. } => CallKind::RestoreCode,
        }
    }
}

/// After how many seconds a call that showed no effect is made again.
pub const CALL_AGAIN_SECONDS: i64 = 90;

/// One step of a lane, and everything that is known about it now.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Where the lane stands.
    pub state: &'a LaneState,
    /// Where the step stands.
    pub step: &'a StepState,
    /// What was seen.
    pub view: &'a LaneView,
    /// The time.
    pub now: Timestamp,
}

/// What a forward action still needs.
pub fn settle(action: &Action, lane: &Lane, known: Known) -> Advance {
    if let Action::Task { task } = action {
        return task::settle(task, known.step, known.view.is_calling, known.now);
    }
    match &lane.on {
        On::Fleet(fleet) => settle_fleet(action, (lane, fleet), known),
        On::Function(on) => function::settle(action, (lane, on), known),
    }
}

fn settle_fleet(action: &Action, (lane, fleet): (&Lane, &OnFleet), known: Known) -> Advance {
    match action {
        Action::Compare => return settle_compare(known),
        Action::EnsureConfig => return Advance::Call(Call::EnsureConfig),
        Action::Create | Action::Roll | Action::Reroute | Action::Finish => {}
        // The way back is chosen in `restore`; a plan has neither that as a forward step nor a function's for a fleet.
        Action::Restore | Action::Task { .. } | of_functions!() => return Advance::Broken(misplaced("a fleet")),
    }
    let Some(id) = &known.state.deployment else {
        let creates = matches!(action, Action::Create | Action::Roll);
        return if creates { Advance::Call(Call::Create) } else { Advance::Broken(lost()) };
    };
    let Some(deployment) = known.view.deployment(id) else {
        return Advance::Wait(format!("no news of {id} yet"), None);
    };
    match action {
        Action::Create => settle_create(deployment),
        Action::Roll => rolling::settle(deployment, (lane, fleet), known),
        Action::Reroute => settle_reroute(deployment, fleet, known),
        Action::Finish => settle_finish(deployment, fleet, known),
        Action::Compare | Action::EnsureConfig | Action::Restore | Action::Task { .. } | of_functions!() => {
            Advance::Broken(lost())
        }
    }
}

fn settle_create(deployment: &Deployment) -> Advance {
    match &deployment.status {
        Status::Ready | Status::Succeeded => Advance::Done(format!("green is ready ({})", deployment.id)),
        Status::InProgress if deployment.is_waiting_to_terminate => {
            Advance::Done(format!("{} was moved on by somebody else", deployment.id))
        }
        Status::Created | Status::Queued | Status::InProgress | Status::Other(_) => {
            let (why, count) = match deployment.overview {
                None => ("green is being built".to_owned(), None),
                Some(overview) => ("hosts install the release".to_owned(), counted(overview, overview.ready)),
            };
            Advance::Wait(format!("{why} ({})", deployment.id), count)
        }
        Status::Failed | Status::Stopped => Advance::Broken(why_it_ended(deployment)),
    }
}

/// Compared is before traffic moves; if somebody else moved it already, the watch says more.
fn settle_compare(Known { state, view, .. }: Known) -> Advance {
    let deployment = state.deployment.as_ref().and_then(|id| view.deployment(id));
    match deployment.map(|it| &it.status) {
        Some(Status::InProgress | Status::Succeeded) => {
            Advance::Done("not compared: somebody else has moved traffic already".to_owned())
        }
        Some(
            Status::Created | Status::Queued | Status::Ready | Status::Failed | Status::Stopped | Status::Other(_),
        )
        | None => Advance::Call(Call::Compare),
    }
}

fn settle_reroute(deployment: &Deployment, fleet: &OnFleet, Known { step, view, now, .. }: Known) -> Advance {
    match &deployment.status {
        Status::Ready => call_or_wait(Call::MoveTraffic(deployment.id.clone()), step, now, "traffic is about to move"),
        Status::Succeeded => Advance::Done("traffic is on green".to_owned()),
        Status::InProgress if deployment.is_waiting_to_terminate => {
            let blue = blue_still_in(fleet, view);
            let least = fleet.baseline.healthy.len();
            if blue > 0 {
                Advance::Wait(format!("{blue} blue targets still take traffic"), None)
            } else if view.healthy() < least {
                Advance::Wait("green targets are not all healthy yet".to_owned(), Some((view.healthy(), least)))
            } else {
                Advance::Done(format!("traffic is on green, {} healthy", view.healthy()))
            }
        }
        Status::Created | Status::Queued | Status::InProgress | Status::Other(_) => Advance::Wait(
            "traffic is moving, host by host".to_owned(),
            deployment.overview.and_then(|it| counted(it, it.succeeded)),
        ),
        Status::Failed | Status::Stopped => Advance::Broken(why_it_ended(deployment)),
    }
}

/// Baseline instances that are registered and not draining, in any target group; a target group that was not read yet
/// counts as one.
fn blue_still_in(fleet: &OnFleet, view: &LaneView) -> usize {
    let in_group = |arn: &String| {
        let Some(fact) = view.health.get(arn) else { return 1 };
        let blue = |id: &String| fleet.baseline.scaling_group.instances.iter().any(|instance| instance.id == *id);
        fact.value.iter().filter(|target| blue(&target.id) && !target.state.ends_with("draining")).count()
    };
    fleet.baseline.target_groups.iter().map(in_group).max().unwrap_or(0)
}

fn settle_finish(deployment: &Deployment, fleet: &OnFleet, Known { step, view, now, .. }: Known) -> Advance {
    match &deployment.status {
        Status::Succeeded => {
            let green = fleet.green_group(&deployment.id);
            let since = view.ended.get(&deployment.id).copied().unwrap_or(now);
            match &view.named {
                Some(fact) if fact.at >= since && fact.value == [green.clone()] => {
                    Advance::Done(format!("{green} is the fleet now"))
                }
                Some(_) | None => Advance::Wait(format!("the deployment group is about to name {green}"), None),
            }
        }
        Status::InProgress if deployment.is_waiting_to_terminate => {
            call_or_wait(Call::LetBlueGo(deployment.id.clone()), step, now, "blue is being terminated")
        }
        Status::Created | Status::Queued | Status::InProgress | Status::Ready | Status::Other(_) => {
            Advance::Wait("the deployment is about to end".to_owned(), None)
        }
        Status::Failed | Status::Stopped => Advance::Broken(why_it_ended(deployment)),
    }
}

/// Makes the call unless it was made a moment ago and its effect may still be on its way.
pub fn call_or_wait(call: Call, step: &StepState, now: Timestamp, why: &str) -> Advance {
    let kind = call.kind();
    match &step.last_call {
        Some((last, at))
            if *last == kind && step.trouble.is_none() && now.duration_since(*at).as_secs() < CALL_AGAIN_SECONDS =>
        {
            Advance::Wait(why.to_owned(), None)
        }
        Some(_) | None => Advance::Call(call),
    }
}

pub(super) fn counted(overview: Overview, done: i64) -> Option<(usize, usize)> {
    let (done, all) = (usize::try_from(done).ok()?, usize::try_from(overview.total()).ok()?);
    (all > 0).then_some((done, all))
}

/// A step that a plan does not have here.
pub fn misplaced(of: &str) -> Cause {
    Cause::new(Side::Limit, format!("the plan holds a step that {of} does not have"))
}

fn lost() -> Cause {
    Cause::new(Side::CodeDeploy, "the run has no deployment to go on with")
}
