//! Target groups.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Notify;

use super::super::doc::{Doc, doc};
use super::super::input::{self, invalid};
use super::super::world::{ApiError, Reply, Scope, World};
use super::nouns::{Check, Settings, TargetGroup};
use super::{Store, no_such_target_group, tags};

/// Creates a target group; the same one again if nothing is different.
pub(super) fn create(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let name = input::required(input, "Name")?;
    let settings = settings(input)?;
    let mut state = world.lock();
    let store = &state.site(&scope.site).elb;
    if let Some(old) = store.target_groups.values().find(|old| old.name == name) {
        if old.settings == settings {
            return Ok(doc! { "TargetGroups" => vec![target_group_doc(store, old)] });
        }
        let message = format!("A target group with the same name '{name}' exists, but with different settings");
        return Err(ApiError::new("DuplicateTargetGroupName", message));
    }
    let arn = super::arn(&scope.site, &format!("targetgroup/{name}/{}", state.hex(16)));
    let made = TargetGroup {
        arn: arn.clone(),
        name: name.to_owned(),
        settings,
        attributes: super::attributes::target_group_defaults(),
        targets: BTreeMap::new(),
        gone: BTreeMap::new(),
        registrations: 0,
        used: Arc::new(Notify::new()),
        turn: 0,
    };
    let store = &mut state.site(&scope.site).elb;
    tags::put(store, &arn, input.list("Tags"));
    let answer = doc! { "TargetGroups" => vec![target_group_doc(store, &made)] };
    store.target_groups.insert(arn, made);
    Ok(answer)
}

/// Describes target groups: all, those named, or those of a load balancer.
pub(super) fn describe(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let (arns, names) = (input.texts("TargetGroupArns"), input.texts("Names"));
    let of = input.text("LoadBalancerArn");
    let mut state = world.lock();
    let store = &state.site(&scope.site).elb;
    let all = &store.target_groups;
    if arns.iter().any(|arn| !all.contains_key(arn))
        || names.iter().any(|name| !all.values().any(|each| each.name == *name))
    {
        return Err(no_such_target_group());
    }
    if of.is_some_and(|arn| !store.load_balancers.contains_key(arn)) {
        return Err(super::no_such_load_balancer());
    }
    let any = arns.is_empty() && names.is_empty();
    let chosen = all
        .values()
        .filter(|each| any || arns.contains(&each.arn) || names.contains(&each.name))
        .filter(|each| of.is_none() || store.load_balancer_of(&each.arn) == of);
    let size = input::page_size(input, "PageSize", 400, 400)?;
    let docs = chosen.map(|each| target_group_doc(store, each)).collect();
    let (docs, next) = input::page(docs, input.text("Marker"), size)?;
    Ok(doc! { "TargetGroups" => docs, "NextMarker" => next })
}

/// Changes how health is checked.
pub(super) fn modify(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let arn = input::required(input, "TargetGroupArn")?;
    let mut state = world.lock();
    let group = state.site(&scope.site).elb.target_group(arn)?;
    group.settings.check = check(input, &group.settings.check)?;
    let store = &state.site(&scope.site).elb;
    let docs: Vec<Doc> = store.target_groups.get(arn).map(|group| target_group_doc(store, group)).into_iter().collect();
    Ok(doc! { "TargetGroups" => docs })
}

/// Deletes a target group that nothing forwards to; succeeds if there is none.
pub(super) fn delete(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let arn = input::required(input, "TargetGroupArn")?;
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).elb;
    if store.in_use(arn) {
        let message = format!("Target group '{arn}' is currently in use by a listener or a rule");
        return Err(ApiError::new("ResourceInUse", message));
    }
    store.target_groups.remove(arn);
    store.tags.remove(arn);
    Ok(doc! {})
}

fn settings(input: &Doc) -> Result<Settings, ApiError> {
    let kind = input.text("TargetType").unwrap_or("instance");
    if kind != "instance" {
        return Err(invalid(format!("targets of type '{kind}' are not known here")));
    }
    let protocol = input::required(input, "Protocol")?.to_owned();
    if !["HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP"].contains(&protocol.as_str()) {
        return Err(invalid(format!("Protocol '{protocol}' is not valid")));
    }
    let port = input::within(input, "Port", 1, 65535)?.and_then(|port| u16::try_from(port).ok());
    let defaults = Check {
        protocol: if protocol.starts_with("HTTP") { "HTTP" } else { "TCP" }.to_owned(),
        port: "traffic-port".to_owned(),
        path: "/".to_owned(),
        interval: 30,
        timeout: 5,
        healthy: 5,
        unhealthy: 2,
        matcher: "200".to_owned(),
    };
    Ok(Settings {
        protocol_version: input.text("ProtocolVersion").unwrap_or("HTTP1").to_owned(),
        protocol,
        port: port.ok_or_else(|| invalid("A port must be specified"))?,
        vpc: input.text("VpcId").map(str::to_owned),
        check: check(input, &defaults)?,
    })
}

/// The checks that an input describes; what it leaves out is as before.
fn check(input: &Doc, before: &Check) -> Result<Check, ApiError> {
    let text = |name: &str, old: &String| input.text(name).map_or_else(|| old.clone(), str::to_owned);
    let made = Check {
        protocol: text("HealthCheckProtocol", &before.protocol),
        port: text("HealthCheckPort", &before.port),
        path: text("HealthCheckPath", &before.path),
        interval: input::within(input, "HealthCheckIntervalSeconds", 5, 300)?.unwrap_or(before.interval),
        timeout: input::within(input, "HealthCheckTimeoutSeconds", 2, 120)?.unwrap_or(before.timeout),
        healthy: input::within(input, "HealthyThresholdCount", 2, 10)?.unwrap_or(before.healthy),
        unhealthy: input::within(input, "UnhealthyThresholdCount", 2, 10)?.unwrap_or(before.unhealthy),
        matcher: input.get("Matcher").text("HttpCode").map_or_else(|| before.matcher.clone(), str::to_owned),
    };
    if input.bool("HealthCheckEnabled") == Some(false) {
        return Err(invalid("Health checks cannot be disabled for a target group with target type 'instance'"));
    }
    // An interval equal to the timeout is refused too, so that checks never overlap.
    if made.timeout >= made.interval {
        return Err(invalid("Health check interval must be greater than the timeout"));
    }
    if !made.path.starts_with('/') {
        return Err(invalid(format!("Health check path '{}' must start with a '/'", made.path)));
    }
    if made.port != "traffic-port" && made.port.parse::<u16>().is_err() {
        return Err(invalid("Health check port must be 'traffic-port' or in the range '1-65535' inclusive"));
    }
    if !(200..=499).any(|status| made.accepts(status)) {
        return Err(invalid("Health check matcher HTTP code must be within the range '200-499' inclusive"));
    }
    Ok(made)
}

fn target_group_doc(store: &Store, group: &TargetGroup) -> Doc {
    let Settings { protocol, protocol_version, port, vpc, check } = &group.settings;
    let http = protocol.starts_with("HTTP");
    let balancers: Vec<Doc> = store.load_balancer_of(&group.arn).map(Doc::from).into_iter().collect();
    doc! {
        "TargetGroupArn" => &group.arn,
        "TargetGroupName" => &group.name,
        "Protocol" => protocol,
        "Port" => *port,
        "VpcId" => vpc.as_ref(),
        "HealthCheckProtocol" => &check.protocol,
        "HealthCheckPort" => &check.port,
        "HealthCheckEnabled" => true,
        "HealthCheckIntervalSeconds" => check.interval,
        "HealthCheckTimeoutSeconds" => check.timeout,
        "HealthyThresholdCount" => check.healthy,
        "UnhealthyThresholdCount" => check.unhealthy,
        "HealthCheckPath" => http.then_some(&check.path),
        "Matcher" => http.then(|| doc! { "HttpCode" => &check.matcher }),
        "LoadBalancerArns" => balancers,
        "TargetType" => "instance",
        "ProtocolVersion" => http.then_some(protocol_version),
        "IpAddressType" => "ipv4",
    }
}
