//! Making, reading and deleting functions.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::world::{ApiError, Reply, Scope, World};
use super::check::{self, Checks};
use super::code;
use super::errors;
use super::names::{self, LATEST, Named};
use super::nouns::{Config, Content, Function, Meaning, Progress, Version, parts};
use super::show;

/// Creates a function. It is active after a while.
pub(super) fn create(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::function(scope, input)?;
    let mut checks = Checks::default();
    checks.required(input, "Role");
    checks.done()?;
    let mut config = Config::usual(&named.name);
    config.set(&named.name, input)?;
    if config.handler.is_empty() {
        let message = "Runtime and Handler are mandatory parameters for functions created with deployment packages.";
        return Err(errors::invalid(message));
    }
    let code = code::read(world, scope, input.get("Code"))?;
    let now = world.now();
    let mut state = world.lock();
    let (store, mut ids) = parts(&mut state, &scope.site, now);
    if store.functions.contains_key(&named.name) {
        return Err(errors::conflict(format!("Function already exist: {}", named.name)));
    }
    has_room(store.code_size() + code.zip.len(), store.limits.code_storage)?;
    let due = ids.due(Function::change_takes(&config, store.pace, store.pace.create));
    let content = Content { config, code, stamp: store.stamp() };
    let latest = Version {
        number: None,
        content,
        revision: ids.uuid(),
        modified: now,
        progress: Progress::Creating(due.clone()),
    };
    let mut function = Function {
        name: named.name.clone(),
        arn: named.arn().to_owned(),
        latest,
        versions: BTreeMap::new(),
        last_number: 0,
        published: None,
        aliases: BTreeMap::new(),
        policies: BTreeMap::new(),
        tags: BTreeMap::new(),
        reserved: None,
        provisioned: BTreeMap::new(),
        urls: BTreeMap::new(),
    };
    if let Doc::Map(tags) = input.get("Tags") {
        function.tags.extend(super::tags::read(tags));
    }
    if input.bool("Publish") == Some(true) {
        let mut first = function.latest.clone();
        (first.number, first.revision) = (Some(1), ids.uuid());
        first.progress = Progress::Creating(ids.due(store.pace.create));
        function.last_number = 1;
        function.published = Some(function.latest.content.clone());
        function.versions.insert(1, first);
    }
    let shown = function.versions.get(&1).unwrap_or(&function.latest);
    let answer = show::version(&function, shown, &function.arn);
    store.functions.insert(named.name, function);
    Ok(answer)
}

/// Refuses more code than the account may have.
pub(super) fn has_room(size: usize, limit: i64) -> Result<(), ApiError> {
    if i64::try_from(size).unwrap_or(i64::MAX) > limit {
        let error = ApiError::new("CodeStorageExceededException", "Code storage limit exceeded.");
        return Err(error.with("Type", "User"));
    }
    Ok(())
}

/// A version with the ARN by which it was asked for.
fn found<'a>(function: &'a Function, named: &Named) -> Result<(&'a Version, String), ApiError> {
    let asked = named.asked();
    let version = function.main(named.qualifier.as_deref());
    version.map(|version| (version, asked.clone())).ok_or_else(|| errors::no_function(&asked))
}

/// Describes a function or what a qualifier leads to, with what belongs to it.
pub(super) fn get(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::qualified(scope, input)?;
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).lambda;
    let function = store.functions.get(&named.name).ok_or_else(|| errors::no_function(&named.asked()))?;
    let (version, arn) = found(function, &named)?;
    let tags: Vec<(String, Doc)> = function.tags.iter().map(|(name, value)| (name.clone(), value.into())).collect();
    Ok(doc! {
        "Configuration" => show::version(function, version, &arn),
        "Code" => doc! { "RepositoryType" => "S3" },
        "Tags" => if tags.is_empty() { Doc::Null } else { Doc::Map(tags) },
        "Concurrency" => function.reserved.map(|count| doc! { "ReservedConcurrentExecutions" => count }),
    })
}

/// Describes a function or what a qualifier leads to.
pub(super) fn configuration(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::qualified(scope, input)?;
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).lambda;
    let function = store.functions.get(&named.name).ok_or_else(|| errors::no_function(&named.asked()))?;
    let (version, arn) = found(function, &named)?;
    Ok(show::version(function, version, &arn))
}

/// Lists functions, or all versions of all of them.
pub(super) fn list(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let mut checks = Checks::default();
    checks.one_of(input.text("FunctionVersion"), "functionVersion", &["ALL"]);
    checks.done()?;
    let has_versions = input.text("FunctionVersion").is_some();
    let mut state = world.lock();
    let mut docs = Vec::new();
    for function in state.site(&scope.site).lambda.functions.values() {
        if has_versions {
            let versions = [&function.latest].into_iter().chain(function.versions.values());
            docs.extend(versions.map(|version| show::listed(function, version)));
        } else {
            docs.push(show::listed_function(function));
        }
    }
    let (docs, next) = check::page(input, docs)?;
    Ok(doc! { "Functions" => docs, "NextMarker" => next })
}

/// Deletes a function, or one version of it that no alias uses.
pub(super) fn delete(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::qualified(scope, input)?;
    if named.qualifier.as_deref() == Some(LATEST) {
        return Err(errors::invalid("$LATEST version cannot be deleted without deleting the function."));
    }
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).lambda;
    let function = store.function(&named)?;
    let Some(qualifier) = named.qualifier.as_deref() else {
        store.functions.remove(&named.name);
        store.sources.retain(|_, source| source.text("FunctionArn").is_none_or(|arn| !is_of(arn, named.arn())));
        return Ok(Doc::Null);
    };
    let Ok(number) = qualifier.parse::<u64>() else {
        return Err(errors::invalid("Deletion of aliases is not currently supported."));
    };
    let users: Vec<&str> =
        function.aliases.values().filter(|alias| alias.reaches(qualifier)).map(|alias| alias.name.as_str()).collect();
    if !users.is_empty() {
        return Err(errors::conflict(format!(
            "Unable to delete version because the following aliases reference it: [{}]",
            users.join(", ")
        )));
    }
    if function.versions.remove(&number).is_some() {
        forget(function, &Meaning::Version(number));
    }
    Ok(Doc::Null)
}

/// Removes what belongs to a version or an alias that is gone.
pub(super) fn forget(function: &mut Function, meaning: &Meaning) {
    let qualifier = match meaning {
        Meaning::Latest => return,
        Meaning::Version(number) => number.to_string(),
        Meaning::Alias(name) => name.clone(),
    };
    function.policies.remove(&qualifier);
    function.provisioned.remove(&qualifier);
    function.urls.remove(&qualifier);
}

/// Whether an ARN is this function's, qualified or not.
pub(super) fn is_of(arn: &str, function: &str) -> bool {
    arn.strip_prefix(function).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}
