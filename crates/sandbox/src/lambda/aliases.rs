//! Aliases, and how they share out invocations.

use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::world::{ApiError, Reply, Scope, World};
use super::check::{self, Checks, is_word};
use super::errors;
use super::functions::forget;
use super::names::{self, LATEST, Named};
use super::nouns::{Alias, Function, Meaning, parts};
use super::show;

/// Weights as they were given: nothing was said, none, or one version and its share.
type Weights = Option<Option<(String, f64)>>;

/// Reads the routing configuration and checks it as far as it can be checked alone.
fn weights(input: &Doc) -> Result<Weights, ApiError> {
    let routing = input.get("RoutingConfig");
    if routing.is_null() {
        return Ok(None);
    }
    let member = "routingConfig.additionalVersionWeights";
    let Doc::Map(given) = routing.get("AdditionalVersionWeights") else { return Ok(Some(None)) };
    let numbers: Vec<(String, f64)> = given
        .iter()
        .map(|(version, _)| {
            (version.clone(), routing.get("AdditionalVersionWeights").float(version).unwrap_or(f64::NAN))
        })
        .collect();
    let shown: Vec<String> = numbers.iter().map(|(version, weight)| format!("{version}={weight:?}")).collect();
    let shown = format!("'{{{}}}'", shown.join(", "));
    let mut checks = Checks::default();
    if numbers.iter().any(|(version, _)| version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit())) {
        let rule = "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must \
                    have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]";
        checks.broken(member, &shown, rule);
    }
    if numbers.iter().any(|(_, weight)| !(0.0..=1.0).contains(weight)) {
        let rule = "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must \
                    have value greater than or equal to 0.0, Member must not be null]";
        checks.broken(member, &shown, rule);
    }
    checks.done()?;
    if numbers.len() > 1 {
        return Err(errors::invalid("Number of items in AdditionalVersionWeights cannot be greater than 1"));
    }
    Ok(Some(numbers.into_iter().next()))
}

/// Checks that an alias could share out invocations so.
fn check(function: &Function, named: &Named, main: &str, other: Option<&(String, f64)>) -> Result<(), ApiError> {
    let exists = |version: &str| function.version(version).ok_or_else(|| errors::no_function(&named.with(version)));
    let Some((other, _)) = other else { return exists(main).map(drop) };
    if main == LATEST {
        let message = "$LATEST is not supported for an alias pointing to more than 1 version";
        return Err(errors::invalid_untyped(message));
    }
    if main == other {
        return Err(errors::invalid(format!(
            "Invalid function version {main}. Function version {main} is already included in routing configuration."
        )));
    }
    let (main, other) = (&exists(main)?.content.config, &exists(other)?.content.config);
    if main.role != other.role {
        return Err(errors::invalid("Specified versions must be associated with the same execution role"));
    }
    let queue =
        |config: &super::nouns::Config| config.others.get("DeadLetterConfig").text("TargetArn").map(str::to_owned);
    if queue(main) != queue(other) {
        return Err(errors::invalid("Specified versions must have the same dead-letter queue configuration"));
    }
    Ok(())
}

/// Creates an alias.
pub(super) fn create(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::whole(scope, input)?;
    let mut checks = Checks::default();
    let name = checks.required(input, "Name").to_owned();
    let main = checks.required(input, "FunctionVersion").to_owned();
    let rule = "Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)";
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    checks.unless(is_word(&name, "") && !is_number, "name", &name, rule);
    checks.unless(name.len() <= 128, "name", &name, "Member must have length less than or equal to 128");
    description(&mut checks, input);
    checks.done()?;
    let other = weights(input)?.flatten();
    let now = world.now();
    let mut state = world.lock();
    let (store, mut ids) = parts(&mut state, &scope.site, now);
    let function = store.functions.get_mut(&named.name).ok_or_else(|| errors::no_function(&named.with(&main)))?;
    check(function, &named, &main, other.as_ref())?;
    if function.aliases.contains_key(&name) {
        return Err(errors::conflict(format!("Alias already exists: {}", named.with(&name))));
    }
    let description = input.text("Description").unwrap_or_default().to_owned();
    let alias = Alias { name: name.clone(), version: main, other, description, revision: ids.uuid() };
    function.aliases.insert(name.clone(), alias);
    Ok(show::alias(function, &function.aliases[&name]))
}

fn description(checks: &mut Checks, input: &Doc) {
    let text = input.text("Description").unwrap_or_default();
    checks.unless(text.len() <= 256, "description", text, "Member must have length less than or equal to 256");
}

/// Describes an alias.
pub(super) fn get(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::whole(scope, input)?;
    let name = input.text("Name").unwrap_or_default();
    let mut state = world.lock();
    let functions = &state.site(&scope.site).lambda.functions;
    let found = functions.get(&named.name).and_then(|function| Some((function, function.aliases.get(name)?)));
    let (function, alias) = found.ok_or_else(|| errors::no_alias(&named.with(name)))?;
    Ok(show::alias(function, alias))
}

/// Changes what was given. Every update gives it a new revision; all calls after it are shared out the new way.
pub(super) fn update(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::whole(scope, input)?;
    let name = input.text("Name").unwrap_or_default();
    let mut checks = Checks::default();
    description(&mut checks, input);
    checks.done()?;
    let given = weights(input)?;
    let now = world.now();
    let mut state = world.lock();
    let (store, mut ids) = parts(&mut state, &scope.site, now);
    let missing = || errors::not_found(format!("Alias not found: {}", named.with(name)));
    let function = store.functions.get_mut(&named.name).ok_or_else(missing)?;
    let alias = function.aliases.get(name).ok_or_else(missing)?;
    let main = input.text("FunctionVersion").unwrap_or(&alias.version).to_owned();
    let other = given.unwrap_or_else(|| alias.other.clone());
    check(function, &named, &main, other.as_ref())?;
    if input.text("RevisionId").is_some_and(|revision| revision != alias.revision) {
        return Err(errors::stale(errors::LOOK));
    }
    let is_moved = alias.version != main;
    let alias = function.aliases.get_mut(name).ok_or_else(missing)?;
    (alias.version, alias.other, alias.revision) = (main, other, ids.uuid());
    if let Some(text) = input.text("Description") {
        text.clone_into(&mut alias.description);
    }
    // Environments that are kept ready follow the alias, and are made anew for the other version.
    let ready = super::super::later::after(now, store.pace.provision);
    if let Some(provisioned) = function.provisioned.get_mut(name).filter(|_| is_moved) {
        if provisioned.ready_at <= now {
            provisioned.before = provisioned.wanted;
        }
        provisioned.ready_at = ready;
    }
    Ok(show::alias(function, &function.aliases[name]))
}

/// Lists aliases, or those that reach a version.
pub(super) fn list(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::whole(scope, input)?;
    let mut state = world.lock();
    let function = state.site(&scope.site).lambda.function(&named)?;
    let version = input.text("FunctionVersion");
    let chosen = function.aliases.values().filter(|alias| version.is_none_or(|version| alias.reaches(version)));
    let (docs, next) = check::page(input, chosen.map(|alias| show::alias(function, alias)).collect())?;
    Ok(doc! { "Aliases" => docs, "NextMarker" => next })
}

/// Deletes an alias; one that does not exist is deleted already.
pub(super) fn delete(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::whole(scope, input)?;
    let name = input.text("Name").unwrap_or_default();
    let mut state = world.lock();
    let function = state.site(&scope.site).lambda.function(&named)?;
    if function.aliases.remove(name).is_some() {
        forget(function, &Meaning::Alias(name.to_owned()));
    }
    Ok(Doc::Null)
}
