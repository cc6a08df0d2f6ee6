//! Tags of functions.

use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::world::{Reply, Scope, World};
use super::names;

/// Tags as they were given; what is no text is left out.
pub(super) fn read(given: &[(String, Doc)]) -> impl Iterator<Item = (String, String)> + '_ {
    given.iter().filter_map(
        |(name, value)| if let Doc::Text(value) = value { Some((name.clone(), value.clone())) } else { None },
    )
}

pub(super) fn tag(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::resource(scope, input, "Resource")?;
    let mut state = world.lock();
    let function = state.site(&scope.site).lambda.function(&named)?;
    if let Doc::Map(tags) = input.get("Tags") {
        function.tags.extend(read(tags));
    }
    Ok(Doc::Null)
}

pub(super) fn untag(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::resource(scope, input, "Resource")?;
    let names = input.texts("TagKeys");
    let mut state = world.lock();
    let function = state.site(&scope.site).lambda.function(&named)?;
    function.tags.retain(|name, _| !names.contains(name));
    Ok(Doc::Null)
}

pub(super) fn list(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::resource(scope, input, "Resource")?;
    let mut state = world.lock();
    let function = state.site(&scope.site).lambda.function(&named)?;
    let tags: Vec<(String, Doc)> = function.tags.iter().map(|(name, value)| (name.clone(), value.into())).collect();
    Ok(doc! { "Tags" => Doc::Map(tags) })
}
