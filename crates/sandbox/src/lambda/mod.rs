//! Functions: versions, aliases that share out invocations, and the execution environments that answer them.
//!
//! # Map
//! - [`routes`]: the operations and where their members lie; [`names`], [`check`], [`errors`]: what is read from inputs,
//!   and how the service says no
//! - [`nouns`]: functions, versions, aliases, and how they change with time; [`show`]: how they are described
//! - [`code`], [`settings`]: code and configuration as they are given
//! - `functions`, `update`, `versions`, `aliases`, `permissions`, `concurrency`, `tags`, `sources`, `urls`: the operations
//! - [`invocation`]: what becomes of an invocation; [`counts`]: what is counted and how it becomes metrics
//! - [`environment`]: what a function runs on: a [`model`], or [`real`] processes that ask the runtime API for work
//!
//! Nothing waits for a function to become active: what was asked for takes effect when the world's clock has passed its
//! time, and whoever looks first notes it.

mod aliases;
mod check;
mod code;
mod concurrency;
mod counts;
pub mod environment;
mod errors;
mod functions;
mod invocation;
pub mod model;
mod names;
mod nouns;
mod permissions;
pub mod real;
mod routes;
mod settings;
mod show;
mod sources;
mod tags;
mod traffic;
mod update;
mod urls;
mod versions;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::doc::Doc;
use super::world::{Reply, Scope, World, unknown_operation};

pub use invocation::{Invoked, invoke};
pub use nouns::{Limits, Pace, Store};
pub use routes::{INVOKE, MODEL};
pub use traffic::set_model_traffic;

/// Runs one operation; an invocation is [`invoke`].
///
/// # Errors
/// What the service answers.
pub fn call(world: &Arc<World>, scope: &Scope, operation: &str, input: &Doc) -> Reply {
    let now = world.now();
    world.lock().site(&scope.site).lambda.settle(now);
    match operation {
        "CreateFunction" => functions::create(world, scope, input),
        "GetFunction" => functions::get(world, scope, input),
        "GetFunctionConfiguration" => functions::configuration(world, scope, input),
        "ListFunctions" => functions::list(world, scope, input),
        "DeleteFunction" => functions::delete(world, scope, input),
        "UpdateFunctionCode" => update::code(world, scope, input),
        "UpdateFunctionConfiguration" => update::configuration(world, scope, input),
        "PublishVersion" => versions::publish(world, scope, input),
        "ListVersionsByFunction" => versions::list(world, scope, input),
        "CreateAlias" => aliases::create(world, scope, input),
        "GetAlias" => aliases::get(world, scope, input),
        "UpdateAlias" => aliases::update(world, scope, input),
        "ListAliases" => aliases::list(world, scope, input),
        "DeleteAlias" => aliases::delete(world, scope, input),
        "AddPermission" => permissions::add(world, scope, input),
        "GetPolicy" => permissions::get(world, scope, input),
        "RemovePermission" => permissions::remove(world, scope, input),
        "TagResource" => tags::tag(world, scope, input),
        "UntagResource" => tags::untag(world, scope, input),
        "ListTags" => tags::list(world, scope, input),
        "PutFunctionConcurrency" => concurrency::reserve(world, scope, input),
        "GetFunctionConcurrency" => concurrency::reserved(world, scope, input),
        "DeleteFunctionConcurrency" => concurrency::release(world, scope, input),
        "PutProvisionedConcurrencyConfig" => concurrency::provision(world, scope, input),
        "GetProvisionedConcurrencyConfig" => concurrency::provisioned(world, scope, input),
        "ListProvisionedConcurrencyConfigs" => concurrency::list(world, scope, input),
        "DeleteProvisionedConcurrencyConfig" => concurrency::withdraw(world, scope, input),
        "GetAccountSettings" => concurrency::account(world, scope),
        "CreateEventSourceMapping" => sources::create(world, scope, input),
        "GetEventSourceMapping" => sources::get(world, scope, input),
        "ListEventSourceMappings" => sources::list(world, scope, input),
        "DeleteEventSourceMapping" => sources::delete(world, scope, input),
        "CreateFunctionUrlConfig" => urls::create(world, scope, input),
        "GetFunctionUrlConfig" => urls::get(world, scope, input),
        "ListFunctionUrlConfigs" => urls::list(world, scope, input),
        "DeleteFunctionUrlConfig" => urls::delete(world, scope, input),
        _ => Err(unknown_operation(operation)),
    }
}
