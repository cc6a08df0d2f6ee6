//! Deployments in place: the group's own instances, a few at a time.

use super::super::deployment::TargetStatus;
use super::super::errors::{HEALTH_CONSTRAINTS, NO_INSTANCES};
use super::super::events::{ALLOW, BLOCK, INSTALL};
use super::super::quorum::Quorum;
use super::super::revisions;
use super::blue_green::impossible;
use super::tagged;
use super::work::{End, Work};

/// Installs on these instances, or on all of the group's that are in service.
pub(super) async fn run(work: &Work, instances: Option<Vec<String>>) -> Result<(), End> {
    let all = match instances {
        Some(instances) => instances,
        None => of_group(work)?,
    };
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
    let quorum = Quorum::new(instances.len(), work.minimum(instances.len())?).ok_or_else(impossible)?;
    let events = &events;
    let enough = work.roll(quorum, &instances, |instance| async move {
        let succeeded = work.events(&instance, events).await;
        work.note_instance(&instance, matches!(succeeded, Ok(true)))?;
        if succeeded? {
            work.set_target(&instance, TargetStatus::Succeeded)?;
            return Ok(true);
        }
        Ok(false)
    });
    if enough.await? { Ok(()) } else { Err(End::failed("HEALTH_CONSTRAINTS", HEALTH_CONSTRAINTS)) }
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
