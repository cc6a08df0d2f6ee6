//! The lifecycle hook by which Auto Scaling tells CodeDeploy that an instance is being launched. It is put on the
//! groups through Auto Scaling's own API.

use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::world::{ApiError, Scope, Site, World};
use super::errors::error;
use super::groups::Fleet;

/// Puts a launch hook on each Auto Scaling group. If one refuses, those already put are taken away again.
///
/// # Errors
/// A group does not exist or takes no more hooks.
pub(super) fn put_all(
    world: &Arc<World>,
    site: &Site,
    group: &str,
    group_id: &str,
    names: &[String],
) -> Result<Vec<Fleet>, ApiError> {
    let mut fleets = Vec::new();
    for name in names {
        match put(world, site, group, group_id, name) {
            Ok(hook) => fleets.push(Fleet { name: name.clone(), hook }),
            Err(refused) => {
                remove_all(world, site, &fleets);
                return Err(refused);
            }
        }
    }
    Ok(fleets)
}

/// Puts the hook on one group; gives back its name.
///
/// # Errors
/// The group does not exist or takes no more hooks.
pub(super) fn put(
    world: &Arc<World>,
    site: &Site,
    group: &str,
    group_id: &str,
    fleet: &str,
) -> Result<String, ApiError> {
    let hook = format!("CodeDeploy-managed-automatic-launch-deployment-hook-{group}-{}", world.lock().uuid());
    let queue = format!(
        "arn:aws:sqs:{}:{}:razorbill-{}-prod-default-autoscaling-lifecycle-hook",
        site.region, site.account, site.region
    );
    let input = doc! {
        "AutoScalingGroupName" => fleet, "LifecycleHookName" => &hook,
        "LifecycleTransition" => "autoscaling:EC2_INSTANCE_LAUNCHING",
        "HeartbeatTimeout" => 600, "DefaultResult" => "ABANDON",
        "NotificationMetadata" => group_id, "NotificationTargetARN" => queue,
    };
    match world.call(&scope(site), "autoscaling", "PutLifecycleHook", &input) {
        Ok(_) => Ok(hook),
        Err(refused) if refused.code == "LimitExceeded" => Err(error("LifecycleHookLimitExceeded", refused.message)),
        Err(refused) => Err(error("InvalidAutoScalingGroup", refused.message)),
    }
}

/// Takes the hooks away; gives back those that could not be, as `hooksNotCleanedUp` says them.
pub(super) fn remove_all(world: &Arc<World>, site: &Site, fleets: &[Fleet]) -> Vec<Doc> {
    let left = fleets.iter().filter(|fleet| remove(world, site, fleet).is_err());
    left.map(|fleet| doc! { "name" => &fleet.name, "hook" => &fleet.hook }).collect()
}

/// Takes one hook away.
///
/// # Errors
/// What Auto Scaling answers.
pub(super) fn remove(world: &Arc<World>, site: &Site, fleet: &Fleet) -> Result<(), ApiError> {
    let input = doc! { "AutoScalingGroupName" => &fleet.name, "LifecycleHookName" => &fleet.hook };
    world.call(&scope(site), "autoscaling", "DeleteLifecycleHook", &input).map(|_| ())
}

/// CodeDeploy acting for itself.
pub(super) fn scope(site: &Site) -> Scope {
    Scope::service(site, "codedeploy")
}
