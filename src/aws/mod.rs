//! AWS as shipit needs it: one set of clients per account and region, read-only sweeps, and the few calls that change
//! something. Nothing is judged here, and nothing waits: a call returns what was seen.
//!
//! All clients are made in one place, [`Aws::at`]: up to four attempts with at most 10 s between them, 15 s per
//! attempt and 50 s per call, so that a driver is never longer without a word than that. Whoever needs more (an upload)
//! overrides it per call. Before every attempt of a call that changes something the [`SharedGuard`] is asked.

mod answer;
mod autoscaling;
mod bundles;
mod class;
mod cloudwatch;
mod codedeploy;
mod deploy;
mod elb;
mod error;
mod groups;
mod guard;
mod identity;
mod lambda;
mod metric_data;
mod metrics;
mod observe;
mod observe_function;
mod release;
mod secrets;
mod serving;
mod shared;

use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_codedeploy::config::retry::{RetryConfig, RetryPartition, TokenBucket};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use jiff::Timestamp;

pub use deploy::{CreateDeployment, Wait, active_deployment};
pub(crate) use error::failed;
pub use error::{AwsError, Call, Class, Result};
pub use groups::GroupState;
pub use guard::{Calls, SharedGuard, is_mutating};
pub use metric_data::{Measured, Series, Trouble};
pub use metrics::{VersionCalls, any_series, front_minutes, front_series};
pub use observe::{FleetLook, FunctionLook};

/// Where clients come from.
#[derive(Clone, Debug)]
pub struct Aws {
    config: SdkConfig,
    calls: Calls,
}

/// The clients of one account and region.
#[derive(Clone, Debug)]
pub struct Clients {
    /// The region's code.
    pub region: String,
    calls: Calls,
    autoscaling: aws_sdk_autoscaling::Client,
    cloudwatch: aws_sdk_cloudwatch::Client,
    codedeploy: aws_sdk_codedeploy::Client,
    elb: aws_sdk_elasticloadbalancingv2::Client,
    lambda: aws_sdk_lambda::Client,
    s3: aws_sdk_s3::Client,
    sts: aws_sdk_sts::Client,
    vault: secrets::Vault,
}

/// Makes one client. Its retry budget is its own: by default it would be shared by all clients of the process, so that
/// one simulation could starve another.
macro_rules! client {
    ($service:ident, $config:expr, $gate:expr $(, $setting:ident($value:expr))*) => {{
        let builder = $service::config::Builder::from($config)
            .interceptor($gate.clone())
            .interceptor(answer::OwnAnswers)
            .retry_classifier(answer::AskAgain)
            .retry_partition(RetryPartition::custom("shipit").token_bucket(TokenBucket::new(500)).build());
        $(let builder = builder.$setting($value);)*
        $service::Client::from_conf(builder.build())
    }};
}

impl Aws {
    /// Clients will be made from this: credentials, HTTP client, endpoint, time source and sleep are in it already.
    pub fn new(config: SdkConfig) -> Aws {
        let time = config.time_source().unwrap_or_else(|| SharedTimeSource::new(SystemTimeSource::new()));
        let sleep = config.sleep_impl().unwrap_or_else(|| SharedAsyncSleep::new(TokioSleep::new()));
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(Duration::from_secs(15))
            .operation_timeout(Duration::from_secs(50))
            .build();
        let config = config
            .into_builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .time_source(time)
            .sleep_impl(sleep)
            .retry_config(RetryConfig::standard().with_max_attempts(4).with_max_backoff(Duration::from_secs(10)))
            .timeout_config(timeouts)
            .build();
        Aws { config, calls: Calls::default() }
    }

    /// The same for what a command does once, and no loop does again: up to ten attempts per call, within the same 50 s.
    /// AWS that throttles a third of all calls must not stop a deploy before it has begun.
    #[must_use]
    pub fn patient(&self) -> Aws {
        let retries = RetryConfig::standard().with_max_attempts(10).with_max_backoff(Duration::from_secs(10));
        let config = self.config.to_builder().retry_config(retries).build();
        Aws { config, calls: self.calls.clone() }
    }

    /// When the credentials of whoever started shipit end, if that is known. They are what roles are assumed with.
    pub async fn credentials_end(&self) -> Option<Timestamp> {
        let provider = self.config.credentials_provider()?;
        let credentials = provider.provide_credentials().await.ok()?;
        Timestamp::try_from(credentials.expiry()?).ok()
    }

    /// The time by which signatures are made and credentials end.
    pub fn now(&self) -> Timestamp {
        let now = self.config.time_source().map_or_else(std::time::SystemTime::now, |time| time.now());
        Timestamp::try_from(now).unwrap_or_default()
    }

    /// How often each operation was sent by all clients together.
    pub fn calls(&self) -> &Calls {
        &self.calls
    }

    /// The clients of a region. With a role they act as that role under the session's name, which tells the run in
    /// CloudTrail; the account is the role's or the caller's own ([`Clients::caller`] says which). Nothing is sent yet:
    /// a role that cannot be assumed shows with the first call.
    pub async fn at(&self, region: &str, role: Option<&str>, session: &str, guard: Option<SharedGuard>) -> Clients {
        let mut config = self.config.to_builder().region(Region::new(region.to_owned())).build();
        if let Some(role) = role {
            let provider =
                AssumeRoleProvider::builder(role).session_name(session_name(session)).configure(&config).build().await;
            config = config
                .into_builder()
                .credentials_provider(SharedCredentialsProvider::new(provider))
                .identity_cache(IdentityCache::lazy().build())
                .build();
        }
        let gate = guard::Gate { guard, calls: self.calls.clone() };
        // Whatever is not AWS itself (the sandbox, a test) is reached by path: bucket names are no host names there.
        let by_path = config.endpoint_url().is_some();
        Clients {
            region: region.to_owned(),
            calls: self.calls.clone(),
            autoscaling: client!(aws_sdk_autoscaling, &config, gate),
            cloudwatch: client!(aws_sdk_cloudwatch, &config, gate),
            codedeploy: client!(aws_sdk_codedeploy, &config, gate),
            elb: client!(aws_sdk_elasticloadbalancingv2, &config, gate),
            lambda: client!(aws_sdk_lambda, &config, gate),
            s3: client!(aws_sdk_s3, &config, gate, force_path_style(by_path)),
            sts: client!(aws_sdk_sts, &config, gate),
            vault: secrets::Vault::new(config, self.calls.clone()),
        }
    }
}

impl Clients {
    /// The client for buckets, for the store.
    pub fn s3(&self) -> &aws_sdk_s3::Client {
        &self.s3
    }

    /// How often each operation was sent.
    pub fn calls(&self) -> &Calls {
        &self.calls
    }
}

/// A session's name as STS takes it: 2 to 64 letters, digits and `=,.@_-`.
fn session_name(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "=,.@_-".contains(c);
    let name: String = text.chars().map(|c| if fits(c) { c } else { '-' }).take(64).collect();
    if name.len() < 2 { "shipit".to_owned() } else { name }
}

#[cfg(test)]
mod tests;
