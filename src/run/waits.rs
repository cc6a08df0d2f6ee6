//! Hosts that do not move on while CodeDeploy waits for them: an hour inside an event, five minutes for the next to begin.
//! It says nothing meanwhile, so who watches does. What is found here decides nothing.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::view::{Fact, LaneView};
use crate::event::record::HostWait;
use crate::model::facts::{Deployment, DeploymentTarget, LifecycleEvent, Status};
use crate::model::observed::ScalingGroup;
use crate::plan::{Lane, OnFleet};

/// How long CodeDeploy lets one event run.
const EVENT: SignedDuration = SignedDuration::from_hours(1);
/// How long it waits for an agent to begin the next one.
const BEGIN: SignedDuration = SignedDuration::from_mins(5);

/// How long one event may run before it is told of; most scripts take less.
const LONG: SignedDuration = SignedDuration::from_mins(4);
/// The same of a host that gives its traffic away: deregistration delays are of this kind.
const DRAIN: SignedDuration = SignedDuration::from_mins(10);
/// The same of an event that is about to begin: agents ask every second.
const SOON: SignedDuration = SignedDuration::from_secs(90);

/// For how long the counts of a deployment stand still before its hosts are looked at.
const QUIET_SECONDS: u64 = 150;

/// How often hosts in place are looked at while some move on, in seconds.
const SELDOM: u64 = 240;

/// Most hosts that are told of in one record.
const HOSTS: usize = 100;

/// How often hosts of a deployment are looked at, in seconds: as long as they move on seldom, then soon, then less and less.
/// A green host that is lost holds nobody up as long as others move on; one in place takes the turn of others.
pub(super) fn pace(fleet: &OnFleet, deployment: &Deployment, view: &LaneView, now: Timestamp) -> Option<u64> {
    let moved = view.moved.get(&deployment.id).filter(|_| is_at_work(deployment))?;
    let quiet = u64::try_from(now.duration_since(*moved).as_secs()).ok()?;
    if quiet >= QUIET_SECONDS { Some((quiet / 2).clamp(90, 300)) } else { fleet.rolling.as_ref().map(|_| SELDOM) }
}

/// Whether some of its hosts should be moving.
fn is_at_work(deployment: &Deployment) -> bool {
    deployment.status == Status::InProgress
        && !deployment.is_waiting_to_terminate
        && deployment.overview.is_some_and(|overview| overview.in_progress > 0)
}

/// The Auto Scaling groups whose instances a deployment works on.
pub(super) fn groups(fleet: &OnFleet, deployment: &str) -> Vec<String> {
    let own = fleet.baseline.scaling_group.name.clone();
    let green = fleet.rolling.is_none().then(|| fleet.green_group(deployment));
    std::iter::once(own).chain(green).collect()
}

/// Hosts that do not move on now, by what was seen of every deployment of the lane that is under way.
pub fn waits(lane: &Lane, view: &LaneView, now: Timestamp) -> Vec<HostWait> {
    let Some(fleet) = lane.fleet() else { return Vec::new() };
    let mut found = Vec::new();
    for deployment in view.deployments.values().map(|fact| &fact.value).filter(|it| is_at_work(it)) {
        let Some((hosts, at)) = hosts(view, &deployment.id) else { continue };
        // Some have moved since they were looked at.
        if view.moved.get(&deployment.id).is_none_or(|moved| *moved > at) {
            continue;
        }
        let known = groups(fleet, &deployment.id);
        let known: Option<Vec<&Fact<Option<ScalingGroup>>>> =
            known.iter().map(|name| view.scaling.get(name).filter(|fact| fact.at >= at)).collect();
        let known: Vec<&ScalingGroup> = known.iter().flatten().filter_map(|fact| fact.value.as_ref()).collect();
        for host in hosts.iter().filter(|host| host.status == "InProgress") {
            let is_gone = !known.is_empty() && is_gone(&known, &host.id);
            found.extend(wait(&deployment.id, host, is_gone, now));
        }
    }
    found
}

/// What was told of none of these before.
pub(super) fn news(waits: &[HostWait], told: &BTreeSet<HostWait>) -> Vec<HostWait> {
    waits.iter().filter(|wait| !told.contains(wait)).take(HOSTS).cloned().collect()
}

/// `i-1: in AfterInstall since 09:12:03Z, CodeDeploy waits until 10:12:03Z`, for the screen.
pub(super) fn in_short(waits: &[HostWait]) -> Option<String> {
    let wait = waits.first()?;
    let HostWait { host, event, .. } = wait;
    let more = if waits.len() > 1 { format!(" and {} more", waits.len() - 1) } else { String::new() };
    let (since, until) = (wait.since.strftime("%H:%M:%SZ"), wait.until.strftime("%H:%M:%SZ"));
    let what = match (wait.is_gone, wait.is_begun) {
        (true, _) => format!("gone in {event}"),
        (false, true) => format!("in {event} since {since}"),
        (false, false) => format!("without {event} since {since}"),
    };
    Some(format!("{host}{more}: {what}, CodeDeploy waits until {until}"))
}

/// The hosts of a deployment as they were seen last, and when.
fn hosts<'a>(view: &'a LaneView, id: &str) -> Option<(&'a [DeploymentTarget], Timestamp)> {
    let looked = view.targets.get(id).map(|fact| (fact.value.as_slice(), fact.at));
    let listed = view.attempts.as_ref().and_then(|fact| {
        let attempt = fact.value.iter().find(|attempt| attempt.deployment.id == *id)?;
        Some((attempt.hosts.as_slice(), fact.at))
    });
    looked.into_iter().chain(listed).max_by_key(|(_, at)| *at)
}

/// Whether none of the groups has an instance, or the one that has it is terminating it.
fn is_gone(groups: &[&ScalingGroup], host: &str) -> bool {
    let mut instances = groups.iter().flat_map(|group| &group.instances).filter(|instance| instance.id == host);
    instances.next().is_none_or(|instance| instance.state.starts_with("Terminat"))
}

/// Whether a host does not move on, and in what.
fn wait(deployment: &str, host: &DeploymentTarget, is_gone: bool, now: Timestamp) -> Option<HostWait> {
    let running = host.events.iter().find(|event| event.status == "InProgress");
    let (event, since, lasts, patience) = match running {
        Some(event) => (event, event.began.or(host.updated)?, EVENT, patience(event)),
        None => {
            let next = host.events.iter().find(|event| event.status == "Pending")?;
            let ended = host.events.iter().filter_map(|event| event.ended).max();
            (next, ended.or(host.updated)?, BEGIN, SOON)
        }
    };
    let is_told = is_gone || now.duration_since(since) >= patience;
    let until = since.checked_add(lasts).ok().filter(|until| is_told && *until > now)?;
    Some(HostWait {
        deployment: deployment.to_owned(),
        host: host.id.clone(),
        event: event.name.clone(),
        is_begun: running.is_some(),
        is_gone,
        since,
        until,
    })
}

fn patience(event: &LifecycleEvent) -> SignedDuration {
    if event.name == "BlockTraffic" { DRAIN } else { LONG }
}
