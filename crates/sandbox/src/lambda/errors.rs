//! How the service says no.

use super::super::world::ApiError;

fn user(code: &str, status: u16, message: impl Into<String>) -> ApiError {
    ApiError::new(code, message).status(status).with("Type", "User")
}

pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    user("InvalidParameterValueException", 400, message)
}

/// The same for rules that the real service answers without saying whose fault it is.
pub(super) fn invalid_untyped(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidParameterValueException", message)
}

pub(super) fn not_found(message: impl Into<String>) -> ApiError {
    user("ResourceNotFoundException", 404, message)
}

/// A function, a version, or in most operations an alias, by its ARN.
pub(super) fn no_function(arn: &str) -> ApiError {
    not_found(format!("Function not found: {arn}"))
}

/// An alias, in the operations that look for aliases.
pub(super) fn no_alias(arn: &str) -> ApiError {
    not_found(format!("Cannot find alias arn: {arn}"))
}

pub(super) fn conflict(message: impl Into<String>) -> ApiError {
    user("ResourceConflictException", 409, message)
}

/// Somebody else was faster; `look` is where the present revision can be seen.
pub(super) fn stale(look: &str) -> ApiError {
    let message = format!(
        "The Revision Id provided does not match the latest Revision Id. Call the {look} API to retrieve the latest \
         Revision Id"
    );
    user("PreconditionFailedException", 412, message)
}

/// Where the revision of functions, versions and aliases can be seen.
pub(super) const LOOK: &str = "GetFunction/GetAlias";

pub(super) fn throttled(reason: &str) -> ApiError {
    user("TooManyRequestsException", 429, "Rate Exceeded.").with("Reason", reason)
}

pub(super) fn too_large(message: impl Into<String>) -> ApiError {
    user("RequestEntityTooLargeException", 413, message)
}

/// An operation that is about whole functions was given a version or an alias.
pub(super) fn functions_only() -> ApiError {
    invalid(
        "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. \
         Please specify either a function name or an unqualified function ARN.",
    )
}
