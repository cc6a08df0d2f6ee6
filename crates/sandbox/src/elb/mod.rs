//! Application load balancers, their listeners and rules, target groups and the health of targets.
//!
//! What happens to requests is in [`balancer`](super::balancer); here is what the API says about it. Network load
//! balancers can be described but get no listeners.

mod attributes;
mod checks;
mod health;
mod listeners;
mod load_balancers;
pub(super) mod nouns;
mod rules;
mod tags;
mod target_groups;
mod targets;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::doc::Doc;
use super::world::{ApiError, Reply, Scope, Site, World, unknown_operation};
use nouns::{Listener, LoadBalancer, Rule, TargetGroup};

pub use targets::forget_instance;

/// The state of this service in one account and region; all maps are keyed by ARN.
#[derive(Default)]
pub struct Store {
    pub(super) load_balancers: BTreeMap<String, LoadBalancer>,
    pub(super) target_groups: BTreeMap<String, TargetGroup>,
    pub(super) listeners: BTreeMap<String, Listener>,
    pub(super) rules: BTreeMap<String, Rule>,
    tags: BTreeMap<String, BTreeMap<String, String>>,
}

/// Runs one operation.
///
/// # Errors
/// What the service answers.
pub fn call(world: &Arc<World>, scope: &Scope, operation: &str, input: &Doc) -> Reply {
    match operation {
        "CreateLoadBalancer" => load_balancers::create(world, scope, input),
        "DescribeLoadBalancers" => load_balancers::describe(world, scope, input),
        "DeleteLoadBalancer" => load_balancers::delete(world, scope, input),
        "DescribeLoadBalancerAttributes" => attributes::describe_load_balancer(world, scope, input),
        "ModifyLoadBalancerAttributes" => attributes::modify_load_balancer(world, scope, input),
        "CreateTargetGroup" => target_groups::create(world, scope, input),
        "DescribeTargetGroups" => target_groups::describe(world, scope, input),
        "ModifyTargetGroup" => target_groups::modify(world, scope, input),
        "DeleteTargetGroup" => target_groups::delete(world, scope, input),
        "DescribeTargetGroupAttributes" => attributes::describe_target_group(world, scope, input),
        "ModifyTargetGroupAttributes" => attributes::modify_target_group(world, scope, input),
        "CreateListener" => listeners::create(world, scope, input),
        "DescribeListeners" => listeners::describe(world, scope, input),
        "ModifyListener" => listeners::modify(world, scope, input),
        "DeleteListener" => listeners::delete(world, scope, input),
        "CreateRule" => rules::create(world, scope, input),
        "DescribeRules" => rules::describe(world, scope, input),
        "ModifyRule" => rules::modify(world, scope, input),
        "DeleteRule" => rules::delete(world, scope, input),
        "RegisterTargets" => targets::register(world, scope, input),
        "DeregisterTargets" => targets::deregister(world, scope, input),
        "DescribeTargetHealth" => health::describe(world, scope, input),
        "AddTags" => tags::add(world, scope, input),
        "DescribeTags" => tags::describe(world, scope, input),
        "RemoveTags" => tags::remove(world, scope, input),
        _ => Err(unknown_operation(operation)),
    }
}

impl Store {
    /// The target groups that a listener or rule forwards to, whatever the weight: only those are health-checked.
    fn in_use(&self, target_group: &str) -> bool {
        self.load_balancer_of(target_group).is_some()
    }

    /// The load balancer whose listeners or rules name a target group; there is at most one.
    pub(super) fn load_balancer_of(&self, target_group: &str) -> Option<&str> {
        self.listeners
            .values()
            .find(|listener| {
                let rules = self.rules.values().filter(|rule| rule.listener == listener.arn);
                let mut actions = std::iter::once(&listener.action).chain(rules.map(|rule| &rule.action));
                actions.any(|action| action.names(target_group))
            })
            .map(|listener| listener.load_balancer.as_str())
    }

    fn target_group(&mut self, arn: &str) -> Result<&mut TargetGroup, ApiError> {
        self.target_groups.get_mut(arn).ok_or_else(no_such_target_group)
    }
}

fn no_such_target_group() -> ApiError {
    ApiError::new("TargetGroupNotFound", "One or more target groups not found")
}

fn no_such_load_balancer() -> ApiError {
    ApiError::new("LoadBalancerNotFound", "One or more load balancers not found")
}

fn no_such_listener() -> ApiError {
    ApiError::new("ListenerNotFound", "One or more listeners not found")
}

/// An ARN of this service; the resource is what follows the account.
fn arn(site: &Site, resource: &str) -> String {
    format!("arn:aws:elasticloadbalancing:{}:{}:{resource}", site.region, site.account)
}
