//! How an instance comes into service.

use std::sync::Arc;

use tokio::sync::Notify;

use super::super::doc::{Doc, doc};
use super::super::hosts::Launched;
use super::super::later::{Later, seconds};
use super::super::world::{ApiError, World};
use super::nouns::{Instance, Outcome, Phase};
use super::{Place, activities, hooks, keeper, leave, processes, traffic};

/// Begins to launch an instance in the emptiest zone; beyond the group's capacity if it is to balance the zones.
pub(super) fn begin(world: &Arc<World>, place: &Place, cause: String, balances: bool) {
    let now = world.now();
    match run(world, place) {
        Ok(mut instance) => {
            instance.balances = balances;
            let mut state = world.lock();
            let (id, zone) = (instance.id.clone(), instance.zone.clone());
            let Some(group) = place.group(&mut state) else { return };
            group.instances.push(instance);
            let description = format!("Launching a new EC2 instance: {id}");
            let activity = activities::begin(&mut state, place, now, description, cause, &zone);
            activities::progress(&mut state, place, &activity, "PreInService", 30);
            tokio::spawn(arrive(Later::of(world), place.clone(), id, activity));
        }
        Err(error) => {
            let mut state = world.lock();
            let description = "Launching a new EC2 instance".to_owned();
            let activity = activities::begin(&mut state, place, now, description, cause, "");
            let message = format!("{}. Launching EC2 instance failed.", error.message.trim_end_matches('.'));
            activities::end(&mut state, place, &activity, now, "Failed", Some(message));
        }
    }
}

fn run(world: &Arc<World>, place: &Place) -> Result<Instance, ApiError> {
    let gone = || ApiError::new("ValidationError", "the group is gone");
    let (source, zone, subnet, tags, protected) = {
        let mut state = world.lock();
        let group = place.group(&mut state).ok_or_else(gone)?;
        let in_zone =
            |zone: &String| group.instances.iter().filter(|one| one.zone == *zone && one.phase.counts()).count();
        let (index, zone) = group.zones.iter().enumerate().min_by_key(|(_, zone)| in_zone(zone)).ok_or_else(gone)?;
        let mut tags = vec![doc! { "Key" => "aws:autoscaling:groupName", "Value" => &group.name }];
        let propagated = group.tags.iter().filter(|(_, (_, propagate))| *propagate);
        tags.extend(propagated.map(|(key, (value, _))| doc! { "Key" => key, "Value" => value }));
        let protected = group.settings.bool("NewInstancesProtectedFromScaleIn") == Some(true);
        (group.source.clone(), zone.clone(), group.subnets().get(index).cloned(), tags, protected)
    };
    let blueprint = source.resolve(world, &place.scope())?;
    let mut input = Doc::Map(blueprint.run);
    input.set("MinCount", 1);
    input.set("MaxCount", 1);
    input.set("Placement", doc! { "AvailabilityZone" => &zone });
    input.set("SubnetId", subnet);
    input.set("TagSpecification", vec![doc! { "ResourceType" => "instance", "Tag" => tags }]);
    let answer = world.call(&place.scope(), "ec2", "RunInstances", &input)?;
    let id = answer.list("instancesSet").first().and_then(|instance| instance.text("instanceId"));
    Ok(Instance {
        id: id.ok_or_else(gone)?.to_owned(),
        kind: blueprint.kind,
        zone,
        phase: Phase::Pending,
        healthy: true,
        source: blueprint.shown,
        protected,
        balances: false,
        in_service_since: None,
        actions: Vec::new(),
        wake: Arc::new(Notify::new()),
    })
}

/// Boots, waits for the hooks, registers, serves; ends early if the instance has to go meanwhile.
async fn arrive(later: Later, place: Place, id: String, activity: String) {
    let Some(pace) = later.world().map(|world| world.lock().site(&place.site).autoscaling.pace) else { return };
    let Some(world) = later.sleep(seconds(pace.boot)).await else { return };
    if place.instance(&mut world.lock(), &id).is_none_or(|instance| instance.phase != Phase::Pending) {
        return;
    }
    if boot(&world, &place, &id) {
        drop(world);
        match hooks::wait(&later, &place, &id, true).await {
            None => return,
            Some(Outcome::Continue) => {}
            Some(outcome @ (Outcome::Abandon | Outcome::TimedOut)) => {
                return abandon(&later, &place, &id, &activity, outcome);
            }
        }
    }
    // A machine that died while it booted comes into service all the same: the health check finds out.
    let Some(world) = later.world() else { return };
    serve(&world, &place, &id);
    let now = world.now();
    activities::end(&mut world.lock(), &place, &activity, now, "Successful", None);
}

/// Starts the host, and whether it runs afterwards: the machine may have died meanwhile.
fn boot(world: &Arc<World>, place: &Place, id: &str) -> bool {
    let runs = || !keeper::running(world, place, vec![id]).is_empty();
    if runs() {
        world.hosts.launch(world, &Launched { id: id.to_owned(), site: place.site.clone() });
        if !runs() {
            world.hosts.terminate(id);
        }
    }
    runs()
}

fn abandon(later: &Later, place: &Place, id: &str, activity: &str, outcome: Outcome) {
    let Some(world) = later.world() else { return };
    let why = if outcome == Outcome::TimedOut {
        "Heartbeat Timeout"
    } else {
        "Lifecycle Action Completed with ABANDON Result"
    };
    let now = world.now();
    let token = {
        let mut state = world.lock();
        let instance = place.instance(&mut state, id);
        let abandoned = instance.and_then(|one| one.actions.iter().find(|action| action.result == Some(outcome)));
        abandoned.map(|action| action.token.clone()).unwrap_or_default()
    };
    let message = format!(
        "Instance failed to complete user's Lifecycle Action: Lifecycle Action with token {token} was abandoned: {why}"
    );
    activities::end(&mut world.lock(), place, activity, now, "Cancelled", Some(message));
    let text = "an instance was taken out of service in response to a launch failure.";
    leave::begin(&world, place, id, activities::at(now, text));
}

/// Registers the instance with the group's target groups, unless that is suspended, and puts it in service.
pub(super) fn serve(world: &Arc<World>, place: &Place, id: &str) {
    let target_groups = {
        let mut state = world.lock();
        let Some(group) = place.group(&mut state) else { return };
        if group.is_suspended(processes::ADD_TO_LOAD_BALANCER) { Vec::new() } else { group.target_groups.clone() }
    };
    for group in target_groups {
        traffic::register(world, place, &group.arn, &[id.to_owned()]);
    }
    let now = world.now();
    let mut state = world.lock();
    if let Some(instance) = place.instance(&mut state, id).filter(|instance| instance.phase.counts()) {
        (instance.phase, instance.in_service_since) = (Phase::InService, Some(now));
        instance.actions.clear();
    }
}
