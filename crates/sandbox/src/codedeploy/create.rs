//! `CreateDeployment`: everything that is refused at once. Whether the bundle exists, what it holds, instances, health
//! and alarms show later, in the deployment.

use std::sync::Arc;

use tokio::sync::watch;

use super::super::doc::{Doc, doc};
use super::super::world::{ApiError, Reply, Scope, Site, State, World};
use super::deployment::{Creator, Deployment, Job, RollbackInfo, Signals, Status, Terms};
use super::errors::already_active;
use super::groups::Group;
use super::settings::{Alarms, AutoRollback, processes};
use super::{applications, checks, configs, groups, revisions, worker};

/// What a new deployment is about.
pub(super) struct Order {
    pub(super) application: String,
    pub(super) group_id: String,
    pub(super) job: Job,
    pub(super) creator: Creator,
    pub(super) revision: Doc,
    pub(super) terms: Terms,
    /// The deployment that this one rolls back.
    pub(super) triggering: Option<String>,
}

pub(super) fn create(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).codedeploy;
    let application = applications::name(input)?.to_owned();
    let group = store.group(input, "deploymentGroupName")?;
    let group_id = group.id.clone();
    let revision = checks::deployment(input)?;
    let terms = terms(group, input)?;
    checks::suspension(&terms.suspend, terms.style, !group.fleets.is_empty())?;
    checks::green_fleet(&terms)?;
    let name = groups::name(input, "deploymentGroupName")?;
    configs::demand(&mut state, &scope.site, &terms.config)?;
    let store = &mut state.site(&scope.site).codedeploy;
    if let Some(active) = store.active(&group_id) {
        return Err(already_active(name, active));
    }
    let job = if terms.style.blue_green { Job::BlueGreen } else { Job::InPlace };
    let order = Order { application, group_id, job, creator: Creator::User, revision, terms, triggering: None };
    let id = place(&mut state, world, &scope.site, order);
    drop(state);
    worker::start(world, &scope.site, &id);
    Ok(doc! { "deploymentId" => id })
}

/// The group's terms, with what the request says instead.
fn terms(group: &Group, input: &Doc) -> Result<Terms, ApiError> {
    let mut terms = of_group(group);
    if let Some(config) = input.text("deploymentConfigName") {
        terms.config = config.to_owned();
    }
    if !input.get("autoRollbackConfiguration").is_null() {
        terms.auto_rollback = AutoRollback::read(input.get("autoRollbackConfiguration"))?;
        terms.shown.set("autoRollbackConfiguration", input.get("autoRollbackConfiguration").clone());
    }
    if !input.get("overrideAlarmConfiguration").is_null() {
        terms.alarms = Alarms::read(input.get("overrideAlarmConfiguration"))?;
        terms.shown.set("overrideAlarmConfiguration", input.get("overrideAlarmConfiguration").clone());
    }
    if !input.get("ec2DeploymentOptions").is_null() {
        terms.suspend = processes(input.get("ec2DeploymentOptions"))?;
        terms.shown.set("ec2DeploymentOptions", input.get("ec2DeploymentOptions").clone());
    }
    terms.ignore_stop_failures = input.bool("ignoreApplicationStopFailures").unwrap_or(false);
    terms.only_outdated = input.bool("updateOutdatedInstancesOnly").unwrap_or(false);
    terms.file_exists = input.text("fileExistsBehavior").map(str::to_owned);
    terms.description = input.text("description").map(str::to_owned);
    Ok(terms)
}

/// The terms of a deployment of which nothing was said.
pub(super) fn of_group(group: &Group) -> Terms {
    let mut shown = doc! {};
    let members =
        ["autoRollbackConfiguration", "blueGreenDeploymentConfiguration", "loadBalancerInfo", "ec2DeploymentOptions"];
    for member in members {
        shown.set(member, group.settings.get(member).clone());
    }
    Terms {
        style: group.style(),
        blue_green: group.blue_green(),
        config: group.config().to_owned(),
        target_groups: group.target_groups(),
        alarms: group.alarms(),
        auto_rollback: group.auto_rollback(),
        ignore_stop_failures: false,
        only_outdated: false,
        file_exists: None,
        suspend: group.suspend(),
        description: None,
        shown,
    }
}

/// Puts a deployment into the books; its worker is started by the caller, without the lock.
pub(super) fn place(state: &mut State, world: &World, site: &Site, order: Order) -> String {
    let id = format!("d-{}", state.random_text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 9));
    let now = world.now();
    let store = &mut state.site(site).codedeploy;
    if let Some(application) = store.applications.get_mut(&order.application) {
        revisions::note(&mut application.revisions, &order.revision, None, true, now);
    }
    let (name, previous) = store
        .group_by_id(&order.group_id)
        .map(|group| (group.name.clone(), group.target_revision.clone()))
        .unwrap_or_default();
    let message =
        order.triggering.as_ref().map(|of| format!("Deployment {id} is triggered to roll back deployment {of}."));
    let deployment = Deployment {
        id: id.clone(),
        application: order.application,
        group: name,
        group_id: order.group_id,
        job: order.job,
        creator: order.creator,
        revision: order.revision,
        previous,
        terms: order.terms,
        status: Status::Created,
        error: None,
        created: now,
        started: None,
        completed: None,
        targets: None,
        rollback: RollbackInfo { rollback: None, triggering: order.triggering, message },
        rollback_due: false,
        terminating: false,
        rerouted: false,
        fleets: None,
        green: None,
        messages: Vec::new(),
        suspended: Vec::new(),
        root: None,
        updates: Vec::new(),
        signals: watch::Sender::new(Signals::default()),
    };
    store.deployments.insert(id.clone(), deployment);
    store.order.push(id.clone());
    id
}
