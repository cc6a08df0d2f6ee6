//! What to look at next, and when: dense where something is about to change, sparse where little happens, so that an hour
//! costs few calls.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::judge::conditions;
use super::size::least_healthy;
use super::state::{LaneState, RunStatus, State, StepState, StepStatus};
use super::view::{LaneView, View, active_watches};
use super::waits;
use crate::model::condition::Condition;
use crate::model::facts::Status;
use crate::model::lambda::LATEST;
use crate::plan::{Action, Hold, Lane, On, OnFleet, OnFunction, Plan, Step, What};

/// One thing to look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Read {
    /// A deployment.
    Deployment(String),
    /// The hosts of a deployment.
    Targets(String),
    /// A target group's health.
    Health(String),
    /// An Auto Scaling group.
    Scaling(String),
    /// The group's deployments since a moment, with their hosts.
    Attempts(Timestamp),
    /// The deployment group: which Auto Scaling group it names.
    Group,
    /// An alarm.
    Alarm(String),
    /// A probe, by its place among the lane's conditions.
    Probe(usize),
    /// A program, by its place among the lane's conditions.
    Command(usize),
    /// Code of a function: `$LATEST` or a version.
    Code(String),
    /// An alias.
    Alias,
    /// What both versions of a function did.
    Metrics,
}

/// A read and how often it is wanted.
struct Wanted(Read, u64);

/// The reads that are due, with the place of their lane, and when the next one will be.
pub fn due(plan: &Plan, state: &State, view: &View, now: Timestamp) -> (Vec<(usize, Read)>, Option<Timestamp>) {
    let mut now_due = Vec::new();
    let mut next: Option<Timestamp> = None;
    for (place, ((lane, lane_state), lane_view)) in plan.lanes().zip(&state.lanes).zip(&view.lanes).enumerate() {
        for Wanted(read, seconds) in wanted(lane, lane_state, lane_view, state.status, now) {
            let every = SignedDuration::try_from(Duration::from_secs(seconds)).unwrap_or(SignedDuration::MAX);
            let at = lane_view.tried.get(&read).and_then(|tried| tried.checked_add(every).ok());
            match at {
                Some(at) if at > now => next = Some(next.map_or(at, |next| next.min(at))),
                Some(_) | None => now_due.push((place, read)),
            }
        }
    }
    (now_due, next)
}

/// How long something that is wanted may be unreadable before the driver lets go.
const BLIND: SignedDuration = SignedDuration::from_mins(20);

/// Drops gaps in what nobody asks for any more; says why nothing can be seen, if that has lasted too long.
pub fn blind(plan: &Plan, state: &State, view: &mut View, now: Timestamp) -> Option<String> {
    let mut found = None;
    for ((lane, lane_state), lane_view) in plan.lanes().zip(&state.lanes).zip(&mut view.lanes) {
        let wanted = wanted(lane, lane_state, lane_view, state.status, now);
        lane_view.gaps.retain(|read, _| wanted.iter().any(|Wanted(it, _)| it == read));
        // What hosts say explains; nothing is decided by it.
        let mut gaps = lane_view.gaps.iter().filter(|(read, _)| !matches!(read, Read::Targets(_)));
        let gone = gaps.find(|(_, (_, since))| now.duration_since(*since) > BLIND);
        found = found.or_else(|| gone.map(|(_, (why, _))| why.clone()));
    }
    found
}

fn wanted(lane: &Lane, state: &LaneState, view: &LaneView, status: RunStatus, now: Timestamp) -> Vec<Wanted> {
    if let Some(restore) = &state.restore {
        return if restore.status == StepStatus::Started {
            match &lane.on {
                On::Fleet(fleet) => wanted_back(fleet, state, view, restore, now),
                On::Function(on) => function_back(on, restore, now),
            }
        } else {
            Vec::new()
        };
    }
    let Some(place) = state.cursor() else { return Vec::new() };
    if matches!(status, RunStatus::RollingBack | RunStatus::Held) || state.steps[place].status != StepStatus::Started {
        return Vec::new();
    }
    let (step, step_state) = (&lane.steps[place], &state.steps[place]);
    let mut reads = wanted_watching(lane, state, view, now);
    let age = seconds_since(step_state.started, now);
    if let On::Function(_) = &lane.on {
        reads.extend(function_reads(step, state, age));
    }
    if let Some(id) = &state.deployment {
        let known = view.deployment(id);
        let pace = deployment_pace(step, step_state, age, now);
        match known.map(|deployment| &deployment.status) {
            Some(Status::Failed | Status::Stopped) => {
                reads.push(Wanted(Read::Targets(id.clone()), 60));
                reads.push(Wanted(Read::Deployment(id.clone()), 60));
            }
            Some(Status::Succeeded) => reads.push(Wanted(Read::Deployment(id.clone()), pace.max(60))),
            Some(Status::Created | Status::Queued | Status::InProgress | Status::Ready | Status::Other(_)) | None => {
                reads.push(Wanted(Read::Deployment(id.clone()), pace));
                reads.extend(lane.fleet().into_iter().flat_map(|fleet| quiet_reads(fleet, view, id, now)));
            }
        }
        match &step.what {
            What::Act(Action::Reroute) if known.is_some_and(|deployment| deployment.is_waiting_to_terminate) => {
                reads.extend(lane.fleet().into_iter().flat_map(|fleet| health_reads(fleet, 15)));
            }
            What::Act(Action::Roll) if known.is_some_and(|deployment| deployment.status == Status::Succeeded) => {
                reads.extend(lane.fleet().into_iter().flat_map(|fleet| proof_reads(fleet, state, view, 15)));
            }
            What::Act(Action::Finish) if known.is_some_and(|deployment| deployment.status.has_ended()) => {
                reads.push(Wanted(Read::Group, 15));
            }
            What::Act(_) | What::Hold(_) => {}
        }
    }
    reads
}

fn wanted_watching(lane: &Lane, state: &LaneState, view: &LaneView, now: Timestamp) -> Vec<Wanted> {
    let mut reads = Vec::new();
    for watch in active_watches(lane, state) {
        let began = lane.place(&watch.from).and_then(|place| state.steps[place].started);
        let age = seconds_since(began, now);
        for condition in &watch.conditions {
            match condition {
                Condition::Targets { .. } => {
                    let least = least_healthy(lane, condition, view);
                    let is_low = least.is_some_and(|least| view.lows.contains_key(&least));
                    let pace = if is_low { 15 } else { (age / 4).clamp(30, 300) };
                    reads.extend(lane.fleet().into_iter().flat_map(|fleet| health_reads(fleet, pace)));
                    // Perhaps fewer are wanted by now.
                    let rolling = lane.fleet().filter(|fleet| is_low && fleet.rolling.is_some());
                    let group = rolling.map(|fleet| fleet.baseline.scaling_group.name.clone());
                    reads.extend(group.map(|name| Wanted(Read::Scaling(name), 60)));
                }
                Condition::Alarm { name, .. } => {
                    reads.push(Wanted(Read::Alarm(name.clone()), (age / 6).clamp(30, 180)));
                }
                // A datapoint a minute; twice, so that a verdict is not long in coming.
                Condition::Metric { .. } | Condition::Traffic { .. } | Condition::Measured { .. } => {
                    reads.push(Wanted(Read::Metrics, 30));
                }
                Condition::Command { command } => {
                    if let Some(place) = conditions(lane).position(|other| other == condition) {
                        reads.push(Wanted(Read::Command(place), command.every.as_seconds()));
                    }
                }
                Condition::Http { request, .. } => {
                    if let Some(place) = conditions(lane).position(|other| other == condition) {
                        // Whoever cannot be reached is judged by what AWS says of the targets.
                        let is_lost = view.gaps.contains_key(&Read::Probe(place));
                        let fleet = lane.fleet().filter(|_| is_lost);
                        reads.extend(fleet.into_iter().flat_map(|fleet| health_reads(fleet, 15)));
                        reads.push(Wanted(Read::Probe(place), request.every.as_seconds()));
                    }
                }
            }
        }
    }
    reads
}

fn wanted_back(
    fleet: &OnFleet,
    state: &LaneState,
    view: &LaneView,
    restore: &StepState,
    now: Timestamp,
) -> Vec<Wanted> {
    let pace = (seconds_since(restore.started, now) / 8).clamp(5, 30);
    let mut reads: Vec<Wanted> = health_reads(fleet, pace).collect();
    reads.push(Wanted(Read::Scaling(fleet.baseline.scaling_group.name.clone()), pace.max(10)));
    let deployments = [&state.deployment, &state.redeployment];
    for id in deployments.into_iter().flatten() {
        reads.push(Wanted(Read::Deployment(id.clone()), pace));
        if fleet.rolling.is_none() {
            reads.push(Wanted(Read::Scaling(fleet.green_group(id)), pace.max(10)));
        }
        reads.extend(quiet_reads(fleet, view, id, now));
        let known = view.deployment(id);
        if let Some(rollback) = known.and_then(|deployment| deployment.rollback.as_ref()) {
            reads.push(Wanted(Read::Deployment(rollback.clone()), pace));
            reads.extend(quiet_reads(fleet, view, rollback, now));
        }
    }
    let has_ended = |id: &String| view.deployment(id).is_some_and(|it| it.status.has_ended());
    if fleet.rolling.is_some() && state.deployment.as_ref().is_some_and(has_ended) {
        reads.extend(attempts_since(state, view).map(|since| Wanted(Read::Attempts(since), pace.max(15))));
    }
    reads
}

/// Hosts that do not move on are looked at, and whether Auto Scaling still has them.
fn quiet_reads(fleet: &OnFleet, view: &LaneView, id: &str, now: Timestamp) -> Vec<Wanted> {
    let Some(pace) = view.deployment(id).and_then(|deployment| waits::pace(fleet, deployment, view, now)) else {
        return Vec::new();
    };
    let groups = waits::groups(fleet, id).into_iter().map(|name| Wanted(Read::Scaling(name), pace));
    std::iter::once(Wanted(Read::Targets(id.to_owned()), pace)).chain(groups).collect()
}

/// Everything by which it is proved which release the hosts have.
fn proof_reads(fleet: &OnFleet, state: &LaneState, view: &LaneView, pace: u64) -> Vec<Wanted> {
    let mut reads: Vec<Wanted> = health_reads(fleet, pace).collect();
    reads.push(Wanted(Read::Scaling(fleet.baseline.scaling_group.name.clone()), pace));
    reads.extend(attempts_since(state, view).map(|since| Wanted(Read::Attempts(since), pace)));
    reads
}

/// Since when deployments tell what hosts have: since the run's own was created.
fn attempts_since(state: &LaneState, view: &LaneView) -> Option<Timestamp> {
    view.deployment(state.deployment.as_ref()?)?.created
}

fn function_reads(step: &Step, state: &LaneState, age: u64) -> Vec<Wanted> {
    let soon = (age / 4).clamp(2, 30);
    match &step.what {
        What::Act(Action::UpdateCode) => vec![Wanted(Read::Code(LATEST.to_owned()), soon)],
        What::Act(Action::PublishVersion) => {
            let version = state.version.clone().unwrap_or_else(|| LATEST.to_owned());
            vec![Wanted(Read::Code(version), soon)]
        }
        What::Act(Action::ShiftAlias { .. }) => vec![Wanted(Read::Alias, soon)],
        What::Hold(_) => vec![Wanted(Read::Alias, 30)],
        What::Act(_) => Vec::new(),
    }
}

fn function_back(on: &OnFunction, restore: &StepState, now: Timestamp) -> Vec<Wanted> {
    let pace = (seconds_since(restore.started, now) / 8).clamp(2, 30);
    let mut reads = vec![Wanted(Read::Alias, pace)];
    if on.restore_latest {
        reads.push(Wanted(Read::Code(LATEST.to_owned()), pace));
    }
    reads
}

fn health_reads(fleet: &OnFleet, pace: u64) -> impl Iterator<Item = Wanted> + '_ {
    fleet.baseline.target_groups.iter().map(move |arn| Wanted(Read::Health(arn.clone()), pace))
}

/// How often a deployment is asked for: soon after a call, then less and less, and rarely while a person is waited for.
fn deployment_pace(step: &Step, state: &StepState, age: u64, now: Timestamp) -> u64 {
    if state.last_call.as_ref().is_some_and(|(_, at)| seconds_since(Some(*at), now) < 20) {
        return 10;
    }
    match &step.what {
        What::Act(Action::Create | Action::Roll) => (age / 3).clamp(15, 60),
        What::Act(Action::Reroute) => (age / 5).clamp(30, 180),
        What::Act(Action::Finish) => (age / 4).clamp(10, 30),
        What::Act(
            Action::Compare
            | Action::EnsureConfig
            | Action::Restore
            | Action::UpdateCode
            | Action::PublishVersion
            | Action::Test { .. }
            | Action::Task { .. }
            | Action::ShiftAlias { .. }
            | Action::PruneVersions { .. },
        ) => 30,
        What::Hold(Hold::Bake { .. }) => (age / 3).clamp(60, 300),
        What::Hold(Hold::Approval { .. } | Hold::Later) => 120,
    }
}

fn seconds_since(at: Option<Timestamp>, now: Timestamp) -> u64 {
    at.and_then(|at| u64::try_from(now.duration_since(at).as_secs()).ok()).unwrap_or(0)
}
