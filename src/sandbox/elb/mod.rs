//! elb

use std::sync::Arc;

use super::doc::Doc;
use super::world::{Reply, Scope, World, unknown_operation};

/// The state of this service in one account and region.
#[derive(Default)]
pub struct Store {}

/// Runs one operation.
///
/// # Errors
/// What the service answers.
pub fn call(_world: &Arc<World>, _scope: &Scope, operation: &str, _input: &Doc) -> Reply {
    Err(unknown_operation(operation))
}
