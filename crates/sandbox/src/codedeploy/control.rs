//! Steering a deployment: continue and stop. Both only leave a signal; the worker acts on it.

use super::super::doc::{Doc, doc};
use super::super::world::{Reply, Site, World};
use super::deployment::{Deployment, Status, Stop};
use super::errors::{already_completed, error};

pub(super) fn continue_deployment(world: &World, site: &Site, input: &Doc) -> Reply {
    let mut state = world.lock();
    let it = state.site(site).codedeploy.deployment(input)?;
    match input.text("deploymentWaitType") {
        None | Some("READY_WAIT") => reroute(it),
        Some("TERMINATION_WAIT") => terminate(it),
        Some(other) => Err(error("InvalidDeploymentWaitType", format!("The wait type {other} is not valid"))),
    }
}

fn reroute(it: &Deployment) -> Reply {
    check_continuable(it)?;
    if it.status != Status::Ready || it.signals.borrow().reroute {
        return Err(not_ready(it));
    }
    it.signals.send_modify(|signals| signals.reroute = true);
    Ok(Doc::Null)
}

fn terminate(it: &Deployment) -> Reply {
    check_continuable(it)?;
    if !it.terminating {
        return Err(not_ready(it));
    }
    it.signals.send_modify(|signals| signals.terminate = true);
    Ok(Doc::Null)
}

fn check_continuable(it: &Deployment) -> Result<(), super::super::world::ApiError> {
    if it.status.is_final() {
        return Err(already_completed(&it.id));
    }
    if !it.terms.style.blue_green {
        let message = "A call was submitted that is not supported for the specified deployment type";
        return Err(error("UnsupportedActionForDeploymentType", message));
    }
    Ok(())
}

fn not_ready(it: &Deployment) -> super::super::world::ApiError {
    let message = format!("The deployment {} does not have a status of Ready and can't continue yet", it.id);
    error("DeploymentIsNotInReadyState", message)
}

/// The older name of continuing out of the termination wait.
pub(super) fn skip_wait(world: &World, site: &Site, input: &Doc) -> Reply {
    let mut state = world.lock();
    let it = state.site(site).codedeploy.deployment(input)?;
    check_continuable(it)?;
    if !it.terminating {
        return Err(error("DeploymentNotStarted", format!("The deployment {} has no wait to skip", it.id)));
    }
    it.signals.send_modify(|signals| signals.terminate = true);
    Ok(Doc::Null)
}

/// Returns before the deployment is stopped: events in flight end first.
pub(super) fn stop(world: &World, site: &Site, input: &Doc) -> Reply {
    let mut state = world.lock();
    let it = state.site(site).codedeploy.deployment(input)?;
    if it.status.is_final() {
        return Err(already_completed(&it.id));
    }
    let rollback = input.bool("autoRollbackEnabled");
    it.signals.send_if_modified(|signals| {
        let first = signals.stop.is_none();
        signals.stop.get_or_insert(Stop::Request { rollback });
        first
    });
    let message = "Stopping Pending. Stopping to schedule commands in the deployment instances";
    Ok(doc! { "status" => "Pending", "statusMessage" => message })
}
