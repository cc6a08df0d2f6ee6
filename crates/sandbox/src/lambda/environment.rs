//! What functions run on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::super::world::World;
use super::nouns::{Config, Content};

/// Execution environments: processes, or models in virtual time.
pub trait Environments: Send + Sync {
    /// Answers one invocation, in an environment that answers no other one meanwhile.
    fn run<'a>(&'a self, world: &'a Arc<World>, task: Task) -> BoxFuture<'a, Done>;
}

/// An invocation as an environment gets it.
#[derive(Clone)]
pub struct Task {
    /// The request's id.
    pub id: String,
    /// The function.
    pub function: String,
    /// Its region.
    pub region: String,
    /// The ARN that was invoked.
    pub arn: String,
    /// The version that was chosen.
    pub version: String,
    /// The ARN of that version.
    pub version_arn: String,
    /// The event, JSON.
    pub event: Bytes,
    /// What the caller said about itself, if anything.
    pub client_context: Option<String>,
    /// `X-Amzn-Trace-Id`.
    pub trace: String,
    /// Whether the caller wants to see what was written.
    pub wants_log: bool,
    pub(super) content: Content,
}

/// What became of an invocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// What the function answered, or what went wrong.
    pub body: Bytes,
    /// Whether the function failed.
    pub is_error: bool,
    /// Lines that it wrote.
    pub log: Vec<String>,
    /// How long it worked, in wire time.
    pub took: Duration,
    /// How long the environment took to start, if it had to.
    pub init: Option<Duration>,
    /// The most memory that its process ever had, in bytes, if that was asked for and can be told.
    pub memory: Option<u64>,
}

/// The largest answer.
pub(super) const ANSWER: usize = 6_291_556;

impl Task {
    pub(super) fn config(&self) -> &Config {
        &self.content.config
    }

    /// How long the function may work, in wire time.
    pub(super) fn limit(&self) -> Duration {
        Duration::from_secs(self.config().timeout.unsigned_abs())
    }

    /// What is said in the name of a function that did not answer in time.
    pub(super) fn timed_out(&self) -> Bytes {
        let message =
            format!("RequestId: {} Error: Task timed out after {}.00 seconds", self.id, self.config().timeout);
        failure("Sandbox.Timedout", &message)
    }
}

/// The answer of the service in the name of a function that failed.
pub(super) fn failure(kind: &str, message: &str) -> Bytes {
    let kind = serde_json::Value::from(kind);
    let message = serde_json::Value::from(message);
    format!(r#"{{"errorType":{kind},"errorMessage":{message}}}"#).into()
}
