//! Reading deployment groups.

use aws_sdk_codedeploy::types::{
    ComputePlatform, DeploymentGroupInfo, LastDeploymentInfo, MinimumHealthyHosts, MinimumHealthyHostsPerZone,
    MinimumHealthyHostsPerZoneType, MinimumHealthyHostsType, OutdatedInstancesStrategy, ZonalConfig,
};

use super::Clients;
use super::codedeploy::empty;
use super::error::{AwsError, Call, Result, failed};
use crate::model::observed::{Group, HostsConfig, MinHealthy, Zones};

const GET_GROUP: Call = ("codedeploy", "GetDeploymentGroup");
const BATCH_GET_GROUPS: Call = ("codedeploy", "BatchGetDeploymentGroups");
const LIST_GROUPS: Call = ("codedeploy", "ListDeploymentGroups");
const GET_CONFIG: Call = ("codedeploy", "GetDeploymentConfig");
const CREATE_CONFIG: Call = ("codedeploy", "CreateDeploymentConfig");

/// How many groups one call takes.
const BATCH: usize = 100;

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

/// Deployment groups of an application with the Auto Scaling groups that each uses, sorted.
#[derive(Clone, Debug, Default)]
pub(super) struct Users(Vec<(String, Vec<String>)>);

impl Users {
    /// The groups besides this one that use any of these Auto Scaling groups.
    pub(super) fn besides(&self, group: &str, scaling_groups: &[String]) -> Vec<String> {
        let others = self.0.iter().filter(|(name, _)| name != group);
        let sharing = others.filter(|(_, used)| used.iter().any(|name| scaling_groups.contains(name)));
        sharing.map(|(name, _)| name.clone()).collect()
    }
}

impl Clients {
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

    /// Which deployment groups of an application use which Auto Scaling groups. A group that is alone is not asked about.
    ///
    /// # Errors
    /// The call's.
    pub(super) async fn users(&self, application: &str) -> Result<Users> {
        let names = self.group_names(application).await?;
        let mut users = Users::default();
        for batch in names.chunks(BATCH).filter(|_| names.len() > 1) {
            let call = self.codedeploy.batch_get_deployment_groups().application_name(application);
            let call = call.set_deployment_group_names(Some(batch.to_vec()));
            let answer = call.send().await.map_err(failed(BATCH_GET_GROUPS))?;
            for info in answer.deployment_groups_info() {
                let used = info.auto_scaling_groups().iter().filter_map(|group| group.name()).map(str::to_owned);
                users.0.push((info.deployment_group_name().unwrap_or_default().to_owned(), used.collect()));
            }
        }
        users.0.sort();
        Ok(users)
    }

    async fn group_names(&self, application: &str) -> Result<Vec<String>> {
        let call = self.codedeploy.list_deployment_groups().application_name(application);
        call.into_paginator().items().send().try_collect().await.map_err(failed(LIST_GROUPS))
    }

    /// What a deployment configuration says; nothing if it does not exist or is not about hosts.
    ///
    /// # Errors
    /// The call's.
    pub async fn hosts_config(&self, config: &str) -> Result<Option<HostsConfig>> {
        let of = |min_healthy, zones| Some(HostsConfig { name: config.to_owned(), min_healthy, zones });
        if let Some((kind, value)) = predefined(config) {
            return Ok(of(MinHealthy { kind: kind.to_owned(), value }, None));
        }
        let call = self.codedeploy.get_deployment_config().deployment_config_name(config);
        let answer = match call.send().await.map_err(failed(GET_CONFIG)) {
            Err(error) if error.is_not_found() => return Ok(None),
            other => other?,
        };
        let Some(info) = answer.deployment_config_info else { return Ok(None) };
        let Some(hosts) = &info.minimum_healthy_hosts else { return Ok(None) };
        let kind = hosts.r#type.as_ref().map(|kind| kind.as_str().to_owned()).unwrap_or_default();
        Ok(of(MinHealthy { kind, value: hosts.value.into() }, info.zonal_config.as_ref().map(zones_of)))
    }

    /// Makes a deployment configuration for hosts. It cannot be changed once it is made.
    ///
    /// # Errors
    /// The call's; `DeploymentConfigAlreadyExistsException` if there is one of this name.
    pub async fn create_config(&self, wanted: &HostsConfig) -> Result<()> {
        let number = |value: i64| i32::try_from(value).unwrap_or(i32::MAX);
        let seconds = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let MinHealthy { kind, value } = &wanted.min_healthy;
        let hosts = MinimumHealthyHosts::builder()
            .r#type(MinimumHealthyHostsType::from(kind.as_str()))
            .value(number(*value))
            .build();
        let zones = wanted.zones.as_ref().map(|zones| {
            let MinHealthy { kind, value } = &zones.min_healthy;
            let kind = MinimumHealthyHostsPerZoneType::from(kind.as_str());
            ZonalConfig::builder()
                .monitor_duration_in_seconds(seconds(zones.monitor_seconds))
                .first_zone_monitor_duration_in_seconds(seconds(zones.first_monitor_seconds))
                .minimum_healthy_hosts_per_zone(
                    MinimumHealthyHostsPerZone::builder().r#type(kind).value(number(*value)).build(),
                )
                .build()
        });
        let call = self.codedeploy.create_deployment_config().deployment_config_name(&wanted.name);
        let call = call.compute_platform(ComputePlatform::Server).minimum_healthy_hosts(hosts).set_zonal_config(zones);
        call.send().await.map_err(failed(CREATE_CONFIG))?;
        Ok(())
    }
}

/// The first zone is waited for as long as the others, unless it is said; a zone of which nothing is said may lose all.
fn zones_of(zones: &ZonalConfig) -> Zones {
    let seconds = |value: i64| u64::try_from(value).unwrap_or(0);
    let monitor_seconds = zones.monitor_duration_in_seconds().map_or(0, seconds);
    let least = zones.minimum_healthy_hosts_per_zone();
    let kind = least.and_then(|least| least.r#type()).map_or("FLEET_PERCENT", |kind| kind.as_str());
    Zones {
        monitor_seconds,
        first_monitor_seconds: zones.first_zone_monitor_duration_in_seconds().map_or(monitor_seconds, seconds),
        min_healthy: MinHealthy { kind: kind.to_owned(), value: least.map_or(0, |least| least.value().into()) },
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
        keeps_outdated: info.outdated_instances_strategy() == Some(&OutdatedInstancesStrategy::Ignore),
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
    let id = |last: Option<&LastDeploymentInfo>| last.and_then(|last| last.deployment_id()).map(str::to_owned);
    GroupState {
        id: info.deployment_group_id().unwrap_or_default().to_owned(),
        last_successful: id(info.last_successful_deployment()),
        last_attempted: id(info.last_attempted_deployment()),
    }
}
