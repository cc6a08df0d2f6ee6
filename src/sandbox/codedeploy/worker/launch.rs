//! Deployments to instances whose launch Auto Scaling holds for it.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use super::super::super::doc::{Doc, doc};
use super::super::super::world::{Site, World};
use super::super::create::{Order, of_group, place};
use super::super::deployment::{Creator, Job, TargetStatus};
use super::super::errors::HEALTH_CONSTRAINTS;
use super::super::events::{ALLOW, INSTALL};
use super::super::hooks;
use super::super::settings::{Alarms, AutoRollback};
use super::work::{End, Work};

/// A launch that is held, as Auto Scaling's notification says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchHook {
    /// `AutoScalingGroupName`.
    pub group: String,
    /// `LifecycleHookName`.
    pub hook: String,
    /// `EC2InstanceId`.
    pub instance: String,
    /// `LifecycleActionToken`.
    pub token: String,
    /// `NotificationMetadata`: the deployment group's id.
    pub metadata: Option<String>,
}

/// Auto Scaling holds a launch for a deployment: the group's last successful revision goes onto the instance. Where there is
/// none, the launch goes on; for a deployment group that is gone nobody answers.
pub fn on_launch_hook(world: &Arc<World>, site: &Site, hook: LaunchHook) {
    let mut state = world.lock();
    let store = &mut state.site(site).codedeploy;
    let Some(group) = hook.metadata.as_deref().and_then(|id| store.group_by_id(id)) else { return };
    let Some(revision) = group.target_revision.clone() else {
        drop(state);
        complete(world, site, &hook, true);
        return;
    };
    let mut terms = of_group(group);
    terms.style.blue_green = false;
    (terms.alarms, terms.auto_rollback) = (Alarms::default(), AutoRollback::default());
    let last = group.last_successful.clone();
    let id = group.id.clone();
    terms.file_exists = last.and_then(|id| store.deployments.get(&id)).and_then(|it| it.terms.file_exists.clone());
    let application = store.applications.iter().find(|(_, it)| it.groups.values().any(|group| group.id == id));
    let application = application.map(|(name, _)| name.clone()).unwrap_or_default();
    let (job, creator) = (Job::Launch(hook), Creator::Autoscaling);
    let order = Order { application, group_id: id, job, creator, revision, terms, triggering: None };
    let id = place(&mut state, world, site, order);
    drop(state);
    super::start(world, site, &id);
}

pub(super) async fn run(work: &Work, hook: &LaunchHook) -> Result<(), End> {
    let events = if work.terms()?.style.traffic { [INSTALL.as_slice(), &ALLOW].concat() } else { INSTALL.to_vec() };
    work.set_targets(vec![(hook.instance.clone(), None, events.clone())])?;
    let succeeded = tokio::select! {
        biased;
        succeeded = work.events(&hook.instance, &events) => succeeded?,
        never = hold(work, hook) => match never {},
    };
    work.note_instance(&hook.instance, succeeded)?;
    if !succeeded {
        return Err(End::failed("HEALTH_CONSTRAINTS", HEALTH_CONSTRAINTS));
    }
    work.set_target(&hook.instance, TargetStatus::Succeeded)
}

/// Keeps the launch held while the deployment runs.
async fn hold(work: &Work, hook: &LaunchHook) -> Infallible {
    loop {
        work.clock.sleep(work.pace.heartbeat).await;
        if work.try_call("autoscaling", "RecordLifecycleActionHeartbeat", &action(hook)).is_err() {
            return pending().await;
        }
    }
}

/// Lets the launch go on, or has the instance terminated and replaced.
pub(super) fn complete(world: &Arc<World>, site: &Site, hook: &LaunchHook, succeeded: bool) {
    let mut input = action(hook);
    input.set("LifecycleActionResult", if succeeded { "CONTINUE" } else { "ABANDON" });
    // The instance may be gone by now; then there is nothing to complete.
    let _gone = world.call(&hooks::scope(site), "autoscaling", "CompleteLifecycleAction", &input);
}

fn action(hook: &LaunchHook) -> Doc {
    doc! {
        "AutoScalingGroupName" => &hook.group, "LifecycleHookName" => &hook.hook,
        "LifecycleActionToken" => &hook.token, "InstanceId" => &hook.instance,
    }
}
