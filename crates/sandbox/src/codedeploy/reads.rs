//! Reading deployments.

use super::super::doc::{Doc, doc};
use super::super::world::{ApiError, Reply, Site, World};
use super::deployment::Deployment;
use super::errors::{error, no_deployment};
use super::{Store, applications, groups, paging, show};

const STATUSES: [&str; 8] = ["Created", "Queued", "InProgress", "Baking", "Succeeded", "Failed", "Stopped", "Ready"];

impl Store {
    /// The deployment that a request names.
    pub(super) fn deployment(&mut self, input: &Doc) -> Result<&mut Deployment, ApiError> {
        let id = input.text("deploymentId").filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| error("DeploymentIdRequired", "The deployment ID is required"))?;
        if !id
            .strip_prefix("d-")
            .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric()))
        {
            return Err(error("InvalidDeploymentId", format!("The deployment ID {id} is not valid")));
        }
        self.deployments.get_mut(id).ok_or_else(|| no_deployment(id))
    }
}

pub(super) fn get(world: &World, site: &Site, input: &Doc) -> Reply {
    let mut state = world.lock();
    Ok(doc! { "deploymentInfo" => show::deployment(state.site(site).codedeploy.deployment(input)?) })
}

/// Unknown ids are left out.
pub(super) fn batch_get(world: &World, site: &Site, input: &Doc) -> Reply {
    let ids = input.texts("deploymentIds");
    if ids.is_empty() {
        return Err(error("DeploymentIdRequired", "At least one deployment ID is required"));
    }
    if ids.len() > 25 {
        return Err(error("BatchLimitExceeded", "The maximum number of names or IDs is 25"));
    }
    let mut state = world.lock();
    let known = &state.site(site).codedeploy.deployments;
    let shown: Vec<Doc> = ids.iter().filter_map(|id| known.get(id)).map(show::deployment).collect();
    Ok(doc! { "deploymentsInfo" => shown })
}

/// Newest first.
pub(super) fn list(world: &World, site: &Site, input: &Doc) -> Reply {
    let named = |name: &str| input.text(name).filter(|name| !name.is_empty());
    let (application, group) = (named("applicationName"), named("deploymentGroupName"));
    let mut state = world.lock();
    let store = &mut state.site(site).codedeploy;
    let of_group = match (application, group) {
        (None, None) => None,
        (Some(_), None) => return Err(error("DeploymentGroupNameRequired", "The deployment group name is required")),
        (None, Some(_)) => return Err(error("ApplicationNameRequired", "The application name is required")),
        (Some(_), Some(_)) => {
            applications::name(input)?;
            groups::name(input, "deploymentGroupName")?;
            Some(store.group(input, "deploymentGroupName")?.id.clone())
        }
    };
    let statuses = input.texts("includeOnlyStatuses");
    if let Some(unknown) = statuses.iter().find(|status| !STATUSES.contains(&status.as_str())) {
        return Err(error("InvalidDeploymentStatus", format!("The deployment status {unknown} is not valid")));
    }
    let range = input.get("createTimeRange");
    let (start, end) = (range.time("start"), range.time("end"));
    if start.zip(end).is_some_and(|(start, end)| start > end) {
        return Err(error("InvalidTimeRange", "The start of the time range is after its end"));
    }
    let fits = |it: &&Deployment| {
        of_group.as_ref().is_none_or(|group| *group == it.group_id)
            && (statuses.is_empty() || statuses.iter().any(|status| status == it.status.name()))
            && start.is_none_or(|start| it.created >= start)
            && end.is_none_or(|end| it.created <= end)
    };
    let newest_first = store.order.iter().rev().filter_map(|id| store.deployments.get(id));
    let ids = newest_first.filter(fits).map(|it| it.id.clone()).collect();
    paging::page("deployments", ids, input)
}
