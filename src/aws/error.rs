//! What can go wrong with a call, in the classes that a driver acts on.

use std::fmt;

pub(crate) use super::class::failed;
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

    /// The error as it reaches a person before or outside of a run. Missing permissions and credentials say what to do
    /// about them; what the pipeline names and does not exist is for the pipeline's author.
    pub fn into_failure(self) -> Failure {
        match self.class {
            Class::Denied => {
                let action = self.denied_action();
                Failure::new(Kind::Credentials, self.to_string())
                    .help(format!("allow `{action}` for the identity that shipit acts as"))
            }
            Class::Expired => Failure::new(Kind::Credentials, self.to_string())
                .help("renew the credentials (`aws sso login`, AWS_PROFILE, the CI job's role) and run the same command again"),
            Class::NotFound => Failure::new(Kind::Preflight, self.to_string())
                .help("correct the name in the pipeline, or its environment's account and region"),
            Class::Transient | Class::Throttled | Class::Refused | Class::Unknown | Class::GuardSaysNo => {
                Failure::new(Kind::Unexpected, self.to_string())
            }
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

impl std::error::Error for AwsError {}

/// Service and operation, as IAM writes them.
pub type Call = (&'static str, &'static str);

/// What AWS or the network says, made harmless: one line, no control characters, bounded.
pub(super) fn one_line(text: &str) -> String {
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
        assert_eq!(AwsError { class: Class::NotFound, ..error(None, "x") }.into_failure().kind, Kind::Preflight);
    }
}
