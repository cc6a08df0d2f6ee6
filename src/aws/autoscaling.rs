//! Auto Scaling groups: reading them, and deleting one.

use std::collections::BTreeMap;

use aws_sdk_autoscaling::types::{AutoScalingGroup, Filter, LifecycleHook};
use futures_util::future::{try_join_all, try_join3};

use super::Clients;
use super::error::{Call, Result, failed};
use crate::model::observed::{Instance, ScalingGroup};

const DESCRIBE: Call = ("autoscaling", "DescribeAutoScalingGroups");
const POLICIES: Call = ("autoscaling", "DescribePolicies");
const SCHEDULES: Call = ("autoscaling", "DescribeScheduledActions");
const HOOKS: Call = ("autoscaling", "DescribeLifecycleHooks");
const DELETE: Call = ("autoscaling", "DeleteAutoScalingGroup");

/// The tag by which CodeDeploy marks the groups that it copied.
const COPY_TAG: &str = "CodeDeployProvisioningDeploymentId";
/// How the lifecycle hooks of CodeDeploy begin.
const COPY_HOOK: &str = "CodeDeploy-managed-automatic-launch-deployment-hook-";
/// How many names one call takes.
const BATCH: usize = 50;

impl Clients {
    /// Auto Scaling groups by name in full detail, sorted by name; those that do not exist are left out. Three calls
    /// more per group than [`Clients::instances_of`].
    ///
    /// # Errors
    /// The call's.
    pub async fn scaling_groups(&self, names: &[String]) -> Result<Vec<ScalingGroup>> {
        Ok(self.detailed(self.instances_of(names).await?).await?.0)
    }

    /// Groups in full detail, and the deployment groups whose hooks they carry: group name to the hook's name and the
    /// deployment group's id.
    pub(super) async fn detailed(
        &self,
        mut groups: Vec<ScalingGroup>,
    ) -> Result<(Vec<ScalingGroup>, BTreeMap<String, Vec<(String, String)>>)> {
        let details = try_join_all(groups.iter().map(|group| {
            try_join3(self.policies(&group.name), self.schedules(&group.name), self.lifecycle_hooks(&group.name))
        }));
        let details = details.await?;
        let mut owners = BTreeMap::new();
        for (group, (policies, schedules, hooks)) in groups.iter_mut().zip(details) {
            group.policies = policies;
            group.schedules = schedules;
            let (theirs, own): (Vec<_>, Vec<_>) =
                hooks.into_iter().partition(|hook| name_of(hook).starts_with(COPY_HOOK));
            group.hooks = sorted(own.iter().map(name_of));
            let owner = |hook: &LifecycleHook| {
                Some((name_of(hook).to_owned(), hook.notification_metadata().filter(|id| !id.is_empty())?.to_owned()))
            };
            owners.insert(group.name.clone(), theirs.iter().filter_map(owner).collect());
        }
        Ok((groups, owners))
    }

    /// Auto Scaling groups with their instances in one call: policies, schedules and hooks are left empty. Sorted by
    /// name; those that do not exist are left out.
    ///
    /// # Errors
    /// The call's.
    pub async fn instances_of(&self, names: &[String]) -> Result<Vec<ScalingGroup>> {
        let mut groups = Vec::new();
        for batch in names.chunks(BATCH) {
            let call =
                self.autoscaling.describe_auto_scaling_groups().set_auto_scaling_group_names(Some(batch.to_vec()));
            let answer = call.max_records(100).send().await.map_err(failed(DESCRIBE))?;
            groups.extend(answer.auto_scaling_groups().iter().map(group_of));
        }
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(groups)
    }

    /// Every Auto Scaling group that CodeDeploy copied, by its tag, without policies, schedules and hooks. Others of
    /// the account are not read.
    ///
    /// # Errors
    /// The call's.
    pub async fn copied_groups(&self) -> Result<Vec<ScalingGroup>> {
        let filter = Filter::builder().name("tag-key").values(COPY_TAG).build();
        let call = self.autoscaling.describe_auto_scaling_groups().filters(filter).max_records(100);
        let found: Vec<_> = call.into_paginator().items().send().try_collect().await.map_err(failed(DESCRIBE))?;
        let mut groups: Vec<ScalingGroup> = found.iter().map(group_of).filter(|it| it.made_by.is_some()).collect();
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(groups)
    }

    /// Deletes an Auto Scaling group and terminates its instances; a group that is gone already is no error.
    ///
    /// # Errors
    /// The call's.
    pub async fn delete_group(&self, name: &str) -> Result<()> {
        let call = self.autoscaling.delete_auto_scaling_group().auto_scaling_group_name(name).force_delete(true);
        match call.send().await.map_err(failed(DELETE)) {
            // Auto Scaling has no code of its own for this.
            Err(error) if error.message.contains("not found") => Ok(()),
            other => other.map(|_| ()),
        }
    }

    async fn policies(&self, group: &str) -> Result<Vec<String>> {
        let call = self.autoscaling.describe_policies().auto_scaling_group_name(group);
        let found: Vec<_> = call.into_paginator().items().send().try_collect().await.map_err(failed(POLICIES))?;
        Ok(sorted(found.into_iter().filter_map(|policy| policy.policy_name)))
    }

    async fn schedules(&self, group: &str) -> Result<Vec<String>> {
        let call = self.autoscaling.describe_scheduled_actions().auto_scaling_group_name(group);
        let found: Vec<_> = call.into_paginator().items().send().try_collect().await.map_err(failed(SCHEDULES))?;
        Ok(sorted(found.into_iter().filter_map(|action| action.scheduled_action_name)))
    }

    async fn lifecycle_hooks(&self, group: &str) -> Result<Vec<LifecycleHook>> {
        let call = self.autoscaling.describe_lifecycle_hooks().auto_scaling_group_name(group);
        let answer = call.send().await.map_err(failed(HOOKS))?;
        Ok(answer.lifecycle_hooks.unwrap_or_default())
    }
}

fn name_of(hook: &LifecycleHook) -> &str {
    hook.lifecycle_hook_name().unwrap_or_default()
}

fn sorted<T: Into<String>>(names: impl IntoIterator<Item = T>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().map(Into::into).collect();
    names.sort();
    names
}

fn group_of(group: &AutoScalingGroup) -> ScalingGroup {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let size = |value: Option<i32>| i64::from(value.unwrap_or(0));
    let tag = |key: &str| {
        let found = group.tags().iter().find(|tag| tag.key() == Some(key));
        found.and_then(|tag| tag.value()).map(str::to_owned)
    };
    let copied = group.tags().iter().filter_map(|tag| Some((tag.key()?, tag.value().unwrap_or_default())));
    let copied = copied.filter(|(key, _)| !key.starts_with("aws:") && *key != COPY_TAG);
    let instances = group.instances().iter().map(|instance| Instance {
        id: text(instance.instance_id()),
        state: text(instance.lifecycle_state().map(|state| state.as_str())),
        is_healthy: instance.health_status().is_some_and(|status| status.eq_ignore_ascii_case("healthy")),
        template_version: instance.launch_template().and_then(|template| template.version()).map(str::to_owned),
        zone: text(instance.availability_zone()),
    });
    ScalingGroup {
        name: text(group.auto_scaling_group_name()),
        sizes: (size(group.min_size()), size(group.desired_capacity()), size(group.max_size())),
        instances: instances.collect(),
        tags: sorted(copied.map(|(key, value)| format!("{key}={value}"))),
        made_by: tag(COPY_TAG),
        stack: tag("aws:cloudformation:stack-name"),
        subnets: text(group.vpc_zone_identifier()),
        health_check: text(group.health_check_type()),
        suspended: sorted(group.suspended_processes().iter().filter_map(|process| process.process_name())),
        has_warm_pool: group.warm_pool_configuration().is_some(),
        is_deleting: group.status().is_some(),
        ..ScalingGroup::default()
    }
}
