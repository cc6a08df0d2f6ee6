//! Instances and launch templates, as far as Auto Scaling, load balancers and rehearsals need them.
//!
//! Requests have EC2's names (`InstanceId` is a list), answers have the names of its XML (`reservationSet`).

mod instances;
mod templates;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::doc::Doc;
use super::world::{Reply, Scope, Site, World, unknown_operation};

/// The state of this service in one account and region.
#[derive(Default)]
pub struct Store {
    instances: BTreeMap<String, instances::Instance>,
    templates: BTreeMap<String, templates::Template>,
    launched: u32,
}

/// Runs one operation.
///
/// # Errors
/// What the service answers.
pub fn call(world: &Arc<World>, scope: &Scope, operation: &str, input: &Doc) -> Reply {
    match operation {
        "RunInstances" => instances::run(world, scope, input),
        "DescribeInstances" => instances::describe(world, scope, input),
        "TerminateInstances" => instances::terminate(world, scope, input),
        "CreateLaunchTemplate" => templates::create(world, scope, input),
        "CreateLaunchTemplateVersion" => templates::create_version(world, scope, input),
        "ModifyLaunchTemplate" => templates::modify(world, scope, input),
        "DeleteLaunchTemplate" => templates::delete(world, scope, input),
        "DescribeLaunchTemplates" => templates::describe(world, scope, input),
        "DescribeLaunchTemplateVersions" => templates::describe_versions(world, scope, input),
        _ => Err(unknown_operation(operation)),
    }
}

/// An instance dies without anyone having asked for it, as when its hardware fails.
pub fn kill_instance(world: &Arc<World>, site: &Site, id: &str) {
    instances::end(world, site, id);
}
