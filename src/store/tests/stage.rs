//! A bucket in a sandbox of this process.

use std::sync::Arc;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::SdkConfig;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use crate::aws::{Aws, Clients};
use crate::event::record::Record;
use crate::model::pipeline::Store;
use crate::model::{Name, RunId};
use crate::rehearsal::inproc::{InProcess, Open};
use crate::store::holder::Holder;
use crate::store::lock::Claim;
use crate::store::{Bucket, Keys};
use ::sandbox::faults::{Action, Kind, Rule, Target, When};
use ::sandbox::hosts::model::ModelHosts;
use ::sandbox::{Sandbox, Settings};
use clock::Clock;

const REGION: &str = "ap-northeast-2";

/// A sandbox with one versioned bucket.
pub struct Stage {
    pub sandbox: Sandbox,
    pub bucket: Bucket,
    pub keys: Keys,
    pub clock: Clock,
    pub http: SharedHttpClient,
    pub clients: Clients,
    key: String,
}

#[derive(Debug)]
struct Wire(Clock);

impl TimeSource for Wire {
    fn now(&self) -> SystemTime {
        self.0.now().into()
    }
}

pub fn run(letter: char) -> RunId {
    RunId::parse(&format!("20261121-090000-{}", String::from(letter).repeat(4))).unwrap()
}

pub fn at(seconds: i64) -> Timestamp {
    "2026-11-21T09:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

/// A process that nobody can tell to be gone.
pub fn holder(who: &str) -> Holder {
    Holder { who: who.to_owned(), pid: 1, birth: None }
}

pub fn claim_of(letter: char) -> Claim {
    Claim {
        run: run(letter),
        since: at(0),
        by: "ann".into(),
        why: "deploy".into(),
        build: None,
        parent: None,
        back: None,
        origin: None,
        again: None,
        recovers: false,
    }
}

pub fn started(token: u64) -> Record {
    Record::DriverStarted { token, holder: "test".into() }
}

impl Stage {
    pub async fn new() -> Stage {
        let clock = Clock::starting_at(at(0), 1.0);
        let hosts = Arc::new(ModelHosts::default());
        let sandbox = Sandbox::new(Settings { clock, wire: clock, hosts, seed: 7, sockets: false });
        let user = sandbox.add_user("111122223333", "ann");
        let credentials = Credentials::new(&user.access_key_id, &user.secret, None, None, "test");
        let http = SharedHttpClient::new(InProcess::new(sandbox.clone(), Arc::new(Open)));
        let config = SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .http_client(http.clone())
            .endpoint_url("http://127.0.0.1:4566")
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .time_source(SharedTimeSource::new(Wire(clock)))
            .build();
        let clients = Aws::new(config).at(REGION, None, "test", None).await;
        let s3 = clients.s3().clone();
        let place = aws_sdk_s3::types::CreateBucketConfiguration::builder().location_constraint(REGION.into()).build();
        s3.create_bucket().bucket("acme").create_bucket_configuration(place).send().await.unwrap();
        let versions = aws_sdk_s3::types::VersioningConfiguration::builder().status("Enabled".into()).build();
        s3.put_bucket_versioning().bucket("acme").versioning_configuration(versions).send().await.unwrap();
        let name = |text: &str| Name::new(text).unwrap();
        let store = Store { bucket: "acme".into(), prefix: "team".into() };
        let keys = Keys::new(&store, &name("shop"), &name("production"));
        let bucket = Bucket::new(s3, "acme");
        Stage { sandbox, bucket, keys, clock, http, clients, key: user.access_key_id }
    }

    /// Something happens to the next so many calls of an operation; each attempt of the SDK counts.
    pub fn disturb(&self, operation: &str, calls: u64, when: When, action: &Action) {
        self.sandbox.clear_faults();
        for nth in 1..=calls {
            self.add(operation, "", nth, when, action.clone());
        }
    }

    /// Also, something happens to the next call of an operation.
    pub fn disturb_once(&self, operation: &str, when: When, action: Action) {
        self.add(operation, "", 1, when, action);
    }

    /// Also, something happens to each call about a resource, before its effect.
    pub fn disturb_all(&self, operation: &str, resource: &str, action: Action) {
        self.add(operation, resource, 0, When::Before, action);
    }

    fn add(&self, operation: &str, resource: &str, nth: u64, when: When, action: Action) {
        let (service, operation, resource) = ("s3".into(), operation.into(), resource.into());
        let target = Target { service, operation, resource, nth, when, action };
        self.sandbox.add_fault(Rule { caller: None, kind: Kind::Target(target) });
    }

    /// How often an operation was called.
    pub fn calls(&self, operation: &str) -> u64 {
        self.sandbox.calls(&self.key).get(&format!("s3:{operation}")).copied().unwrap_or(0)
    }

    /// Writes an object whatever is there.
    pub async fn overwrite(&self, key: &str, body: impl Into<Bytes>) {
        let body: Bytes = body.into();
        self.bucket.client().put_object().bucket("acme").key(key).body(body.into()).send().await.unwrap();
    }

    pub async fn text(&self, key: &str) -> String {
        String::from_utf8(self.bucket.get(key).await.unwrap().unwrap().bytes.to_vec()).unwrap()
    }
}
