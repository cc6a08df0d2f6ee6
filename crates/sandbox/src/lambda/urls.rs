//! Function URLs, as records: nothing listens there.

use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::world::{ApiError, Reply, Scope, World};
use super::check::{self, Checks};
use super::errors;
use super::names::{self, Named};
use super::nouns::parts;

/// Members that are shown as they were given.
const MEMBERS: [&str; 3] = ["AuthType", "Cors", "InvokeMode"];

fn missing() -> ApiError {
    errors::not_found("The resource you requested does not exist.")
}

fn key(named: &Named) -> String {
    named.qualifier.clone().unwrap_or_default()
}

/// Gives a function or an alias a URL.
pub(super) fn create(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::qualified(scope, input)?;
    let mut checks = Checks::default();
    checks.required(input, "AuthType");
    checks.one_of(input.text("AuthType"), "authType", &["NONE", "AWS_IAM"]);
    if let Some(qualifier) = named.qualifier.as_deref() {
        let rule = "Member must satisfy regular expression pattern: ((?!^\\d+$)^[0-9a-zA-Z-_]+$)";
        let is_alias = qualifier.parse::<u64>().is_err() && check::is_word(qualifier, "");
        checks.unless(is_alias, "qualifier", qualifier, rule);
    }
    checks.done()?;
    let now = world.now();
    let mut state = world.lock();
    let (store, mut ids) = parts(&mut state, &scope.site, now);
    let function = store.functions.get_mut(&named.name).ok_or_else(missing)?;
    function.meaning(named.qualifier.as_deref()).ok_or_else(missing)?;
    if function.urls.contains_key(&key(&named)) {
        let message = format!(
            "Failed to create function url config for [functionArn = {}]. Error message:  FunctionUrlConfig exists for this Lambda function",
            named.asked()
        );
        return Err(errors::conflict(message));
    }
    let id: String = ids.uuid().replace('-', "");
    let mut made = doc! {
        "FunctionUrl" => format!("https://{id}.lambda-url.{}.on.aws/", scope.site.region),
        "FunctionArn" => named.asked(),
        "InvokeMode" => "BUFFERED",
    };
    for member in MEMBERS.into_iter().filter(|member| !input.get(member).is_null()) {
        made.set(member, input.get(member).clone());
    }
    made.set("CreationTime", now.to_string());
    let answer = made.clone();
    made.set("LastModifiedTime", now.to_string());
    function.urls.insert(key(&named), made);
    Ok(answer)
}

pub(super) fn get(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::qualified(scope, input)?;
    let mut state = world.lock();
    let functions = &state.site(&scope.site).lambda.functions;
    functions.get(&named.name).and_then(|function| function.urls.get(&key(&named)).cloned()).ok_or_else(missing)
}

pub(super) fn list(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::whole(scope, input)?;
    let mut state = world.lock();
    let function = state.site(&scope.site).lambda.function(&named)?;
    let (docs, next) = check::page(input, function.urls.values().cloned().collect())?;
    Ok(doc! { "FunctionUrlConfigs" => docs, "NextMarker" => next })
}

pub(super) fn delete(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::qualified(scope, input)?;
    let mut state = world.lock();
    let functions = &mut state.site(&scope.site).lambda.functions;
    let removed = functions.get_mut(&named.name).and_then(|function| function.urls.remove(&key(&named)));
    removed.map(|_| Doc::Null).ok_or_else(missing)
}
