//! From the SDK's errors to ours.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;

use super::answer::Foreign;
use super::error::{AwsError, Call, Class, one_line};
use super::guard::{Refusal, is_mutating};

/// Turns the SDK's error of this call into ours.
pub(crate) fn failed<E>(call: Call) -> impl FnOnce(SdkError<E, HttpResponse>) -> AwsError
where
    E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
{
    move |error| read(call, &error)
}

fn read<E>((service, operation): Call, error: &SdkError<E, HttpResponse>) -> AwsError
where
    E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
{
    let code = error.code().map(str::to_owned);
    let status = error.raw_response().map(|response| response.status().as_u16());
    let lost = if is_mutating(operation) { Class::Unknown } else { Class::Transient };
    let (class, message) = if let Some(refusal) = cause::<Refusal>(error) {
        (Class::GuardSaysNo, refusal.0.clone())
    } else if let Some(foreign) = cause::<Foreign>(error) {
        (lost, foreign.why.clone())
    } else if let Some(credentials) = cause::<CredentialsError>(error) {
        (class_of_credentials(credentials), format!("no usable credentials: {}", innermost(credentials)))
    } else {
        match error {
            // Only to a HEAD does AWS say no without a code.
            SdkError::ServiceError(_) if code.is_none() && !operation.starts_with("Head") && status != Some(429) => {
                (lost, format!("the answer could not be read: {}", http(status)))
            }
            SdkError::ServiceError(_) => {
                let class = class_of_answer(code.as_deref(), status.unwrap_or(0), lost);
                (class, error.message().map_or_else(|| http(status), str::to_owned))
            }
            SdkError::ConstructionFailure(_) => (Class::Refused, innermost(error)),
            SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) => (lost, innermost(error)),
            _ => (lost, format!("the answer could not be read: {}", innermost(error))),
        }
    };
    let request_id = error.request_id().map(str::to_owned);
    AwsError { class, service, operation, code, message: one_line(&message), request_id }
}

fn http(status: Option<u16>) -> String {
    status.map(|status| format!("HTTP {status}")).unwrap_or_default()
}

/// The class of an error that a service answered. Codes come first: the JSON and query services say 400 to nearly
/// everything.
pub(super) fn class_of_answer(code: Option<&str>, status: u16, lost: Class) -> Class {
    let code = code.unwrap_or("");
    let name = code.strip_suffix("Exception").unwrap_or(code);
    match name {
        "Throttling"
        | "ThrottledRequest"
        | "TooManyRequests"
        | "RequestLimitExceeded"
        | "SlowDown"
        | "BandwidthLimitExceeded"
        | "RequestThrottled"
        | "PriorRequestNotComplete"
        | "EC2Throttled" => Class::Throttled,
        "AccessDenied"
        | "UnauthorizedOperation"
        | "AuthorizationError"
        | "NotAuthorized"
        | "OptInRequired"
        | "AllAccessDisabled" => Class::Denied,
        "ExpiredToken"
        | "RequestExpired"
        | "InvalidClientTokenId"
        | "UnrecognizedClient"
        | "AuthFailure"
        | "SignatureDoesNotMatch"
        | "InvalidSignature"
        | "InvalidAccessKeyId"
        | "MissingAuthenticationToken"
        | "InvalidToken"
        | "TokenRefreshRequired"
        | "IncompleteSignature"
        | "RequestTimeTooSkewed" => Class::Expired,
        "ScalingActivityInProgress" | "ResourceContention" => Class::Transient,
        "RequestTimeout" | "InternalFailure" | "InternalError" | "InternalServerError" | "ServiceUnavailable" => lost,
        _ if status >= 500 => lost,
        _ if status == 429 => Class::Throttled,
        _ if name.ends_with("DoesNotExist") || name.ends_with("NotFound") || name.starts_with("NoSuch") => {
            Class::NotFound
        }
        _ if status == 404 => Class::NotFound,
        _ if status == 403 => Class::Denied,
        _ => Class::Refused,
    }
}

/// Credentials that could not be had: a source that is slow or unreachable is weather, the rest needs a person.
pub(super) fn class_of_credentials(error: &CredentialsError) -> Class {
    let code = codes(error);
    match error {
        CredentialsError::ProviderTimedOut(_) => Class::Transient,
        _ => match class_of_answer(code.as_deref(), 0, Class::Transient) {
            Class::Refused if code.is_none() && is_io(error) => Class::Transient,
            class @ (Class::Transient | Class::Throttled | Class::Denied) => class,
            Class::Expired | Class::NotFound | Class::Refused | Class::Unknown | Class::GuardSaysNo => Class::Expired,
        },
    }
}

/// The code of the STS error below a credentials error.
fn codes(error: &CredentialsError) -> Option<String> {
    let sts = cause::<AssumeRoleError>(error)?;
    ProvideErrorMetadata::code(sts).map(str::to_owned)
}

fn is_io(error: &CredentialsError) -> bool {
    cause::<ConnectorError>(error).is_some_and(|connector| connector.is_io() || connector.is_timeout())
}

/// The first error of this type in the chain of causes, the error itself included.
pub(super) fn cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The text at the end of the chain of causes, which says most.
pub(super) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_classed_by_their_code_then_by_status() {
        for (code, status, class) in [
            (Some("ThrottlingException"), 400, Class::Throttled),
            (Some("Throttling"), 400, Class::Throttled),
            (Some("SlowDown"), 503, Class::Throttled),
            (None, 429, Class::Throttled),
            (Some("AccessDeniedException"), 400, Class::Denied),
            (Some("AccessDenied"), 403, Class::Denied),
            (None, 403, Class::Denied),
            (Some("ExpiredTokenException"), 400, Class::Expired),
            (Some("ExpiredToken"), 403, Class::Expired),
            (Some("UnrecognizedClientException"), 400, Class::Expired),
            (Some("DeploymentGroupDoesNotExistException"), 400, Class::NotFound),
            (Some("TargetGroupNotFound"), 400, Class::NotFound),
            (Some("NoSuchKey"), 404, Class::NotFound),
            (None, 404, Class::NotFound),
            (Some("DeploymentLimitExceededException"), 400, Class::Refused),
            (Some("ValidationError"), 400, Class::Refused),
            (Some("ResourceContention"), 500, Class::Transient),
            (Some("InternalFailure"), 500, Class::Unknown),
            (None, 502, Class::Unknown),
        ] {
            assert_eq!(class_of_answer(code, status, Class::Unknown), class, "{code:?} {status}");
        }
    }
}
