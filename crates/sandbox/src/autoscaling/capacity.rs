//! Changing how many instances there are, and which.

use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::input::{self, invalid};
use super::super::world::{ApiError, Reply, Scope, World};
use super::nouns::{Group, Instance};
use super::{Store, activities, leave};

/// Sets the desired capacity. The sandbox has no cooldowns, so `HonorCooldown` changes nothing.
pub(super) fn set_desired(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let name = input::required(input, "AutoScalingGroupName")?;
    let desired = input::whole(input, "DesiredCapacity")?;
    let desired = desired.ok_or_else(|| input::constraint("DesiredCapacity", "null", "Member must not be null"))?;
    let now = world.now();
    let mut state = world.lock();
    let group = state.site(&scope.site).autoscaling.group(name)?;
    let (min, max, before) = (group.min, group.max, group.desired);
    if desired > max {
        let text = format!("New SetDesiredCapacity value {desired} is above max value {max} for the AutoScalingGroup.");
        return Err(invalid(text));
    }
    if desired < min {
        let text = format!("New SetDesiredCapacity value {desired} is below min value {min} for the AutoScalingGroup.");
        return Err(invalid(text));
    }
    if desired != before {
        let text = format!(
            "a user request explicitly set group desired capacity changing the desired capacity from {before} to {desired}."
        );
        group.desired = desired;
        group.request = Some(activities::at(now, &text));
        group.wake.notify_one();
    }
    Ok(Doc::Null)
}

/// Terminates one instance; it is replaced unless the desired capacity is to shrink with it.
pub(super) fn terminate(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let id = input::required(input, "InstanceId")?;
    let decrement = decrement(input)?;
    let now = world.now();
    let (place, cause) = {
        let mut state = world.lock();
        let group = state.site(&scope.site).autoscaling.group_of(id).ok_or_else(|| no_such_instance(id))?;
        let before = group.desired;
        if decrement {
            shrink(group, 1)?;
        }
        let shrinking =
            if decrement { format!(", shrinking the capacity from {before} to {}", before - 1) } else { String::new() };
        let text = format!("instance {id} was taken out of service in response to a user request{shrinking}.");
        group.wake.notify_one();
        (group.place(&scope.site), activities::at(now, &text))
    };
    let activity = leave::begin(world, &place, id, cause);
    let shown = activity.map_or(Doc::Null, |activity| activities::shown(&mut world.lock(), &place, &activity));
    Ok(doc! { "Activity" => shown })
}

/// Says that an instance is healthy or not; an unhealthy one is replaced.
pub(super) fn set_health(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let id = input::required(input, "InstanceId")?;
    let healthy = match input::required(input, "HealthStatus")? {
        "Healthy" => true,
        "Unhealthy" => false,
        other => return Err(invalid(format!("Invalid health status '{other}': must be Healthy or Unhealthy"))),
    };
    let mut state = world.lock();
    let group = state.site(&scope.site).autoscaling.group_of(id).ok_or_else(|| no_such_instance(id))?;
    group.instances.iter_mut().filter(|one| one.id == id).for_each(|one| one.healthy = healthy);
    group.wake.notify_one();
    Ok(Doc::Null)
}

/// Protects instances from scale-in, or no longer.
pub(super) fn set_protection(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let name = input::required(input, "AutoScalingGroupName")?;
    let protect = input.bool("ProtectedFromScaleIn") == Some(true);
    let mut state = world.lock();
    for instance in named(&mut state.site(&scope.site).autoscaling, name, input)? {
        instance.protected = protect;
    }
    Ok(doc! {})
}

/// The instances of a group that an input names; all of them have to be there.
pub(super) fn named<'a>(store: &'a mut Store, name: &str, input: &Doc) -> Result<Vec<&'a mut Instance>, ApiError> {
    let ids = input.texts("InstanceIds");
    let group = store.group(name)?;
    if let Some(stranger) = ids.iter().find(|id| !group.instances.iter().any(|one| one.id == **id)) {
        return Err(invalid(format!("The instance {stranger} is not part of Auto Scaling group {name}.")));
    }
    Ok(group.instances.iter_mut().filter(|one| ids.contains(&one.id)).collect())
}

/// Whether the desired capacity shrinks with what leaves; the caller has to say.
pub(super) fn decrement(input: &Doc) -> Result<bool, ApiError> {
    let missing = || input::constraint("ShouldDecrementDesiredCapacity", "null", "Member must not be null");
    input.bool("ShouldDecrementDesiredCapacity").ok_or_else(missing)
}

/// Lowers the desired capacity, not below the minimum.
pub(super) fn shrink(group: &mut Group, by: i64) -> Result<(), ApiError> {
    if group.desired - by < group.min {
        return Err(invalid(format!(
            "Currently, desiredSize equals minSize ({}). Terminating instance without replacement will violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.",
            group.min
        )));
    }
    group.desired -= by;
    Ok(())
}

fn no_such_instance(id: &str) -> ApiError {
    invalid(format!("Instance Id not found - No managed instance found for instance ID: {id}"))
}
