//! A fleet whose own hosts get the release: when they have it, and how they get the old one back.
//!
//! That CodeDeploy calls a deployment succeeded proves little: its last host may have failed, hosts that scaled out got the
//! release before. So the end is proved host by host, by the last deployment that touched each.

use super::explain::{why_it_ended, with_hosts};
use super::restore::{REDEPLOYMENTS, ROLLBACK_APPEARS_SECONDS, SERVES_AGAIN_SECONDS, SERVING_READS};
use super::restore::{fresh, redeploy, redeploy_again, serving, without_deployment};
use super::settle::{Advance, Call, Known, call_or_wait, counted};
use super::view::LaneView;
use crate::event::call::CallKind;
use crate::event::record::{Cause, Side};
use crate::model::facts::{Attempt, Deployment, Status};
use crate::model::{Revision, harmless};
use crate::plan::{Lane, OnFleet};
use jiff::Timestamp;

/// How long CodeDeploy may take to begin a follow-on deployment for hosts that scaled out meanwhile.
const FOLLOW_ON_SECONDS: i64 = 15 * 60;

/// What is still missing for the roll.
pub(super) fn settle(deployment: &Deployment, (lane, fleet): (&Lane, &OnFleet), known: Known) -> Advance {
    let id = &deployment.id;
    match &deployment.status {
        Status::Failed | Status::Stopped => Advance::Broken(why_it_ended(deployment)),
        Status::Created | Status::Queued | Status::InProgress | Status::Ready | Status::Other(_) => {
            let count = deployment.overview.and_then(|overview| counted(overview, overview.succeeded));
            Advance::Wait(format!("hosts get the release ({id})"), count)
        }
        Status::Succeeded => {
            let Some(since) = known.view.ended.get(id) else { return Advance::Wait(format!("looking at {id}"), None) };
            match proof(fleet, known, Some(&lane.revision), *since) {
                Proof::Proved { hosts } => Advance::Done(format!("{hosts} hosts have the release ({id})")),
                Proof::Missing(why, count) => Advance::Wait(why, count),
                Proof::Failed(why) => Advance::Broken(not_everywhere(deployment, lane, known.view, &why)),
            }
        }
    }
}

/// A deployment that succeeded without some of its hosts.
fn not_everywhere(deployment: &Deployment, lane: &Lane, view: &LaneView, why: &str) -> Cause {
    let hosts = view.attempts.iter().flat_map(|fact| &fact.value).find(|it| it.deployment.id == deployment.id);
    let hosts = hosts.map_or(&[][..], |attempt| &attempt.hosts);
    let told = with_hosts(deployment, lane, view, hosts);
    let what = format!("{} succeeded, but not on every host: {why}", deployment.id);
    Cause::new(Side::CodeDeploy, harmless(&what, 400)).details(told.details).help(told.help)
}

/// Whether every instance in service has a bundle.
enum Proof {
    /// They have.
    Proved {
        /// How many.
        hosts: usize,
    },
    /// Not yet.
    Missing(String, Option<(usize, usize)>),
    /// They do not, and nothing that is under way will change it.
    Failed(String),
}

/// What is known of the instances in service, by the last deployment since the run's own that touched each. One that none
/// has touched has what served before.
fn proof(fleet: &OnFleet, known: Known, wanted: Option<&Revision>, since: Timestamp) -> Proof {
    let Known { view, now, .. } = known;
    let group = view.scaling.get(&fleet.baseline.scaling_group.name).filter(|fact| fact.at >= since);
    let attempts = view.attempts.as_ref().filter(|fact| fact.at >= since);
    let (Some(group), Some(attempts)) = (group, attempts) else {
        return Proof::Missing("looking at the hosts".to_owned(), None);
    };
    let Some(group) = &group.value else {
        return Proof::Failed(format!("the Auto Scaling group {} is gone", fleet.baseline.scaling_group.name));
    };
    let attempts = &attempts.value;
    if let Some(open) = attempts.iter().map(|it| &it.deployment).find(|it| !it.status.has_ended()) {
        let count = open.overview.and_then(|overview| counted(overview, overview.succeeded));
        return Proof::Missing(format!("waiting for {} ({}) to end", open.id, open.creator), count);
    }
    let hosts: Vec<&str> = group.instances.iter().filter(|it| it.is_in_service()).map(|it| it.id.as_str()).collect();
    let is_baseline = fleet.baseline.live.as_ref().map(|live| &live.revision) == wanted;
    let (mut failed, mut stale) = (Vec::new(), Vec::new());
    for host in &hosts {
        match last_touch(attempts, host) {
            Some((attempt, status)) if status != "Succeeded" => failed.push((*host, attempt.deployment.id.as_str())),
            Some((attempt, _)) if !is_of(&attempt.deployment, wanted) => stale.push(*host),
            None if !is_baseline => stale.push(*host),
            Some(_) | None => {}
        }
    }
    if let Some((host, id)) = failed.first() {
        let more = if failed.len() > 1 { format!(" and {} more", failed.len() - 1) } else { String::new() };
        return Proof::Failed(format!("it failed on {host}{more} ({id})"));
    }
    let ends = attempts.iter().filter_map(|it| view.ended.get(&it.deployment.id));
    let waited = ends.max().map_or(0, |end| now.duration_since(*end.max(&since)).as_secs());
    if let Some(host) = stale.first() {
        let why = format!("{} of {} instances in service do not have it, such as {host}", stale.len(), hosts.len());
        let count = Some((hosts.len() - stale.len(), hosts.len()));
        return if waited > FOLLOW_ON_SECONDS { Proof::Failed(why) } else { Proof::Missing(why, count) };
    }
    match unhealthy(fleet, view, &hosts, since) {
        Ok(()) if hosts.is_empty() => Proof::Missing("no instance is in service".to_owned(), None),
        Ok(()) => Proof::Proved { hosts: hosts.len() },
        Err((why, count)) => Proof::Missing(why, count),
    }
}

/// The last deployment that did anything on a host, and what became of it there.
fn last_touch<'a>(attempts: &'a [Attempt], host: &str) -> Option<(&'a Attempt, &'a str)> {
    let touches = attempts.iter().filter_map(|attempt| {
        let target = attempt.hosts.iter().find(|target| target.id == host)?;
        (!matches!(target.status.as_str(), "Skipped" | "Pending")).then_some((attempt, target.status.as_str()))
    });
    touches.max_by_key(|(attempt, _)| (attempt.deployment.created, attempt.deployment.id.as_str()))
}

/// Whether a deployment is of this bundle.
fn is_of(deployment: &Deployment, wanted: Option<&Revision>) -> bool {
    let (Some(has), Some(wanted)) = (&deployment.revision, wanted) else { return false };
    let same_version = match (&has.version, &wanted.version) {
        (Some(has), Some(wanted)) => has == wanted,
        (_, None) | (None, _) => true,
    };
    has.bucket == wanted.bucket && has.key == wanted.key && same_version
}

/// Whether hosts are healthy in every target group, by what was read since.
fn unhealthy(
    fleet: &OnFleet,
    view: &LaneView,
    hosts: &[&str],
    since: Timestamp,
) -> Result<(), (String, Option<(usize, usize)>)> {
    for arn in &fleet.baseline.target_groups {
        let Some(fact) = view.health.get(arn).filter(|fact| fact.at >= since) else {
            return Err(("looking at the health of the hosts".to_owned(), None));
        };
        let is_healthy = |host: &&&str| fact.value.iter().any(|it| it.id == ***host && it.state == "healthy");
        let healthy = hosts.iter().filter(is_healthy).count();
        if healthy < hosts.len() {
            return Err(("hosts are about to be healthy".to_owned(), Some((healthy, hosts.len()))));
        }
    }
    Ok(())
}

/// What CodeDeploy had let rest and did not resume, once nothing more is under way: the Auto Scaling group, and processes if
/// there are any. Nothing if the group was not looked at.
pub(super) fn processes_left(lane: &Lane, view: &LaneView) -> Option<(String, Vec<String>)> {
    let fleet = lane.fleet()?;
    let group = view.scaling.get(&fleet.baseline.scaling_group.name)?.value.as_ref()?;
    let ours = fleet.rolling.iter().flat_map(|rolling| &rolling.suspend).map(ToString::to_string);
    let before = &fleet.baseline.scaling_group.suspended;
    let left = ours.filter(|it| group.suspended.contains(it) && !before.contains(it)).collect();
    Some((group.name.clone(), left))
}

/// What the way back still needs: a rollback of CodeDeploy's own is followed; where there is none, or it did not bring all
/// hosts back, the old release is deployed again.
pub(super) fn restore((lane, fleet): (&Lane, &OnFleet), known: Known) -> Advance {
    let Known { state, step, view, now } = known;
    if let Some(id) = &state.redeployment {
        return follow_redeployment(fleet, id, known);
    }
    // Once its call began there may be a redeployment: nothing else is said before that is known.
    if step.has_called(&CallKind::DeployBaseline) {
        return redeploy(fleet);
    }
    let Some(id) = &state.deployment else { return without_deployment(lane, fleet, known) };
    let Some(deployment) = fresh(view, id, step) else {
        return Advance::Wait(format!("looking at {id}"), None);
    };
    if !deployment.status.has_ended() {
        return call_or_wait(Call::Stop(id.clone()), step, now, &format!("{id} is being stopped"));
    }
    if deployment.status == Status::Succeeded {
        return redeploy(fleet);
    }
    let ended = view.ended.get(id).copied().unwrap_or(now);
    let waited = now.duration_since(ended).as_secs();
    match deployment.rollback.as_ref().map(|id| (id, view.deployment(id))) {
        Some((_, Some(rollback))) if rollback.status.has_ended() => {
            let ended = view.ended.get(&rollback.id).copied().unwrap_or(now);
            back_home(fleet, known, ended)
        }
        Some((id, rollback)) => {
            let overview = rollback.and_then(|it| it.overview);
            let count = overview.and_then(|overview| counted(overview, overview.succeeded));
            Advance::Wait(format!("CodeDeploy brings the old release back ({id})"), count)
        }
        None if waited < ROLLBACK_APPEARS_SECONDS => {
            Advance::Wait(format!("waiting for CodeDeploy to roll {id} back"), None)
        }
        None => back_home(fleet, known, ended),
    }
}

/// All hosts should have the old release: waits for it, and deploys it again where they do not.
fn back_home(fleet: &OnFleet, known: Known, since: Timestamp) -> Advance {
    let waited = known.now.duration_since(since).as_secs();
    match serves_again(fleet, known, since) {
        Proof::Proved { hosts } => Advance::Done(format!("the old release serves on {hosts} hosts")),
        Proof::Missing(why, count) if waited <= SERVES_AGAIN_SECONDS && !stays_out(fleet, known.view, since) => {
            Advance::Wait(why, count)
        }
        Proof::Missing(..) | Proof::Failed(_) => redeploy(fleet),
    }
}

/// Whether a host in service is out of its target group and no deployment works on it: CodeDeploy takes a host out before it
/// installs, and a deployment that was stopped there leaves it so. Only another deployment brings it back.
fn stays_out(fleet: &OnFleet, view: &LaneView, since: Timestamp) -> bool {
    let group = view.scaling.get(&fleet.baseline.scaling_group.name).filter(|fact| fact.at >= since);
    let attempts = view.attempts.as_ref().filter(|fact| fact.at >= since);
    let (Some(Some(group)), Some(attempts)) = (group.map(|fact| &fact.value), attempts) else { return false };
    if fleet.baseline.healthy.is_empty() || attempts.value.iter().any(|it| !it.deployment.status.has_ended()) {
        return false;
    }
    let hosts = group.instances.iter().filter(|it| it.is_in_service() && fleet.baseline.healthy.contains(&it.id));
    hosts.into_iter().any(|host| {
        let facts = fleet.baseline.target_groups.iter().filter_map(|arn| view.health.get(arn));
        let is_in = |id: &str, state: &str| id == host.id && !state.ends_with("draining");
        facts.filter(|fact| fact.at >= since).any(|fact| !fact.value.iter().any(|it| is_in(&it.id, &it.state)))
    })
}

/// All hosts have the old release, and serve it alone, several reads in a row.
fn serves_again(fleet: &OnFleet, known: Known, since: Timestamp) -> Proof {
    let wanted = fleet.baseline.live.as_ref().map(|live| &live.revision);
    let proof = proof(fleet, known, wanted, since);
    let has_traffic = !fleet.baseline.healthy.is_empty();
    match proof {
        Proof::Proved { .. } if has_traffic && known.view.serving < SERVING_READS => {
            Proof::Missing("the old release is about to serve again".to_owned(), serving(known.view))
        }
        Proof::Proved { .. } | Proof::Missing(..) | Proof::Failed(_) => proof,
    }
}

fn follow_redeployment(fleet: &OnFleet, id: &str, known: Known) -> Advance {
    let Some(deployment) = known.view.deployment(id) else {
        return Advance::Wait(format!("no news of {id} yet"), None);
    };
    match &deployment.status {
        Status::Created | Status::Queued | Status::InProgress | Status::Ready | Status::Other(_) => {
            let count = deployment.overview.and_then(|overview| counted(overview, overview.succeeded));
            Advance::Wait(format!("the old release is being deployed ({id})"), count)
        }
        Status::Failed | Status::Stopped => redeploy_again(fleet, deployment, known),
        Status::Succeeded => {
            let Some(since) = known.view.ended.get(id) else { return Advance::Wait(format!("looking at {id}"), None) };
            match serves_again(fleet, known, *since) {
                Proof::Proved { .. } => Advance::Done(format!("the old release was deployed again ({id})")),
                Proof::Missing(why, count) => Advance::Wait(why, count),
                Proof::Failed(_) if known.state.redeployments < REDEPLOYMENTS => redeploy(fleet),
                Proof::Failed(why) => {
                    let what = format!("{id} did not bring the old release back everywhere: {why}");
                    Advance::Broken(Cause::new(Side::CodeDeploy, harmless(&what, 400)))
                }
            }
        }
    }
}
