//! What is read once for all targets of an account and region: calls that take many names get many, and what two targets
//! have in common is asked for once. Two hundred fleets cost a few dozen of these, not thousands.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_codedeploy::types::DeploymentInfo;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::Clients;
use super::codedeploy::{UNFINISHED, revision_of};
use super::error::Result;
use super::groups::{GroupState, Users};
use super::observe::{FleetLook, FunctionLook, suspects};
use crate::model::Revision;
use crate::model::observed::{Alarm, Group, HostsConfig, LoadBalancer, ScalingGroup, TargetGroup};

/// Calls about one target that are under way side by side: AWS throttles who asks about hundreds at once.
pub(super) const AT_ONCE: usize = 16;

/// A deployment group, its last deployments, and the ids of those that are not over.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) group: Group,
    pub(super) state: GroupState,
    pub(super) unfinished: Vec<String>,
}

/// What was read for all of them. Lists are sorted as their reads give them.
#[derive(Default)]
pub(super) struct Shared {
    /// In the order of the looks.
    pub(super) fleets: Vec<Known>,
    /// Which groups of an application use which Auto Scaling groups.
    pub(super) users: BTreeMap<String, Users>,
    pub(super) deployments: Vec<DeploymentInfo>,
    /// Whether the bundles that are live still lie there.
    pub(super) bundles: BTreeMap<Revision, Result<bool>>,
    /// Without policies, schedules and hooks.
    pub(super) scaling_groups: Vec<ScalingGroup>,
    pub(super) copies: Vec<ScalingGroup>,
    /// Without drain and health.
    pub(super) target_groups: Vec<TargetGroup>,
    pub(super) load_balancers: Vec<LoadBalancer>,
    pub(super) configs: BTreeMap<String, Option<HostsConfig>>,
    pub(super) alarms: Vec<Alarm>,
    /// Bytes of code that are used and allowed, unless the caller may not see it.
    pub(super) storage: Option<Result<Option<(u64, u64)>>>,
}

/// Names, each once.
fn each<'a>(names: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().cloned().collect();
    names.sort_unstable();
    names.dedup();
    names
}

impl Clients {
    /// Reads what the looks have in common.
    ///
    /// # Errors
    /// A call's; `NotFound` if an application or a group does not exist.
    pub(super) async fn shared(&self, fleets: &[FleetLook], functions: &[FunctionLook]) -> Result<Shared> {
        let known: Vec<_> = fleets.iter().map(|look| self.known(look)).collect();
        let known: Vec<Known> = stream::iter(known).buffered(AT_ONCE).try_collect().await?;
        let groups = || known.iter().map(|known| &known.group);
        let alarms = each(
            fleets
                .iter()
                .flat_map(|look| &look.alarms)
                .chain(groups().flat_map(own_alarms))
                .chain(functions.iter().flat_map(|look| &look.alarms)),
        );
        let configs = each(fleets.iter().zip(&known).map(|(look, known)| config_of(look, &known.group)));
        let applications = each(groups().map(|group| &group.application));
        let target_groups = each(groups().flat_map(|group| &group.target_groups));
        let ((scaling_groups, copies), users, (target_groups, load_balancers), configs, alarms, storage) = tokio::try_join!(
            self.all_scaling_groups(&known),
            self.all_users(&applications),
            self.all_traffic(&target_groups),
            self.all_configs(configs),
            self.alarms(&alarms),
            async { Ok(if functions.is_empty() { None } else { Some(self.storage().await) }) },
        )?;
        let suspected: Vec<String> = groups().flat_map(|group| suspects(group, &copies).into_values()).collect();
        let ids = known.iter().flat_map(|known| known.state.last_successful.iter().chain(&known.unfinished));
        let deployments = self.deployment_infos(&each(ids.chain(&suspected))).await?;
        let bundles = self.all_bundles(&known, &deployments).await;
        Ok(Shared {
            fleets: known,
            users,
            deployments,
            bundles,
            scaling_groups,
            copies,
            target_groups,
            load_balancers,
            configs,
            alarms,
            storage,
        })
    }

    async fn known(&self, look: &FleetLook) -> Result<Known> {
        let (application, name) = (&look.fleet.application, &look.fleet.deployment_group);
        let (group, state) = self.group(application, name).await?;
        let unfinished = self.list(application, name, &UNFINISHED, None).await?;
        Ok(Known { group, state, unfinished })
    }

    async fn all_bundles(&self, known: &[Known], infos: &[DeploymentInfo]) -> BTreeMap<Revision, Result<bool>> {
        let live = known.iter().filter_map(|known| known.state.last_successful.as_deref());
        let info = |id: &str| infos.iter().find(|info| info.deployment_id() == Some(id));
        let revisions = live.filter_map(|id| revision_of(info(id)?.revision()).ok());
        let revisions: BTreeSet<Revision> = revisions.collect();
        let reads: Vec<_> = revisions.iter().map(|revision| self.bundle_exists(revision)).collect();
        let found: Vec<Result<bool>> = stream::iter(reads).buffered(AT_ONCE).collect().await;
        revisions.into_iter().zip(found).collect()
    }

    /// The groups that are used, and those that CodeDeploy has copied.
    async fn all_scaling_groups(&self, known: &[Known]) -> Result<(Vec<ScalingGroup>, Vec<ScalingGroup>)> {
        if known.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let names = each(known.iter().flat_map(|known| &known.group.scaling_groups));
        tokio::try_join!(self.instances_of(&names), self.copied_groups())
    }

    async fn all_users(&self, applications: &[String]) -> Result<BTreeMap<String, Users>> {
        let reads: Vec<_> = applications.iter().map(|application| self.users(application)).collect();
        let found: Vec<Users> = stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
        Ok(applications.iter().cloned().zip(found).collect())
    }

    async fn all_traffic(&self, names: &[String]) -> Result<(Vec<TargetGroup>, Vec<LoadBalancer>)> {
        let target_groups = self.named(names).await?;
        let balancers = each(target_groups.iter().flat_map(|group| &group.balancers));
        let load_balancers = self.load_balancers(&balancers).await?;
        Ok((target_groups, load_balancers))
    }

    async fn all_configs(&self, names: Vec<String>) -> Result<BTreeMap<String, Option<HostsConfig>>> {
        let reads: Vec<_> = names.iter().map(|name| self.hosts_config(name)).collect();
        let found: Vec<Option<HostsConfig>> = stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
        Ok(names.into_iter().zip(found).collect())
    }
}

/// The alarms that CodeDeploy itself looks at.
pub(super) fn own_alarms(group: &Group) -> &[String] {
    if group.alarms_enabled { &group.alarms } else { &[] }
}

/// The deployment configuration that counts.
pub(super) fn config_of<'a>(look: &'a FleetLook, group: &'a Group) -> &'a String {
    look.config.as_ref().unwrap_or(&group.config)
}
