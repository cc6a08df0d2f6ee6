//! Deployment groups: which instances get a revision, and how.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::world::{ApiError, Reply, Scope, Site, World};
use super::errors::{error, no_group};
use super::hooks::{self, Owner};
use super::settings::{Alarms, AutoRollback, BlueGreen, Style, processes, target_groups};
use super::{Store, applications, checks, configs, paging, tags};

/// A deployment group.
#[derive(Debug)]
pub struct Group {
    /// A UUID; it survives a change of the name, and agents keep their records under it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The members of the requests that made it, as far as they are kept as given.
    pub settings: Doc,
    /// Its Auto Scaling groups.
    pub fleets: Vec<Fleet>,
    /// Key and value.
    pub tags: BTreeMap<String, String>,
    /// What its instances should run: the revision of the last successful deployment.
    pub target_revision: Option<Doc>,
    /// The last successful deployment.
    pub last_successful: Option<String>,
    /// The last deployment that ended.
    pub last_attempted: Option<String>,
    /// What is known about its instances.
    pub instances: BTreeMap<String, Known>,
}

/// An Auto Scaling group of a deployment group, and the launch hook that was put on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fleet {
    /// The Auto Scaling group's name.
    pub name: String,
    /// The launch hook's name.
    pub hook: String,
    /// The termination hook's name, if the deployment group wants one.
    pub termination_hook: Option<String>,
}

/// What the last deployment to an instance left.
#[derive(Clone, Debug)]
pub struct Known {
    /// Whether it succeeded.
    pub healthy: bool,
    /// Whether it was the one that the instance's launch waited for.
    pub launched: bool,
    /// What it brought.
    pub revision: Doc,
}

/// Members that are kept and given back as they came.
const KEPT: [&str; 13] = [
    "deploymentConfigName",
    "ec2TagFilters",
    "ec2TagSet",
    "serviceRoleArn",
    "triggerConfigurations",
    "alarmConfiguration",
    "autoRollbackConfiguration",
    "outdatedInstancesStrategy",
    "deploymentStyle",
    "blueGreenDeploymentConfiguration",
    "loadBalancerInfo",
    "terminationHookEnabled",
    "ec2DeploymentOptions",
];

impl Group {
    /// The name of its deployment configuration.
    pub fn config(&self) -> &str {
        self.settings.text("deploymentConfigName").unwrap_or(configs::ONE_AT_A_TIME)
    }

    /// Its style. What the group holds was checked when it was made.
    pub fn style(&self) -> Style {
        Style::read(self.settings.get("deploymentStyle")).unwrap_or_default()
    }

    /// Its blue/green configuration, if it has one.
    pub fn blue_green(&self) -> Option<BlueGreen> {
        BlueGreen::read(self.settings.get("blueGreenDeploymentConfiguration")).unwrap_or_default()
    }

    /// Its alarms.
    pub fn alarms(&self) -> Alarms {
        Alarms::read(self.settings.get("alarmConfiguration")).unwrap_or_default()
    }

    /// Which ends trigger a rollback.
    pub fn auto_rollback(&self) -> AutoRollback {
        AutoRollback::read(self.settings.get("autoRollbackConfiguration")).unwrap_or_default()
    }

    /// The names of its target groups.
    pub fn target_groups(&self) -> Vec<String> {
        target_groups(self.settings.get("loadBalancerInfo")).unwrap_or_default()
    }

    /// Whether instances that Auto Scaling terminates get a deployment of their own first.
    pub fn terminates(&self) -> bool {
        self.settings.bool("terminationHookEnabled").unwrap_or(false)
    }

    /// Auto Scaling processes that rest while its deployments in place run.
    pub fn suspend(&self) -> Vec<String> {
        processes(self.settings.get("ec2DeploymentOptions")).unwrap_or_default()
    }

    /// Whether instances that launched with an old revision are brought up to date after a deployment.
    pub fn updates_outdated(&self) -> bool {
        self.settings.text("outdatedInstancesStrategy") != Some("IGNORE")
    }
}

/// The group's name in a request, checked.
pub(super) fn name<'a>(input: &'a Doc, member: &str) -> Result<&'a str, ApiError> {
    let name = input.text(member).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| error("DeploymentGroupNameRequired", "The deployment group name is required"))?;
    if !super::is_name(name) {
        return Err(error("InvalidDeploymentGroupName", "The deployment group name is not valid"));
    }
    Ok(name)
}

impl Store {
    /// The group that a request names in this member.
    pub(super) fn group(&mut self, input: &Doc, member: &str) -> Result<&mut Group, ApiError> {
        let application = self.application(input)?;
        let name = name(input, member)?;
        application.groups.get_mut(name).ok_or_else(|| no_group(name))
    }

    /// The group of this id.
    pub fn group_by_id(&mut self, id: &str) -> Option<&mut Group> {
        self.applications
            .values_mut()
            .flat_map(|application| application.groups.values_mut())
            .find(|group| group.id == id)
    }
}

pub(super) fn create(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let name = name(input, "deploymentGroupName")?;
    let mut settings = doc! {};
    merge(&mut settings, input);
    let names = input.texts("autoScalingGroups");
    let tags = tags::read(input.list("tags"))?;
    let id = {
        let mut state = world.lock();
        if state.site(&scope.site).codedeploy.application(input)?.groups.contains_key(name) {
            return Err(error("DeploymentGroupAlreadyExists", format!("Deployment group already exists: {name}")));
        }
        checks::group(&mut state, &scope.site, &settings, &names)?;
        state.uuid()
    };
    let owner = Owner { name, id: &id, terminates: settings.bool("terminationHookEnabled").unwrap_or(false) };
    let fleets = hooks::put_all(world, &scope.site, owner, &names)?;
    let group = Group {
        id: id.clone(),
        name: name.to_owned(),
        settings,
        fleets,
        tags,
        target_revision: None,
        last_successful: None,
        last_attempted: None,
        instances: BTreeMap::new(),
    };
    let mut state = world.lock();
    state.site(&scope.site).codedeploy.application(input)?.groups.insert(name.to_owned(), group);
    Ok(doc! { "deploymentGroupId" => id })
}

/// Takes over what a request gives: what is absent is kept, an empty list removes.
fn merge(settings: &mut Doc, input: &Doc) {
    for member in KEPT {
        match input.get(member) {
            Doc::Null => {}
            Doc::List(items) if items.is_empty() => settings.set(member, Doc::Null),
            given => settings.set(member, given.clone()),
        }
    }
}

pub(super) fn update(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let current = name(input, "currentDeploymentGroupName")?;
    let renamed = match input.get("newDeploymentGroupName") {
        Doc::Null => current,
        _ => name(input, "newDeploymentGroupName")?,
    };
    let (id, settings, old, names) = {
        let mut state = world.lock();
        let store = &mut state.site(&scope.site).codedeploy;
        if renamed != current && store.application(input)?.groups.contains_key(renamed) {
            return Err(error("DeploymentGroupAlreadyExists", format!("Deployment group already exists: {renamed}")));
        }
        let group = store.group(input, "currentDeploymentGroupName")?;
        let mut settings = group.settings.clone();
        merge(&mut settings, input);
        let (id, old) = (group.id.clone(), group.fleets.clone());
        let names = match input.get("autoScalingGroups") {
            Doc::Null => old.iter().map(|fleet| fleet.name.clone()).collect(),
            _ => input.texts("autoScalingGroups"),
        };
        checks::resent_fleets(&settings, input)?;
        checks::group(&mut state, &scope.site, &settings, &names)?;
        (id, settings, old, names)
    };
    let added: Vec<String> =
        names.iter().filter(|name| old.iter().all(|fleet| fleet.name != **name)).cloned().collect();
    let owner = Owner { name: renamed, id: &id, terminates: settings.bool("terminationHookEnabled").unwrap_or(false) };
    let kept = old.iter().filter(|fleet| names.contains(&fleet.name)).cloned();
    let kept = kept.map(|fleet| hooks::with_termination(world, &scope.site, owner, fleet));
    let mut fleets = kept.collect::<Result<Vec<Fleet>, ApiError>>()?;
    fleets.extend(hooks::put_all(world, &scope.site, owner, &added)?);
    let removed: Vec<Fleet> = old.into_iter().filter(|fleet| !names.contains(&fleet.name)).collect();
    let leftover = hooks::remove_all(world, &scope.site, &removed);
    let mut state = world.lock();
    let application = state.site(&scope.site).codedeploy.application(input)?;
    let mut group = application.groups.remove(current).ok_or_else(|| no_group(current))?;
    group.name = renamed.to_owned();
    group.settings = settings;
    group.fleets = fleets;
    application.groups.insert(renamed.to_owned(), group);
    Ok(doc! { "hooksNotCleanedUp" => leftover })
}

pub(super) fn delete(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let name = name(input, "deploymentGroupName")?;
    let fleets = {
        let mut state = world.lock();
        let store = &mut state.site(&scope.site).codedeploy;
        let group = store.applications.get_mut(applications::name(input)?).and_then(|found| found.groups.remove(name));
        group.map(|group| group.fleets).unwrap_or_default()
    };
    Ok(doc! { "hooksNotCleanedUp" => hooks::remove_all(world, &scope.site, &fleets) })
}

pub(super) fn get(world: &World, site: &Site, input: &Doc) -> Reply {
    let mut state = world.lock();
    let store = &mut state.site(site).codedeploy;
    store.group(input, "deploymentGroupName")?;
    let name = name(input, "deploymentGroupName")?;
    Ok(doc! { "deploymentGroupInfo" => show(store, applications::name(input)?, name) })
}

pub(super) fn batch_get(world: &World, site: &Site, input: &Doc) -> Reply {
    let mut state = world.lock();
    let store = &mut state.site(site).codedeploy;
    let application = applications::name(input)?;
    store.application(input)?;
    let asked = input.texts("deploymentGroupNames");
    if asked.len() > 100 {
        return Err(error("BatchLimitExceeded", "The maximum number of names or IDs is 100"));
    }
    let shown: Vec<Doc> =
        asked.iter().map(|name| show(store, application, name)).filter(|doc| !doc.is_null()).collect();
    let missing: Vec<&str> = asked
        .iter()
        .filter(|name| !store.applications[application].groups.contains_key(*name))
        .map(String::as_str)
        .collect();
    let message = (!missing.is_empty()).then(|| format!("No Deployment Group found for name: {}", missing.join(", ")));
    Ok(doc! { "deploymentGroupsInfo" => shown, "errorMessage" => message })
}

pub(super) fn list(world: &World, site: &Site, input: &Doc) -> Reply {
    let mut state = world.lock();
    let names = state.site(site).codedeploy.application(input)?.groups.keys().cloned().collect();
    let mut page = paging::page("deploymentGroups", names, input)?;
    page.set("applicationName", applications::name(input)?);
    Ok(page)
}

/// `deploymentGroupInfo`; `Null` if there is no such group.
fn show(store: &Store, application: &str, name: &str) -> Doc {
    let Some(group) = store.applications.get(application).and_then(|found| found.groups.get(name)) else {
        return Doc::Null;
    };
    let fleets: Vec<Doc> = group.fleets.iter().map(hooks::show).collect();
    let mut shown = doc! {
        "applicationName" => application, "deploymentGroupId" => &group.id, "deploymentGroupName" => &group.name,
        "computePlatform" => "Server",
        "deploymentConfigName" => group.config(),
        "ec2TagFilters" => Vec::<Doc>::new(), "onPremisesInstanceTagFilters" => Vec::<Doc>::new(),
        "triggerConfigurations" => Vec::<Doc>::new(),
        "outdatedInstancesStrategy" => "UPDATE",
        "terminationHookEnabled" => false,
        "deploymentStyle" => doc! {
            "deploymentType" => "IN_PLACE", "deploymentOption" => "WITHOUT_TRAFFIC_CONTROL",
        },
    };
    merge(&mut shown, &group.settings);
    shown.set("autoScalingGroups", fleets);
    shown.set("targetRevision", group.target_revision.clone());
    shown.set("lastSuccessfulDeployment", last(store, group.last_successful.as_deref()));
    shown.set("lastAttemptedDeployment", last(store, group.last_attempted.as_deref()));
    shown
}

fn last(store: &Store, id: Option<&str>) -> Doc {
    let Some(deployment) = id.and_then(|id| store.deployments.get(id)) else { return Doc::Null };
    doc! {
        "deploymentId" => &deployment.id, "status" => deployment.status.name(),
        "endTime" => deployment.completed, "createTime" => deployment.created,
    }
}
