//! The way back, by what is seen: one call per turn, until the baseline serves alone.
//!
//! A forward deployment carries its own rollback, so whoever notices first (an alarm of the group, a failed host, our stop,
//! a person in the console), CodeDeploy goes back and this follows. Only where no rollback exists does shipit deploy the
//! baseline again.

use super::explain::why_it_ended;
use super::settle::{Advance, Call, Known, call_or_wait};
use super::step::StepState;
use super::view::LaneView;
use super::{function, rolling};
use crate::event::call::CallKind;
use crate::event::record::{Cause, Side};
use crate::model::facts::{Deployment, Status};
use crate::model::observed::ScalingGroup;
use crate::plan::{Action, Lane, On, OnFleet, Step, What};

/// How long a deployment that ended badly may take to say which deployment rolls it back.
pub(super) const ROLLBACK_APPEARS_SECONDS: i64 = 60;

/// How long the baseline may take to be healthy again after CodeDeploy has routed back.
pub(super) const SERVES_AGAIN_SECONDS: i64 = 15 * 60;

/// How long a create whose answer was lost may take to show up in lists.
const CREATE_APPEARS_SECONDS: i64 = 60;

/// How long the old release serves before green, which will not go, is left to a person, and how many calls in a row may
/// be refused before that.
const LEFTOVER_SECONDS: i64 = 30 * 60;
const LEFTOVER_FAILURES: u32 = 8;

/// Reads in a row in which the baseline must serve alone.
pub(super) const SERVING_READS: u32 = 3;

/// How often the old release is deployed again on the same hosts, if a deployment of it fails.
pub(super) const REDEPLOYMENTS: u32 = 2;

/// What the way back still needs.
pub fn restore(lane: &Lane, known: Known) -> Advance {
    match &lane.on {
        On::Fleet(fleet) if fleet.rolling.is_some() => rolling::restore((lane, fleet), known),
        On::Fleet(fleet) => restore_fleet((lane, fleet), known),
        On::Function(on) => function::restore((lane, on), known),
    }
}

fn restore_fleet((lane, fleet): (&Lane, &OnFleet), known: Known) -> Advance {
    let Known { state, step, view, now } = known;
    if let Some(id) = &state.redeployment {
        return follow_redeployment(fleet, id, known);
    }
    // Once its call began there may be a redeployment: nothing else is said before that is known.
    if step.has_called(&CallKind::DeployBaseline) {
        return redeploy(fleet);
    }
    let Some(id) = &state.deployment else {
        return without_deployment(lane, fleet, known);
    };
    let Some(deployment) = fresh(view, id, step) else {
        return Advance::Wait(format!("looking at {id}"), None);
    };
    if !deployment.status.has_ended() {
        return call_or_wait(Call::Stop(id.clone()), step, now, &format!("{id} is being stopped"));
    }
    if deployment.status == Status::Succeeded {
        return when_blue_is_gone(fleet, known);
    }
    let since_end = view.ended.get(id).map_or(0, |at| now.duration_since(*at).as_secs());
    match &deployment.rollback {
        Some(rollback) => follow_rollback(fleet, id, rollback, known),
        None if since_end < ROLLBACK_APPEARS_SECONDS => {
            Advance::Wait(format!("waiting for CodeDeploy to roll {id} back"), None)
        }
        None => {
            // A deployment that must not go back by itself does not: nothing is on its way that is worth waiting for.
            let patience = if lane.is_held_on_failure() { since_end + SERVES_AGAIN_SECONDS } else { since_end };
            once_it_serves(fleet, Some(id), patience, known)
        }
    }
}

/// Nothing was created, or the answer to a create was lost.
pub(super) fn without_deployment(lane: &Lane, fleet: &OnFleet, Known { state, step, view, now }: Known) -> Advance {
    let creates = |step: &&Step| matches!(step.what, What::Act(Action::Create | Action::Roll));
    let create = lane.steps.iter().zip(&state.steps).find(|(step, _)| creates(step)).map(|(_, state)| state);
    let create = create.filter(|create| create.attempt > 0);
    if let Some(create) = create {
        let is_unanswered = create.is_calling || create.trouble.is_some();
        let began = create.last_call.as_ref().map(|(_, at)| *at).filter(|_| is_unanswered);
        let appears = began.map_or(0, |at| CREATE_APPEARS_SECONDS - now.duration_since(at).as_secs());
        match &step.last_call {
            Some((_, at)) if step.trouble.is_none() && !step.is_calling => {
                let has_looked = began.is_none_or(|began| at.duration_since(began).as_secs() >= CREATE_APPEARS_SECONDS);
                if !has_looked && appears > 0 {
                    return Advance::Wait("a deployment whose answer was lost may still show up".to_owned(), None);
                }
                if !has_looked {
                    return Advance::Call(Call::Find);
                }
            }
            Some(_) | None => return Advance::Call(Call::Find),
        }
    }
    let is_refused = |cause: &Cause| matches!(cause.side, Side::Busy | Side::Refused);
    if state.steps.iter().filter_map(|step| step.cause.as_ref()).any(is_refused) {
        return Advance::Done("nothing had been changed".to_owned());
    }
    if fleet.baseline.healthy.is_empty() || view.serving >= SERVING_READS {
        return Advance::Done("nothing had been changed".to_owned());
    }
    Advance::Wait("checking that the old release serves".to_owned(), serving(view))
}

fn follow_rollback(fleet: &OnFleet, id: &str, rollback: &str, known: Known) -> Advance {
    let Known { view, now, .. } = known;
    match view.deployment(rollback) {
        Some(deployment) if deployment.status.has_ended() => {
            let since = view.ended.get(rollback).map_or(0, |at| now.duration_since(*at).as_secs());
            let patience =
                if deployment.status == Status::Succeeded { since } else { since + SERVES_AGAIN_SECONDS - 60 };
            once_it_serves(fleet, Some(id), patience, known)
        }
        Some(_) | None => Advance::Wait(format!("CodeDeploy routes back ({rollback})"), None),
    }
}

/// The traffic should be back: waits for it, drops what is left over, and gives up in favour of a redeployment in time.
fn once_it_serves(fleet: &OnFleet, id: Option<&str>, waited_seconds: i64, known: Known) -> Advance {
    let view = known.view;
    let had_traffic = !fleet.baseline.healthy.is_empty();
    if had_traffic && !view.baseline_is_healthy(fleet) {
        if waited_seconds > SERVES_AGAIN_SECONDS && view.has_looked(fleet) {
            return redeploy(fleet);
        }
        return Advance::Wait("the old release is about to serve again".to_owned(), serving(view));
    }
    let green = id.map(|id| fleet.green_group(id));
    if had_traffic && view.serving < SERVING_READS {
        let group = green.as_ref().and_then(|green| view.scaling.get(green)).and_then(|fact| fact.value.as_ref());
        return until_it_serves_alone(fleet, group, known);
    }
    let serves =
        if fleet.baseline.serves_nobody() { "nothing is deployed, as before" } else { "the old release serves" };
    match green {
        None => Advance::Done(serves.to_owned()),
        Some(green) => drop_leftover(serves, &green, waited_seconds, known),
    }
}

/// The old release serves; what is left of green goes, or is told of.
fn drop_leftover(serves: &str, green: &str, waited_seconds: i64, Known { step, view, now, .. }: Known) -> Advance {
    let group = view.scaling.get(green).map(|fact| &fact.value);
    if let (Some(Some(_)), Some(why)) = (group, given_up(green, step, waited_seconds)) {
        return Advance::Done(format!("{serves}; {green} is left behind: {why}"));
    }
    match group {
        None => Advance::Wait(format!("looking for {green}"), None),
        Some(None) => Advance::Done(format!("{serves}, green is gone")),
        Some(Some(group)) if group.is_deleting => Advance::Wait(format!("{green} is being deleted"), None),
        Some(Some(_)) => {
            call_or_wait(Call::DeleteLeftover(green.to_owned()), step, now, &format!("{green} is being deleted"))
        }
    }
}

/// The old release is healthy, but was not seen to serve alone. An instance of green that is still registered (Auto Scaling
/// replaced one while traffic went back) is taken out of the load balancer.
fn until_it_serves_alone(
    fleet: &OnFleet,
    green: Option<&ScalingGroup>,
    Known { step, view, now, .. }: Known,
) -> Advance {
    let strangers = view.strangers(fleet);
    if strangers.is_empty() {
        return Advance::Wait("the old release is about to serve again".to_owned(), serving(view));
    }
    let all = || view.health.values().flat_map(|fact| &fact.value).filter(|target| strangers.contains(&target.id));
    let takes_traffic = all().any(|target| !target.state.ends_with("draining"));
    let is_green = |id: &String| green.is_some_and(|green| green.instances.iter().any(|instance| instance.id == *id));
    match green {
        Some(green) if takes_traffic && !green.is_deleting && strangers.iter().any(is_green) => {
            let why = format!("{} is being taken out of the load balancer", green.name);
            call_or_wait(Call::TakeOut(green.name.clone()), step, now, &why)
        }
        Some(_) | None if takes_traffic => {
            Advance::Wait(format!("the old release serves, but {} still take traffic", strangers.join(", ")), None)
        }
        Some(_) | None => Advance::Wait(format!("{} drain", strangers.join(", ")), serving(view)),
    }
}

/// Why a green group that serves nobody is not waited for any more.
fn given_up(green: &str, step: &StepState, waited_seconds: i64) -> Option<String> {
    if waited_seconds > LEFTOVER_SECONDS {
        return Some(format!("it did not go within {} minutes", LEFTOVER_SECONDS / 60));
    }
    let (why, times, _) = step.trouble.as_ref()?;
    let is_about_green = step.has_called(&CallKind::DeleteLeftover { group: green.to_owned() });
    (is_about_green && *times >= LEFTOVER_FAILURES).then(|| why.clone())
}

/// The forward deployment succeeded after all: the old fleet is gone, and only a deployment brings the old release back.
fn when_blue_is_gone(fleet: &OnFleet, known: Known) -> Advance {
    let view = known.view;
    match view.scaling.get(&fleet.baseline.scaling_group.name).map(|fact| &fact.value) {
        None => Advance::Wait("looking for the old fleet".to_owned(), None),
        Some(Some(group)) if !group.is_deleting && view.serving > 0 => once_it_serves(fleet, None, 0, known),
        Some(_) => redeploy(fleet),
    }
}

pub(super) fn redeploy(fleet: &OnFleet) -> Advance {
    if fleet.baseline.live.is_some() {
        return Advance::Call(Call::Redeploy);
    }
    let what = if fleet.baseline.serves_nobody() {
        "nothing was deployed here before, so there is nothing to go back to"
    } else {
        "the old fleet does not serve and no earlier release is known to deploy"
    };
    Advance::Broken(Cause::new(Side::CodeDeploy, what.to_owned()))
}

fn follow_redeployment(fleet: &OnFleet, id: &str, known: Known) -> Advance {
    let Known { state, step, view, now } = known;
    let Some(deployment) = view.deployment(id) else {
        return Advance::Wait(format!("no news of {id} yet"), None);
    };
    match &deployment.status {
        Status::Ready => call_or_wait(Call::MoveTraffic(id.to_owned()), step, now, "traffic is about to move back"),
        Status::InProgress if deployment.is_waiting_to_terminate => {
            call_or_wait(Call::LetBlueGo(id.to_owned()), step, now, "the bad fleet is being terminated")
        }
        Status::Created | Status::Queued | Status::InProgress | Status::Other(_) => {
            Advance::Wait(format!("the old release is being deployed ({id})"), None)
        }
        Status::Succeeded => match view.scaling.get(&fleet.green_group(id)).map(|fact| &fact.value) {
            Some(Some(group)) if view.only_serve(fleet, group) => {
                let serves = format!("the old release was deployed again ({id})");
                let since = view.ended.get(id).map_or(0, |at| now.duration_since(*at).as_secs());
                let Some(id) = &state.deployment else { return Advance::Done(serves) };
                match view.deployment(id).map(|it| &it.status) {
                    None => Advance::Wait(format!("looking at {id}"), None),
                    // Its green was the fleet that this one replaced.
                    Some(Status::Succeeded) => Advance::Done(serves),
                    Some(_) => drop_leftover(&serves, &fleet.green_group(id), since, known),
                }
            }
            Some(_) | None => Advance::Wait("the old release is about to serve again".to_owned(), None),
        },
        // Another try would leave this one's fleet behind, and run beside it.
        Status::Failed | Status::Stopped => Advance::Broken(why_it_ended(deployment)),
    }
}

/// A deployment of the old release on the same hosts failed. What was in its way may be gone by now; a person who stopped it meant it.
pub(super) fn redeploy_again(fleet: &OnFleet, failed: &Deployment, known: Known) -> Advance {
    let is_stopped = failed.error.as_ref().is_some_and(|(code, _)| code == "MANUAL_STOP");
    if known.state.redeployments < REDEPLOYMENTS && !is_stopped {
        return redeploy(fleet);
    }
    Advance::Broken(why_it_ended(failed))
}

pub(super) fn serving(view: &LaneView) -> Option<(usize, usize)> {
    Some((view.serving.min(SERVING_READS) as usize, SERVING_READS as usize))
}

/// The deployment, if it was read since the way back began.
pub(super) fn fresh<'a>(view: &'a LaneView, id: &str, step: &StepState) -> Option<&'a Deployment> {
    let fact = view.deployments.get(id)?;
    (Some(fact.at) >= step.started).then_some(&fact.value)
}
