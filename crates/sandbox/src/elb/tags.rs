//! Tags of everything here.

use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::world::{ApiError, Reply, Scope, World};
use super::{Store, no_such_listener, no_such_load_balancer, no_such_target_group};

/// Adds tags, or replaces those of the same key.
pub(super) fn add(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).elb;
    let arns = known(store, input)?;
    for arn in arns {
        put(store, &arn, input.list("Tags"));
    }
    Ok(doc! {})
}

/// Describes the tags of resources.
pub(super) fn describe(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).elb;
    let mut docs = Vec::new();
    for arn in known(store, input)? {
        let pairs = store.tags.get(&arn).into_iter().flatten();
        let tags: Vec<Doc> = pairs.map(|(key, value)| doc! { "Key" => key, "Value" => value }).collect();
        docs.push(doc! { "ResourceArn" => arn, "Tags" => tags });
    }
    Ok(doc! { "TagDescriptions" => docs })
}

/// Removes tags by key.
pub(super) fn remove(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).elb;
    let keys = input.texts("TagKeys");
    for arn in known(store, input)? {
        store.tags.entry(arn).or_default().retain(|key, _| !keys.contains(key));
    }
    Ok(doc! {})
}

/// Gives tags to a resource.
pub(super) fn put(store: &mut Store, arn: &str, tags: &[Doc]) {
    let own = store.tags.entry(arn.to_owned()).or_default();
    for tag in tags {
        if let Some(key) = tag.text("Key") {
            own.insert(key.to_owned(), tag.text("Value").unwrap_or_default().to_owned());
        }
    }
}

fn known(store: &Store, input: &Doc) -> Result<Vec<String>, ApiError> {
    let arns = input.texts("ResourceArns");
    for arn in &arns {
        let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
        let (exists, error) = match resource.split('/').next() {
            Some("loadbalancer") => (store.load_balancers.contains_key(arn), no_such_load_balancer()),
            Some("listener") => (store.listeners.contains_key(arn), no_such_listener()),
            Some("listener-rule") => (store.rules.contains_key(arn), super::rules::no_such_rule()),
            _ => (store.target_groups.contains_key(arn), no_such_target_group()),
        };
        if !exists {
            return Err(error);
        }
    }
    Ok(arns)
}
