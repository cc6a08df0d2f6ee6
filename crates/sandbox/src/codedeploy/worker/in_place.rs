//! Deployments in place: the group's own instances, a few at a time.

use std::collections::BTreeMap;

use super::super::super::doc::{Doc, doc};
use super::super::configs::Zones;
use super::super::deployment::{Creator, TargetStatus};
use super::super::errors::{HEALTH_CONSTRAINTS, NO_INSTANCES};
use super::super::events::{ALLOW, BLOCK, Event, INSTALL};
use super::super::quorum::Quorum;
use super::super::revisions;
use super::blue_green::impossible;
use super::roll::Zone;
use super::tagged;
use super::work::{End, Work};

/// Installs on the group's instances that are in service; only on those given of them, if some are.
pub(super) async fn run(work: &Work, only: Option<Vec<String>>) -> Result<(), End> {
    let mut all = of_group(work)?;
    all.retain(|id| only.as_ref().is_none_or(|only| only.contains(id)));
    if all.is_empty() {
        return Err(End::failed("NO_INSTANCES", NO_INSTANCES));
    }
    let instances = order(work, all)?;
    let traffic = work.terms()?.style.traffic;
    let events = if traffic { [BLOCK.as_slice(), &INSTALL, &ALLOW].concat() } else { INSTALL.to_vec() };
    work.set_targets(instances.iter().map(|id| (id.clone(), None, events.clone())).collect())?;
    if instances.is_empty() {
        return Ok(()); // all of them have the revision already
    }
    let demand = work.demand()?;
    let (total, minimum) = (instances.len(), demand.minimum.hosts(instances.len()));
    // Nobody chose how many instances a follow-on finds: with one at a time it is always possible.
    let follows_on = work.edit(|it| it.creator)? == Creator::AutoUpdate;
    let quorum = if follows_on { Some(Quorum::lenient(total, minimum)) } else { Quorum::new(total, minimum) };
    let quorum = quorum.ok_or_else(impossible)?;
    let zones = demand.zones.map(|zones| by_zone(work, zones, &instances, follows_on)).transpose()?;
    work.suspend()?;
    let events = &events;
    let run = |instance| async move { one(work, instance, events).await };
    let enough = match zones {
        Some(zones) => work.roll_zones(quorum, zones, run).await?,
        None => work.roll(quorum, &instances, run).await?,
    };
    if enough { Ok(()) } else { Err(End::failed("HEALTH_CONSTRAINTS", HEALTH_CONSTRAINTS)) }
}

async fn one(work: &Work, instance: String, events: &[Event]) -> Result<bool, End> {
    let succeeded = work.events(&instance, events).await;
    work.note_instance(&instance, matches!(succeeded, Ok(true)))?;
    if succeeded? {
        work.set_target(&instance, TargetStatus::Succeeded)?;
        return Ok(true);
    }
    Ok(false)
}

/// The instances by Availability Zone. In which order the zones go is the service's choice; here it is that of their names.
fn by_zone(work: &Work, zones: Zones, instances: &[String], lenient: bool) -> Result<Vec<Zone>, End> {
    let known = work.call("ec2", "DescribeInstances", &doc! {})?;
    let known = known.list("reservationSet").iter().flat_map(|it| it.list("instancesSet"));
    let zone = |it: &Doc| it.get("placement").text("availabilityZone").unwrap_or_default().to_owned();
    let zone_of: BTreeMap<&str, String> = known.filter_map(|it| Some((it.text("instanceId")?, zone(it)))).collect();
    let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for id in instances {
        by_name.entry(zone_of.get(id.as_str()).cloned().unwrap_or_default()).or_default().push(id.clone());
    }
    let zone = |(at, instances): (usize, Vec<String>)| {
        let (total, minimum) = (instances.len(), zones.hosts(instances.len()));
        let quorum = if lenient { Some(Quorum::lenient(total, minimum)) } else { Quorum::new(total, minimum) };
        Ok(Zone { quorum: quorum.ok_or_else(impossible)?, instances, watched: zones.watched(at == 0) })
    };
    by_name.into_values().enumerate().map(zone).collect()
}

fn of_group(work: &Work) -> Result<Vec<String>, End> {
    let fleets = work.group(|group| group.fleets.clone())?;
    let mut all = Vec::new();
    for fleet in fleets {
        all.extend(work.in_service(&fleet.name)?);
    }
    let tagged = tagged::instances(work)?;
    all.extend(tagged.into_iter().filter(|id| !all.contains(id)).collect::<Vec<String>>());
    Ok(all)
}

/// Unhealthy ones first, then those with another revision, then those that have it; the last are left out if only
/// outdated ones shall be updated.
fn order(work: &Work, mut all: Vec<String>) -> Result<Vec<String>, End> {
    let (revision, only_outdated) = work.edit(|it| (it.revision.clone(), it.terms.only_outdated))?;
    let known = work.group(|group| group.instances.clone())?;
    let rank = |id: &String| match known.get(id) {
        Some(it) if it.healthy && revisions::same(&it.revision, &revision) => 2,
        Some(it) if it.healthy => 1,
        _ => 0,
    };
    all.retain(|id| !only_outdated || rank(id) < 2);
    all.sort_by_key(rank);
    Ok(all)
}
