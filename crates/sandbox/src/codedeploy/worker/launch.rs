//! Deployments to instances whose launch or termination Auto Scaling holds for it.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use super::super::super::doc::{Doc, doc};
use super::super::super::world::{Site, World};
use super::super::create::{Order, of_group, place};
use super::super::deployment::{Creator, Job, TargetStatus};
use super::super::errors::HEALTH_CONSTRAINTS;
use super::super::events::{ALLOW, BLOCK, Event, INSTALL};
use super::super::hooks;
use super::super::settings::{Alarms, AutoRollback};
use super::work::{End, Work};

/// An instance that is held, as Auto Scaling's notification says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Whether it is being launched; else it is being terminated.
    pub launching: bool,
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

/// Auto Scaling holds an instance for a deployment. At its launch the group's last successful revision goes onto it; at its
/// end what runs is stopped. Where there is no revision, Auto Scaling goes on; for a deployment group that is gone nobody
/// answers.
pub fn on_hook(world: &Arc<World>, site: &Site, held: Held) {
    let mut state = world.lock();
    let store = &mut state.site(site).codedeploy;
    let Some(group) = held.metadata.as_deref().and_then(|id| store.group_by_id(id)) else { return };
    let Some(revision) = group.target_revision.clone() else {
        drop(state);
        complete(world, site, &held, true);
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
    let (job, creator) = if held.launching {
        (Job::Launch(held), Creator::Autoscaling)
    } else {
        (Job::Leave(held), Creator::AutoscalingTermination)
    };
    let order = Order { application, group_id: id, job, creator, revision, terms, triggering: None };
    let id = place(&mut state, world, site, order);
    drop(state);
    super::start(world, site, &id);
}

/// Installs on an instance that is being launched.
pub(super) async fn run(work: &Work, held: &Held) -> Result<(), End> {
    let events = if work.terms()?.style.traffic { [INSTALL.as_slice(), &ALLOW].concat() } else { INSTALL.to_vec() };
    let succeeded = live(work, held, &events).await?;
    work.note_instance(&held.instance, succeeded)?;
    ended(work, held, succeeded)
}

/// Takes an instance that is being terminated out of traffic, and stops what runs on it.
pub(super) async fn leave(work: &Work, held: &Held) -> Result<(), End> {
    let stop = [Event::ApplicationStop];
    let events = if work.terms()?.style.traffic { [BLOCK.as_slice(), &stop].concat() } else { stop.to_vec() };
    let succeeded = live(work, held, &events).await?;
    ended(work, held, succeeded)
}

async fn live(work: &Work, held: &Held, events: &[Event]) -> Result<bool, End> {
    work.set_targets(vec![(held.instance.clone(), None, events.to_vec())])?;
    tokio::select! {
        biased;
        succeeded = work.events(&held.instance, events) => succeeded,
        never = hold(work, held) => match never {},
    }
}

fn ended(work: &Work, held: &Held, succeeded: bool) -> Result<(), End> {
    if !succeeded {
        return Err(End::failed("HEALTH_CONSTRAINTS", HEALTH_CONSTRAINTS));
    }
    work.set_target(&held.instance, TargetStatus::Succeeded)
}

/// Keeps the instance held while the deployment runs.
async fn hold(work: &Work, held: &Held) -> Infallible {
    loop {
        work.clock.sleep(work.pace.heartbeat).await;
        if work.try_call("autoscaling", "RecordLifecycleActionHeartbeat", &action(held)).is_err() {
            return pending().await;
        }
    }
}

/// Lets Auto Scaling go on, or has an instance that is being launched terminated and replaced.
pub(super) fn complete(world: &Arc<World>, site: &Site, held: &Held, succeeded: bool) {
    let mut input = action(held);
    input.set("LifecycleActionResult", if succeeded { "CONTINUE" } else { "ABANDON" });
    // The instance may be gone by now; then there is nothing to complete.
    let _gone = world.call(&hooks::scope(site), "autoscaling", "CompleteLifecycleAction", &input);
}

fn action(held: &Held) -> Doc {
    doc! {
        "AutoScalingGroupName" => &held.group, "LifecycleHookName" => &held.hook,
        "LifecycleActionToken" => &held.token, "InstanceId" => &held.instance,
    }
}
