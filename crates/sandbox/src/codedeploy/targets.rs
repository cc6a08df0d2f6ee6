//! Reading the targets of deployments.

use super::super::doc::{Doc, doc};
use super::super::world::{ApiError, Reply, Site, World};
use super::deployment::{Deployment, Target};
use super::errors::error;
use super::{paging, show};

const STATUSES: [&str; 7] = ["Failed", "InProgress", "Pending", "Ready", "Skipped", "Succeeded", "Unknown"];

/// The targets, once they are known.
fn known(deployment: &Deployment) -> Result<&[Target], ApiError> {
    let message = || format!("Deployment {} has not started; its targets are not known yet", deployment.id);
    deployment.targets.as_deref().ok_or_else(|| error("DeploymentNotStarted", message()))
}

pub(super) fn list(world: &World, site: &Site, input: &Doc) -> Reply {
    let mut state = world.lock();
    let deployment = state.site(site).codedeploy.deployment(input)?;
    let (statuses, labels) = filters(deployment, input.get("targetFilters"))?;
    let fits = |target: &&Target| {
        (statuses.is_empty() || statuses.iter().any(|status| status == target.status.name()))
            && (labels.is_empty() || target.label.is_some_and(|label| labels.iter().any(|asked| asked == label.name())))
    };
    let ids = known(deployment)?.iter().filter(fits).map(|target| target.instance.clone()).collect();
    paging::page("targetIds", ids, input)
}

/// The statuses and labels that are asked for.
fn filters(deployment: &Deployment, filters: &Doc) -> Result<(Vec<String>, Vec<String>), ApiError> {
    if let Doc::Map(members) = filters
        && let Some((name, _)) =
            members.iter().find(|(name, _)| name != "TargetStatus" && name != "ServerInstanceLabel")
    {
        return Err(error("InvalidTargetFilterName", format!("The target filter name {name} is not valid")));
    }
    let (statuses, labels) = (filters.texts("TargetStatus"), filters.texts("ServerInstanceLabel"));
    if let Some(unknown) = statuses.iter().find(|status| !STATUSES.contains(&status.as_str())) {
        return Err(error("InvalidInstanceStatus", format!("The target status {unknown} is not valid")));
    }
    if let Some(unknown) = labels.iter().find(|label| !["Blue", "Green"].contains(&label.as_str())) {
        return Err(error("InvalidInstanceType", format!("The instance label {unknown} is not valid")));
    }
    if !labels.is_empty() && !deployment.terms.style.blue_green {
        let message = "An instance type was specified for an in-place deployment";
        return Err(error("InvalidDeploymentInstanceType", message));
    }
    Ok((statuses, labels))
}

pub(super) fn get(world: &World, site: &Site, input: &Doc) -> Reply {
    let id = input.text("targetId").filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| error("DeploymentTargetIdRequired", "A deployment target ID is required"))?;
    let mut state = world.lock();
    let deployment = state.site(site).codedeploy.deployment(input)?;
    Ok(doc! { "deploymentTarget" => shown(site, deployment, id)? })
}

pub(super) fn batch_get(world: &World, site: &Site, input: &Doc) -> Reply {
    let ids = input.texts("targetIds");
    if ids.is_empty() {
        return Err(error("DeploymentTargetIdRequired", "A deployment target ID is required"));
    }
    if ids.len() > 25 {
        return Err(error("DeploymentTargetListSizeExceeded", "The maximum number of targets is 25"));
    }
    let mut state = world.lock();
    let deployment = state.site(site).codedeploy.deployment(input)?;
    let shown: Result<Vec<Doc>, ApiError> = ids.iter().map(|id| shown(site, deployment, id)).collect();
    Ok(doc! { "deploymentTargets" => shown? })
}

fn shown(site: &Site, deployment: &Deployment, id: &str) -> Reply {
    let target = known(deployment)?.iter().find(|target| target.instance == id);
    let message = || format!("The deployment target {id} does not exist in deployment {}", deployment.id);
    let target = target.ok_or_else(|| error("DeploymentTargetDoesNotExist", message()))?;
    Ok(show::target(site, &deployment.id, target))
}
