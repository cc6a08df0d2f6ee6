//! Reading target groups, load balancers and listeners.

use aws_sdk_elasticloadbalancingv2::types as elb;
use futures_util::future::{try_join, try_join_all};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::Clients;
use super::error::{Call, Result, failed};
use super::shared::AT_ONCE;
use crate::model::observed::{Listener, LoadBalancer, TargetGroup, TargetHealth};

const GROUPS: Call = ("elasticloadbalancing", "DescribeTargetGroups");
const ATTRIBUTES: Call = ("elasticloadbalancing", "DescribeTargetGroupAttributes");
const DEREGISTER: Call = ("elasticloadbalancing", "DeregisterTargets");
const HEALTH: Call = ("elasticloadbalancing", "DescribeTargetHealth");
const BALANCERS: Call = ("elasticloadbalancing", "DescribeLoadBalancers");
const LISTENERS: Call = ("elasticloadbalancing", "DescribeListeners");

/// How many names one call takes.
const BATCH: usize = 20;

impl Clients {
    /// Target groups with their drain and the health of their targets.
    ///
    /// # Errors
    /// A call's.
    pub(super) async fn with_health(&self, mut groups: Vec<TargetGroup>) -> Result<Vec<TargetGroup>> {
        let details = groups.iter().map(|group| try_join(self.drain_of(&group.arn), self.health(&group.arn)));
        let details = try_join_all(details).await?;
        for (group, (drain, targets)) in groups.iter_mut().zip(details) {
            group.drain_seconds = drain;
            group.targets = targets;
        }
        Ok(groups)
    }

    /// Target groups by name without drain and health, sorted by name; those that do not exist are left out.
    ///
    /// # Errors
    /// The call's.
    pub(super) async fn named(&self, names: &[String]) -> Result<Vec<TargetGroup>> {
        let mut found = in_batches(names, async |names| self.named_together(names).await).await?;
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    async fn named_together(&self, names: &[String]) -> Result<Vec<TargetGroup>> {
        let call = self.elb.describe_target_groups().set_names(Some(names.to_vec()));
        let answer = call.send().await.map_err(failed(GROUPS))?;
        Ok(answer.target_groups().iter().map(target_group_of).collect())
    }

    /// Seconds that a deregistered target drains.
    async fn drain_of(&self, arn: &str) -> Result<u64> {
        let call = self.elb.describe_target_group_attributes().target_group_arn(arn);
        let answer = call.send().await.map_err(failed(ATTRIBUTES))?;
        let drain = answer.attributes().iter().find(|one| one.key() == Some("deregistration_delay.timeout_seconds"));
        Ok(drain.and_then(|drain| drain.value()).and_then(|value| value.parse().ok()).unwrap_or(300))
    }

    /// The health of the targets of one target group, by ARN, sorted. Targets that drain are in it until their delay is
    /// over.
    ///
    /// # Errors
    /// The call's; `NotFound` if there is no such target group.
    pub async fn health(&self, arn: &str) -> Result<Vec<TargetHealth>> {
        let call = self.elb.describe_target_health().target_group_arn(arn);
        let answer = call.send().await.map_err(failed(HEALTH))?;
        let mut targets: Vec<TargetHealth> = answer.target_health_descriptions().iter().filter_map(target_of).collect();
        targets.sort();
        Ok(targets)
    }

    /// Takes one instance out of a target group; it drains first.
    ///
    /// # Errors
    /// The call's. That it is not registered is none.
    pub async fn deregister(&self, arn: &str, id: &str) -> Result<()> {
        let target = elb::TargetDescription::builder().id(id).build();
        let call = self.elb.deregister_targets().target_group_arn(arn).targets(target);
        call.send().await.map(|_| ()).map_err(failed(DEREGISTER))
    }

    /// Load balancers by ARN with their listeners, sorted by ARN; those that do not exist are left out.
    ///
    /// # Errors
    /// The call's.
    pub async fn load_balancers(&self, arns: &[String]) -> Result<Vec<LoadBalancer>> {
        let mut balancers = in_batches(arns, async |arns| self.balancers(arns).await).await?;
        let reads: Vec<_> = balancers.iter().map(|balancer| self.listeners(&balancer.arn)).collect();
        let listeners: Vec<Vec<Listener>> = stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
        for (balancer, listeners) in balancers.iter_mut().zip(listeners) {
            balancer.listeners = listeners;
        }
        balancers.sort_by(|a, b| a.arn.cmp(&b.arn));
        Ok(balancers)
    }

    async fn balancers(&self, arns: &[String]) -> Result<Vec<LoadBalancer>> {
        let call = self.elb.describe_load_balancers().set_load_balancer_arns(Some(arns.to_vec()));
        let answer = call.send().await.map_err(failed(BALANCERS))?;
        Ok(answer.load_balancers().iter().map(balancer_of).collect())
    }

    async fn listeners(&self, balancer: &str) -> Result<Vec<Listener>> {
        let call = self.elb.describe_listeners().load_balancer_arn(balancer);
        let found: Vec<_> = call.into_paginator().items().send().try_collect().await.map_err(failed(LISTENERS))?;
        let mut listeners: Vec<Listener> = found.iter().map(listener_of).collect();
        listeners.sort_by_key(|listener| listener.port);
        Ok(listeners)
    }
}

/// What is asked for by many names at once. One that is unknown fails the whole call, so then those of this call are asked
/// for one by one.
async fn in_batches<T>(names: &[String], ask: impl AsyncFn(&[String]) -> Result<Vec<T>>) -> Result<Vec<T>> {
    let mut found = Vec::new();
    for batch in names.chunks(BATCH) {
        match ask(batch).await {
            Err(error) if error.is_not_found() => {
                for name in batch.iter().filter(|_| batch.len() > 1) {
                    match ask(std::slice::from_ref(name)).await {
                        Err(error) if error.is_not_found() => {}
                        one => found.extend(one?),
                    }
                }
            }
            all => found.extend(all?),
        }
    }
    Ok(found)
}

fn target_group_of(group: &elb::TargetGroup) -> TargetGroup {
    let count = |value: Option<i32>, default: u64| value.and_then(|value| u64::try_from(value).ok()).unwrap_or(default);
    TargetGroup {
        arn: group.target_group_arn().unwrap_or_default().to_owned(),
        name: group.target_group_name().unwrap_or_default().to_owned(),
        protocol: group.protocol().map(|protocol| protocol.as_str().to_owned()).unwrap_or_default(),
        balancers: group.load_balancer_arns().to_vec(),
        health_check: (count(group.health_check_interval_seconds(), 30), count(group.healthy_threshold_count(), 5)),
        ..TargetGroup::default()
    }
}

fn target_of(described: &elb::TargetHealthDescription) -> Option<TargetHealth> {
    let health = described.target_health();
    Some(TargetHealth {
        id: described.target()?.id()?.to_owned(),
        state: health.and_then(|health| health.state()).map(|state| state.as_str().to_owned()).unwrap_or_default(),
        reason: health.and_then(|health| health.reason()).map(|reason| reason.as_str().to_owned()),
    })
}

fn balancer_of(balancer: &elb::LoadBalancer) -> LoadBalancer {
    LoadBalancer {
        arn: balancer.load_balancer_arn().unwrap_or_default().to_owned(),
        kind: balancer.r#type().map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
        dns_name: balancer.dns_name().unwrap_or_default().to_owned(),
        listeners: Vec::new(),
    }
}

fn listener_of(listener: &elb::Listener) -> Listener {
    let mut target_groups = Vec::new();
    for action in listener.default_actions() {
        target_groups.extend(action.target_group_arn().map(str::to_owned));
        let weighted = action.forward_config().map_or(&[][..], |forward| forward.target_groups());
        let reached = weighted.iter().filter(|group| group.weight() != Some(0));
        target_groups.extend(reached.filter_map(|group| group.target_group_arn()).map(str::to_owned));
    }
    target_groups.sort();
    target_groups.dedup();
    Listener {
        protocol: listener.protocol().map(|protocol| protocol.as_str().to_owned()).unwrap_or_default(),
        port: listener.port().and_then(|port| u16::try_from(port).ok()).unwrap_or(0),
        target_groups,
    }
}
