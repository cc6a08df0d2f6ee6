//! Target groups whose targets are a group's instances. Traffic sources are the newer name of the same.

use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::input::{self, invalid};
use super::super::world::{ApiError, Reply, Scope, World};
use super::Place;
use super::nouns::{Attached, Group, Phase};

/// Attaches target groups; the instances in service are registered.
pub(super) fn attach_target_groups(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    attach(world, scope, input, input.texts("TargetGroupARNs"))
}

/// The same under its newer name.
pub(super) fn attach_sources(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    attach(world, scope, input, identifiers(input))
}

/// Detaches target groups; the instances are deregistered and stay in the group.
pub(super) fn detach_target_groups(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    detach(world, scope, input, &input.texts("TargetGroupARNs"))
}

/// The same under its newer name.
pub(super) fn detach_sources(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    detach(world, scope, input, &identifiers(input))
}

/// Describes the target groups of a group.
pub(super) fn describe_target_groups(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let (docs, next) = described(world, scope, input, |attached, state| {
        doc! { "LoadBalancerTargetGroupARN" => &attached.arn, "State" => state }
    })?;
    Ok(doc! { "LoadBalancerTargetGroups" => docs, "NextToken" => next })
}

/// The same under its newer name.
pub(super) fn describe_sources(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let (docs, next) = described(world, scope, input, |attached, state| {
        doc! { "TrafficSource" => &attached.arn, "State" => state, "Identifier" => &attached.arn, "Type" => "elbv2" }
    })?;
    Ok(doc! { "TrafficSources" => docs, "NextToken" => next })
}

/// Refuses target groups that do not exist.
pub(super) fn must_exist(world: &Arc<World>, scope: &Scope, arns: &[String]) -> Result<(), ApiError> {
    if arns.is_empty() {
        return Ok(());
    }
    let asked = doc! { "TargetGroupArns" => arns.to_vec() };
    world
        .call(scope, "elasticloadbalancing", "DescribeTargetGroups", &asked)
        .map(|_| ())
        .map_err(|_| invalid("Provided Target Groups may not be valid. Please ensure they exist and try again."))
}

/// Registers instances. One that does not run is refused by the load balancer; the health check will find it.
pub(super) fn register(world: &Arc<World>, place: &Place, target_group: &str, ids: &[String]) {
    let targets: Vec<Doc> = ids.iter().map(|id| doc! { "Id" => id }).collect();
    let input = doc! { "TargetGroupArn" => target_group, "Targets" => targets };
    let _ = world.call(&place.scope(), "elasticloadbalancing", "RegisterTargets", &input);
}

/// Deregisters an instance, and how many seconds its connections drain; none if it was not registered.
pub(super) fn deregister(world: &Arc<World>, place: &Place, target_group: &str, id: &str) -> i64 {
    let call = |operation: &str, input: &Doc| {
        world.call(&place.scope(), "elasticloadbalancing", operation, input).unwrap_or(Doc::Null)
    };
    let target = doc! { "TargetGroupArn" => target_group, "Targets" => vec![doc! { "Id" => id }] };
    call("DeregisterTargets", &target);
    let health = call("DescribeTargetHealth", &target);
    let drains = |each: &Doc| each.get("TargetHealth").text("State") == Some("draining");
    if !health.list("TargetHealthDescriptions").iter().any(drains) {
        return 0;
    }
    let attributes = call("DescribeTargetGroupAttributes", &doc! { "TargetGroupArn" => target_group });
    let delay = attributes
        .list("Attributes")
        .iter()
        .find(|attribute| attribute.text("Key") == Some("deregistration_delay.timeout_seconds"))
        .and_then(|attribute| attribute.int("Value"));
    delay.unwrap_or(300)
}

fn identifiers(input: &Doc) -> Vec<String> {
    input.list("TrafficSources").iter().filter_map(|source| source.text("Identifier").map(str::to_owned)).collect()
}

fn attach(world: &Arc<World>, scope: &Scope, input: &Doc, arns: Vec<String>) -> Reply {
    let name = input::required(input, "AutoScalingGroupName")?;
    must_exist(world, scope, &arns)?;
    let (place, ids, added) = {
        let mut state = world.lock();
        let group = state.site(&scope.site).autoscaling.group(name)?;
        let new: Vec<String> =
            arns.into_iter().filter(|arn| !group.target_groups.iter().any(|old| old.arn == *arn)).collect();
        group.target_groups.extend(new.iter().map(|arn| Attached { arn: arn.clone(), from_start: false }));
        let ids = if group.is_suspended(super::processes::ADD_TO_LOAD_BALANCER) { Vec::new() } else { serving(group) };
        (group.place(&scope.site), ids, new)
    };
    for arn in added.iter().filter(|_| !ids.is_empty()) {
        register(world, &place, arn, &ids);
    }
    Ok(doc! {})
}

fn detach(world: &Arc<World>, scope: &Scope, input: &Doc, arns: &[String]) -> Reply {
    let name = input::required(input, "AutoScalingGroupName")?;
    let (place, ids) = {
        let mut state = world.lock();
        let group = state.site(&scope.site).autoscaling.group(name)?;
        if let Some(stranger) = arns.iter().find(|arn| !group.target_groups.iter().any(|own| own.arn == **arn)) {
            return Err(invalid(format!("The target group {stranger} is not attached to {name}")));
        }
        group.target_groups.retain(|own| !arns.contains(&own.arn));
        (group.place(&scope.site), serving(group))
    };
    for arn in arns {
        for id in &ids {
            deregister(world, &place, arn, id);
        }
    }
    Ok(doc! {})
}

fn serving(group: &Group) -> Vec<String> {
    group.instances.iter().filter(|instance| instance.phase == Phase::InService).map(|one| one.id.clone()).collect()
}

fn described(
    world: &Arc<World>,
    scope: &Scope,
    input: &Doc,
    shown: impl Fn(&Attached, &str) -> Doc,
) -> Result<(Vec<Doc>, Option<String>), ApiError> {
    let name = input::required(input, "AutoScalingGroupName")?;
    let mut state = world.lock();
    let group = state.site(&scope.site).autoscaling.group(name)?;
    let state_of = |one: &Attached| if one.from_start || group.asks_load_balancer() { "InService" } else { "Added" };
    let docs = group.target_groups.iter().map(|attached| shown(attached, state_of(attached))).collect();
    input::page(docs, input.text("NextToken"), input::page_size(input, "MaxRecords", 100, 100)?)
}
