//! Scaling policies. They are kept and shown; the sandbox's groups do not scale by themselves.

use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::input::{self, invalid};
use super::super::world::{Reply, Scope, World};

/// What a policy may say beside its names.
const MEMBERS: [&str; 12] = [
    "PolicyType",
    "AdjustmentType",
    "MinAdjustmentStep",
    "MinAdjustmentMagnitude",
    "ScalingAdjustment",
    "Cooldown",
    "StepAdjustments",
    "MetricAggregationType",
    "EstimatedInstanceWarmup",
    "TargetTrackingConfiguration",
    "PredictiveScalingConfiguration",
    "Enabled",
];

/// Creates a policy or replaces it.
pub(super) fn put(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let group = input::required(input, "AutoScalingGroupName")?;
    let name = input::required(input, "PolicyName")?;
    let mut policy = doc! { "PolicyType" => "SimpleScaling", "Enabled" => true };
    for member in MEMBERS.iter().filter(|member| !input.get(member).is_null()) {
        policy.set(member, input.get(member).clone());
    }
    let kind = policy.text("PolicyType").unwrap_or_default();
    let needed = match kind {
        "SimpleScaling" => "ScalingAdjustment",
        "StepScaling" => "StepAdjustments",
        "TargetTrackingScaling" => "TargetTrackingConfiguration",
        "PredictiveScaling" => "PredictiveScalingConfiguration",
        other => return Err(invalid(format!("Policy type '{other}' is not known"))),
    };
    if policy.get(needed).is_null() {
        return Err(invalid(format!("You must specify {needed} for policy type: {kind}")));
    }
    let mut state = world.lock();
    let uuid = state.uuid();
    let policies = &mut state.site(&scope.site).autoscaling.group(group)?.policies;
    let (region, account) = (&scope.site.region, &scope.site.account);
    let arn = policies.get(name).and_then(|old| old.text("PolicyARN").map(str::to_owned)).unwrap_or_else(|| {
        format!(
            "arn:aws:autoscaling:{region}:{account}:scalingPolicy:{uuid}:autoScalingGroupName/{group}:policyName/{name}"
        )
    });
    policy.set("AutoScalingGroupName", group);
    policy.set("PolicyName", name);
    policy.set("PolicyARN", &arn);
    policy.set("Alarms", Vec::<Doc>::new());
    policies.insert(name.to_owned(), policy);
    Ok(doc! { "PolicyARN" => arn, "Alarms" => Vec::<Doc>::new() })
}

/// Describes policies of a group or of all.
pub(super) fn describe(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let (names, types) = (input.texts("PolicyNames"), input.texts("PolicyTypes"));
    let group = input.text("AutoScalingGroupName");
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).autoscaling;
    if let Some(group) = group {
        store.group(group)?;
    }
    let named = |policy: &&Doc, member: &str, wanted: &[String]| {
        wanted.is_empty() || policy.text(member).is_some_and(|own| wanted.iter().any(|name| name == own))
    };
    let docs = store
        .groups
        .values()
        .filter(|each| group.is_none_or(|group| each.name == group))
        .flat_map(|each| each.policies.values())
        .filter(|policy| named(policy, "PolicyName", &names) || named(policy, "PolicyARN", &names))
        .filter(|policy| named(policy, "PolicyType", &types))
        .cloned();
    let size = input::page_size(input, "MaxRecords", 50, 100)?;
    let (docs, next) = input::page(docs.collect(), input.text("NextToken"), size)?;
    Ok(doc! { "ScalingPolicies" => docs, "NextToken" => next })
}

/// Deletes a policy, named by name or ARN.
pub(super) fn delete(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let name = input::required(input, "PolicyName")?;
    let group = input.text("AutoScalingGroupName");
    let mut state = world.lock();
    let mut groups = state.site(&scope.site).autoscaling.groups.values_mut();
    let matches = |policy: &Doc| policy.text("PolicyName") == Some(name) || policy.text("PolicyARN") == Some(name);
    let owner = groups.find(|each| group.is_none_or(|group| each.name == group) && each.policies.values().any(matches));
    let owner = owner.ok_or_else(|| invalid(format!("Scaling policy {name} not found")))?;
    owner.policies.retain(|_, policy| !matches(policy));
    Ok(Doc::Null)
}
