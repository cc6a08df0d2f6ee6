//! Changing `$LATEST`.

use std::sync::Arc;

use super::super::doc::Doc;
use super::super::world::{Reply, Scope, World};
use super::check::Checks;
use super::code;
use super::functions::has_room;
use super::names;
use super::nouns::{Content, Function, parts};
use super::settings::architectures;
use super::show;
use super::versions;

/// Gives `$LATEST` other code; that it is the same makes no difference. It takes effect after a while.
pub(super) fn code(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::whole(scope, input)?;
    let mut checks = Checks::default();
    architectures(&mut checks, input);
    checks.done()?;
    world.lock().site(&scope.site).lambda.function(&named)?;
    let code = code::read(world, scope, input)?;
    let now = world.now();
    let mut state = world.lock();
    let (store, mut ids) = parts(&mut state, &scope.site, now);
    let (size, stamp, pace, limits) = (store.code_size(), store.stamp(), store.pace, store.limits);
    let function = store.function(&named)?;
    function.at_rest()?;
    function.expects(input.text("RevisionId"))?;
    has_room(size + code.zip.len() - function.latest.content.code.zip.len(), limits.code_storage)?;
    let mut content = Content { code, stamp, ..function.latest.content.clone() };
    if !input.get("Architectures").is_null() {
        content.config.others.set("Architectures", input.get("Architectures").clone());
    }
    if input.bool("DryRun") == Some(true) {
        let mut shown = function.latest.clone();
        shown.content = content;
        return Ok(show::version(function, &shown, &function.arn));
    }
    let due = ids.due(Function::change_takes(&content.config, pace, pace.update));
    function.latest.change(content, due, &mut ids);
    if input.bool("Publish") == Some(true) {
        let version = versions::add(function, None, pace, &mut ids);
        let shown = &function.versions[&version];
        return Ok(show::version(function, shown, &format!("{}:{version}", function.arn)));
    }
    Ok(show::version(function, &function.latest, &function.arn))
}

/// Gives `$LATEST` another configuration. It takes effect after a while.
pub(super) fn configuration(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::whole(scope, input)?;
    let now = world.now();
    let mut state = world.lock();
    let (store, mut ids) = parts(&mut state, &scope.site, now);
    let (stamp, pace) = (store.stamp(), store.pace);
    let function = store.function(&named)?;
    let mut content = Content { stamp, ..function.latest.content.clone() };
    content.config.set(&named.name, input)?;
    function.at_rest()?;
    function.expects(input.text("RevisionId"))?;
    let due = ids.due(Function::change_takes(&content.config, pace, pace.update));
    function.latest.change(content, due, &mut ids);
    Ok(show::version(function, &function.latest, &function.arn))
}
