//! Deployments and targets as answers show them.

use super::super::doc::{Doc, doc};
use super::super::world::Site;
use super::deployment::{Deployment, EventRecord, RollbackInfo, Target, TargetStatus};

/// `deploymentInfo`.
pub(super) fn deployment(it: &Deployment) -> Doc {
    let mut shown = it.terms.shown.clone();
    let kind = if it.terms.style.blue_green { "BLUE_GREEN" } else { "IN_PLACE" };
    let option = if it.terms.style.traffic { "WITH_TRAFFIC_CONTROL" } else { "WITHOUT_TRAFFIC_CONTROL" };
    let members = doc! {
        "applicationName" => &it.application, "deploymentGroupName" => &it.group,
        "deploymentConfigName" => &it.terms.config, "deploymentId" => &it.id,
        "previousRevision" => it.previous.clone(), "revision" => it.revision.clone(),
        "status" => it.status.name(),
        "errorInformation" => it.error.as_ref().map(|why| doc! { "code" => why.code, "message" => &why.message }),
        "createTime" => it.created, "startTime" => it.started, "completeTime" => it.completed,
        "deploymentOverview" => it.targets.as_deref().map(overview),
        "description" => it.terms.description.clone(), "creator" => it.creator.name(),
        "ignoreApplicationStopFailures" => it.terms.ignore_stop_failures,
        "updateOutdatedInstancesOnly" => it.terms.only_outdated,
        "rollbackInfo" => rollback(&it.rollback),
        "deploymentStyle" => doc! { "deploymentType" => kind, "deploymentOption" => option },
        "instanceTerminationWaitTimeStarted" => it.terminating,
        "deploymentStatusMessages" => it.messages.clone(),
        "fileExistsBehavior" => it.terms.file_exists.as_deref().unwrap_or("DISALLOW"),
        "computePlatform" => "Server",
    };
    if let Doc::Map(members) = members {
        members.into_iter().for_each(|(name, value)| shown.set(&name, value));
    }
    if it.root.is_some() || !it.updates.is_empty() {
        let updates = Some(it.updates.clone()).filter(|ids| !ids.is_empty());
        shown.set(
            "relatedDeployments",
            doc! {
                "autoUpdateOutdatedInstancesRootDeploymentId" => it.root.clone(),
                "autoUpdateOutdatedInstancesDeploymentIds" => updates,
            },
        );
    }
    shown
}

fn rollback(info: &RollbackInfo) -> Doc {
    if info.message.is_none() {
        return Doc::Null;
    }
    doc! {
        "rollbackDeploymentId" => info.rollback.clone(), "rollbackTriggeringDeploymentId" => info.triggering.clone(),
        "rollbackMessage" => info.message.clone(),
    }
}

fn overview(targets: &[Target]) -> Doc {
    let count = |status: TargetStatus| targets.iter().filter(|target| target.status == status).count();
    doc! {
        "Pending" => count(TargetStatus::Pending), "InProgress" => count(TargetStatus::InProgress),
        "Succeeded" => count(TargetStatus::Succeeded), "Failed" => count(TargetStatus::Failed),
        "Skipped" => count(TargetStatus::Skipped), "Ready" => count(TargetStatus::Ready),
    }
}

/// `deploymentTarget`.
pub(super) fn target(site: &Site, deployment: &str, it: &Target) -> Doc {
    let arn = format!("arn:aws:ec2:{}:{}:instance/{}", site.region, site.account, it.instance);
    let events: Vec<Doc> = it.events.iter().map(event).collect();
    doc! { "deploymentTargetType" => "InstanceTarget", "instanceTarget" => doc! {
        "deploymentId" => deployment, "targetId" => &it.instance, "targetArn" => arn, "status" => it.status.name(),
        "lastUpdatedAt" => it.updated, "lifecycleEvents" => events, "instanceLabel" => it.label.map(|label| label.name()),
    } }
}

fn event(it: &EventRecord) -> Doc {
    let diagnostics = it.diagnostics.as_ref().map(|said| {
        doc! {
            "errorCode" => said.code.api_name(), "scriptName" => &said.script, "message" => &said.message,
            "logTail" => &said.log,
        }
    });
    doc! {
        "lifecycleEventName" => it.event.name(), "diagnostics" => diagnostics, "startTime" => it.started,
        "endTime" => it.ended, "status" => it.status.name(),
    }
}
