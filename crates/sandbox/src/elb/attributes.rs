//! Attributes: names with values that are texts, of load balancers and target groups.

use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::input::{self, invalid};
use super::super::world::{ApiError, Reply, Scope, World};
use super::no_such_load_balancer;
use super::nouns::attribute_docs;

/// The attributes of a new target group, with the service's defaults.
pub(super) fn target_group_defaults() -> Vec<(String, String)> {
    pairs(&[
        ("deregistration_delay.timeout_seconds", "300"),
        ("stickiness.enabled", "false"),
        ("stickiness.type", "lb_cookie"),
        ("stickiness.lb_cookie.duration_seconds", "86400"),
        ("stickiness.app_cookie.cookie_name", ""),
        ("stickiness.app_cookie.duration_seconds", "86400"),
        ("slow_start.duration_seconds", "0"),
        ("load_balancing.algorithm.type", "round_robin"),
        ("load_balancing.algorithm.anomaly_mitigation", "off"),
        ("load_balancing.cross_zone.enabled", "use_load_balancer_configuration"),
        ("target_group_health.dns_failover.minimum_healthy_targets.count", "1"),
        ("target_group_health.dns_failover.minimum_healthy_targets.percentage", "off"),
        ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "1"),
        ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off"),
    ])
}

/// The attributes of a new load balancer, with the service's defaults.
pub(super) fn load_balancer_defaults() -> Vec<(String, String)> {
    pairs(&[
        ("access_logs.s3.enabled", "false"),
        ("access_logs.s3.bucket", ""),
        ("access_logs.s3.prefix", ""),
        ("deletion_protection.enabled", "false"),
        ("idle_timeout.timeout_seconds", "60"),
        ("load_balancing.cross_zone.enabled", "true"),
        ("routing.http2.enabled", "true"),
        ("routing.http.drop_invalid_header_fields.enabled", "false"),
    ])
}

/// Describes the attributes of a target group.
pub(super) fn describe_target_group(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let arn = input::required(input, "TargetGroupArn")?;
    let mut state = world.lock();
    let group = state.site(&scope.site).elb.target_group(arn)?;
    Ok(doc! { "Attributes" => attribute_docs(&group.attributes) })
}

/// Changes attributes of a target group. What the sandbox's balancer does not do (stickiness, slow start) is refused.
pub(super) fn modify_target_group(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let arn = input::required(input, "TargetGroupArn")?;
    let mut state = world.lock();
    let group = state.site(&scope.site).elb.target_group(arn)?;
    change(&mut group.attributes, input, |key, value| match (key, value) {
        ("deregistration_delay.timeout_seconds", seconds) => match seconds.parse::<u32>() {
            Ok(0..=3600) => Ok(()),
            _ => Err(invalid(format!("'{key}' must be between '0' and '3600' inclusive"))),
        },
        ("stickiness.enabled", "true") => Err(invalid("the sandbox's balancer has no sticky sessions")),
        ("slow_start.duration_seconds", seconds) if seconds != "0" => {
            Err(invalid("the sandbox's balancer has no slow start"))
        }
        ("load_balancing.algorithm.type", other) if other != "round_robin" => {
            Err(invalid(format!("the sandbox's balancer takes turns; it has no algorithm '{other}'")))
        }
        _ => Ok(()),
    })?;
    Ok(doc! { "Attributes" => attribute_docs(&group.attributes) })
}

/// Describes the attributes of a load balancer.
pub(super) fn describe_load_balancer(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let arn = input::required(input, "LoadBalancerArn")?;
    let mut state = world.lock();
    let balancer = state.site(&scope.site).elb.load_balancers.get(arn).ok_or_else(no_such_load_balancer)?;
    Ok(doc! { "Attributes" => attribute_docs(&balancer.attributes) })
}

/// Changes attributes of a load balancer.
pub(super) fn modify_load_balancer(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let arn = input::required(input, "LoadBalancerArn")?;
    let mut state = world.lock();
    let balancer = state.site(&scope.site).elb.load_balancers.get_mut(arn).ok_or_else(no_such_load_balancer)?;
    change(&mut balancer.attributes, input, |_, _| Ok(()))?;
    Ok(doc! { "Attributes" => attribute_docs(&balancer.attributes) })
}

fn change(
    attributes: &mut Vec<(String, String)>,
    input: &Doc,
    check: impl Fn(&str, &str) -> Result<(), ApiError>,
) -> Result<(), ApiError> {
    let mut changed = attributes.clone();
    for attribute in input.list("Attributes") {
        let (key, value) = (input::required(attribute, "Key")?, attribute.text("Value").unwrap_or_default());
        let old = changed.iter_mut().find(|(name, _)| name == key);
        let (_, old) = old.ok_or_else(|| invalid(format!("Attribute key '{key}' is not recognized")))?;
        check(key, value)?;
        value.clone_into(old);
    }
    *attributes = changed;
    Ok(())
}

fn pairs(defaults: &[(&str, &str)]) -> Vec<(String, String)> {
    defaults.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
