//! What to look at next, and when, by the pace that fits and within what a minute may cost.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::judge::conditions;
use super::pace::{ALARM, HEALTH, LOW, METRICS, of_deployment, of_proof, of_quick, of_way_back};
use super::size::least_healthy;
use super::state::{LaneState, RunStatus, State};
use super::step::{StepState, StepStatus};
use super::view::{LaneView, View, active_watches};
use super::waits;
use crate::model::Period;
use crate::model::condition::Condition;
use crate::model::facts::Status;
use crate::model::lambda::LATEST;
use crate::plan::{Action, Lane, On, OnFleet, OnFunction, Plan, Step, What};

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

impl Read {
    /// What comes first when not everything may be asked for at once: what ends a step, then what sends a run back.
    fn rank(&self) -> u8 {
        match self {
            Read::Probe(_) | Read::Command(_) => 0,
            Read::Deployment(_) | Read::Code(_) | Read::Alias => 1,
            Read::Alarm(_) => 2,
            Read::Health(_) | Read::Scaling(_) | Read::Attempts(_) | Read::Group => 3,
            Read::Metrics => 4,
            Read::Targets(_) => 5,
        }
    }

    /// Which call to AWS answers it: reads with the same answer share one; none for what AWS is not asked.
    fn call(&self, lane: &Lane, place: usize) -> Option<Looked> {
        match self {
            Read::Probe(_) | Read::Command(_) => None,
            Read::Deployment(_) | Read::Alarm(_) | Read::Metrics => {
                Some(Looked { site: lane.site, rank: self.rank(), alone: None })
            }
            Read::Code(_)
            | Read::Alias
            | Read::Health(_)
            | Read::Scaling(_)
            | Read::Attempts(_)
            | Read::Group
            | Read::Targets(_) => {
                Some(Looked { site: lane.site, rank: self.rank(), alone: Some((place, self.clone())) })
            }
        }
    }
}

/// A call that looks at AWS.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Looked {
    site: usize,
    rank: u8,
    /// The lane and the read that it answers; none for a batch of all of its kind.
    alone: Option<(usize, Read)>,
}

/// A read and how often it is wanted.
struct Wanted(Read, SignedDuration);

/// The reads that are due and may be made now, with the place of their lane, and when the next one will be.
pub fn due(plan: &Plan, state: &State, view: &View, now: Timestamp) -> (Vec<(usize, Read)>, Option<Timestamp>) {
    let mut now_due = Vec::new();
    let mut next: Option<Timestamp> = None;
    let mut at_work = 0;
    for (place, ((lane, lane_state), lane_view)) in plan.lanes().zip(&state.lanes).zip(&view.lanes).enumerate() {
        let wanted = wanted(lane, lane_state, lane_view, state.status, now);
        at_work += usize::from(!wanted.is_empty());
        for Wanted(read, every) in wanted {
            let is_of_aws = read.call(lane, place).is_some();
            let every = if is_of_aws { view.spent.stretched(every, now) } else { every };
            let at = lane_view.tried.get(&read).and_then(|tried| tried.checked_add(every).ok());
            match at {
                Some(at) if at > now => next = Some(next.map_or(at, |next| next.min(at))),
                Some(_) | None => now_due.push((place, lane, read)),
            }
        }
    }
    now_due.sort_by_key(|(place, _, read)| (read.rank(), view.lanes[*place].tried.get(read).copied()));
    let (left, frees) = view.spent.left(at_work, state.is_going_back(), now);
    let mut calls = BTreeSet::new();
    let mut made = Vec::new();
    for (place, lane, read) in now_due {
        match read.call(lane, place) {
            Some(call) if !calls.contains(&call) && calls.len() >= left => {
                next = [next, frees].into_iter().flatten().min();
            }
            call => {
                calls.extend(call);
                made.push((place, read));
            }
        }
    }
    (made, next)
}

/// How many calls to AWS these reads come to.
pub fn calls(plan: &Plan, reads: &[(usize, Read)]) -> usize {
    let lanes: Vec<&Lane> = plan.lanes().collect();
    let calls = reads.iter().filter_map(|(place, read)| read.call(lanes.get(*place)?, *place));
    calls.collect::<BTreeSet<_>>().len()
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
    let mut reads = wanted_watching(lane, state, view);
    if let On::Function(_) = &lane.on {
        reads.extend(function_reads(step, state, since(step_state.started, now)));
    }
    if let Some(id) = &state.deployment {
        let known = view.deployment(id);
        let pace = of_deployment(step, step_state, known, view, now);
        match known.map(|deployment| &deployment.status) {
            Some(Status::Failed | Status::Stopped) => {
                reads.push(Wanted(Read::Targets(id.clone()), HEALTH));
                reads.push(Wanted(Read::Deployment(id.clone()), HEALTH));
            }
            Some(Status::Succeeded) => reads.push(Wanted(Read::Deployment(id.clone()), pace.max(HEALTH))),
            Some(Status::Created | Status::Queued | Status::InProgress | Status::Ready | Status::Other(_)) | None => {
                reads.push(Wanted(Read::Deployment(id.clone()), pace));
                reads.extend(lane.fleet().into_iter().flat_map(|fleet| quiet_reads(fleet, view, id, now)));
            }
        }
        match &step.what {
            What::Act(Action::Reroute) if known.is_some_and(|deployment| deployment.is_waiting_to_terminate) => {
                reads.extend(lane.fleet().into_iter().flat_map(|fleet| health_reads(fleet, pace)));
            }
            What::Act(Action::Roll) if known.is_some_and(|deployment| deployment.status == Status::Succeeded) => {
                reads.extend(lane.fleet().into_iter().flat_map(|fleet| proof_reads(fleet, state, view, (id, now))));
            }
            What::Act(Action::Finish) if known.is_some_and(|deployment| deployment.status.has_ended()) => {
                reads.extend(lane.fleet().map(|fleet| Wanted(Read::Group, of_proof(fleet, view, id, now))));
            }
            What::Act(_) | What::Hold(_) => {}
        }
    }
    reads
}

fn wanted_watching(lane: &Lane, state: &LaneState, view: &LaneView) -> Vec<Wanted> {
    let mut reads = Vec::new();
    for watch in active_watches(lane, state) {
        for condition in &watch.conditions {
            match condition {
                Condition::Targets { lasting, .. } => {
                    let least = least_healthy(lane, condition, view);
                    let is_low = least.is_some_and(|least| view.lows.contains_key(&least));
                    // Twice in the time that is allowed, so that it is not over before it is seen.
                    let seldom = lasting.map_or(HEALTH, |lasting| HEALTH.min(signed(lasting) / 2));
                    let pace = if is_low { LOW.min(seldom) } else { seldom };
                    reads.extend(lane.fleet().into_iter().flat_map(|fleet| health_reads(fleet, pace)));
                    // Perhaps fewer are wanted by now.
                    let rolling = lane.fleet().filter(|fleet| is_low && fleet.rolling.is_some());
                    let group = rolling.map(|fleet| fleet.baseline.scaling_group.name.clone());
                    reads.extend(group.map(|name| Wanted(Read::Scaling(name), HEALTH)));
                }
                Condition::Alarm { name, .. } => {
                    reads.push(Wanted(Read::Alarm(name.clone()), ALARM));
                }
                // A datapoint a minute; twice, so that a verdict is not long in coming.
                Condition::Metric { .. } | Condition::Traffic { .. } | Condition::Measured { .. } => {
                    reads.push(Wanted(Read::Metrics, METRICS));
                }
                Condition::Command { command } => {
                    if let Some(place) = conditions(lane).position(|other| other == condition) {
                        reads.push(Wanted(Read::Command(place), signed(command.every)));
                    }
                }
                Condition::Http { request, .. } => {
                    if let Some(place) = conditions(lane).position(|other| other == condition) {
                        // Whoever cannot be reached is judged by what AWS says of the targets.
                        let is_lost = view.gaps.contains_key(&Read::Probe(place));
                        let fleet = lane.fleet().filter(|_| is_lost);
                        reads.extend(fleet.into_iter().flat_map(|fleet| health_reads(fleet, LOW)));
                        reads.push(Wanted(Read::Probe(place), signed(request.every)));
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
    let pace = of_way_back(since(restore.started, now));
    let mut reads: Vec<Wanted> = health_reads(fleet, pace).collect();
    reads.push(Wanted(Read::Scaling(fleet.baseline.scaling_group.name.clone()), pace.max(LOW)));
    let deployments = [&state.deployment, &state.redeployment];
    for id in deployments.into_iter().flatten() {
        reads.push(Wanted(Read::Deployment(id.clone()), pace));
        if fleet.rolling.is_none() {
            reads.push(Wanted(Read::Scaling(fleet.green_group(id)), pace.max(LOW)));
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
        reads.extend(attempts_since(state, view).map(|since| Wanted(Read::Attempts(since), pace.max(LOW))));
    }
    reads
}

/// Hosts that do not move on are looked at, and whether Auto Scaling still has them.
fn quiet_reads(fleet: &OnFleet, view: &LaneView, id: &str, now: Timestamp) -> Vec<Wanted> {
    let Some(pace) = view.deployment(id).and_then(|deployment| waits::pace(fleet, deployment, view, now)) else {
        return Vec::new();
    };
    let pace = SignedDuration::from_secs(i64::try_from(pace).unwrap_or(i64::MAX));
    let groups = waits::groups(fleet, id).into_iter().map(|name| Wanted(Read::Scaling(name), pace));
    std::iter::once(Wanted(Read::Targets(id.to_owned()), pace)).chain(groups).collect()
}

/// Everything by which it is proved which release the hosts have.
fn proof_reads(
    fleet: &OnFleet,
    state: &LaneState,
    view: &LaneView,
    (deployment, now): (&str, Timestamp),
) -> Vec<Wanted> {
    let pace = of_proof(fleet, view, deployment, now);
    let mut reads: Vec<Wanted> = health_reads(fleet, pace).collect();
    reads.push(Wanted(Read::Scaling(fleet.baseline.scaling_group.name.clone()), pace));
    reads.extend(attempts_since(state, view).map(|since| Wanted(Read::Attempts(since), pace)));
    reads
}

/// Since when deployments tell what hosts have: since the run's own was created.
fn attempts_since(state: &LaneState, view: &LaneView) -> Option<Timestamp> {
    view.deployment(state.deployment.as_ref()?)?.created
}

fn function_reads(step: &Step, state: &LaneState, age: SignedDuration) -> Vec<Wanted> {
    let soon = of_quick(age);
    match &step.what {
        What::Act(Action::UpdateCode) => vec![Wanted(Read::Code(LATEST.to_owned()), soon)],
        What::Act(Action::PublishVersion) => {
            let version = state.version.clone().unwrap_or_else(|| LATEST.to_owned());
            vec![Wanted(Read::Code(version), soon)]
        }
        What::Act(Action::ShiftAlias { .. }) => vec![Wanted(Read::Alias, soon)],
        What::Hold(_) => vec![Wanted(Read::Alias, METRICS)],
        What::Act(_) => Vec::new(),
    }
}

fn function_back(on: &OnFunction, restore: &StepState, now: Timestamp) -> Vec<Wanted> {
    let pace = of_quick(since(restore.started, now));
    let mut reads = vec![Wanted(Read::Alias, pace)];
    if on.restore_latest {
        reads.push(Wanted(Read::Code(LATEST.to_owned()), pace));
    }
    reads
}

fn health_reads(fleet: &OnFleet, pace: SignedDuration) -> impl Iterator<Item = Wanted> + '_ {
    fleet.baseline.target_groups.iter().map(move |arn| Wanted(Read::Health(arn.clone()), pace))
}

fn since(at: Option<Timestamp>, now: Timestamp) -> SignedDuration {
    at.map_or(SignedDuration::ZERO, |at| now.duration_since(at).max(SignedDuration::ZERO))
}

fn signed(period: Period) -> SignedDuration {
    SignedDuration::try_from(period.duration()).unwrap_or(SignedDuration::MAX)
}
