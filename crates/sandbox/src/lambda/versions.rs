//! Versions.

use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::world::{Reply, Scope, World};
use super::check;
use super::errors;
use super::functions::has_room;
use super::names;
use super::nouns::{Due, Function, Pace, Progress, RevisionSource, parts};
use super::show;

/// Publishes `$LATEST` as it is; if nothing has changed since the last time, the answer is that version.
pub(super) fn publish(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::whole(scope, input)?;
    let now = world.now();
    let mut state = world.lock();
    let (store, mut ids) = parts(&mut state, &scope.site, now);
    let (size, pace, limits) = (store.code_size(), store.pace, store.limits);
    let function = store.function(&named)?;
    function.at_rest()?;
    function.expects(input.text("RevisionId"))?;
    let current = &function.latest.content.code;
    if let Some(given) = input.text("CodeSha256").filter(|given| *given != current.sha256) {
        return Err(errors::invalid(format!(
            "CodeSHA256 ({given}) is different from current CodeSHA256 in $LATEST ({}). Please try again with the \
             CodeSHA256 in $LATEST.",
            current.sha256
        )));
    }
    let is_published = function.published.as_ref().is_some_and(|content| content.equals(&function.latest.content));
    let number = if is_published && function.versions.contains_key(&function.last_number) {
        function.last_number
    } else {
        has_room(size + current.zip.len(), limits.code_storage)?;
        add(function, input.text("Description"), pace, &mut ids)
    };
    Ok(show::version(function, &function.versions[&number], &format!("{}:{number}", function.arn)))
}

/// Adds a version with the content of `$LATEST`, which gets a new revision by that. The version is active at once,
/// unless `$LATEST` is still being changed or a snapshot has to be made first.
pub(super) fn add(function: &mut Function, description: Option<&str>, pace: Pace, ids: &mut RevisionSource<'_>) -> u64 {
    let mut version = function.latest.clone();
    function.last_number += 1;
    function.published = Some(function.latest.content.clone());
    (version.number, version.revision, version.modified) = (Some(function.last_number), ids.uuid(), ids.now);
    if let Some(description) = description {
        description.clone_into(&mut version.content.config.description);
    }
    let due = match &version.progress {
        Progress::Creating(due) | Progress::Updating(due, _) => Some(due.at),
        Progress::Settled => None,
    };
    let snapshot = version.content.config.is_snapshot().then(|| ids.due(pace.slow).at);
    version.progress = match due.into_iter().chain(snapshot).max() {
        Some(at) => Progress::Creating(Due { at, revision: ids.uuid() }),
        None => Progress::Settled,
    };
    function.latest.revision = ids.uuid();
    function.versions.insert(function.last_number, version);
    function.last_number
}

/// Lists `$LATEST` and all versions.
pub(super) fn list(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::whole(scope, input)?;
    let mut state = world.lock();
    let function = state.site(&scope.site).lambda.function(&named)?;
    let versions = [&function.latest].into_iter().chain(function.versions.values());
    let (docs, next) = check::page(input, versions.map(|version| show::listed(function, version)).collect())?;
    Ok(doc! { "Versions" => docs, "NextMarker" => next })
}
