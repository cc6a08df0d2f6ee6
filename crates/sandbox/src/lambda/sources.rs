//! Event source mappings, as records: nothing is read from the queues and streams that they name.

use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::world::{ApiError, Reply, Scope, World};
use super::check::{self, Checks};
use super::errors;
use super::functions::is_of;
use super::names;
use super::nouns::parts;

/// Members that are shown as they were given.
const MEMBERS: [&str; 9] = [
    "EventSourceArn",
    "BatchSize",
    "StartingPosition",
    "MaximumBatchingWindowInSeconds",
    "FilterCriteria",
    "ParallelizationFactor",
    "DestinationConfig",
    "FunctionResponseTypes",
    "ScalingConfig",
];

/// Binds a queue or a stream to what a function's name leads to.
pub(super) fn create(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::function(scope, input)?;
    let mut checks = Checks::default();
    let source = checks.required(input, "EventSourceArn");
    checks.done()?;
    let now = world.now();
    let mut state = world.lock();
    let (store, mut ids) = parts(&mut state, &scope.site, now);
    let missing = || errors::invalid(format!("Function not found: {}", named.asked()));
    let function = store.functions.get(&named.name).ok_or_else(missing)?;
    function.meaning(named.qualifier.as_deref()).ok_or_else(missing)?;
    let arn = named.asked();
    let is_bound = |made: &&Doc| made.text("EventSourceArn") == Some(source) && made.text("FunctionArn") == Some(&arn);
    if let Some(made) = store.sources.values().find(is_bound) {
        return Err(errors::conflict(format!(
            "An event source mapping with event source arn (\" {source} \") and function (\" {} \") already exists. \
             Please update or delete the existing mapping with UUID {}",
            named.name,
            made.text("UUID").unwrap_or_default()
        )));
    }
    let id = ids.uuid();
    let mut made = doc! { "UUID" => &id, "FunctionArn" => arn, "LastModified" => now };
    for member in MEMBERS {
        made.set(member, input.get(member).clone());
    }
    let usual = if source.contains(":sqs:") { 10 } else { 100 };
    made.set("BatchSize", input.int("BatchSize").unwrap_or(usual));
    made.set("State", if input.bool("Enabled") == Some(false) { "Disabled" } else { "Enabled" });
    made.set("StateTransitionReason", "USER_INITIATED");
    let mut answer = made.clone();
    answer.set("State", "Creating");
    store.sources.insert(id, made);
    Ok(answer)
}

fn missing() -> ApiError {
    errors::not_found("The resource you requested does not exist.")
}

pub(super) fn get(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let id = input.text("UUID").unwrap_or_default();
    world.lock().site(&scope.site).lambda.sources.get(id).cloned().ok_or_else(missing)
}

/// Lists mappings: all, those of a source, those of a function or of one of its qualifiers.
pub(super) fn list(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = if input.get("FunctionName").is_null() { None } else { Some(names::function(scope, input)?) };
    let source = input.text("EventSourceArn");
    let is_wanted = |made: &&Doc| {
        let arn = made.text("FunctionArn").unwrap_or_default();
        let of = |named: &names::Named| match named.qualifier {
            None => is_of(arn, named.arn()),
            Some(_) => arn == named.asked(),
        };
        source.is_none_or(|source| made.text("EventSourceArn") == Some(source)) && named.as_ref().is_none_or(of)
    };
    let mut state = world.lock();
    let sources = &state.site(&scope.site).lambda.sources;
    let (docs, next) = check::page(input, sources.values().filter(is_wanted).cloned().collect())?;
    Ok(doc! { "EventSourceMappings" => docs, "NextMarker" => next })
}

pub(super) fn delete(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let id = input.text("UUID").unwrap_or_default();
    let mut made = world.lock().site(&scope.site).lambda.sources.remove(id).ok_or_else(missing)?;
    made.set("State", "Deleting");
    Ok(made)
}
