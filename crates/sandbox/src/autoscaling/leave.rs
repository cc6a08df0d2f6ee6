//! How an instance goes out of service.

use std::sync::Arc;

use super::super::doc::doc;
use super::super::later::{Later, after, seconds};
use super::super::world::World;
use super::nouns::Phase;
use super::{Place, activities, hooks, keeper, traffic};

/// Begins to terminate an instance and gives the id of the activity; nothing if it is gone or on its way out already.
pub(super) fn begin(world: &Arc<World>, place: &Place, id: &str, cause: String) -> Option<String> {
    let now = world.now();
    let mut state = world.lock();
    let instance = place.instance(&mut state, id).filter(|instance| !instance.phase.is_terminating())?;
    instance.phase = Phase::Terminating;
    instance.actions.clear();
    instance.wake.notify_one();
    let zone = instance.zone.clone();
    // It counts no longer: the keeper may have to replace it.
    place.group(&mut state)?.wake.notify_one();
    let description = format!("Terminating EC2 instance: {id}");
    let activity = activities::begin(&mut state, place, now, description, cause, &zone);
    tokio::spawn(depart(Later::of(world), place.clone(), id.to_owned(), activity.clone()));
    Some(activity)
}

/// Deregisters and drains, waits for the hooks, terminates, and leaves the group. A forced deletion waits for nothing.
async fn depart(later: Later, place: Place, id: String, activity: String) {
    let Some(world) = later.world() else { return };
    let drained = deregister(&world, &place, &id);
    if drained > world.now() {
        activities::progress(&mut world.lock(), &place, &activity, "WaitingForELBConnectionDraining", 20);
        drop(world);
        pause(&later, &place, &id, drained).await;
    } else {
        drop(world);
    }
    if !is_forced(&later, &place) {
        hooks::wait(&later, &place, &id, false).await;
    }
    let Some(world) = later.world() else { return };
    activities::progress(&mut world.lock(), &place, &activity, "InProgress", 50);
    // An instance that EC2 has forgotten is as good as terminated.
    let _ = world.call(&place.scope(), "ec2", "TerminateInstances", &doc! { "InstanceId" => vec![id.as_str()] });
    let shutdown = world.lock().site(&place.site).autoscaling.pace.shutdown;
    drop(world);
    let Some(world) = later.sleep(seconds(shutdown)).await else { return };
    let now = world.now();
    let mut state = world.lock();
    activities::end(&mut state, &place, &activity, now, "Successful", None);
    if let Some(group) = place.group(&mut state) {
        group.instances.retain(|instance| instance.id != id);
        group.wake.notify_one();
    }
}

/// Takes an instance out of the group's target groups, and when its connections have drained. A machine that does not
/// run has none.
pub(super) fn deregister(world: &Arc<World>, place: &Place, id: &str) -> jiff::Timestamp {
    let now = world.now();
    let groups = place.group(&mut world.lock()).map(|group| group.target_groups.clone()).unwrap_or_default();
    let delays = groups.iter().map(|group| traffic::deregister(world, place, &group.arn, id));
    let longest = delays.max().unwrap_or(0);
    if longest == 0 || keeper::running(world, place, vec![id]).is_empty() { now } else { after(now, longest) }
}

async fn pause(later: &Later, place: &Place, id: &str, until: jiff::Timestamp) {
    while !is_forced(later, place) {
        let Some(world) = later.world() else { return };
        let woken = place.instance(&mut world.lock(), id).map(|instance| instance.wake.clone());
        drop(world);
        let Some(woken) = woken else { return };
        tokio::select! {
            biased;
            () = woken.notified() => {}
            _ = later.sleep_until(until) => return,
        }
    }
}

fn is_forced(later: &Later, place: &Place) -> bool {
    later.world().is_none_or(|world| place.group(&mut world.lock()).is_none_or(|group| group.deleting))
}
