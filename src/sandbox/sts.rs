//! Identities and who they are.

use std::sync::Arc;

use super::doc::Doc;
use super::world::{Reply, Scope, World, unknown_operation};

/// Users and roles with their keys.
#[derive(Default)]
pub struct Identities {}

/// Runs one operation.
///
/// # Errors
/// What the service answers.
pub fn call(_world: &Arc<World>, _scope: &Scope, operation: &str, _input: &Doc) -> Reply {
    Err(unknown_operation(operation))
}
