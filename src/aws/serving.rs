//! What a deployment group serves and what is under way on it, in few calls.

use std::cmp::Reverse;

use futures_util::future::try_join_all;

use super::Clients;
use super::codedeploy::{UNFINISHED, deployment_of};
use super::error::Result;
use super::groups::GroupState;
use super::observe::active_of;
use crate::model::facts::{Attempt, Deployment, DeploymentTarget};
use crate::model::observed::{Group, ScalingGroup, TargetHealth};
use crate::model::serving::FleetSeen;

/// Deployments that are looked at on one group, the newest first: a group has one at a time, and follow-ons of hosts that
/// were launched.
const DEPLOYMENTS: usize = 25;

impl Clients {
    /// Looks at a deployment group: two calls side by side, then what those name. `others` are deployments that shall be
    /// looked at, too, because a run has made them.
    ///
    /// # Errors
    /// CodeDeploy's calls'. That hosts or their health cannot be read is a remark.
    pub async fn serving(&self, application: &str, group: &str, others: &[String]) -> Result<FleetSeen> {
        let ((group, state), unfinished) =
            tokio::try_join!(self.group(application, group), self.list(application, group, &UNFINISHED, None))?;
        let ids = ids(&state, &unfinished, others);
        let is_copied = group.deployment_type == "BLUE_GREEN";
        let (infos, health, scaling, hosts) = tokio::join!(
            self.deployment_infos(&ids),
            self.health_of(&group.target_groups),
            self.scaling_of(&group, &state, &ids, is_copied),
            self.hosts_of(&state, &ids, is_copied),
        );
        let infos = infos?;
        let mut seen = FleetSeen {
            is_copied,
            named: group.scaling_groups,
            last_successful: state.last_successful,
            active: active_of(infos.iter().filter(|info| unfinished.iter().any(|id| info.deployment_id() == Some(id)))),
            ..FleetSeen::default()
        };
        match health {
            Ok(groups) => seen.target_groups = Some(groups),
            Err(error) => seen.remarks.push(format!("the health of the targets could not be read: {error}")),
        }
        match scaling {
            Ok(groups) => seen.scaling_groups = groups,
            Err(error) => seen.remarks.push(format!("the Auto Scaling groups could not be read: {error}")),
        }
        let hosts = hosts.unwrap_or_else(|error| {
            seen.remarks.push(format!("what is on the hosts could not be read: {error}"));
            Vec::new()
        });
        seen.attempts = attempts(infos.iter().map(deployment_of), hosts);
        Ok(seen)
    }

    async fn health_of(&self, names: &[String]) -> Result<Vec<(String, Vec<TargetHealth>)>> {
        let groups = self.named(names).await?;
        let reads = groups.iter().map(|group| async { Ok((group.name.clone(), self.health(&group.arn).await?)) });
        try_join_all(reads).await
    }

    /// The group's own Auto Scaling groups, and the copies that deployments besides the last good one have made.
    async fn scaling_of(
        &self,
        group: &Group,
        state: &GroupState,
        ids: &[String],
        is_copied: bool,
    ) -> Result<Vec<ScalingGroup>> {
        let others = ids.iter().filter(|id| is_copied && state.last_successful.as_ref() != Some(id));
        let copies = others.map(|id| format!("CodeDeploy_{}_{id}", group.name));
        let mut names: Vec<String> = group.scaling_groups.iter().cloned().chain(copies).collect();
        names.sort_unstable();
        names.dedup();
        self.instances_of(&names).await
    }

    /// The hosts of deployments in place besides the last good one.
    async fn hosts_of(
        &self,
        state: &GroupState,
        ids: &[String],
        is_copied: bool,
    ) -> Result<Vec<(String, Vec<DeploymentTarget>)>> {
        let others = ids.iter().filter(|id| !is_copied && state.last_successful.as_ref() != Some(id));
        try_join_all(others.map(|id| async { Ok((id.clone(), self.targets(id).await?)) })).await
    }
}

fn ids(state: &GroupState, unfinished: &[String], others: &[String]) -> Vec<String> {
    let last = state.last_successful.iter().chain(&state.last_attempted);
    let mut ids: Vec<String> = Vec::new();
    for id in last.chain(unfinished).chain(others) {
        if !ids.contains(id) {
            ids.push(id.clone());
        }
    }
    ids.truncate(DEPLOYMENTS);
    ids
}

/// Deployments with their hosts, the newest first.
fn attempts(
    deployments: impl Iterator<Item = Deployment>,
    mut hosts: Vec<(String, Vec<DeploymentTarget>)>,
) -> Vec<Attempt> {
    let mut attempts: Vec<Attempt> = deployments
        .map(|deployment| {
            let of = hosts.iter_mut().find(|(id, _)| *id == deployment.id);
            Attempt { hosts: of.map(|(_, hosts)| std::mem::take(hosts)).unwrap_or_default(), deployment }
        })
        .collect();
    attempts.sort_by_key(|attempt| Reverse(attempt.deployment.created));
    attempts
}
