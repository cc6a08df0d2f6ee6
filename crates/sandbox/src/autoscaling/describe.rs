//! Groups and instances as they are shown.

use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::input::{self, invalid};
use super::super::world::{ApiError, Reply, Scope, World};
use super::activities::seconds_of;
use super::nouns::{Group, Instance};
use super::tags;

/// Describes groups: all, those named (unknown names are left out), or those whose tags fit.
pub(super) fn groups(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let names = input.texts("AutoScalingGroupNames");
    let mut state = world.lock();
    let mut docs = Vec::new();
    for group in state.site(&scope.site).autoscaling.groups.values() {
        if (names.is_empty() || names.contains(&group.name)) && passes(group, input.list("Filters"))? {
            docs.push(group_doc(group));
        }
    }
    let size = input::page_size(input, "MaxRecords", 50, 100)?;
    let (docs, next) = input::page(docs, input.text("NextToken"), size)?;
    Ok(doc! { "AutoScalingGroups" => docs, "NextToken" => next })
}

/// Describes instances: all, or those named (unknown ids are left out).
pub(super) fn instances(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let ids = input.texts("InstanceIds");
    let mut state = world.lock();
    let mut docs = Vec::new();
    for group in state.site(&scope.site).autoscaling.groups.values() {
        for instance in group.instances.iter().filter(|one| ids.is_empty() || ids.contains(&one.id)) {
            let mut doc = instance_doc(instance);
            doc.set("AutoScalingGroupName", &group.name);
            // This operation alone writes it in capitals.
            doc.set("HealthStatus", if instance.healthy { "HEALTHY" } else { "UNHEALTHY" });
            docs.push(doc);
        }
    }
    let size = input::page_size(input, "MaxRecords", 50, 50)?;
    let (docs, next) = input::page(docs, input.text("NextToken"), size)?;
    Ok(doc! { "AutoScalingInstances" => docs, "NextToken" => next })
}

fn passes(group: &Group, filters: &[Doc]) -> Result<bool, ApiError> {
    for filter in filters {
        let values = filter.texts("Values");
        let mut tags = group.tags.iter();
        let fits = match filter.text("Name").unwrap_or_default() {
            "tag-key" => tags.any(|(key, _)| values.contains(key)),
            "tag-value" => tags.any(|(_, (value, _))| values.contains(value)),
            name => {
                let key = name.strip_prefix("tag:").ok_or_else(|| invalid(format!("Invalid filter name '{name}'")))?;
                group.tags.get(key).is_some_and(|(value, _)| values.contains(value))
            }
        };
        if !fits {
            return Ok(false);
        }
    }
    Ok(true)
}

fn group_doc(group: &Group) -> Doc {
    let arns: Vec<&str> = group.target_groups.iter().map(|attached| attached.arn.as_str()).collect();
    let source = |arn: &&str| doc! { "Identifier" => *arn, "Type" => "elbv2" };
    let suspended = group.suspended.iter().map(|(process, since)| {
        let reason = format!("User suspended at {}", seconds_of(*since));
        doc! { "ProcessName" => *process, "SuspensionReason" => reason }
    });
    let (member, source_doc) = group.source.shown();
    let mut shown = doc! {
        "AutoScalingGroupName" => &group.name,
        "AutoScalingGroupARN" => &group.arn,
        member => source_doc,
        "MinSize" => group.min,
        "MaxSize" => group.max,
        "DesiredCapacity" => group.desired,
        "AvailabilityZones" => group.zones.clone(),
        "LoadBalancerNames" => Vec::<Doc>::new(),
        "TrafficSources" => arns.iter().map(source).collect::<Vec<Doc>>(),
        "Instances" => group.instances.iter().map(instance_doc).collect::<Vec<Doc>>(),
        "CreatedTime" => group.created,
        "SuspendedProcesses" => suspended.collect::<Vec<Doc>>(),
        "EnabledMetrics" => group.metrics.iter().map(|metric| doc! { "Metric" => metric, "Granularity" => "1Minute" }).collect::<Vec<Doc>>(),
        "Tags" => tags::docs(group),
        "Status" => group.deleting.then_some("Delete in progress"),
        "WarmPoolConfiguration" => group.warm_pool.clone(),
        "WarmPoolSize" => group.warm_pool.as_ref().map(|_| 0),
    };
    shown.set("TargetGroupARNs", arns);
    if let Doc::Map(settings) = &group.settings {
        settings.iter().for_each(|(name, value)| shown.set(name, value.clone()));
    }
    shown
}

/// An instance as its group shows it.
pub(super) fn instance_doc(instance: &Instance) -> Doc {
    let mut shown = doc! {
        "InstanceId" => &instance.id,
        "InstanceType" => &instance.kind,
        "AvailabilityZone" => &instance.zone,
        "LifecycleState" => instance.phase.to_string(),
        "HealthStatus" => if instance.healthy { "Healthy" } else { "Unhealthy" },
        "ProtectedFromScaleIn" => instance.protected,
    };
    instance.source.iter().for_each(|(name, value)| shown.set(name, value.clone()));
    shown
}
