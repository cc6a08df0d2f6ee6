//! The keeper of a group: it looks at what is, compares with what should be, and begins what is missing.

use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::later::{Later, after, seconds};
use super::super::world::World;
use super::nouns::{Group, Instance, Phase};
use super::{Place, activities, balance, launch, leave, processes};

/// Keeps a group until it is gone: after every change, and every now and then while it has instances.
pub(super) async fn keep(later: Later, place: Place) {
    while let Some(world) = later.world() {
        let Some(pause) = turn(&world, &place) else { return };
        drop(world);
        tokio::select! {
            biased;
            () = pause.woken.notified() => {}
            _ = later.sleep(seconds(pause.look)), if pause.has_instances => {}
        }
    }
}

struct Pause {
    woken: Arc<tokio::sync::Notify>,
    look: i64,
    has_instances: bool,
}

/// What is to be begun now.
#[derive(Default)]
struct Orders {
    launch: i64,
    /// How many of the launches replace unhealthy instances.
    replace: i64,
    /// Instances and why they go.
    terminate: Vec<(String, String)>,
    request: Option<String>,
    capacity: i64,
    /// A zone that needs an instance so that the group is balanced.
    balance: Option<String>,
}

/// One look at the group; nothing if it is gone.
fn turn(world: &Arc<World>, place: &Place) -> Option<Pause> {
    find_unhealthy(world, place);
    let orders = {
        let mut state = world.lock();
        let now = world.now();
        let group = place.group(&mut state)?;
        if group.deleting && group.instances.is_empty() {
            state.site(&place.site).autoscaling.groups.remove(&place.group);
            return None;
        }
        orders(group, now)
    };
    for (id, cause) in &orders.terminate {
        leave::begin(world, place, id, cause.clone());
    }
    let now = world.now();
    for number in 0..orders.launch {
        let cause = if number < orders.replace {
            activities::at(now, "an instance was launched in response to an unhealthy instance needing to be replaced.")
        } else {
            let (from, to) = (orders.capacity, orders.capacity + orders.launch);
            let text = format!(
                "an instance was started in response to a difference between desired and actual capacity, increasing the capacity from {from} to {to}."
            );
            orders.request.iter().cloned().chain([activities::at(now, &text)]).collect::<Vec<_>>().join("  ")
        };
        launch::begin(world, place, cause, false);
    }
    if let Some(zone) = orders.balance {
        let text = format!(
            "instances were launched to balance instances in zones {zone} with other zones resulting in more than desired number of instances in the group."
        );
        launch::begin(world, place, activities::at(now, &text), true);
    }
    let mut state = world.lock();
    let look = state.site(&place.site).autoscaling.pace.look;
    let group = place.group(&mut state)?;
    // A launch that failed is tried again at the next look.
    let has_instances = !group.instances.is_empty() || group.desired > 0;
    Some(Pause { woken: group.wake.clone(), look, has_instances })
}

fn orders(group: &mut Group, now: jiff::Timestamp) -> Orders {
    let request = group.request.take();
    if group.deleting {
        let cause = activities::at(now, "a user request deleted the AutoScalingGroup, shrinking the capacity to 0.");
        let staying = group.instances.iter().filter(|instance| !instance.phase.is_terminating());
        return Orders {
            terminate: staying.map(|instance| (instance.id.clone(), cause.clone())).collect(),
            ..Orders::default()
        };
    }
    let may_launch = !group.is_suspended(processes::LAUNCH);
    let may_terminate = !group.is_suspended(processes::TERMINATE);
    let mut terminate = Vec::new();
    if may_launch && may_terminate && !group.is_suspended(processes::REPLACE_UNHEALTHY) {
        let text = "an instance was taken out of service in response to a failed health check.";
        let sick = group.instances.iter().filter(|instance| instance.phase == Phase::InService && !instance.healthy);
        terminate = sick.map(|instance| (instance.id.clone(), activities::at(now, text))).collect();
    }
    let replace = i64::try_from(terminate.len()).unwrap_or(i64::MAX);
    let capacity = group.capacity() - replace;
    let surplus = capacity - group.desired - balance::surplus(group);
    if surplus > 0 && may_terminate {
        let (from, to) = (capacity, group.desired);
        for id in victims(group, &terminate, surplus) {
            let text = format!(
                "an instance was taken out of service in response to a difference between desired and actual capacity, shrinking the capacity from {from} to {to}."
            );
            let own = activities::at(now, &format!("instance {id} was selected for termination."));
            let cause = request.iter().cloned().chain([activities::at(now, &text), own]).collect::<Vec<_>>().join("  ");
            terminate.push((id, cause));
        }
    }
    let launch = if may_launch { (-surplus).max(0) } else { 0 };
    let balance = if terminate.is_empty() && launch == 0 { balance::wanted(group) } else { None };
    Orders { launch, replace: replace.min(launch), terminate, request, capacity, balance }
}

/// Which instances go when the group shrinks: from zones that are not the group's, then from the fullest zone, the oldest
/// source first, then the oldest.
fn victims(group: &Group, leaving: &[(String, String)], count: i64) -> Vec<String> {
    let mut left: Vec<&Instance> = group
        .instances
        .iter()
        .filter(|instance| instance.phase.counts() && !leaving.iter().any(|(id, _)| *id == instance.id))
        .collect();
    let mut chosen = Vec::new();
    for _ in 0..count {
        let in_zone = |zone: &str| left.iter().filter(|instance| instance.zone == zone).count();
        let version = |instance: &Instance| {
            let (_, source) = instance.source.first()?;
            source.text("Version").and_then(|version| version.parse::<i64>().ok())
        };
        let order = |index: &usize| {
            let instance = left[*index];
            let is_own = group.zones.contains(&instance.zone);
            (is_own, std::cmp::Reverse(in_zone(&instance.zone)), version(instance), *index)
        };
        let unprotected = (0..left.len()).filter(|index| !left[*index].protected);
        let Some(index) = unprotected.min_by_key(order) else { break };
        chosen.push(left.remove(index).id.clone());
    }
    chosen
}

/// Marks instances whose machine is not running, or that a load balancer calls unhealthy after their grace period.
fn find_unhealthy(world: &Arc<World>, place: &Place) {
    let (candidates, past_grace, target_groups) = {
        let mut state = world.lock();
        let now = world.now();
        let Some(group) = place.group(&mut state) else { return };
        if group.is_suspended(processes::HEALTH_CHECK) || group.deleting {
            return;
        }
        let serving = group.instances.iter().filter(|instance| instance.phase == Phase::InService && instance.healthy);
        let candidates: Vec<(String, bool)> = serving
            .map(|instance| {
                let graced = instance.in_service_since.is_some_and(|since| after(since, group.grace()) > now);
                (instance.id.clone(), !graced)
            })
            .collect();
        let asked = if group.asks_load_balancer() { group.target_groups.clone() } else { Vec::new() };
        let past: Vec<String> = candidates.iter().filter(|(_, past)| *past).map(|(id, _)| id.clone()).collect();
        (candidates, past, asked)
    };
    if candidates.is_empty() {
        return;
    }
    let running = running(world, place, candidates.iter().map(|(id, _)| id.as_str()).collect());
    let mut sick: Vec<String> = candidates.into_iter().map(|(id, _)| id).filter(|id| !running.contains(id)).collect();
    for group in target_groups {
        let input = doc! { "TargetGroupArn" => &group.arn };
        let Ok(health) = world.call(&place.scope(), "elasticloadbalancing", "DescribeTargetHealth", &input) else {
            continue;
        };
        let unhealthy = health
            .list("TargetHealthDescriptions")
            .iter()
            .filter(|each| each.get("TargetHealth").text("State") == Some("unhealthy"));
        let ids = unhealthy.filter_map(|each| each.get("Target").text("Id").map(str::to_owned));
        sick.extend(ids.filter(|id| past_grace.contains(id)));
    }
    let mut state = world.lock();
    for id in sick {
        if let Some(instance) = place.instance(&mut state, &id) {
            instance.healthy = false;
        }
    }
}

/// Those of the instances whose machines run.
pub(super) fn running(world: &Arc<World>, place: &Place, ids: Vec<&str>) -> Vec<String> {
    let input = doc! { "Filter" => vec![
        doc! { "Name" => "instance-id", "Value" => ids },
        doc! { "Name" => "instance-state-name", "Value" => vec!["running"] },
    ] };
    let answer = world.call(&place.scope(), "ec2", "DescribeInstances", &input).unwrap_or(Doc::Null);
    let instances = answer.list("reservationSet").iter().flat_map(|reservation| reservation.list("instancesSet"));
    instances.filter_map(|instance| instance.text("instanceId").map(str::to_owned)).collect()
}
