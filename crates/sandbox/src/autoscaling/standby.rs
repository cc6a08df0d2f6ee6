//! Taking instances out of their group, for good or for a while, without terminating them.

use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::input;
use super::super::later::Later;
use super::super::world::{ApiError, Reply, Scope, World};
use super::capacity::{decrement, named, shrink};
use super::nouns::Phase;
use super::{Place, activities, launch, leave};

/// Detaches instances: they run on by themselves.
pub(super) fn detach(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    take_out(world, scope, input, Phase::Detaching)
}

/// Puts instances into standby.
pub(super) fn enter(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    take_out(world, scope, input, Phase::EnteringStandby)
}

/// Puts instances that are in standby back into service; the desired capacity grows with them.
pub(super) fn exit(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let name = input::required(input, "AutoScalingGroupName")?;
    let now = world.now();
    let (place, ids) = {
        let mut state = world.lock();
        let store = &mut state.site(&scope.site).autoscaling;
        let mut ids = Vec::new();
        for instance in named(store, name, input)? {
            if instance.phase != Phase::Standby {
                return Err(input::invalid(format!("The instance {} is not in Standby.", instance.id)));
            }
            instance.phase = Phase::PendingProceed;
            ids.push(instance.id.clone());
        }
        let group = store.group(name)?;
        let desired = group.desired + i64::try_from(ids.len()).unwrap_or(i64::MAX);
        if desired > group.max {
            let standing = group.instances.iter_mut().filter(|one| ids.contains(&one.id));
            standing.for_each(|one| one.phase = Phase::Standby);
            return Err(input::invalid(format!("You cannot exceed the max size {} of {name}.", group.max)));
        }
        group.desired = desired;
        (group.place(&scope.site), ids)
    };
    let mut shown = Vec::new();
    for id in ids {
        let cause =
            activities::at(now, &format!("instance {id} was moved out of standby in response to a user request."));
        launch::serve(world, &place, &id);
        shown.push(note(world, &place, format!("Moving EC2 instance out of Standby: {id}"), cause, now));
    }
    Ok(doc! { "Activities" => shown })
}

fn take_out(world: &Arc<World>, scope: &Scope, input: &Doc, way: Phase) -> Reply {
    let name = input::required(input, "AutoScalingGroupName")?;
    let decrement = decrement(input)?;
    let now = world.now();
    let (place, ids) = begin(world, scope, input, name, decrement, way)?;
    let mut shown = Vec::new();
    for id in ids {
        let (verb, participle) = match way {
            Phase::Detaching => ("Detaching EC2 instance", "detached"),
            _ => ("Moving EC2 instance to Standby", "moved to standby"),
        };
        let cause = activities::at(now, &format!("instance {id} was {participle} in response to a user request."));
        let drained = leave::deregister(world, &place, &id);
        shown.push(note(world, &place, format!("{verb}: {id}"), cause, drained));
        tokio::spawn(finish(Later::of(world), place.clone(), id, way, drained));
    }
    Ok(doc! { "Activities" => shown })
}

fn begin(
    world: &World,
    scope: &Scope,
    input: &Doc,
    name: &str,
    decrement: bool,
    way: Phase,
) -> Result<(Place, Vec<String>), ApiError> {
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).autoscaling;
    let ids: Vec<String> = named(store, name, input)?.iter().map(|one| one.id.clone()).collect();
    let group = store.group(name)?;
    if let Some(busy) = group.instances.iter().find(|one| ids.contains(&one.id) && one.phase != Phase::InService) {
        return Err(input::invalid(format!("The instance {} is not in InService.", busy.id)));
    }
    if decrement {
        shrink(group, i64::try_from(ids.len()).unwrap_or(i64::MAX))?;
    }
    group.instances.iter_mut().filter(|one| ids.contains(&one.id)).for_each(|one| one.phase = way);
    group.wake.notify_one();
    Ok((group.place(&scope.site), ids))
}

async fn finish(later: Later, place: Place, id: String, way: Phase, drained: jiff::Timestamp) {
    let Some(world) = later.sleep_until(drained).await else { return };
    let mut state = world.lock();
    let Some(group) = place.group(&mut state) else { return };
    match way {
        Phase::Detaching => group.instances.retain(|one| one.id != id || one.phase != way),
        _ => group
            .instances
            .iter_mut()
            .filter(|one| one.id == id && one.phase == way)
            .for_each(|one| one.phase = Phase::Standby),
    }
}

/// Notes an activity and when it ends.
fn note(world: &World, place: &Place, description: String, cause: String, ended: jiff::Timestamp) -> Doc {
    let now = world.now();
    let mut state = world.lock();
    let id = activities::begin(&mut state, place, now, description, cause, "");
    let shown = activities::shown(&mut state, place, &id);
    activities::end(&mut state, place, &id, ended, "Successful", None);
    shown
}
