//! What can go wrong with a call, in the classes that a driver acts on.

use std::error::Error as StdError;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;

use super::guard::{Refusal, is_mutating};
use crate::error::{Failure, Kind};

/// What most of this module returns.
pub type Result<T> = std::result::Result<T, AwsError>;

/// What an error means for the caller.
///
/// The SDK tries a call up to four times, and the class is that of the last attempt. An earlier attempt of a call that
/// changes something may have taken effect without an answer: before such a call is made once more, look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The service or the way to it is in trouble; nothing was changed by this call. Try again later.
    Transient,
    /// Too many calls. Try again later, more slowly.
    Throttled,
    /// These credentials do not permit the call.
    Denied,
    /// The credentials are missing, wrong or expired.
    Expired,
    /// The thing that was named does not exist.
    NotFound,
    /// The service understood and says no.
    Refused,
    /// The answer of a call that changes something was lost: it may have taken effect.
    Unknown,
    /// The lease guard said no; this attempt was not sent.
    GuardSaysNo,
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsError {
    /// What it means.
    pub class: Class,
    /// As IAM writes it, such as `codedeploy`.
    pub service: &'static str,
    /// Such as `CreateDeployment`.
    pub operation: &'static str,
    /// The service's own name for the error, if it answered with one.
    pub code: Option<String>,
    /// One line.
    pub message: String,
    /// By which AWS's support finds the call.
    pub request_id: Option<String>,
}

impl AwsError {
    /// An error that the answer shows though the service did not call it one.
    pub fn new(call: Call, class: Class, message: impl Into<String>) -> AwsError {
        let (service, operation) = call;
        AwsError { class, service, operation, code: None, message: one_line(&message.into()), request_id: None }
    }

    /// Whether the thing that was named does not exist.
    pub fn is_not_found(&self) -> bool {
        self.class == Class::NotFound
    }

    /// Whether it is weather: the same call may succeed a little later, and nothing has to be looked at before.
    pub fn is_weather(&self) -> bool {
        matches!(self.class, Class::Transient | Class::Throttled)
    }

    /// The error as it reaches a person. Missing permissions and credentials say what to do about them.
    pub fn into_failure(self) -> Failure {
        match self.class {
            Class::Denied => {
                let action = self.denied_action();
                Failure::new(Kind::Credentials, self.to_string())
                    .help(format!("allow `{action}` for the identity that shipit acts as"))
            }
            Class::Expired => Failure::new(Kind::Credentials, self.to_string())
                .help("renew the credentials and run the same command again"),
            Class::Transient
            | Class::Throttled
            | Class::NotFound
            | Class::Refused
            | Class::Unknown
            | Class::GuardSaysNo => Failure::new(Kind::Unexpected, self.to_string()),
        }
    }

    /// The IAM action that is missing: the one that AWS names, because some calls need more than one, else the call's.
    fn denied_action(&self) -> String {
        let named = self.message.split("perform: ").nth(1).and_then(|rest| rest.split_whitespace().next());
        match named {
            Some(action) if action.contains(':') => action.trim_end_matches(['.', ',']).to_owned(),
            _ if self.operation == "HeadObject" => "s3:GetObject".to_owned(),
            _ => format!("{}:{}", self.service, self.operation),
        }
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AwsError { service, operation, message, .. } = self;
        match (&self.code, message.is_empty()) {
            (Some(code), false) => write!(f, "{service}:{operation} said {code}: {message}"),
            (Some(code), true) => write!(f, "{service}:{operation} said {code}"),
            (None, _) if self.class == Class::GuardSaysNo => write!(f, "{service}:{operation} was not sent: {message}"),
            (None, _) => write!(f, "{service}:{operation} failed: {message}"),
        }
    }
}

impl StdError for AwsError {}

/// Service and operation, as IAM writes them.
pub type Call = (&'static str, &'static str);

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
    } else if let Some(credentials) = cause::<CredentialsError>(error) {
        (class_of_credentials(credentials), format!("no usable credentials: {}", innermost(credentials)))
    } else {
        match error {
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
fn class_of_answer(code: Option<&str>, status: u16, lost: Class) -> Class {
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
fn class_of_credentials(error: &CredentialsError) -> Class {
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
    let sts = cause::<aws_sdk_sts::operation::assume_role::AssumeRoleError>(error)?;
    ProvideErrorMetadata::code(sts).map(str::to_owned)
}

fn is_io(error: &CredentialsError) -> bool {
    use aws_smithy_runtime_api::client::result::ConnectorError;
    cause::<ConnectorError>(error).is_some_and(|connector| connector.is_io() || connector.is_timeout())
}

/// The first error of this type in the chain of causes, the error itself included.
fn cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
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
fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// What AWS or the network says, made harmless: one line, no control characters, bounded.
fn one_line(text: &str) -> String {
    const MOST: usize = 600;
    let words: Vec<&str> =
        text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    if line.chars().count() <= MOST {
        return line;
    }
    line.chars().take(MOST).chain(['…']).collect()
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
            (Some("InternalFailure"), 500, Class::Unknown),
            (None, 502, Class::Unknown),
        ] {
            assert_eq!(class_of_answer(code, status, Class::Unknown), class, "{code:?} {status}");
        }
    }

    fn error(code: Option<&str>, message: &str) -> AwsError {
        let mut error = AwsError::new(("codedeploy", "CreateDeployment"), Class::Refused, message);
        error.code = code.map(str::to_owned);
        error
    }

    #[test]
    fn an_error_is_one_line() {
        let limit = error(Some("DeploymentLimitExceededException"), "The Deployment Group\n'web' \u{1b}[31mis busy");
        assert_eq!(
            limit.to_string(),
            "codedeploy:CreateDeployment said DeploymentLimitExceededException: The Deployment Group 'web' [31mis busy"
        );
        assert_eq!(error(None, "connection reset").to_string(), "codedeploy:CreateDeployment failed: connection reset");
        assert_eq!(one_line(&"x".repeat(10_000)).chars().count(), 601);
    }

    #[test]
    fn a_missing_permission_names_the_action_to_allow() {
        for (message, action) in [
            (
                "User: arn:aws:sts::1:x is not authorized to perform: codedeploy:RegisterApplicationRevision on resource: y",
                "codedeploy:RegisterApplicationRevision",
            ),
            ("no", "codedeploy:CreateDeployment"),
            ("perform: ", "codedeploy:CreateDeployment"),
        ] {
            let failure = AwsError { class: Class::Denied, ..error(None, message) }.into_failure();
            assert_eq!(failure.kind, Kind::Credentials);
            assert_eq!(
                failure.help.as_deref(),
                Some(&*format!("allow `{action}` for the identity that shipit acts as"))
            );
        }
        assert_eq!(error(None, "x").into_failure().kind, Kind::Unexpected);
    }
}
