//! Reading CodeDeploy: deployments, their targets, deployment groups.

use aws_sdk_codedeploy::types::{
    DeploymentInfo, DeploymentOverview, DeploymentStatus, InstanceTarget, RevisionLocation, TimeRange,
};
use aws_smithy_types::DateTime;
use jiff::Timestamp;

use super::Clients;
use super::error::{AwsError, Call, Class, Result, failed};
use crate::model::Revision;
use crate::model::facts::{Attempt, Deployment, DeploymentTarget, Diagnostics, LifecycleEvent, Overview, Status};

const BATCH_GET: Call = ("codedeploy", "BatchGetDeployments");
const GET: Call = ("codedeploy", "GetDeployment");
const LIST: Call = ("codedeploy", "ListDeployments");
const LIST_TARGETS: Call = ("codedeploy", "ListDeploymentTargets");
const BATCH_GET_TARGETS: Call = ("codedeploy", "BatchGetDeploymentTargets");

/// How many deployments or targets one call takes.
const BATCH: usize = 25;
/// How many pages of a list are read at most; whatever is asked for here lies on the first few.
const PAGES: usize = 20;

/// The statuses of a deployment that is not over.
pub(super) const UNFINISHED: [&str; 5] = ["Created", "Queued", "InProgress", "Baking", "Ready"];

impl Clients {
    /// Deployments by their ids, in this order; ids that do not exist are left out.
    ///
    /// # Errors
    /// The call's.
    pub async fn deployments(&self, ids: &[String]) -> Result<Vec<Deployment>> {
        Ok(self.deployment_infos(ids).await?.iter().map(deployment_of).collect())
    }

    pub(super) async fn deployment_infos(&self, ids: &[String]) -> Result<Vec<DeploymentInfo>> {
        let mut found = Vec::new();
        for batch in ids.chunks(BATCH) {
            let call = self.codedeploy.batch_get_deployments().set_deployment_ids(Some(batch.to_vec()));
            let answer = call.send().await.map_err(failed(BATCH_GET))?;
            found.extend(answer.deployments_info.unwrap_or_default());
        }
        found.sort_by_key(|info| ids.iter().position(|id| Some(id.as_str()) == info.deployment_id()));
        Ok(found)
    }

    /// One deployment.
    ///
    /// # Errors
    /// The call's; `NotFound` if there is no such deployment.
    pub async fn deployment(&self, id: &str) -> Result<Deployment> {
        let answer = self.codedeploy.get_deployment().deployment_id(id).send().await.map_err(failed(GET))?;
        let info = answer.deployment_info.ok_or_else(|| empty(GET))?;
        Ok(deployment_of(&info))
    }

    /// The hosts of a deployment with their lifecycle events; none while CodeDeploy has not chosen them yet.
    ///
    /// # Errors
    /// The call's.
    pub async fn targets(&self, deployment: &str) -> Result<Vec<DeploymentTarget>> {
        let ids = match self.target_ids(deployment).await {
            Err(error) if error.code.as_deref() == Some("DeploymentNotStartedException") => return Ok(Vec::new()),
            other => other?,
        };
        let mut targets = Vec::new();
        for batch in ids.chunks(BATCH) {
            let call = self.codedeploy.batch_get_deployment_targets().deployment_id(deployment);
            let answer = call.set_target_ids(Some(batch.to_vec())).send().await.map_err(failed(BATCH_GET_TARGETS))?;
            let found = answer.deployment_targets.unwrap_or_default();
            targets.extend(found.iter().filter_map(|target| target.instance_target()).map(target_of));
        }
        Ok(targets)
    }

    /// Deployments of a group that were created at or after `since`, with their hosts, in no order.
    ///
    /// # Errors
    /// The call's.
    pub async fn attempts(&self, application: &str, group: &str, since: Timestamp) -> Result<Vec<Attempt>> {
        let ids = self.list(application, group, &[], Some(since)).await?;
        let mut attempts = Vec::new();
        for deployment in self.deployments(&ids).await? {
            let hosts = self.targets(&deployment.id).await?;
            attempts.push(Attempt { deployment, hosts });
        }
        Ok(attempts)
    }

    async fn target_ids(&self, deployment: &str) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        let mut next = None;
        for _ in 0..PAGES {
            let call = self.codedeploy.list_deployment_targets().deployment_id(deployment).set_next_token(next);
            let page = call.send().await.map_err(failed(LIST_TARGETS))?;
            ids.extend(page.target_ids.unwrap_or_default());
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        Ok(ids)
    }

    /// Ids of a group's deployments in these statuses (all if none are given), created at or after `since`.
    ///
    /// # Errors
    /// The call's; `NotFound` if there is no such application or group.
    pub async fn list(
        &self,
        application: &str,
        group: &str,
        statuses: &[&str],
        since: Option<Timestamp>,
    ) -> Result<Vec<String>> {
        let statuses: Vec<DeploymentStatus> = statuses.iter().map(|status| DeploymentStatus::from(*status)).collect();
        let range = since.map(|at| {
            TimeRange::builder()
                .start(DateTime::from_nanos(at.as_nanosecond()).unwrap_or(DateTime::from_secs(at.as_second())))
                .build()
        });
        let mut ids = Vec::new();
        let mut next = None;
        for _ in 0..PAGES {
            let call = self.codedeploy.list_deployments().application_name(application).deployment_group_name(group);
            let call = call.set_include_only_statuses((!statuses.is_empty()).then(|| statuses.clone()));
            let call = call.set_create_time_range(range.clone()).set_next_token(next);
            let page = call.send().await.map_err(failed(LIST))?;
            ids.extend(page.deployments.unwrap_or_default());
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        Ok(ids)
    }
}

pub(super) fn empty(call: Call) -> AwsError {
    AwsError::new(call, Class::Transient, "the answer was empty")
}

/// A moment as AWS writes it.
pub(super) fn moment(at: Option<&DateTime>) -> Option<Timestamp> {
    at.and_then(|at| Timestamp::from_nanosecond(at.as_nanos()).ok())
}

pub(super) fn deployment_of(info: &DeploymentInfo) -> Deployment {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let error =
        info.error_information().map(|error| (text(error.code().map(|code| code.as_str())), text(error.message())));
    let rollback = info.rollback_info();
    Deployment {
        id: text(info.deployment_id()),
        status: Status::read(info.status().map_or("", |status| status.as_str())),
        error: error.filter(|(code, message)| !code.is_empty() || !message.is_empty()),
        rollback: rollback.and_then(|info| info.rollback_deployment_id()).map(str::to_owned),
        rolls_back: rollback.and_then(|info| info.rollback_triggering_deployment_id()).map(str::to_owned),
        creator: text(info.creator().map(|creator| creator.as_str())),
        description: text(info.description()),
        created: moment(info.create_time()),
        overview: info.deployment_overview().map(overview_of),
        is_waiting_to_terminate: info.instance_termination_wait_time_started(),
        messages: info.deployment_status_messages().to_vec(),
        revision: revision_of(info.revision()).ok(),
    }
}

fn overview_of(overview: &DeploymentOverview) -> Overview {
    Overview {
        pending: overview.pending(),
        in_progress: overview.in_progress(),
        succeeded: overview.succeeded(),
        failed: overview.failed(),
        skipped: overview.skipped(),
        ready: overview.ready(),
    }
}

fn target_of(target: &InstanceTarget) -> DeploymentTarget {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let events = target.lifecycle_events().iter().map(|event| LifecycleEvent {
        name: text(event.lifecycle_event_name()),
        status: text(event.status().map(|status| status.as_str())),
        began: moment(event.start_time()),
        ended: moment(event.end_time()),
        diagnostics: event.diagnostics().map(|said| Diagnostics {
            code: text(said.error_code().map(|code| code.as_str())),
            script: text(said.script_name()),
            message: text(said.message()),
            log_tail: text(said.log_tail()),
        }),
    });
    DeploymentTarget {
        id: text(target.target_id()),
        label: target.instance_label().map(|label| label.as_str().to_owned()),
        status: text(target.status().map(|status| status.as_str())),
        updated: moment(target.last_updated_at()),
        events: events.collect(),
    }
}

/// The bundle that a deployment installed, as far as it can be deployed again from here.
///
/// # Errors
/// Says why it cannot.
pub(super) fn revision_of(location: Option<&RevisionLocation>) -> std::result::Result<Revision, String> {
    let location = location.ok_or("CodeDeploy does not say what it installed")?;
    let Some(s3) = location.s3_location() else {
        let kind = location.revision_type().map_or("an unknown place", |kind| kind.as_str());
        return Err(format!("it was installed from {kind}, not from a bucket"));
    };
    let (Some(bucket), Some(key)) = (s3.bucket(), s3.key()) else {
        return Err("CodeDeploy does not say where its bundle lies".to_owned());
    };
    let kind = s3.bundle_type().map_or("zip", |kind| kind.as_str());
    if kind != bundle_type(key) {
        return Err(format!("its bundle s3://{bucket}/{key} is of type {kind}, which its name does not say"));
    }
    Ok(Revision {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        version: s3.version().map(str::to_owned),
        etag: s3.e_tag().map(|etag| etag.trim_matches('"').to_owned()),
    })
}

/// The type of a bundle by its name; shipit's own are zips.
pub(super) fn bundle_type(key: &str) -> &'static str {
    if key.ends_with(".tar.gz") || key.ends_with(".tgz") {
        "tgz"
    } else if key.ends_with(".tar") {
        "tar"
    } else {
        "zip"
    }
}
