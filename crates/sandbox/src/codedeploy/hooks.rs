//! The lifecycle hooks by which Auto Scaling tells CodeDeploy that an instance is being launched or terminated. They are
//! put on the groups through Auto Scaling's own API.

use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::world::{ApiError, Scope, Site, World};
use super::errors::error;
use super::groups::Fleet;

/// The deployment group that hooks are put for.
#[derive(Clone, Copy)]
pub(super) struct Owner<'a> {
    pub(super) name: &'a str,
    pub(super) id: &'a str,
    /// Whether terminations are held too.
    pub(super) terminates: bool,
}

/// Puts hooks on each Auto Scaling group. If one refuses, those already put are taken away again.
///
/// # Errors
/// A group does not exist or takes no more hooks.
pub(super) fn put_all(world: &Arc<World>, site: &Site, owner: Owner, names: &[String]) -> Result<Vec<Fleet>, ApiError> {
    let mut fleets = Vec::new();
    for name in names {
        match put(world, site, owner, name) {
            Ok(fleet) => fleets.push(fleet),
            Err(refused) => {
                remove_all(world, site, &fleets);
                return Err(refused);
            }
        }
    }
    Ok(fleets)
}

/// Puts the hooks on one group.
///
/// # Errors
/// The group does not exist or takes no more hooks.
pub(super) fn put(world: &Arc<World>, site: &Site, owner: Owner, fleet: &str) -> Result<Fleet, ApiError> {
    let hook = put_one(world, site, owner, fleet, true)?;
    with_termination(world, site, owner, Fleet { name: fleet.to_owned(), hook, termination_hook: None })
}

/// Puts the termination hook on a group that should have one and does not, or takes it away.
///
/// # Errors
/// The group does not exist or takes no more hooks.
pub(super) fn with_termination(
    world: &Arc<World>,
    site: &Site,
    owner: Owner,
    mut fleet: Fleet,
) -> Result<Fleet, ApiError> {
    match fleet.termination_hook.take() {
        None if owner.terminates => fleet.termination_hook = Some(put_one(world, site, owner, &fleet.name, false)?),
        Some(hook) if !owner.terminates => {
            // One that is gone already is as it should be.
            let _gone = remove_one(world, site, &fleet.name, &hook);
        }
        as_it_was => fleet.termination_hook = as_it_was,
    }
    Ok(fleet)
}

/// Puts a hook; gives back its name. How the service names those for terminations is not on record.
fn put_one(world: &Arc<World>, site: &Site, owner: Owner, fleet: &str, launching: bool) -> Result<String, ApiError> {
    let (kind, transition) = if launching {
        ("launch", "autoscaling:EC2_INSTANCE_LAUNCHING")
    } else {
        ("termination", "autoscaling:EC2_INSTANCE_TERMINATING")
    };
    let hook = format!("CodeDeploy-managed-automatic-{kind}-deployment-hook-{}-{}", owner.name, world.lock().uuid());
    let queue = format!(
        "arn:aws:sqs:{}:{}:razorbill-{}-prod-default-autoscaling-lifecycle-hook",
        site.region, site.account, site.region
    );
    let input = doc! {
        "AutoScalingGroupName" => fleet, "LifecycleHookName" => &hook, "LifecycleTransition" => transition,
        "HeartbeatTimeout" => 600, "DefaultResult" => "ABANDON",
        "NotificationMetadata" => owner.id, "NotificationTargetARN" => queue,
    };
    match world.call(&scope(site), "autoscaling", "PutLifecycleHook", &input) {
        Ok(_) => Ok(hook),
        Err(refused) if refused.code == "LimitExceeded" => Err(error("LifecycleHookLimitExceeded", refused.message)),
        Err(refused) => Err(error("InvalidAutoScalingGroup", refused.message)),
    }
}

/// A group with its hooks, as answers show it.
pub(super) fn show(fleet: &Fleet) -> Doc {
    doc! { "name" => &fleet.name, "hook" => &fleet.hook, "terminationHook" => fleet.termination_hook.clone() }
}

/// Takes the hooks away; gives back those that could not be, as `hooksNotCleanedUp` says them.
pub(super) fn remove_all(world: &Arc<World>, site: &Site, fleets: &[Fleet]) -> Vec<Doc> {
    fleets.iter().filter(|fleet| remove(world, site, fleet).is_err()).map(show).collect()
}

/// Takes the hooks of one group away.
///
/// # Errors
/// What Auto Scaling answers.
pub(super) fn remove(world: &Arc<World>, site: &Site, fleet: &Fleet) -> Result<(), ApiError> {
    let leaving = fleet.termination_hook.as_ref().map_or(Ok(()), |hook| remove_one(world, site, &fleet.name, hook));
    remove_one(world, site, &fleet.name, &fleet.hook).and(leaving)
}

fn remove_one(world: &Arc<World>, site: &Site, fleet: &str, hook: &str) -> Result<(), ApiError> {
    let input = doc! { "AutoScalingGroupName" => fleet, "LifecycleHookName" => hook };
    world.call(&scope(site), "autoscaling", "DeleteLifecycleHook", &input).map(|_| ())
}

/// CodeDeploy acting for itself.
pub(super) fn scope(site: &Site) -> Scope {
    Scope::service(site, "codedeploy")
}
