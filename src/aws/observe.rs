//! One read-only sweep over the targets of an account and region, before a plan is made.

use std::collections::BTreeMap;

use aws_sdk_codedeploy::types::DeploymentInfo;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::Clients;
use super::codedeploy::{moment, revision_of};
use super::error::{Class, Result};
use super::shared::{Known, Shared, config_of, own_alarms};
use crate::model::Revision;
use crate::model::function::FunctionRef;
use crate::model::lambda::Function;
use crate::model::observed::{ActiveDeployment, Alarm, Baseline, Fleet, Group, ScalingGroup, TargetGroup};
use crate::model::pipeline::FleetRef;

/// Targets that are looked at side by side, each with a handful of calls.
const AT_ONCE: usize = 8;

/// A fleet that is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetLook {
    /// The fleet.
    pub fleet: FleetRef,
    /// The conditions' own alarms; the group's are added.
    pub alarms: Vec<String>,
    /// The deployment configuration that is used instead of the group's.
    pub config: Option<String>,
}

/// A function that is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionLook {
    /// The function.
    pub function: FunctionRef,
    /// The conditions' alarms.
    pub alarms: Vec<String>,
}

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
    /// Reads everything that a plan for these targets of one account and region depends on, in the order given. What AWS
    /// tells of many in one call is asked for in one call. What is named but does not exist is left out of the lists;
    /// what probes say is left empty.
    ///
    /// # Errors
    /// A call's; `NotFound` if an application, a group or a function does not exist.
    pub async fn observe(
        &self,
        fleets: &[FleetLook],
        functions: &[FunctionLook],
    ) -> Result<(Vec<Fleet>, Vec<Function>)> {
        let shared = self.shared(fleets, functions).await?;
        let looks = fleets.iter().zip(&shared.fleets).map(|(look, known)| self.fleet(look, known, &shared));
        let looks: Vec<_> = looks.collect();
        let fleets = stream::iter(looks).buffered(AT_ONCE).try_collect();
        let looks: Vec<_> = functions.iter().map(|look| self.observe_function(look, &shared)).collect();
        let functions = stream::iter(looks).buffered(AT_ONCE).try_collect();
        tokio::try_join!(fleets, functions)
    }

    /// The same of one fleet: about fifteen calls, those that do not need each other side by side.
    ///
    /// # Errors
    /// As for [`Clients::observe`].
    pub async fn observe_fleet(&self, fleet: &FleetRef, alarms: &[String], config: Option<&str>) -> Result<Fleet> {
        let look = FleetLook { fleet: fleet.clone(), alarms: alarms.to_vec(), config: config.map(str::to_owned) };
        let shared = self.shared(std::slice::from_ref(&look), &[]).await?;
        let nothing = Known::default();
        self.fleet(&look, shared.fleets.first().unwrap_or(&nothing), &shared).await
    }

    async fn fleet(&self, look: &FleetLook, known: &Known, shared: &Shared) -> Result<Fleet> {
        let group = &known.group;
        let ((scaling_groups, shared_with), target_groups) =
            tokio::try_join!(self.observe_instances(known, shared), self.observe_targets(group, shared))?;
        let history = observe_history(known, shared)?;
        let is_reached = |arn: &String| target_groups.iter().any(|group| group.balancers.contains(arn));
        let load_balancers = shared.load_balancers.iter().filter(|balancer| is_reached(&balancer.arn)).cloned();
        let load_balancers = load_balancers.collect();
        let config = shared.configs.get(config_of(look, group)).cloned().flatten();
        Ok(Fleet {
            group: group.clone(),
            scaling_groups,
            target_groups,
            load_balancers,
            zones: config.as_ref().and_then(|config| config.zones.clone()),
            min_healthy: config.map(|config| config.min_healthy),
            shared_with,
            alarms: alarms_of(look.alarms.iter().chain(own_alarms(group)), shared),
            probe_troubles: Vec::new(),
            math_troubles: Vec::new(),
            baseline: history.baseline,
            baseline_trouble: history.baseline_trouble,
            active: history.active,
            leftovers: history.leftovers,
            remarks: history.remarks,
        })
    }

    /// The Auto Scaling groups, and which deployment groups besides this one use them: those of the application by
    /// their settings, those of others by their lifecycle hooks.
    async fn observe_instances(&self, known: &Known, shared: &Shared) -> Result<(Vec<ScalingGroup>, Vec<String>)> {
        let Known { group, state, .. } = known;
        let used = shared.scaling_groups.iter().filter(|it| group.scaling_groups.contains(&it.name)).cloned();
        let (scaling_groups, owners) = self.detailed(used.collect()).await?;
        let users = shared.users.get(&group.application);
        let mut shared_with = users.map(|users| users.besides(&group.name, &group.scaling_groups)).unwrap_or_default();
        let hooks = owners.into_values().flatten();
        let foreign = hooks.filter(|(_, id)| !state.id.is_empty() && *id != state.id).map(|(hook, _)| hook);
        let foreign = foreign.filter(|hook| !shared_with.iter().any(|name| hook.contains(&format!("-{name}-"))));
        let foreign: Vec<String> = foreign.map(|hook| format!("the one whose lifecycle hook is {hook}")).collect();
        shared_with.extend(foreign);
        Ok((scaling_groups, shared_with))
    }

    async fn observe_targets(&self, group: &Group, shared: &Shared) -> Result<Vec<TargetGroup>> {
        let used = shared.target_groups.iter().filter(|it| group.target_groups.contains(&it.name)).cloned();
        self.with_health(used.collect()).await
    }
}

/// What is under way, what serves, what was left over.
fn observe_history(known: &Known, shared: &Shared) -> Result<History> {
    let Known { group, state, unfinished } = known;
    let info = |id: &str| shared.deployments.iter().find(|info| info.deployment_id() == Some(id));
    let copies = suspects(group, &shared.copies);
    let mut history = History {
        active: active_of(unfinished.iter().filter_map(|id| info(id))),
        leftovers: copies
            .iter()
            .filter(|(_, id)| info(id).is_some_and(|info| is_of(info, group)))
            .map(|(name, _)| name.clone())
            .collect(),
        ..History::default()
    };
    if let Some(id) = &state.last_successful {
        match revision_of(info(id).and_then(|info| info.revision())) {
            Ok(revision) => observe_baseline(id, revision, shared, &mut history)?,
            Err(why) => history.baseline_trouble = Some(format!("{id}: {why}")),
        }
    }
    Ok(history)
}

/// A bundle in somebody else's bucket may be out of shipit's sight and still be there for the hosts.
fn observe_baseline(deployment: &str, revision: Revision, shared: &Shared, history: &mut History) -> Result<()> {
    // Every live one was asked about.
    let bundle_exists = match shared.bundles.get(&revision).cloned().unwrap_or(Ok(false)) {
        Ok(exists) => exists,
        Err(error) if matches!(error.class, Class::Denied | Class::Refused) => {
            let Revision { bucket, key, .. } = &revision;
            history
                .remarks
                .push(format!("whether the live bundle s3://{bucket}/{key} still exists could not be seen: {error}"));
            true
        }
        Err(error) => return Err(error),
    };
    let deployment = deployment.to_owned();
    history.baseline = Some(Baseline { release: None, revision, deployment, bundle_exists });
    Ok(())
}

/// Those of these names that exist, sorted.
pub(super) fn alarms_of<'a>(names: impl Iterator<Item = &'a String>, shared: &Shared) -> Vec<Alarm> {
    let names: Vec<&String> = names.collect();
    shared.alarms.iter().filter(|alarm| names.contains(&&alarm.name)).cloned().collect()
}

/// Copied groups that by their name were made for a deployment group of this name and that it does not use: name to
/// deployment. Other applications may have a deployment group of the same name.
pub(super) fn suspects(group: &Group, copies: &[ScalingGroup]) -> BTreeMap<String, String> {
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
