//! One read-only sweep over a fleet, before a plan is made.

use std::collections::BTreeMap;

use aws_sdk_codedeploy::types::DeploymentInfo;
use futures_util::future::try_join;

use super::Clients;
use super::codedeploy::{UNFINISHED, moment, revision_of};
use super::error::{Class, Result};
use super::groups::GroupState;
use crate::model::Revision;
use crate::model::observed::{
    ActiveDeployment, Alarm, Baseline, Fleet, Group, LoadBalancer, ScalingGroup, TargetGroup,
};
use crate::model::pipeline::FleetRef;

/// What the deployments of a group tell.
#[derive(Default)]
struct History {
    active: Option<ActiveDeployment>,
    baseline: Option<Baseline>,
    baseline_trouble: Option<String>,
    leftovers: Vec<String>,
    remarks: Vec<String>,
}

impl Clients {
    /// Reads everything that a plan for this fleet depends on: about fifteen calls, those that do not need each other
    /// side by side. `alarms` are the conditions' own; the group's are added. `config` is the deployment configuration
    /// that is used instead of the group's. What is named but does not exist is left out of the lists; probes are left
    /// empty.
    ///
    /// # Errors
    /// A call's; `NotFound` if the application or the group does not exist.
    pub async fn observe_fleet(&self, fleet: &FleetRef, alarms: &[String], config: Option<&str>) -> Result<Fleet> {
        let (group, state) = self.group(&fleet.application, &fleet.deployment_group).await?;
        let (instances, traffic, config, alarms, history) = tokio::try_join!(
            self.observe_instances(&group, &state),
            self.observe_traffic(&group),
            self.hosts_config(config.unwrap_or(&group.config)),
            self.observe_alarms(&group, alarms),
            self.observe_history(&group, &state),
        )?;
        let ((scaling_groups, shared_with), (target_groups, load_balancers)) = (instances, traffic);
        Ok(Fleet {
            group,
            scaling_groups,
            target_groups,
            load_balancers,
            zones: config.as_ref().and_then(|config| config.zones.clone()),
            min_healthy: config.map(|config| config.min_healthy),
            shared_with,
            alarms,
            probe_troubles: Vec::new(),
            baseline: history.baseline,
            baseline_trouble: history.baseline_trouble,
            active: history.active,
            leftovers: history.leftovers,
            remarks: history.remarks,
        })
    }

    /// The Auto Scaling groups, and which deployment groups besides this one use them: those of the application by
    /// their settings, those of others by their lifecycle hooks.
    async fn observe_instances(&self, group: &Group, state: &GroupState) -> Result<(Vec<ScalingGroup>, Vec<String>)> {
        let ((scaling_groups, owners), mut shared_with) = try_join(
            self.scaling_groups_and_owners(&group.scaling_groups),
            self.groups_sharing(&group.application, &group.name, &group.scaling_groups),
        )
        .await?;
        let hooks = owners.into_values().flatten();
        let foreign = hooks.filter(|(_, id)| !state.id.is_empty() && *id != state.id).map(|(hook, _)| hook);
        let foreign = foreign.filter(|hook| !shared_with.iter().any(|name| hook.contains(&format!("-{name}-"))));
        let foreign: Vec<String> = foreign.map(|hook| format!("the one whose lifecycle hook is {hook}")).collect();
        shared_with.extend(foreign);
        Ok((scaling_groups, shared_with))
    }

    async fn observe_traffic(&self, group: &Group) -> Result<(Vec<TargetGroup>, Vec<LoadBalancer>)> {
        let target_groups = self.target_groups(&group.target_groups).await?;
        let mut arns: Vec<String> = target_groups.iter().flat_map(|group| group.balancers.clone()).collect();
        arns.sort();
        arns.dedup();
        let load_balancers = self.load_balancers(&arns).await?;
        Ok((target_groups, load_balancers))
    }

    async fn observe_alarms(&self, group: &Group, wanted: &[String]) -> Result<Vec<Alarm>> {
        let own = if group.alarms_enabled { &group.alarms[..] } else { &[] };
        let names: Vec<String> = wanted.iter().chain(own).cloned().collect();
        self.alarms(&names).await
    }

    /// What is under way, what serves, what was left over.
    async fn observe_history(&self, group: &Group, state: &GroupState) -> Result<History> {
        let (unfinished, copies) =
            try_join(self.list(&group.application, &group.name, &UNFINISHED, None), self.copied_groups()).await?;
        let copies = suspects(group, &copies);
        let ids = state.last_successful.iter().chain(&unfinished).chain(copies.values());
        let mut ids: Vec<String> = ids.cloned().collect();
        ids.sort();
        ids.dedup();
        let infos = self.deployment_infos(&ids).await?;
        let info = |id: &str| infos.iter().find(|info| info.deployment_id() == Some(id));
        let mut history = History {
            active: active_of(infos.iter().filter(|info| {
                info.deployment_id().is_some_and(|id| unfinished.iter().any(|unfinished| unfinished == id))
            })),
            leftovers: copies
                .iter()
                .filter(|(_, id)| info(id).is_some_and(|info| is_of(info, group)))
                .map(|(name, _)| name.clone())
                .collect(),
            ..History::default()
        };
        if let Some(id) = &state.last_successful {
            match revision_of(info(id).and_then(|info| info.revision())) {
                Ok(revision) => self.observe_baseline(id, revision, &mut history).await?,
                Err(why) => history.baseline_trouble = Some(format!("{id}: {why}")),
            }
        }
        Ok(history)
    }

    /// A bundle in somebody else's bucket may be out of shipit's sight and still be there for the hosts.
    async fn observe_baseline(&self, deployment: &str, revision: Revision, history: &mut History) -> Result<()> {
        let bundle_exists = match self.bundle_exists(&revision).await {
            Ok(exists) => exists,
            Err(error) if matches!(error.class, Class::Denied | Class::Refused) => {
                let Revision { bucket, key, .. } = &revision;
                history.remarks.push(format!(
                    "whether the live bundle s3://{bucket}/{key} still exists could not be seen: {error}"
                ));
                true
            }
            Err(error) => return Err(error),
        };
        let deployment = deployment.to_owned();
        history.baseline = Some(Baseline { release: None, revision, deployment, bundle_exists });
        Ok(())
    }
}

/// Copied groups that by their name were made for a deployment group of this name and that it does not use: name to
/// deployment. Other applications may have a deployment group of the same name.
fn suspects(group: &Group, copies: &[ScalingGroup]) -> BTreeMap<String, String> {
    let mut suspects = BTreeMap::new();
    for copy in copies.iter().filter(|copy| !group.scaling_groups.contains(&copy.name)) {
        if let Some(id) = copy.made_by.as_ref().filter(|id| copy.name == format!("CodeDeploy_{}_{id}", group.name)) {
            suspects.insert(copy.name.clone(), id.clone());
        }
    }
    suspects
}

fn is_of(info: &DeploymentInfo, group: &Group) -> bool {
    info.application_name() == Some(&group.application) && info.deployment_group_name() == Some(&group.name)
}

/// The unfinished deployment that a person has to know of: rather one that somebody asked for than one for an instance
/// that scaled out, then the oldest.
pub(super) fn active_of<'a>(infos: impl Iterator<Item = &'a DeploymentInfo>) -> Option<ActiveDeployment> {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let all = infos.map(|info| ActiveDeployment {
        id: text(info.deployment_id()),
        status: text(info.status().map(|status| status.as_str())),
        creator: text(info.creator().map(|creator| creator.as_str())),
        description: text(info.description()),
        created: moment(info.create_time()),
    });
    all.min_by_key(|active| (active.creator.starts_with("autoscaling"), active.created, active.id.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_suspected_by_name_and_tag() {
        let group = Group {
            name: "web".to_owned(),
            scaling_groups: vec!["CodeDeploy_web_d-LIVE".to_owned()],
            ..Group::default()
        };
        let copy = |name: &str, id: Option<&str>| ScalingGroup {
            name: name.to_owned(),
            made_by: id.map(str::to_owned),
            ..ScalingGroup::default()
        };
        let copies = [
            copy("CodeDeploy_web_d-LIVE", Some("d-LIVE")),
            copy("CodeDeploy_web_d-OLD", Some("d-OLD")),
            copy("CodeDeploy_web_d-RENAMED", Some("d-OTHER")),
            copy("CodeDeploy_web_api_d-API", Some("d-API")),
            copy("web", Some("d-OLD")),
            copy("CodeDeploy_web_d-UNTAGGED", None),
        ];
        let found: Vec<(String, String)> = suspects(&group, &copies).into_iter().collect();
        assert_eq!(found, [("CodeDeploy_web_d-OLD".to_owned(), "d-OLD".to_owned())]);
    }
}
