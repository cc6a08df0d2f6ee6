//! Registering and deregistering targets.

use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::input::{self, invalid};
use super::super::later::{Later, after, seconds};
use super::super::world::{ApiError, Reply, Scope, Site, World};
use super::nouns::{Health, Target};
use super::{checks, no_such_target_group};

/// Registers targets; those that are registered stay as they are. Returns before they are healthy.
pub(super) fn register(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let arn = input::required(input, "TargetGroupArn")?;
    must_run(world, scope, input)?;
    let mut state = world.lock();
    let group = state.site(&scope.site).elb.target_group(arn)?;
    for key in named(input, group.settings.port)? {
        if matches!(group.targets.get(&key), Some(target) if target.state != Health::Draining) {
            continue;
        }
        group.registrations += 1;
        let registration = group.registrations;
        let target = Target { state: Health::Registering, registration, passes: 0, failures: 0 };
        group.targets.insert(key.clone(), target);
        let which = checks::Registration { site: scope.site.clone(), group: arn.to_owned(), target: key, registration };
        tokio::spawn(checks::watch(Later::of(world), which));
    }
    Ok(doc! {})
}

/// Deregisters targets; those that are not registered are passed over. They drain for the whole delay.
pub(super) fn deregister(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let arn = input::required(input, "TargetGroupArn")?;
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).elb;
    let in_use = store.in_use(arn);
    let group = store.target_group(arn)?;
    let delay = group.deregistration_delay();
    for key in named(input, group.settings.port)? {
        let Some(target) = group.targets.get_mut(&key) else { continue };
        if delay == 0 || !in_use {
            group.targets.remove(&key);
        } else if target.state != Health::Draining {
            target.state = Health::Draining;
            let registration = target.registration;
            let which =
                checks::Registration { site: scope.site.clone(), group: arn.to_owned(), target: key, registration };
            tokio::spawn(drain(Later::of(world), which, delay));
        }
    }
    Ok(doc! {})
}

async fn drain(later: Later, which: checks::Registration, delay: i64) {
    let Some(world) = later.sleep(seconds(delay)).await else { return };
    let mut state = world.lock();
    let Some(group) = state.site(&which.site).elb.target_groups.get_mut(&which.group) else { return };
    let still = |target: &Target| target.registration == which.registration && target.state == Health::Draining;
    if group.targets.get(&which.target).is_some_and(still) {
        group.targets.remove(&which.target);
    }
}

/// How long one who asks for a terminated instance by name is told that it drains, in seconds of world time.
const REMEMBERED: i64 = 600;

/// An instance was terminated: it is no target any more, without draining. Who asks for it by name is told for a while
/// that it drains.
pub fn forget_instance(world: &Arc<World>, site: &Site, id: &str) {
    let now = world.now();
    for group in world.lock().site(site).elb.target_groups.values_mut() {
        group.gone.retain(|_, until| *until > now);
        let gone: Vec<(String, u16)> = group.targets.keys().filter(|(instance, _)| instance == id).cloned().collect();
        for key in gone {
            group.targets.remove(&key);
            group.gone.insert(key, after(now, REMEMBERED));
        }
    }
}

/// The targets that an input names, each with the port it says or the group's.
fn named(input: &Doc, port: u16) -> Result<Vec<(String, u16)>, ApiError> {
    let mut keys = Vec::new();
    for target in input.list("Targets") {
        let own = input::within(target, "Port", 1, 65535)?.and_then(|port| u16::try_from(port).ok());
        keys.push((input::required(target, "Id")?.to_owned(), own.unwrap_or(port)));
    }
    if keys.is_empty() {
        return Err(invalid("At least one target must be specified"));
    }
    Ok(keys)
}

fn must_run(world: &Arc<World>, scope: &Scope, input: &Doc) -> Result<(), ApiError> {
    if !world.lock().site(&scope.site).elb.target_groups.contains_key(input.text("TargetGroupArn").unwrap_or_default())
    {
        return Err(no_such_target_group());
    }
    let ids: Vec<&str> = input.list("Targets").iter().filter_map(|target| target.text("Id")).collect();
    let running = doc! { "Filter" => vec![
        doc! { "Name" => "instance-id", "Value" => ids.clone() },
        doc! { "Name" => "instance-state-name", "Value" => vec!["running"] },
    ] };
    let reservations = world.call(scope, "ec2", "DescribeInstances", &running)?;
    let running: Vec<&str> = reservations
        .list("reservationSet")
        .iter()
        .flat_map(|reservation| reservation.list("instancesSet"))
        .filter_map(|instance| instance.text("instanceId"))
        .collect();
    let missing: Vec<String> = ids.iter().filter(|id| !running.contains(id)).map(|id| format!("'{id}'")).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let text = "The following targets are not in a running state and cannot be registered:";
    Err(ApiError::new("InvalidTarget", format!("{text} {}", missing.join(", "))))
}
