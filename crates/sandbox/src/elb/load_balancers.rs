//! Load balancers.

use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::input::{self, invalid};
use super::super::world::{ApiError, Reply, Scope, World};
use super::nouns::LoadBalancer;
use super::{Store, no_such_load_balancer, tags};
use crate::balancer::Counts;

/// Creates a load balancer; the same one again if nothing is different.
pub(super) fn create(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let name = input::required(input, "Name")?;
    let kind = input.text("Type").unwrap_or("application");
    let short = match kind {
        "application" => "app",
        "network" => "net",
        _ => return Err(invalid(format!("load balancers of type '{kind}' are not known here"))),
    };
    let mappings = input.list("SubnetMappings").iter().filter_map(|mapping| mapping.text("SubnetId"));
    let subnets: Vec<String> = input.texts("Subnets").into_iter().chain(mappings.map(str::to_owned)).collect();
    let now = world.now();
    let mut state = world.lock();
    if let Some(old) = state.site(&scope.site).elb.load_balancers.values().find(|old| old.name == name) {
        if old.kind == kind && old.subnets == subnets {
            return Ok(doc! { "LoadBalancers" => vec![load_balancer_doc(old)] });
        }
        let message = format!("A load balancer with the same name '{name}' exists, but with different settings");
        return Err(ApiError::new("DuplicateLoadBalancerName", message));
    }
    let arn = super::arn(&scope.site, &format!("loadbalancer/{short}/{name}/{}", state.hex(16)));
    let made = LoadBalancer {
        arn: arn.clone(),
        name: name.to_owned(),
        kind: kind.to_owned(),
        scheme: input.text("Scheme").unwrap_or("internet-facing").to_owned(),
        subnets,
        security_groups: input.texts("SecurityGroups"),
        created: now,
        attributes: super::attributes::load_balancer_defaults(),
        counts: Counts::default(),
        traffic: 0,
    };
    let answer = doc! { "LoadBalancers" => vec![load_balancer_doc(&made)] };
    let store = &mut state.site(&scope.site).elb;
    tags::put(store, &arn, input.list("Tags"));
    store.load_balancers.insert(arn.clone(), made);
    drop(state);
    crate::balancer::publish_metrics(world, &scope.site, &arn);
    Ok(answer)
}

/// Describes load balancers, all or those named.
pub(super) fn describe(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let (arns, names) = (input.texts("LoadBalancerArns"), input.texts("Names"));
    let mut state = world.lock();
    let all = &state.site(&scope.site).elb.load_balancers;
    if arns.iter().any(|arn| !all.contains_key(arn)) {
        return Err(no_such_load_balancer());
    }
    if let Some(missing) = names.iter().find(|name| !all.values().any(|each| each.name == **name)) {
        return Err(ApiError::new("LoadBalancerNotFound", format!("Load balancers '[{missing}]' not found")));
    }
    let any = arns.is_empty() && names.is_empty();
    let chosen = all.values().filter(|each| any || arns.contains(&each.arn) || names.contains(&each.name));
    let size = input::page_size(input, "PageSize", 400, 400)?;
    let (docs, next) = input::page(chosen.map(load_balancer_doc).collect(), input.text("Marker"), size)?;
    Ok(doc! { "LoadBalancers" => docs, "NextMarker" => next })
}

/// Deletes a load balancer with its listeners and rules; succeeds if there is none.
pub(super) fn delete(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let arn = input::required(input, "LoadBalancerArn")?;
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).elb;
    if store.load_balancers.remove(arn).is_some() {
        store.tags.remove(arn);
        let Store { listeners, rules, .. } = store;
        listeners.retain(|_, listener| listener.load_balancer != arn);
        rules.retain(|_, rule| listeners.contains_key(&rule.listener));
    }
    Ok(doc! {})
}

fn load_balancer_doc(each: &LoadBalancer) -> Doc {
    let region = each.arn.split(':').nth(3).unwrap_or_default();
    let zones: Vec<Doc> = each
        .subnets
        .iter()
        .zip("abcdef".chars())
        .map(|(subnet, letter)| doc! { "ZoneName" => format!("{region}{letter}"), "SubnetId" => subnet })
        .collect();
    doc! {
        "LoadBalancerArn" => &each.arn,
        "DNSName" => "localhost",
        "CanonicalHostedZoneId" => "ZWKZPGTI48KDX",
        "CreatedTime" => each.created,
        "LoadBalancerName" => &each.name,
        "Scheme" => &each.scheme,
        "VpcId" => "vpc-00000000000000000",
        "State" => doc! { "Code" => "active" },
        "Type" => &each.kind,
        "AvailabilityZones" => zones,
        "SecurityGroups" => each.security_groups.clone(),
        "IpAddressType" => "ipv4",
    }
}
