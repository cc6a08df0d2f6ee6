//! Listeners: ports, and what is done with the requests that come there.

use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::input::{self, invalid};
use super::super::world::{ApiError, Reply, Scope, Site, World};
use super::nouns::{Action, Listener};
use super::{Store, no_such_listener, no_such_load_balancer, rules, tags};
use crate::balancer::Door;

/// Creates a listener. With sockets its port is opened on loopback, and the call fails if that port is taken.
pub(super) fn create(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let balancer = input::required(input, "LoadBalancerArn")?;
    let protocol = input.text("Protocol").unwrap_or("HTTP");
    if protocol != "HTTP" {
        let message = format!("listeners of protocol '{protocol}' are not known here; the sandbox's are HTTP");
        return Err(ApiError::new("UnsupportedProtocol", message));
    }
    let port = port(input)?.ok_or_else(|| invalid("A listener port must be specified"))?;
    must_be_free(world, balancer, port)?;
    let mut state = world.lock();
    let suffix = state.hex(16);
    let store = &mut state.site(&scope.site).elb;
    let owner = store.load_balancers.get(balancer).ok_or_else(no_such_load_balancer)?;
    if owner.kind != "application" {
        let message = "the sandbox serves application load balancers only";
        return Err(ApiError::new("InvalidConfigurationRequest", message));
    }
    let action = rules::action(store, balancer, input.list("DefaultActions"))?;
    let arn = format!("{}/{suffix}", balancer.replacen(":loadbalancer/", ":listener/", 1));
    let door = open(world, &scope.site, &arn, port)?;
    wake(store, &action);
    let made = Listener { arn: arn.clone(), load_balancer: balancer.to_owned(), port, action, door };
    let answer = doc! { "Listeners" => vec![listener_doc(&made)] };
    tags::put(store, &arn, input.list("Tags"));
    store.listeners.insert(arn, made);
    Ok(answer)
}

/// Describes the listeners of a load balancer, or those named.
pub(super) fn describe(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let (of, arns) = (input.text("LoadBalancerArn"), input.texts("ListenerArns"));
    let mut state = world.lock();
    let store = &state.site(&scope.site).elb;
    if of.is_some_and(|arn| !store.load_balancers.contains_key(arn)) {
        return Err(no_such_load_balancer());
    }
    if arns.iter().any(|arn| !store.listeners.contains_key(arn)) {
        return Err(no_such_listener());
    }
    if of.is_none() && arns.is_empty() {
        return Err(invalid("You must specify either listener ARNs or a load balancer ARN"));
    }
    let chosen = store
        .listeners
        .values()
        .filter(|each| of.is_none_or(|of| each.load_balancer == of) && (arns.is_empty() || arns.contains(&each.arn)));
    let size = input::page_size(input, "PageSize", 400, 400)?;
    let (docs, next) = input::page(chosen.map(listener_doc).collect(), input.text("Marker"), size)?;
    Ok(doc! { "Listeners" => docs, "NextMarker" => next })
}

/// Changes a listener; what the input leaves out stays. Who writes last wins.
pub(super) fn modify(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let arn = input::required(input, "ListenerArn")?;
    let new_port = port(input)?;
    let old = {
        let mut state = world.lock();
        let listener = state.site(&scope.site).elb.listeners.get(arn).ok_or_else(no_such_listener)?;
        (listener.port, listener.load_balancer.clone())
    };
    let moved = new_port.filter(|port| *port != old.0);
    if let Some(port) = moved {
        must_be_free(world, &old.1, port)?;
    }
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).elb;
    let action = match input.list("DefaultActions") {
        [] => None,
        actions => Some(rules::action(store, &old.1, actions)?),
    };
    let door = moved.map(|port| open(world, &scope.site, arn, port)).transpose()?;
    action.iter().for_each(|action| wake(store, action));
    let listener = store.listeners.get_mut(arn).ok_or_else(no_such_listener)?;
    if let (Some(port), Some(door)) = (moved, door) {
        (listener.port, listener.door) = (port, door);
    }
    if let Some(action) = action {
        listener.action = action;
    }
    Ok(doc! { "Listeners" => vec![listener_doc(listener)] })
}

/// Deletes a listener with its rules and closes its port.
pub(super) fn delete(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let arn = input::required(input, "ListenerArn")?;
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).elb;
    store.listeners.remove(arn).ok_or_else(no_such_listener)?;
    store.rules.retain(|_, rule| rule.listener != arn);
    store.tags.remove(arn);
    Ok(doc! {})
}

/// Lets the health checks of the target groups of an action begin.
pub(super) fn wake(store: &Store, action: &Action) {
    for group in action.target_groups().filter_map(|arn| store.target_groups.get(arn)) {
        group.used.notify_waiters();
    }
}

/// All listeners share the loopback address, whatever their account and load balancer.
fn must_be_free(world: &World, balancer: &str, port: u16) -> Result<(), ApiError> {
    let mut state = world.lock();
    let mut listeners = state.sites.values_mut().flat_map(|services| services.elb.listeners.values());
    match listeners.find(|listener| listener.port == port) {
        None => Ok(()),
        Some(other) if other.load_balancer == balancer => {
            let message = format!("A listener already exists on this port for this load balancer '{balancer}'");
            Err(ApiError::new("DuplicateListener", message))
        }
        Some(other) => Err(taken(port, &format!("'{}' has it", other.arn))),
    }
}

fn open(world: &Arc<World>, site: &Site, arn: &str, port: u16) -> Result<Option<Door>, ApiError> {
    if !world.sockets {
        return Ok(None);
    }
    Door::open(world, site, arn, port).map(Some).map_err(|error| taken(port, &error.to_string()))
}

fn taken(port: u16, why: &str) -> ApiError {
    let message = format!("port {port} of 127.0.0.1 cannot be opened for this listener: {why}; choose another port");
    ApiError::new("InvalidConfigurationRequest", message)
}

fn port(input: &Doc) -> Result<Option<u16>, ApiError> {
    Ok(input::within(input, "Port", 1, 65535)?.and_then(|port| u16::try_from(port).ok()))
}

fn listener_doc(listener: &Listener) -> Doc {
    doc! {
        "ListenerArn" => &listener.arn,
        "LoadBalancerArn" => &listener.load_balancer,
        "Port" => listener.port,
        "Protocol" => "HTTP",
        "DefaultActions" => vec![rules::action_doc(&listener.action)],
    }
}
