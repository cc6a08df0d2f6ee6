//! What is configured on groups and only shown: notices, group metrics, warm pools.

use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::input::{self, invalid};
use super::super::world::{Reply, Scope, World};
use super::nouns::Group;

const METRICS: [&str; 8] = [
    "GroupDesiredCapacity",
    "GroupInServiceInstances",
    "GroupMaxSize",
    "GroupMinSize",
    "GroupPendingInstances",
    "GroupStandbyInstances",
    "GroupTerminatingInstances",
    "GroupTotalInstances",
];

/// Sends notices of these kinds to a topic. The sandbox has no topics; nothing is sent.
pub(super) fn put(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let topic = input::required(input, "TopicARN")?.to_owned();
    let kinds = input.texts("NotificationTypes");
    change(world, scope, input, |group| {
        group.notices.retain(|(old, _)| *old != topic);
        group.notices.extend(kinds.into_iter().map(|kind| (topic.clone(), kind)));
    })
}

/// Describes the notices of groups.
pub(super) fn describe(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let names = input.texts("AutoScalingGroupNames");
    let mut state = world.lock();
    let groups = state.site(&scope.site).autoscaling.groups.values();
    let docs = groups.filter(|group| names.is_empty() || names.contains(&group.name)).flat_map(|group| {
        group.notices.iter().map(|(topic, kind)| {
            doc! { "AutoScalingGroupName" => &group.name, "TopicARN" => topic, "NotificationType" => kind }
        })
    });
    let size = input::page_size(input, "MaxRecords", 50, 100)?;
    let (docs, next) = input::page(docs.collect(), input.text("NextToken"), size)?;
    Ok(doc! { "NotificationConfigurations" => docs, "NextToken" => next })
}

/// Sends nothing to a topic any more.
pub(super) fn delete(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let topic = input::required(input, "TopicARN")?;
    change(world, scope, input, |group| group.notices.retain(|(old, _)| old != topic))
}

/// Enables group metrics, those named or all. The sandbox publishes none.
pub(super) fn enable_metrics(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    input::required(input, "Granularity")?;
    let metrics = input.texts("Metrics");
    if let Some(wrong) = metrics.iter().find(|metric| !METRICS.contains(&metric.as_str())) {
        return Err(invalid(format!("Unknown metric '{wrong}'")));
    }
    let all = || METRICS.map(str::to_owned).to_vec();
    change(world, scope, input, |group| group.metrics.extend(if metrics.is_empty() { all() } else { metrics }))
}

/// Disables group metrics, those named or all.
pub(super) fn disable_metrics(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let metrics = input.texts("Metrics");
    change(world, scope, input, |group| group.metrics.retain(|old| !metrics.is_empty() && !metrics.contains(old)))
}

/// Gives a group a warm pool. The sandbox's pools stay empty: every launch is a cold one.
pub(super) fn put_warm_pool(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let pool = doc! {
        "MaxGroupPreparedCapacity" => input::whole(input, "MaxGroupPreparedCapacity")?,
        "MinSize" => input::whole(input, "MinSize")?.unwrap_or(0),
        "PoolState" => input.text("PoolState").unwrap_or("Stopped"),
        "InstanceReusePolicy" => input.get("InstanceReusePolicy").clone(),
    };
    change(world, scope, input, |group| group.warm_pool = Some(pool)).map(|_| doc! {})
}

/// Describes the warm pool of a group.
pub(super) fn describe_warm_pool(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let name = input::required(input, "AutoScalingGroupName")?;
    let mut state = world.lock();
    let pool = state.site(&scope.site).autoscaling.group(name)?.warm_pool.clone();
    Ok(doc! { "WarmPoolConfiguration" => pool, "Instances" => Vec::<Doc>::new() })
}

/// Takes the warm pool from a group.
pub(super) fn delete_warm_pool(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let name = input::required(input, "AutoScalingGroupName")?;
    let mut state = world.lock();
    let group = state.site(&scope.site).autoscaling.group(name)?;
    group.warm_pool.take().map(|_| doc! {}).ok_or_else(|| invalid(format!("No warm pool found for {name}")))
}

fn change(world: &World, scope: &Scope, input: &Doc, change: impl FnOnce(&mut Group)) -> Reply {
    let name = input::required(input, "AutoScalingGroupName")?;
    let mut state = world.lock();
    change(state.site(&scope.site).autoscaling.group(name)?);
    Ok(Doc::Null)
}
