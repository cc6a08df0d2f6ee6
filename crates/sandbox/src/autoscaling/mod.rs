//! Groups of instances that keep themselves at their size.
//!
//! Each group has one task, its keeper, that compares what is with what should be and starts or ends instances; each
//! instance that comes or goes has a task of its own that walks it through the life cycle in world time.
//! [`codedeploy`](super::codedeploy) is told when a launch hook of its own makes an instance wait.

mod activities;
mod balance;
mod capacity;
mod cron;
mod describe;
mod groups;
mod hooks;
mod keeper;
mod launch;
mod leave;
mod notices;
mod nouns;
mod policies;
mod processes;
mod schedules;
mod source;
mod standby;
mod tags;
#[cfg(test)]
mod tests;
mod traffic;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::doc::Doc;
use super::input::invalid;
use super::world::{ApiError, Reply, Scope, Site, State, World, unknown_operation};
use nouns::{Activity, Group, Instance};

/// The state of this service in one account and region.
#[derive(Default)]
pub struct Store {
    groups: BTreeMap<String, Group>,
    configurations: BTreeMap<String, source::Configuration>,
    /// Newest last.
    activities: Vec<Activity>,
    /// How long things take.
    pub pace: Pace,
}

/// How long things take, in seconds of world time.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// From a launch until the instance's agent runs.
    pub boot: i64,
    /// From the call that terminates an instance until it has left its group.
    pub shutdown: i64,
    /// Between two looks at the health of a group's instances.
    pub look: i64,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { boot: 30, shutdown: 30, look: 30 }
    }
}

/// Runs one operation.
///
/// # Errors
/// What the service answers.
pub fn call(world: &Arc<World>, scope: &Scope, operation: &str, input: &Doc) -> Reply {
    match operation {
        "CreateAutoScalingGroup" => groups::create(world, scope, input),
        "UpdateAutoScalingGroup" => groups::update(world, scope, input),
        "DeleteAutoScalingGroup" => groups::delete(world, scope, input),
        "DescribeAutoScalingGroups" => describe::groups(world, scope, input),
        "DescribeAutoScalingInstances" => describe::instances(world, scope, input),
        "DescribeScalingActivities" => activities::describe(world, scope, input),
        "CreateLaunchConfiguration" => source::create(world, scope, input),
        "DescribeLaunchConfigurations" => source::describe(world, scope, input),
        "DeleteLaunchConfiguration" => source::delete(world, scope, input),
        "SetDesiredCapacity" => capacity::set_desired(world, scope, input),
        "TerminateInstanceInAutoScalingGroup" => capacity::terminate(world, scope, input),
        "SetInstanceHealth" => capacity::set_health(world, scope, input),
        "SetInstanceProtection" => capacity::set_protection(world, scope, input),
        "DetachInstances" => standby::detach(world, scope, input),
        "EnterStandby" => standby::enter(world, scope, input),
        "ExitStandby" => standby::exit(world, scope, input),
        "SuspendProcesses" => processes::suspend(world, scope, input),
        "ResumeProcesses" => processes::resume(world, scope, input),
        "DescribeScalingProcessTypes" => Ok(processes::types()),
        _ => call_more(world, scope, operation, input),
    }
}

fn call_more(world: &Arc<World>, scope: &Scope, operation: &str, input: &Doc) -> Reply {
    match operation {
        "PutLifecycleHook" => hooks::put(world, scope, input),
        "DescribeLifecycleHooks" => hooks::describe(world, scope, input),
        "DeleteLifecycleHook" => hooks::delete(world, scope, input),
        "CompleteLifecycleAction" => hooks::complete(world, scope, input),
        "RecordLifecycleActionHeartbeat" => hooks::heartbeat(world, scope, input),
        "AttachLoadBalancerTargetGroups" => traffic::attach_target_groups(world, scope, input),
        "DetachLoadBalancerTargetGroups" => traffic::detach_target_groups(world, scope, input),
        "DescribeLoadBalancerTargetGroups" => traffic::describe_target_groups(world, scope, input),
        "AttachTrafficSources" => traffic::attach_sources(world, scope, input),
        "DetachTrafficSources" => traffic::detach_sources(world, scope, input),
        "DescribeTrafficSources" => traffic::describe_sources(world, scope, input),
        "CreateOrUpdateTags" => tags::create_or_update(world, scope, input),
        "DescribeTags" => tags::describe(world, scope, input),
        "DeleteTags" => tags::delete(world, scope, input),
        "PutScalingPolicy" => policies::put(world, scope, input),
        "DescribePolicies" => policies::describe(world, scope, input),
        "DeletePolicy" => policies::delete(world, scope, input),
        "PutScheduledUpdateGroupAction" => schedules::put(world, scope, input),
        "DescribeScheduledActions" => schedules::describe(world, scope, input),
        "DeleteScheduledAction" => schedules::delete(world, scope, input),
        "PutNotificationConfiguration" => notices::put(world, scope, input),
        "DescribeNotificationConfigurations" => notices::describe(world, scope, input),
        "DeleteNotificationConfiguration" => notices::delete(world, scope, input),
        "EnableMetricsCollection" => notices::enable_metrics(world, scope, input),
        "DisableMetricsCollection" => notices::disable_metrics(world, scope, input),
        "PutWarmPool" => notices::put_warm_pool(world, scope, input),
        "DescribeWarmPool" => notices::describe_warm_pool(world, scope, input),
        "DeleteWarmPool" => notices::delete_warm_pool(world, scope, input),
        _ => Err(unknown_operation(operation)),
    }
}

/// One group, for tasks: another group of the same name is not the same.
#[derive(Clone, Debug)]
struct Place {
    site: Site,
    group: String,
    arn: String,
}

impl Place {
    /// The group, unless it is gone.
    fn group<'a>(&self, state: &'a mut State) -> Option<&'a mut Group> {
        state.site(&self.site).autoscaling.groups.get_mut(&self.group).filter(|group| group.arn == self.arn)
    }

    /// One of its instances, unless it or the group is gone.
    fn instance<'a>(&self, state: &'a mut State, id: &str) -> Option<&'a mut Instance> {
        self.group(state)?.instances.iter_mut().find(|instance| instance.id == id)
    }

    /// The service itself, acting here.
    fn scope(&self) -> Scope {
        Scope::service(&self.site, "AWSServiceRoleForAutoScaling")
    }
}

impl Store {
    fn group(&mut self, name: &str) -> Result<&mut Group, ApiError> {
        let missing = || invalid(format!("AutoScalingGroup name not found - AutoScalingGroup '{name}' not found"));
        self.groups.get_mut(name).ok_or_else(missing)
    }

    /// The group that has an instance.
    fn group_of(&mut self, instance: &str) -> Option<&mut Group> {
        self.groups.values_mut().find(|group| group.instances.iter().any(|each| each.id == instance))
    }
}
