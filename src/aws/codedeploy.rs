//! Reading CodeDeploy: deployments, their targets, deployment groups.

use aws_sdk_codedeploy::types::{
    DeploymentGroupInfo, DeploymentInfo, DeploymentOverview, DeploymentStatus, InstanceTarget, RevisionLocation,
    TimeRange,
};
use aws_smithy_types::DateTime;
use jiff::Timestamp;

use super::Clients;
use super::error::{AwsError, Call, Class, Result, failed};
use crate::model::Revision;
use crate::model::facts::{Deployment, DeploymentTarget, Diagnostics, LifecycleEvent, Overview, Status};
use crate::model::observed::{Group, MinHealthy};

const BATCH_GET: Call = ("codedeploy", "BatchGetDeployments");
const GET: Call = ("codedeploy", "GetDeployment");
const GET_GROUP: Call = ("codedeploy", "GetDeploymentGroup");
const BATCH_GET_GROUPS: Call = ("codedeploy", "BatchGetDeploymentGroups");
const LIST: Call = ("codedeploy", "ListDeployments");
const LIST_GROUPS: Call = ("codedeploy", "ListDeploymentGroups");
const LIST_TARGETS: Call = ("codedeploy", "ListDeploymentTargets");
const BATCH_GET_TARGETS: Call = ("codedeploy", "BatchGetDeploymentTargets");
const GET_CONFIG: Call = ("codedeploy", "GetDeploymentConfig");

/// How many deployments or targets one call takes.
const BATCH: usize = 25;
/// How many pages of a list are read at most; whatever is asked for here lies on the first few.
const PAGES: usize = 20;

/// The statuses of a deployment that is not over.
pub(super) const UNFINISHED: [&str; 5] = ["Created", "Queued", "InProgress", "Baking", "Ready"];

/// What else a deployment group says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupState {
    /// The group's id, by which its lifecycle hooks name it.
    pub id: String,
    /// The last deployment that succeeded.
    pub last_successful: Option<String>,
    /// The last deployment that was tried.
    pub last_attempted: Option<String>,
}

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

    /// A deployment group's settings and its last deployments.
    ///
    /// # Errors
    /// The call's; `NotFound` with both names if there is no such application or group.
    pub async fn group(&self, application: &str, group: &str) -> Result<(Group, GroupState)> {
        let call = self.codedeploy.get_deployment_group().application_name(application).deployment_group_name(group);
        let answer = call.send().await.map_err(failed(GET_GROUP)).map_err(|error| match error.code.as_deref() {
            Some("ApplicationDoesNotExistException") => {
                let message = format!("there is no application `{application}` in {}", self.region);
                AwsError { message, ..error }
            }
            Some("DeploymentGroupDoesNotExistException") => {
                let region = &self.region;
                let message = format!("application `{application}` has no deployment group `{group}` in {region}");
                AwsError { message, ..error }
            }
            _ => error,
        })?;
        let info = answer.deployment_group_info.ok_or_else(|| empty(GET_GROUP))?;
        Ok((group_of(&info), state_of(&info)))
    }

    /// Other deployment groups of the application that name one of these Auto Scaling groups.
    pub(super) async fn groups_sharing(
        &self,
        application: &str,
        group: &str,
        scaling_groups: &[String],
    ) -> Result<Vec<String>> {
        let mut others = self.group_names(application).await?;
        others.retain(|name| name != group);
        let mut sharing = Vec::new();
        for batch in others.chunks(100) {
            let call = self.codedeploy.batch_get_deployment_groups().application_name(application);
            let call = call.set_deployment_group_names(Some(batch.to_vec()));
            let answer = call.send().await.map_err(failed(BATCH_GET_GROUPS))?;
            for info in answer.deployment_groups_info() {
                if info
                    .auto_scaling_groups()
                    .iter()
                    .filter_map(|group| group.name())
                    .any(|name| scaling_groups.iter().any(|mine| mine == name))
                {
                    sharing.extend(info.deployment_group_name().map(str::to_owned));
                }
            }
        }
        sharing.sort();
        Ok(sharing)
    }

    async fn group_names(&self, application: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let mut next = None;
        for _ in 0..PAGES {
            let call = self.codedeploy.list_deployment_groups().application_name(application).set_next_token(next);
            let page = call.send().await.map_err(failed(LIST_GROUPS))?;
            names.extend(page.deployment_groups.unwrap_or_default());
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        Ok(names)
    }

    /// How many hosts a deployment configuration keeps healthy; nothing if it does not exist or says nothing about hosts.
    ///
    /// # Errors
    /// The call's.
    pub async fn min_healthy(&self, config: &str) -> Result<Option<MinHealthy>> {
        if let Some((kind, value)) = predefined(config) {
            return Ok(Some(MinHealthy { kind: kind.to_owned(), value }));
        }
        let call = self.codedeploy.get_deployment_config().deployment_config_name(config);
        let answer = match call.send().await.map_err(failed(GET_CONFIG)) {
            Err(error) if error.is_not_found() => return Ok(None),
            other => other?,
        };
        let hosts = answer.deployment_config_info.and_then(|info| info.minimum_healthy_hosts);
        Ok(hosts.map(|hosts| MinHealthy {
            kind: hosts.r#type.map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
            value: hosts.value.into(),
        }))
    }
}

/// The configurations that come with CodeDeploy never change, so they need no call.
fn predefined(config: &str) -> Option<(&'static str, i64)> {
    match config {
        "CodeDeployDefault.OneAtATime" => Some(("MOST_CONCURRENCY", 1)),
        "CodeDeployDefault.HalfAtATime" => Some(("FLEET_PERCENT", 50)),
        "CodeDeployDefault.AllAtOnce" => Some(("FLEET_PERCENT", 0)),
        _ => None,
    }
}

fn empty(call: Call) -> AwsError {
    AwsError::new(call, Class::Transient, "the answer was empty")
}

/// A moment as AWS writes it.
pub(super) fn moment(at: Option<&DateTime>) -> Option<Timestamp> {
    at.and_then(|at| Timestamp::from_nanosecond(at.as_nanos()).ok())
}

fn deployment_of(info: &DeploymentInfo) -> Deployment {
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
        events: events.collect(),
    }
}

fn group_of(info: &DeploymentGroupInfo) -> Group {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let style = info.deployment_style();
    let copy = info.blue_green_deployment_configuration();
    let balancers = info.load_balancer_info();
    let alarms = info.alarm_configuration();
    let ready = copy.and_then(|copy| copy.deployment_ready_option());
    let termination = copy.and_then(|copy| copy.terminate_blue_instances_on_deployment_success());
    Group {
        application: text(info.application_name()),
        name: text(info.deployment_group_name()),
        platform: info.compute_platform().map_or("Server", |platform| platform.as_str()).to_owned(),
        deployment_type: style
            .and_then(|style| style.deployment_type())
            .map_or("IN_PLACE", |kind| kind.as_str())
            .to_owned(),
        traffic_option: style
            .and_then(|style| style.deployment_option())
            .map_or("WITHOUT_TRAFFIC_CONTROL", |option| option.as_str())
            .to_owned(),
        provisioning: copy
            .and_then(|copy| copy.green_fleet_provisioning_option())
            .and_then(|option| option.action())
            .map(|action| action.as_str().to_owned()),
        ready: ready.map(|ready| {
            (text(ready.action_on_timeout().map(|action| action.as_str())), ready.wait_time_in_minutes().into())
        }),
        termination: termination.map(|blue| {
            (text(blue.action().map(|action| action.as_str())), blue.termination_wait_time_in_minutes().into())
        }),
        config: text(info.deployment_config_name()),
        scaling_groups: info.auto_scaling_groups().iter().filter_map(|group| group.name()).map(str::to_owned).collect(),
        target_groups: balancers
            .map_or(&[][..], |all| all.target_group_info_list())
            .iter()
            .filter_map(|group| group.name())
            .map(str::to_owned)
            .collect(),
        classic_balancers: balancers
            .map_or(&[][..], |all| all.elb_info_list())
            .iter()
            .filter_map(|elb| elb.name())
            .map(str::to_owned)
            .collect(),
        has_tag_filters: selects_by_tags(info),
        alarms_enabled: alarms.is_some_and(|alarms| alarms.enabled()),
        alarms: alarms
            .map_or(&[][..], |alarms| alarms.alarms())
            .iter()
            .filter_map(|alarm| alarm.name())
            .map(str::to_owned)
            .collect(),
    }
}

fn selects_by_tags(info: &DeploymentGroupInfo) -> bool {
    !info.ec2_tag_filters().is_empty()
        || !info.on_premises_instance_tag_filters().is_empty()
        || info.ec2_tag_set().is_some_and(|set| !set.ec2_tag_set_list().is_empty())
        || info.on_premises_tag_set().is_some_and(|set| !set.on_premises_tag_set_list().is_empty())
}

fn state_of(info: &DeploymentGroupInfo) -> GroupState {
    let id = |last: Option<&aws_sdk_codedeploy::types::LastDeploymentInfo>| {
        last.and_then(|last| last.deployment_id()).map(str::to_owned)
    };
    GroupState {
        id: info.deployment_group_id().unwrap_or_default().to_owned(),
        last_successful: id(info.last_successful_deployment()),
        last_attempted: id(info.last_attempted_deployment()),
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
