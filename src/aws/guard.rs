//! What stands before every attempt of every call: the lease guard, and a counter.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// Asked right before every attempt of a call that changes something. Whoever may no longer act says why.
pub type SharedGuard = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// How often each operation was sent, retries included, as `service:Operation`.
#[derive(Clone, Debug, Default)]
pub struct Calls(Arc<Mutex<BTreeMap<String, u64>>>);

impl Calls {
    /// The counts so far.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All of them together.
    pub fn total(&self) -> u64 {
        self.counts().values().sum()
    }

    pub(super) fn add(&self, call: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(call).or_default() += 1;
    }
}

/// Whether an operation may change something. Reads are known by their names, so that a new operation counts as a
/// change until somebody says otherwise.
pub fn is_mutating(operation: &str) -> bool {
    !["Describe", "Get", "List", "BatchGet", "Head"].iter().any(|read| operation.starts_with(read))
}

/// The guard's no, on its way through the SDK.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

/// Stands in every client.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) guard: Option<SharedGuard>,
    pub(super) calls: Calls,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

impl Intercept for Gate {
    fn name(&self) -> &'static str {
        "shipit-gate"
    }

    /// The last moment before the bytes leave: credentials, signature and waits between retries lie behind.
    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let call = config.load::<Metadata>();
        let operation = call.map_or("", |call| call.name());
        if let Some(guard) = self.guard.as_ref().filter(|_| is_mutating(operation)) {
            guard().map_err(Refusal)?;
        }
        self.calls.add(format!("{}:{operation}", call.map_or("", |call| iam_prefix(call.service()))));
        Ok(())
    }
}

/// The name of a service in IAM actions.
fn iam_prefix(service: &str) -> &str {
    match service {
        "Auto Scaling" => "autoscaling",
        "CloudWatch" => "cloudwatch",
        "CodeDeploy" => "codedeploy",
        "Elastic Load Balancing v2" => "elasticloadbalancing",
        "Lambda" => "lambda",
        "S3" => "s3",
        "STS" => "sts",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::is_mutating;

    #[test]
    fn what_is_not_known_to_read_changes_something() {
        for read in ["DescribeAlarms", "GetDeployment", "ListDeployments", "BatchGetDeployments", "HeadObject"] {
            assert!(!is_mutating(read), "{read}");
        }
        for change in ["CreateDeployment", "StopDeployment", "PutObject", "DeleteAutoScalingGroup", "BatchDelete", ""] {
            assert!(is_mutating(change), "{change}");
        }
    }
}
