//! Reserved and provisioned concurrency, and what the account has.

use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::later::after;
use super::super::world::{ApiError, Reply, Scope, World};
use super::check::{self, Checks};
use super::errors;
use super::names::{self, LATEST, Named};
use super::nouns::{Function, Meaning, Provisioned, UNRESERVED};
use super::show;
use crate::lambda::code::UNZIPPED;

/// Reserves a part of the account's concurrency for a function, which is also all that it may have.
pub(super) fn reserve(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::whole(scope, input)?;
    let mut checks = Checks::default();
    let count = checks.within(input, "ReservedConcurrentExecutions", 0, i64::MAX);
    if count.is_none() {
        checks.broken("reservedConcurrentExecutions", "null", "Member must not be null");
    }
    checks.done()?;
    let count = count.unwrap_or(0);
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).lambda;
    let left = store.unreserved_without(&named.name) - count;
    let function = store.functions.get_mut(&named.name);
    let function = function.ok_or_else(|| errors::no_function(&named.with(LATEST)))?;
    if left < UNRESERVED {
        return Err(errors::invalid_untyped(format!(
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below \
             its minimum value of [{UNRESERVED}]."
        )));
    }
    function.reserved = Some(count);
    Ok(doc! { "ReservedConcurrentExecutions" => count })
}

pub(super) fn reserved(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::whole(scope, input)?;
    let mut state = world.lock();
    let functions = &state.site(&scope.site).lambda.functions;
    let function = functions.get(&named.name).ok_or_else(|| errors::no_function(&named.with(LATEST)))?;
    Ok(doc! { "ReservedConcurrentExecutions" => function.reserved })
}

pub(super) fn release(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::whole(scope, input)?;
    let mut state = world.lock();
    let functions = &mut state.site(&scope.site).lambda.functions;
    functions.get_mut(&named.name).ok_or_else(|| errors::no_function(&named.with(LATEST)))?.reserved = None;
    Ok(Doc::Null)
}

/// The alias or version that a qualifier of these operations names. A function that is not there is told by what was
/// looked for in it.
fn provisionable<'a>(
    function: Option<&'a mut Function>,
    named: &Named,
    latest: &str,
) -> Result<(&'a mut Function, String, Meaning), ApiError> {
    let qualifier = named.qualifier.clone().unwrap_or_else(|| LATEST.to_owned());
    if qualifier == LATEST {
        return Err(errors::invalid(latest));
    }
    let missing = || {
        let is_number = qualifier.parse::<u64>().is_ok();
        let arn = named.with(&qualifier);
        if is_number { errors::no_function(&arn) } else { errors::no_alias(&arn) }
    };
    let function = function.ok_or_else(missing)?;
    let meaning = function.meaning(Some(&qualifier)).ok_or_else(missing)?;
    Ok((function, qualifier, meaning))
}

const WHAT: &str = "The function resource provided must be an alias or a published version.";

/// Keeps execution environments ready for an alias or a version. They are there after a while.
pub(super) fn provision(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::qualified(scope, input)?;
    let mut checks = Checks::default();
    let wanted = checks.within(input, "ProvisionedConcurrentExecutions", 1, i64::MAX);
    if wanted.is_none() {
        checks.broken("provisionedConcurrentExecutions", "null", "Member must not be null");
    }
    checks.done()?;
    let wanted = wanted.unwrap_or(1);
    let now = world.now();
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).lambda;
    let (left, pace) = (store.unreserved_without(&named.name), store.pace);
    let unpublished = "Provisioned Concurrency Configs cannot be applied to unpublished function versions.";
    let (function, qualifier, meaning) = provisionable(store.functions.get_mut(&named.name), &named, unpublished)?;
    one_for_each_version(function, &qualifier, &meaning)?;
    if function.reserved.is_some_and(|reserved| wanted > reserved) {
        let message =
            "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function";
        return Err(errors::invalid(message));
    }
    if wanted > left {
        return Err(errors::invalid_untyped(format!(
            "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{left}]."
        )));
    }
    if function.reserved.is_none() && left - wanted < UNRESERVED {
        return Err(errors::invalid_untyped(format!(
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its \
             minimum value of [{UNRESERVED}]."
        )));
    }
    let made = Provisioned { wanted, before: 0, ready_at: after(now, pace.provision), modified: now };
    let shown = shown(&made, now);
    function.provisioned.insert(qualifier, made);
    Ok(shown)
}

/// A version can be kept ready by itself or through one alias, and not while an alias has weights.
fn one_for_each_version(function: &Function, qualifier: &str, meaning: &Meaning) -> Result<(), ApiError> {
    match meaning {
        Meaning::Alias(name) => {
            let alias = function.aliases.get(name);
            if alias.is_some_and(|alias| alias.other.is_some()) {
                return Err(errors::invalid("Invalid alias configuration for Provisioned Concurrency"));
            }
            if alias.is_some_and(|alias| function.provisioned.contains_key(&alias.version)) {
                let message =
                    "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version";
                return Err(errors::conflict(message));
            }
        }
        Meaning::Latest | Meaning::Version(_) => {
            let of_alias = |alias: &&super::nouns::Alias| function.provisioned.contains_key(&alias.name);
            if function.aliases.values().filter(of_alias).any(|alias| alias.version == qualifier) {
                return Err(errors::conflict("Version is pointed by a Provisioned Concurrency alias"));
            }
        }
    }
    Ok(())
}

fn shown(provisioned: &Provisioned, now: jiff::Timestamp) -> Doc {
    let is_ready = provisioned.ready_at <= now;
    let there = if is_ready { provisioned.wanted } else { provisioned.before };
    doc! {
        "RequestedProvisionedConcurrentExecutions" => provisioned.wanted,
        "AvailableProvisionedConcurrentExecutions" => there,
        "AllocatedProvisionedConcurrentExecutions" => there,
        "Status" => if is_ready { "READY" } else { "IN_PROGRESS" },
        "LastModified" => show::modified(provisioned.modified),
    }
}

pub(super) fn provisioned(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::qualified(scope, input)?;
    let now = world.now();
    let mut state = world.lock();
    let functions = &mut state.site(&scope.site).lambda.functions;
    let (function, qualifier, _) = provisionable(functions.get_mut(&named.name), &named, WHAT)?;
    let found = function.provisioned.get(&qualifier).map(|provisioned| shown(provisioned, now));
    found.ok_or_else(|| {
        let message = "No Provisioned Concurrency Config found for this function";
        ApiError::new("ProvisionedConcurrencyConfigNotFoundException", message).status(404).with("Type", "User")
    })
}

pub(super) fn list(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::whole(scope, input)?;
    let now = world.now();
    let mut state = world.lock();
    let function = state.site(&scope.site).lambda.function(&named)?;
    let docs = function.provisioned.iter().map(|(qualifier, provisioned)| {
        let mut shown = shown(provisioned, now);
        shown.set("FunctionArn", named.with(qualifier));
        shown
    });
    let (docs, next) = check::page(input, docs.collect())?;
    Ok(doc! { "ProvisionedConcurrencyConfigs" => docs, "NextMarker" => next })
}

pub(super) fn withdraw(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::qualified(scope, input)?;
    let mut state = world.lock();
    let functions = &mut state.site(&scope.site).lambda.functions;
    let (function, qualifier, _) = provisionable(functions.get_mut(&named.name), &named, WHAT)?;
    function.provisioned.remove(&qualifier);
    Ok(Doc::Null)
}

/// What the account may have, and what it has.
pub(super) fn account(world: &Arc<World>, scope: &Scope) -> Reply {
    let mut state = world.lock();
    let store = &state.site(&scope.site).lambda;
    Ok(doc! {
        "AccountLimit" => doc! {
            "TotalCodeSize" => store.limits.code_storage,
            "CodeSizeUnzipped" => i64::try_from(UNZIPPED).unwrap_or(i64::MAX),
            "CodeSizeZipped" => 52_428_800,
            "ConcurrentExecutions" => store.limits.concurrency,
            "UnreservedConcurrentExecutions" => store.unreserved_without(""),
        },
        "AccountUsage" => doc! { "TotalCodeSize" => store.code_size(), "FunctionCount" => store.functions.len() },
    })
}
