//! What ends a step that does not get there by itself: a deployment that is over, a limit that is reached.

use jiff::{SignedDuration, Timestamp};

use crate::event::record::{Cause, Side};
use crate::model::Period;
use crate::model::facts::Status;
use crate::plan::{Action, Hold, Lane, On, Step, What};
use crate::run::explain::{why_it_ended, with_hosts};
use crate::run::reads::Read;
use crate::run::settle::Advance;
use crate::run::state::LaneState;
use crate::run::view::{LaneView, active_watches};

/// How long the hosts of a deployment that ended badly are asked why.
const HOSTS_SAY_SECONDS: i64 = 30;

/// How long a driver looks before it says that a step is over its limit: the step may have got there while nobody drove.
const LOOK_SECONDS: i64 = 120;

/// A deployment that is over while the plan still needs it: somebody or something stopped it.
pub(super) fn ended_behind_our_back(
    lane: &Lane,
    step: &Step,
    state: &LaneState,
    view: &LaneView,
    now: Timestamp,
) -> Option<Advance> {
    let id = state.deployment.as_ref()?;
    let deployment = view.deployment(id)?;
    if !matches!(deployment.status, Status::Failed | Status::Stopped) {
        return None;
    }
    // The hosts say why; they are waited for, but not for ever.
    let since = view.ended.get(id).map_or(0, |at| now.duration_since(*at).as_secs());
    match view.targets.get(id) {
        Some(fact) if Some(&fact.at) >= view.ended.get(id) => {
            Some(Advance::Broken(with_hosts(deployment, lane, view, &fact.value)))
        }
        Some(_) | None if since >= HOSTS_SAY_SECONDS => Some(Advance::Broken(why_it_ended(deployment))),
        Some(_) | None => Some(Advance::Wait(format!("asking the hosts of {id} why {} ended", step.id), None)),
    }
}

/// What becomes of a step that is still not there, once its limit is reached. Time in which nothing could be seen says
/// nothing about the step.
pub(super) fn over_limit(
    lane: &Lane,
    step: &Step,
    state: &LaneState,
    (driven_since, accepted): (Option<Timestamp>, Option<Timestamp>),
    view: &LaneView,
    now: Timestamp,
) -> Option<Advance> {
    let started = state.steps.get(lane.place(&step.id)?)?.started?;
    // A run that was held stood still.
    let started = started.max(accepted.unwrap_or(started));
    if state.deployment.as_ref().is_some_and(|id| view.deployment(id).is_none()) {
        return None;
    }
    // As long as a look at what it changes fails, it may have got there; whoever sees nothing for long lets go.
    let is_of_the_step = |read: &Read| !matches!(read, Read::Targets(_) | Read::Probe(_) | Read::Command(_));
    let is_unseen = matches!(step.what, What::Act(_)) && view.gaps.keys().any(is_of_the_step);
    if is_unseen {
        return None;
    }
    match &step.what {
        What::Hold(Hold::Approval { within }) if is_over(started, *within, now) => {
            Some(broken(format!("nobody approved {} within {within}", step.id)))
        }
        // Without a condition nothing can speak against the release: blue was kept for as long as it could be.
        What::Hold(Hold::Bake { .. })
            if matches!(lane.on, On::Fleet(_))
                && is_over(started, step.limit, now)
                && active_watches(lane, state).next().is_none() =>
        {
            Some(Advance::Done(format!("blue was kept for {}", step.limit)))
        }
        // It counts only what was watched, so time in which nobody drove does not speak against it either.
        What::Hold(Hold::Bake { .. }) => {
            is_over(started.max(driven_since.unwrap_or(started)), step.limit, now).then(|| took_longer(step))
        }
        // The release is live and was watched: that CodeDeploy takes its time with the old fleet says nothing against it.
        What::Act(Action::Finish) if is_over(started, step.limit, now) => {
            let id = state.deployment.as_deref().unwrap_or("the deployment");
            Some(Advance::Done(format!("the release is live; {id} did not end within {}: look at it", step.limit)))
        }
        // The release is live, and old versions do no harm.
        What::Act(Action::PruneVersions { .. }) if is_over(started, step.limit, now) => {
            Some(Advance::Done(format!("old versions are left: pruning took longer than {}", step.limit)))
        }
        What::Act(_) if is_over(started, step.limit, now) && !has_begun_anew(step, state, driven_since, now) => {
            Some(took_longer(step))
        }
        What::Act(_) | What::Hold(Hold::Approval { .. } | Hold::Later) => None,
    }
}

/// Whether the present driver has only begun with a step whose limit was over when it came: it looks for a while, and
/// what it called has the whole limit from there.
fn has_begun_anew(step: &Step, state: &LaneState, driven_since: Option<Timestamp>, now: Timestamp) -> bool {
    let Some(since) = driven_since else { return false };
    let calls = state.cursor().and_then(|place| state.steps[place].last_call.as_ref());
    let has_called = calls.is_some_and(|(_, at)| *at >= since);
    now.duration_since(since).as_secs() < LOOK_SECONDS || (has_called && !is_over(since, step.limit, now))
}

/// The way back has its whole limit from every driver: what one that was killed could not finish, the next one can.
pub(super) fn way_back_over_limit(
    step: &Step,
    started: Option<Timestamp>,
    driven_since: Option<Timestamp>,
    now: Timestamp,
) -> Option<Advance> {
    let since = started.max(driven_since)?;
    is_over(since, step.limit, now).then(|| took_longer(step))
}

fn is_over(started: Timestamp, limit: Period, now: Timestamp) -> bool {
    SignedDuration::try_from(limit.duration()).is_ok_and(|limit| now.duration_since(started) >= limit)
}

fn took_longer(step: &Step) -> Advance {
    broken(format!("{} took longer than {}", step.id, step.limit))
}

fn broken(what: String) -> Advance {
    Advance::Broken(Cause::new(Side::Limit, what))
}
