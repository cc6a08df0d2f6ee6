//! CodeDeploy for EC2: deployments in place and blue/green by a copy of an Auto Scaling group.
//!
//! # Map
//! - [`applications`], [`groups`] ([`checks`], [`hooks`]), [`configs`], [`revisions`], [`tags`]: what deployments are about
//! - [`create`], [`reads`], [`targets`], [`control`]: the operations on deployments; [`deployment`] is what they share
//! - [`worker`]: the task behind each deployment; [`quorum`] is its arithmetic, [`pace`] its latencies
//! - [`commands`]: what hosts are told to do, shaped like the agent's own command service

pub mod applications;
mod checks;
pub mod commands;
pub mod configs;
mod control;
mod create;
pub mod deployment;
mod errors;
pub mod events;
pub mod groups;
mod hooks;
pub mod pace;
mod paging;
pub mod quorum;
mod reads;
pub mod revisions;
pub mod settings;
mod show;
mod tags;
mod targets;
#[cfg(test)]
mod tests;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::doc::Doc;
use super::world::{ApiError, Reply, Scope, World, unknown_operation};
use errors::{error, unsupported};
pub use worker::{Held, on_hook};

/// The state of this service in one account and region.
#[derive(Debug, Default)]
pub struct Store {
    /// By name.
    pub applications: BTreeMap<String, applications::Application>,
    /// Own configurations by name; the predefined ones are not here.
    pub configs: BTreeMap<String, configs::Config>,
    /// By id.
    pub deployments: BTreeMap<String, deployment::Deployment>,
    /// Ids of deployments, oldest first.
    pub order: Vec<String>,
    /// What hosts are told to do.
    pub commands: commands::Queue,
    /// The service's own latencies.
    pub pace: pace::Pace,
    /// What the service role may not do, such as `autoscaling:ResumeProcesses`.
    pub role_lacks: BTreeSet<String>,
}

impl Store {
    /// The deployment that takes the slot of this group.
    fn active(&self, group_id: &str) -> Option<&str> {
        let active = self.deployments.values().find(|it| it.group_id == group_id && it.is_active());
        active.map(|it| it.id.as_str())
    }
}

/// Runs one operation.
///
/// # Errors
/// What the service answers.
pub fn call(world: &Arc<World>, scope: &Scope, operation: &str, input: &Doc) -> Reply {
    let site = &scope.site;
    match operation {
        "CreateApplication" => applications::create(world, site, input),
        "GetApplication" => applications::get(world, site, input),
        "ListApplications" => applications::list(world, site, input),
        "DeleteApplication" => applications::delete(world, site, input),
        "CreateDeploymentConfig" => configs::create(world, site, input),
        "GetDeploymentConfig" => configs::get(world, site, input),
        "ListDeploymentConfigs" => configs::list(world, site, input),
        "DeleteDeploymentConfig" => configs::delete(world, site, input),
        "CreateDeploymentGroup" => groups::create(world, scope, input),
        "UpdateDeploymentGroup" => groups::update(world, scope, input),
        "GetDeploymentGroup" => groups::get(world, site, input),
        "BatchGetDeploymentGroups" => groups::batch_get(world, site, input),
        "ListDeploymentGroups" => groups::list(world, site, input),
        "DeleteDeploymentGroup" => groups::delete(world, scope, input),
        "RegisterApplicationRevision" => revisions::register(world, site, input),
        "GetApplicationRevision" => revisions::get(world, site, input),
        "CreateDeployment" => create::create(world, scope, input),
        "GetDeployment" => reads::get(world, site, input),
        "BatchGetDeployments" => reads::batch_get(world, site, input),
        "ListDeployments" => reads::list(world, site, input),
        "ListDeploymentTargets" => targets::list(world, site, input),
        "GetDeploymentTarget" => targets::get(world, site, input),
        "BatchGetDeploymentTargets" => targets::batch_get(world, site, input),
        "ContinueDeployment" => control::continue_deployment(world, site, input),
        "SkipWaitTimeForInstanceTermination" => control::skip_wait(world, site, input),
        "StopDeployment" => control::stop(world, site, input),
        "ListTagsForResource" => tags::list(world, site, input),
        "TagResource" => tags::add(world, site, input),
        "UntagResource" => tags::remove(world, site, input),
        _ => Err(unknown_operation(operation)),
    }
}

/// Names of applications, groups and configurations: 1 to 100 of these characters.
fn is_name(name: &str) -> bool {
    (1..=100).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c))
}

/// Only the Server platform lives here.
fn server_only(input: &Doc) -> Result<(), ApiError> {
    match input.text("computePlatform") {
        None | Some("Server") => Ok(()),
        Some(other @ ("Lambda" | "ECS")) => {
            Err(unsupported("InvalidComputePlatform", &format!("The compute platform {other}")))
        }
        Some(_) => Err(error("InvalidComputePlatform", "The computePlatform must be Lambda, Server or ECS")),
    }
}

fn check_description(input: &Doc) -> Result<(), ApiError> {
    match input.text("description") {
        Some(text) if text.chars().count() > 256 => {
            Err(error("DescriptionTooLong", "The description is longer than 256 characters"))
        }
        _ => Ok(()),
    }
}
