//! codedeploy

use std::sync::Arc;

use super::doc::{Doc, doc};
use super::world::{Reply, Scope, Site, World, unknown_operation};

/// The state of this service in one account and region.
#[derive(Default)]
pub struct Store {}

/// Runs one operation.
///
/// # Errors
/// What the service answers.
pub fn call(_world: &Arc<World>, _scope: &Scope, operation: &str, _input: &Doc) -> Reply {
    Err(unknown_operation(operation))
}

/// An instance waits for a launch hook that is CodeDeploy's own.
#[derive(Clone, Debug)]
pub struct LaunchHook {
    /// The Auto Scaling group.
    pub group: String,
    /// The instance that waits.
    pub instance: String,
    /// The hook's name.
    pub hook: String,
    /// Names the lifecycle action.
    pub token: String,
    /// What the hook says to its receiver: the id of a deployment group.
    pub metadata: Option<String>,
}

/// Takes note of an instance that waits. Called without the lock.
pub fn on_launch_hook(world: &Arc<World>, site: &Site, notice: LaunchHook) {
    let input = doc! {
        "AutoScalingGroupName" => notice.group,
        "LifecycleHookName" => notice.hook,
        "LifecycleActionToken" => notice.token,
        "InstanceId" => notice.instance,
        "LifecycleActionResult" => "CONTINUE",
    };
    // The action may be over by now; then nobody waits.
    let _ = world.call(&Scope::service(site, "codedeploy"), "autoscaling", "CompleteLifecycleAction", &input);
}
