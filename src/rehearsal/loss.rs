//! An instance that gets the release dies while its deployment is in a certain phase. The phase is read from the API.

use std::time::Duration;

use super::fault::Phase;
use ::sandbox::Sandbox;
use ::sandbox::doc::{Doc, doc};
use ::sandbox::ec2::kill_instance;
use ::sandbox::world::{Scope, Site};

/// How often the API is asked, in wire time: a phase may be over within a few world seconds.
const LOOK: Duration = Duration::from_millis(5);

/// Waits for the phase of a deployment, then kills an instance of its new fleet, or one of those that get the release in
/// place. Gives the instance's id.
pub async fn lose_instance(sandbox: Sandbox, site: Site, phase: Phase) -> String {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        if let Some(instance) = victim(&sandbox, &site, phase) {
            kill_instance(&sandbox.world, &site, &instance);
            if phase == Phase::Ready {
                // Auto Scaling would find it within a minute. A phase that lasts seconds is over by then, so it is told.
                let input = doc! { "InstanceId" => &instance, "HealthStatus" => "Unhealthy" };
                let scope = Scope::service(&site, "rehearsal");
                let _gone = sandbox.world.call(&scope, "autoscaling", "SetInstanceHealth", &input);
            }
            return instance;
        }
    }
}

fn victim(sandbox: &Sandbox, site: &Site, phase: Phase) -> Option<String> {
    let scope = Scope::service(site, "rehearsal");
    let ask = |operation: &str, input: &Doc| sandbox.world.call(&scope, "codedeploy", operation, input).ok();
    let unfinished = ask("ListDeployments", &doc! { "includeOnlyStatuses" => vec!["InProgress", "Ready"] })?;
    unfinished.texts("deployments").iter().find_map(|id| {
        let found = ask("GetDeployment", &doc! { "deploymentId" => id })?;
        let info = found.get("deploymentInfo");
        let is_copied = info.get("deploymentStyle").text("deploymentType") == Some("BLUE_GREEN");
        let new = |status: &[&str]| {
            let mut filters = doc! {};
            if is_copied {
                filters.set("ServerInstanceLabel", vec!["Green"]);
            }
            if !status.is_empty() {
                filters.set("TargetStatus", status.to_vec());
            }
            let listed = ask("ListDeploymentTargets", &doc! { "deploymentId" => id, "targetFilters" => filters })?;
            listed.texts("targetIds").into_iter().next()
        };
        match phase {
            Phase::Installing => new(&["InProgress"]),
            Phase::Ready if info.text("status") == Some("Ready") => new(&[]),
            Phase::Live if info.bool("instanceTerminationWaitTimeStarted") == Some(true) => new(&[]),
            Phase::Ready | Phase::Live => None,
        }
    })
}
