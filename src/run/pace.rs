//! How often something is looked at: closely around the moment at which it should end, steadily while it may end at any
//! moment, seldom where nothing but somebody else could change it. And how many calls all of that may come to.
//!
//! AWS counts calls per account and region, and other deployments need some, too. So a run that watches one target makes
//! at most [`CALLS_A_MINUTE`] to look, and half as many again on the way back, however many things are due; what would be more waits for a moment.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::step::StepState;
use super::view::LaneView;
use crate::model::facts::{Deployment, Status};
use crate::plan::build::{CALLS_A_MINUTE, CALLS_OF_ALL};
use crate::plan::{Action, Hold, OnFleet, Step, What};

/// The window in which calls are counted.
const MINUTE: SignedDuration = SignedDuration::from_secs(60);

/// Around the moment at which something should end.
const CLOSE: SignedDuration = SignedDuration::from_secs(2);
/// While something may end, or fail, at any moment.
const STEADY: SignedDuration = SignedDuration::from_secs(4);
/// While much is left to be done.
const FAR: SignedDuration = SignedDuration::from_secs(15);
/// What only somebody else could change.
const IDLE: SignedDuration = SignedDuration::from_secs(90);

/// How often an alarm is asked for: red is seen within fifteen seconds.
pub(super) const ALARM: SignedDuration = SignedDuration::from_secs(14);
/// How often the health of targets is asked for while nothing speaks against them.
pub(super) const HEALTH: SignedDuration = SignedDuration::from_secs(45);
/// The same while too few are healthy, or something else has to be judged by them.
pub(super) const LOW: SignedDuration = SignedDuration::from_secs(15);
/// How often metrics are asked for: there is a datapoint a minute.
pub(super) const METRICS: SignedDuration = SignedDuration::from_secs(40);

/// So long before the moment at which it should end something is looked at closely, and so long after it.
const CLOSE_BEFORE: SignedDuration = SignedDuration::from_secs(12);
const CLOSE_AFTER: SignedDuration = SignedDuration::from_secs(10);
/// What is further off than this is far.
const NEAR: SignedDuration = SignedDuration::from_secs(90);
/// From here on something is so late that nobody knows when it ends.
const LATE: SignedDuration = SignedDuration::from_secs(120);

/// How often something is looked at that should end in `left`; negative if it should have ended.
fn before_end(left: SignedDuration) -> SignedDuration {
    if left > NEAR {
        FAR
    } else if left > CLOSE_BEFORE || left < -CLOSE_AFTER {
        let late = (-left).checked_sub(LATE).unwrap_or(SignedDuration::ZERO);
        (late / 20).clamp(SignedDuration::ZERO, FAR - STEADY) + STEADY
    } else {
        CLOSE
    }
}

/// How often the deployment of a step is asked for.
pub(super) fn of_deployment(
    step: &Step,
    state: &StepState,
    deployment: Option<&Deployment>,
    view: &LaneView,
    now: Timestamp,
) -> SignedDuration {
    let is_just_called = state.last_call.as_ref().is_some_and(|(_, at)| now.duration_since(*at) < FAR);
    match &step.what {
        _ if is_just_called => STEADY,
        What::Act(Action::Create | Action::Roll | Action::Reroute | Action::Finish) => {
            before_end(left(step, state, deployment, view, now))
        }
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
        ) => LOW,
        What::Hold(Hold::Bake { .. } | Hold::Approval { .. } | Hold::Later) => IDLE,
    }
}

/// How much longer a step should take: by the hosts that are done, else by what was expected when the plan was made. What
/// takes longer than it should may end at any moment.
fn left(
    step: &Step,
    state: &StepState,
    deployment: Option<&Deployment>,
    view: &LaneView,
    now: Timestamp,
) -> SignedDuration {
    let Some(started) = state.started else { return SignedDuration::ZERO };
    let by_hosts = deployment.and_then(|deployment| {
        let overview = deployment.overview.filter(|_| deployment.status == Status::InProgress)?;
        let moved = *view.moved.get(&deployment.id)?;
        let done = overview.succeeded + overview.failed + overview.skipped;
        let open = overview.pending + overview.in_progress;
        let spent = moved.duration_since(deployment.created.unwrap_or(started));
        let each = (done > 0).then(|| i32::try_from(done).ok()).flatten().map(|done| spent / done)?;
        let left = each.checked_mul(i32::try_from(open).ok()?)?;
        Some(left - now.duration_since(moved))
    });
    let expected = SignedDuration::try_from(step.expected.duration()).unwrap_or(SignedDuration::MAX);
    by_hosts.unwrap_or_else(|| expected.saturating_sub(now.duration_since(started)))
}

/// How often something is looked at that takes seconds, by how long it has taken so far: a third of that.
pub(super) fn of_quick(age: SignedDuration) -> SignedDuration {
    (age / 3).clamp(SignedDuration::from_millis(400), SignedDuration::from_secs(30))
}

/// How often what proves a release on hosts is looked at once CodeDeploy is done.
pub(super) fn of_proof(fleet: &OnFleet, view: &LaneView, deployment: &str, now: Timestamp) -> SignedDuration {
    let groups = i32::try_from(fleet.baseline.target_groups.len()).unwrap_or(i32::MAX);
    let age = view.ended.get(deployment).map_or(SignedDuration::ZERO, |ended| now.duration_since(*ended));
    (age / 4).clamp(CLOSE * groups.clamp(1, 8), FAR)
}

/// How often the way back is looked at, after so long.
pub(super) fn of_way_back(age: SignedDuration) -> SignedDuration {
    (age / 8).clamp(STEADY + SignedDuration::from_secs(1), IDLE / 3)
}

/// The calls of the last minute, and how AWS takes them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spent {
    calls: VecDeque<Timestamp>,
    /// When AWS last throttled, and how often in a row.
    throttled: Option<(Timestamp, u32)>,
}

impl Spent {
    /// So many calls are made now.
    pub fn spend(&mut self, calls: usize, now: Timestamp) {
        while self.calls.front().is_some_and(|first| now.duration_since(*first) >= MINUTE) {
            self.calls.pop_front();
        }
        self.calls.extend(std::iter::repeat_n(now, calls.min(10 * CALLS_OF_ALL)));
    }

    /// AWS said "not so fast": from now on everything is looked at half as often, until it says so no more.
    pub fn throttled(&mut self, now: Timestamp) {
        let times = self.slowed(now).saturating_add(1).min(4);
        self.throttled = Some((now, times));
    }

    /// How often the distance between two looks doubles.
    fn slowed(&self, now: Timestamp) -> u32 {
        let Some((at, times)) = self.throttled else { return 0 };
        let minutes = u32::try_from(now.duration_since(at).as_secs() / MINUTE.as_secs()).unwrap_or(u32::MAX);
        times.saturating_sub(minutes)
    }

    /// The distance between two looks, as AWS takes them now.
    pub(super) fn stretched(&self, every: SignedDuration, now: Timestamp) -> SignedDuration {
        every.checked_mul(1 << self.slowed(now)).unwrap_or(SignedDuration::MAX)
    }

    /// How many calls may be made now for so many targets at work, and when there may be one more.
    pub(super) fn left(&self, lanes: usize, is_going_back: bool, now: Timestamp) -> (usize, Option<Timestamp>) {
        // What was looked at before must not delay the way back.
        let of_lane = if is_going_back { CALLS_A_MINUTE * 3 / 2 } else { CALLS_A_MINUTE };
        let most = lanes.max(1).saturating_mul(of_lane).min(CALLS_OF_ALL);
        let recent: Vec<Timestamp> = self.calls.iter().copied().filter(|at| now.duration_since(*at) < MINUTE).collect();
        let left = most.saturating_sub(recent.len());
        let frees = recent.get(recent.len().saturating_sub(most)).and_then(|first| first.checked_add(MINUTE).ok());
        (left, frees)
    }
}
