//! What makes a deployment group invalid.

use super::super::doc::Doc;
use super::super::world::{ApiError, Site, State};
use super::deployment::Terms;
use super::errors::{error, unsupported};
use super::settings::{Alarms, AutoRollback, BlueGreen, Style, processes, target_groups};
use super::{configs, revisions};

const ONE_GROUP: &str = "Exactly one AutoScaling group must be specified when selecting the COPY_AUTO_SCALING_GROUP \
    green fleet provisioning option.";

/// Checks the members of a group as they would be, with the names of its Auto Scaling groups.
pub(super) fn group(state: &mut State, site: &Site, settings: &Doc, fleets: &[String]) -> Result<(), ApiError> {
    match settings.text("serviceRoleArn") {
        None | Some("") => return Err(error("RoleRequired", "The role ARN is required")),
        Some(arn) if !arn.starts_with("arn:") || !arn.contains(":role/") => {
            let message = format!("AWS CodeDeploy does not have the permissions required to assume the role {arn}.");
            return Err(error("InvalidRole", message));
        }
        Some(_) => {}
    }
    if let Some(name) = settings.text("deploymentConfigName") {
        configs::demand(state, site, name)?;
    }
    if fleets.len() > 10 || fleets.iter().any(String::is_empty) {
        return Err(error(
            "InvalidAutoScalingGroup",
            "The Auto Scaling group was specified in a format that is not valid",
        ));
    }
    if !settings.get("ec2TagFilters").is_null() && !settings.get("ec2TagSet").is_null() {
        let message = "A call was submitted that specified both ec2TagFilters and ec2TagSet";
        return Err(error("InvalidEC2TagCombination", message));
    }
    match settings.text("outdatedInstancesStrategy") {
        None | Some("UPDATE" | "IGNORE") => {}
        Some(_) => return Err(error("InvalidInput", "The outdated instances strategy is not valid")),
    }
    Alarms::read(settings.get("alarmConfiguration"))?;
    AutoRollback::read(settings.get("autoRollbackConfiguration"))?;
    let balanced = !target_groups(settings.get("loadBalancerInfo"))?.is_empty();
    let style = Style::read(settings.get("deploymentStyle"))?;
    if style.traffic && !balanced {
        let message = "A load balancer is needed when the deployment option is WITH_TRAFFIC_CONTROL";
        return Err(error("InvalidLoadBalancerInfo", message));
    }
    let blue_green = BlueGreen::read(settings.get("blueGreenDeploymentConfiguration"))?;
    if style.blue_green && blue_green.is_some_and(|config| config.copy) && fleets.len() != 1 {
        return Err(error("InvalidBlueGreenDeploymentConfiguration", ONE_GROUP));
    }
    suspension(&processes(settings.get("ec2DeploymentOptions"))?, style, !fleets.is_empty())
}

/// Processes can rest only while instances of an Auto Scaling group change in place.
pub(super) fn suspension(processes: &[String], style: Style, has_fleets: bool) -> Result<(), ApiError> {
    if processes.is_empty() || (!style.blue_green && has_fleets) {
        return Ok(());
    }
    let message = "Processes can be suspended only for in-place deployments to a deployment group that includes an Auto \
        Scaling group";
    Err(error("InvalidAutoScalingGroupProcessToSuspend", message))
}

/// A copying group whose blue/green configuration changes must name its Auto Scaling group again.
pub(super) fn resent_fleets(settings: &Doc, input: &Doc) -> Result<(), ApiError> {
    let changed = input.get("blueGreenDeploymentConfiguration");
    let copies = BlueGreen::read(settings.get("blueGreenDeploymentConfiguration"))?.is_some_and(|config| config.copy);
    if !changed.is_null() && copies && input.get("autoScalingGroups").is_null() {
        return Err(error("InvalidBlueGreenDeploymentConfiguration", ONE_GROUP));
    }
    Ok(())
}

/// Checks the members of `CreateDeployment` that need no state; gives back the revision.
pub(super) fn deployment(input: &Doc) -> Result<Doc, ApiError> {
    if input.text("deploymentMode").is_some_and(|mode| mode != "STANDARD") {
        return Err(unsupported("InvalidInput", "The deployment mode RESTART"));
    }
    if !input.get("targetInstances").is_null() {
        return Err(unsupported("InvalidTargetInstances", "A given green fleet"));
    }
    let revision = revisions::read(input)?;
    super::check_description(input)?;
    match input.text("fileExistsBehavior") {
        None | Some("DISALLOW" | "OVERWRITE" | "RETAIN") => {}
        Some(_) => {
            let message = "The file exists behavior must be DISALLOW, OVERWRITE or RETAIN";
            return Err(error("InvalidFileExistsBehavior", message));
        }
    }
    Alarms::read(input.get("overrideAlarmConfiguration"))?;
    AutoRollback::read(input.get("autoRollbackConfiguration"))?;
    Ok(revision)
}

/// Blue/green is possible only by copying the group's Auto Scaling group.
pub(super) fn green_fleet(terms: &Terms) -> Result<(), ApiError> {
    if terms.style.blue_green && terms.blue_green.is_some_and(|config| !config.copy) {
        return Err(unsupported("InvalidTargetInstances", "A green fleet of existing instances"));
    }
    Ok(())
}
