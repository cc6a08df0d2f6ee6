//! Creating, changing and deleting groups.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::Notify;

use super::super::doc::{Doc, doc};
use super::super::input::{self, invalid};
use super::super::later::Later;
use super::super::world::{ApiError, Reply, Scope, World};
use super::nouns::{Attached, Group, Outcome};
use super::source::Source;
use super::{activities, hooks, keeper, tags, traffic};

/// What a setting is.
#[derive(Clone, Copy)]
enum Kind {
    Whole,
    Yes,
    Any,
}

/// Members that are kept and shown as they were given.
const SETTINGS: [(&str, Kind); 16] = [
    ("DefaultCooldown", Kind::Whole),
    ("HealthCheckType", Kind::Any),
    ("HealthCheckGracePeriod", Kind::Whole),
    ("PlacementGroup", Kind::Any),
    ("VPCZoneIdentifier", Kind::Any),
    ("TerminationPolicies", Kind::Any),
    ("NewInstancesProtectedFromScaleIn", Kind::Yes),
    ("ServiceLinkedRoleARN", Kind::Any),
    ("MaxInstanceLifetime", Kind::Whole),
    ("CapacityRebalance", Kind::Yes),
    ("DesiredCapacityType", Kind::Any),
    ("Context", Kind::Any),
    ("DefaultInstanceWarmup", Kind::Whole),
    ("InstanceMaintenancePolicy", Kind::Any),
    ("AvailabilityZoneDistribution", Kind::Any),
    ("AvailabilityZoneImpairmentPolicy", Kind::Any),
];

/// Creates a group; its instances are launched at once.
pub(super) fn create(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let name = input::required(input, "AutoScalingGroupName")?;
    let source = Source::read(world, scope, input)?.ok_or_else(|| {
        invalid("Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.")
    })?;
    if !input.list("LoadBalancerNames").is_empty() {
        return Err(invalid("Provided Load Balancers may not be valid. Please ensure they exist and try again."));
    }
    let sources = input.list("TrafficSources").iter().filter_map(|source| source.text("Identifier").map(str::to_owned));
    let target_groups: Vec<String> = input.texts("TargetGroupARNs").into_iter().chain(sources).collect();
    traffic::must_exist(world, scope, &target_groups)?;
    let now = world.now();
    let mut state = world.lock();
    let uuid = state.uuid();
    let store = &mut state.site(&scope.site).autoscaling;
    if store.groups.contains_key(name) {
        let text =
            format!("AutoScalingGroup by this name already exists - A group with the name {name} already exists");
        return Err(ApiError::new("AlreadyExists", text));
    }
    let size =
        |name| input::whole(input, name)?.ok_or_else(|| input::constraint(name, "null", "Member must not be null"));
    let (min, max) = (size("MinSize")?, size("MaxSize")?);
    let (region, account) = (&scope.site.region, &scope.site.account);
    let settings = settings(input, defaults(account))?;
    let mut group = Group {
        name: name.to_owned(),
        arn: format!("arn:aws:autoscaling:{region}:{account}:autoScalingGroup:{uuid}:autoScalingGroupName/{name}"),
        created: now,
        source,
        min,
        max,
        desired: input::whole(input, "DesiredCapacity")?.unwrap_or(min),
        zones: zones(region, input, &settings)?,
        settings,
        target_groups: target_groups.into_iter().map(|arn| Attached { arn, from_start: true }).collect(),
        instances: Vec::new(),
        suspended: BTreeMap::new(),
        tags: tags::read(input)?,
        hooks: hooks::read_all(input.list("LifecycleHookSpecificationList"))?,
        policies: BTreeMap::new(),
        schedules: BTreeMap::new(),
        notices: BTreeSet::new(),
        metrics: BTreeSet::new(),
        warm_pool: None,
        deleting: false,
        request: None,
        wake: Arc::new(Notify::new()),
    };
    check_bounds(group.min, group.max, group.desired)?;
    let desired = group.desired;
    let text = format!("a user request created an AutoScalingGroup changing the desired capacity from 0 to {desired}.");
    group.request = Some(activities::at(now, &text));
    let place = group.place(&scope.site);
    store.groups.insert(name.to_owned(), group);
    tokio::spawn(keeper::keep(Later::of(world), place));
    Ok(Doc::Null)
}

/// Changes what the input names. A minimum above the desired capacity raises it, a maximum below lowers it.
pub(super) fn update(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let name = input::required(input, "AutoScalingGroupName")?;
    let source = Source::read(world, scope, input)?;
    let now = world.now();
    let mut state = world.lock();
    let missing = || invalid("AutoScalingGroup name not found - null");
    let group = state.site(&scope.site).autoscaling.groups.get_mut(name).ok_or_else(missing)?;
    if group.deleting {
        return Err(invalid(format!("AutoScalingGroup '{name}' is being deleted")));
    }
    let (min, max) = (input::whole(input, "MinSize")?, input::whole(input, "MaxSize")?);
    let (min, max) = (min.unwrap_or(group.min), max.unwrap_or(group.max));
    let before = group.desired;
    let desired = match input::whole(input, "DesiredCapacity")? {
        Some(desired) => desired,
        None => before.min(max).max(min),
    };
    let settings = settings(input, group.settings.clone())?;
    let zones = match input.get("AvailabilityZones").is_null() && input.get("VPCZoneIdentifier").is_null() {
        true => group.zones.clone(),
        false => zones(&scope.site.region, input, &settings)?,
    };
    check_bounds(min, max, desired)?;
    (group.min, group.max, group.desired, group.settings, group.zones) = (min, max, desired, settings, zones);
    group.source = source.unwrap_or_else(|| group.source.clone());
    if desired != before {
        let text = format!(
            "a user request update of AutoScalingGroup constraints to min: {min}, max: {max}, desired: {desired} changing the desired capacity from {before} to {desired}."
        );
        group.request = Some(activities::at(now, &text));
    }
    group.wake.notify_one();
    Ok(Doc::Null)
}

/// Deletes a group. With `ForceDelete` its instances go too, without waiting for connections or hooks.
pub(super) fn delete(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let name = input::required(input, "AutoScalingGroupName")?;
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).autoscaling;
    let group = store.group(name)?;
    if group.instances.is_empty() {
        store.groups.remove(name);
        return Ok(Doc::Null);
    }
    if input.bool("ForceDelete") != Some(true) {
        let leaving = group.instances.iter().all(|instance| instance.phase.is_terminating());
        let (code, text) = if leaving && group.desired == 0 {
            (
                "ScalingActivityInProgress",
                "You cannot delete an AutoScalingGroup while there are scaling activities in progress for that group.",
            )
        } else {
            (
                "ResourceInUse",
                "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.",
            )
        };
        return Err(ApiError::new(code, text));
    }
    group.deleting = true;
    (group.min, group.max, group.desired) = (0, 0, 0);
    group.wake.notify_one();
    for instance in &mut group.instances {
        instance.actions.iter_mut().for_each(|action| action.result = Some(Outcome::Continue));
        instance.wake.notify_one();
    }
    Ok(Doc::Null)
}

/// Refuses sizes that contradict each other.
pub(super) fn check_bounds(min: i64, max: i64, desired: i64) -> Result<(), ApiError> {
    if min < 0 || !(0..=1000).contains(&max) {
        return Err(invalid("Min and max bounds must be non-negative and no greater than 1000"));
    }
    if max < min {
        return Err(invalid(format!("Max bound, {max}, must be greater than or equal to min bound, {min}")));
    }
    if !(min..=max).contains(&desired) {
        let text =
            format!("Desired capacity:{desired} must be between the specified min size:{min} and max size:{max}");
        return Err(invalid(text));
    }
    Ok(())
}

fn defaults(account: &str) -> Doc {
    let role = "role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling";
    doc! {
        "DefaultCooldown" => 300,
        "HealthCheckType" => "EC2",
        "HealthCheckGracePeriod" => 0,
        "TerminationPolicies" => vec!["Default"],
        "NewInstancesProtectedFromScaleIn" => false,
        "ServiceLinkedRoleARN" => format!("arn:aws:iam::{account}:{role}"),
    }
}

/// The settings with those of an input on top.
fn settings(input: &Doc, before: Doc) -> Result<Doc, ApiError> {
    let mut settings = before;
    for (name, kind) in SETTINGS {
        let given = input.get(name);
        if given.is_null() {
            continue;
        }
        let wrong = || invalid(format!("{name} is not valid"));
        settings.set(
            name,
            match kind {
                Kind::Whole => Doc::from(input::whole(input, name)?),
                Kind::Yes => Doc::from(input.bool(name).ok_or_else(wrong)?),
                Kind::Any => given.clone(),
            },
        );
    }
    let kinds = settings.text("HealthCheckType").unwrap_or_default();
    if !kinds.split(',').all(|kind| ["EC2", "ELB"].contains(&kind.trim())) {
        return Err(invalid(format!("Invalid health check type: {kinds}; the sandbox knows EC2 and ELB")));
    }
    Ok(settings)
}

/// The zones given, or one for each subnet.
fn zones(region: &str, input: &Doc, settings: &Doc) -> Result<Vec<String>, ApiError> {
    let given = input.texts("AvailabilityZones");
    let subnets = settings.text("VPCZoneIdentifier").unwrap_or_default();
    let of_subnets =
        || subnets.split(',').zip("abcdef".chars()).map(|(_, letter)| format!("{region}{letter}")).collect();
    match (given.is_empty(), subnets.is_empty()) {
        (false, _) => Ok(given),
        (true, false) => Ok(of_subnets()),
        (true, true) => Err(invalid("At least one Availability Zone or VPC Subnet is required.")),
    }
}
