//! Suspending and resuming what groups do by themselves.

use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::input::{self, invalid};
use super::super::world::{ApiError, Reply, Scope, World};

pub(super) const LAUNCH: &str = "Launch";
pub(super) const TERMINATE: &str = "Terminate";
pub(super) const ADD_TO_LOAD_BALANCER: &str = "AddToLoadBalancer";
pub(super) const HEALTH_CHECK: &str = "HealthCheck";
pub(super) const REPLACE_UNHEALTHY: &str = "ReplaceUnhealthy";
pub(super) const AZ_REBALANCE: &str = "AZRebalance";
pub(super) const SCHEDULED_ACTIONS: &str = "ScheduledActions";

const ALL: [&str; 9] = [
    ADD_TO_LOAD_BALANCER,
    "AlarmNotification",
    AZ_REBALANCE,
    HEALTH_CHECK,
    "InstanceRefresh",
    LAUNCH,
    REPLACE_UNHEALTHY,
    SCHEDULED_ACTIONS,
    TERMINATE,
];

/// Suspends the processes named, or all if none is.
pub(super) fn suspend(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let (name, chosen) = read(input)?;
    let now = world.now();
    let mut state = world.lock();
    let group = state.site(&scope.site).autoscaling.group(name)?;
    for process in chosen {
        group.suspended.entry(process).or_insert(now);
    }
    Ok(Doc::Null)
}

/// Resumes the processes named, or all if none is. What was not done meanwhile is done now, except that instances
/// launched without a load balancer stay without.
pub(super) fn resume(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let (name, chosen) = read(input)?;
    let mut state = world.lock();
    let group = state.site(&scope.site).autoscaling.group(name)?;
    group.suspended.retain(|process, _| !chosen.contains(process));
    group.wake.notify_one();
    Ok(Doc::Null)
}

/// Names all processes.
pub(super) fn types() -> Doc {
    doc! { "Processes" => ALL.iter().map(|name| doc! { "ProcessName" => *name }).collect::<Vec<Doc>>() }
}

fn read(input: &Doc) -> Result<(&str, Vec<&'static str>), ApiError> {
    let name = input::required(input, "AutoScalingGroupName")?;
    let wanted = input.texts("ScalingProcesses");
    let known = |wanted: &String| ALL.into_iter().find(|process| process == wanted);
    if let Some(wrong) = wanted.iter().find(|wanted| known(wanted).is_none()) {
        return Err(invalid(format!("Invalid process type '{wrong}'. Valid types are: {}", ALL.join(", "))));
    }
    Ok((name, if wanted.is_empty() { ALL.to_vec() } else { wanted.iter().filter_map(known).collect() }))
}
