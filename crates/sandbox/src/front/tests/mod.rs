//! The front through the real SDK, in-process and in virtual time.

mod faults;
mod fleet;
mod rest;
mod services;
mod signatures;

use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use aws_types::region::Region;
use bytes::Bytes;
use http_body_util::BodyExt;

use super::*;
use crate::hosts::{Backend, Hosts, Launched};
use clock::Clock;

const ACCOUNT: &str = "111122223333";
const REGION: &str = "ap-northeast-2";

struct NoHosts;
impl Hosts for NoHosts {
    fn launch(&self, _world: &Arc<World>, _instance: &Launched) {}
    fn terminate(&self, _id: &str) {}
    fn backend(&self, _id: &str, _port: u16) -> Option<Backend> {
        None
    }
}

pub(crate) fn sandbox() -> Sandbox {
    let wire = Clock::starting_at("2026-03-01T12:00:00Z".parse().unwrap(), 1.0);
    // World time is another day, so that tests see which clock is used.
    let clock = Clock::starting_at("2030-01-01T00:00:00Z".parse().unwrap(), 1.0);
    Sandbox::new(Settings { clock, wire, hosts: Arc::new(NoHosts), seed: 7, sockets: false })
}

#[derive(Clone)]
struct InProcess(Sandbox);

impl std::fmt::Debug for InProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InProcess")
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let sandbox = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().unwrap();
            let (parts, body) = request.into_parts();
            let body: Bytes = body.collect().await.unwrap().to_bytes();
            match sandbox.handle(Request::from_parts(parts, body)).await {
                Ok(response) => Ok(HttpResponse::try_from(response.map(SdkBody::from)).unwrap()),
                Err(Dropped) => Err(ConnectorError::io("connection reset".into())),
            }
        })
    }
}

impl HttpClient for InProcess {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

#[derive(Debug)]
struct WireTime(Clock);
impl TimeSource for WireTime {
    fn now(&self) -> std::time::SystemTime {
        self.0.now().into()
    }
}

/// A configuration for the real SDK.
pub(crate) fn config(sandbox: &Sandbox, key: &str, secret: &str, token: Option<String>) -> SdkConfig {
    let credentials = Credentials::new(key, secret, token, None, "test");
    SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url("http://sandbox")
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(SharedHttpClient::new(InProcess(sandbox.clone())))
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .time_source(SharedTimeSource::new(WireTime(sandbox.world.wire)))
        .retry_config(aws_smithy_types::retry::RetryConfig::disabled())
        .build()
}

/// A sandbox, a user's key and the user's configuration.
pub(crate) fn with_user() -> (Sandbox, Credentials, SdkConfig) {
    let sandbox = sandbox();
    let user = sandbox.add_user(ACCOUNT, "ann");
    let config = config(&sandbox, &user.access_key_id, &user.secret, None);
    (sandbox, Credentials::new(user.access_key_id, user.secret, None, None, "test"), config)
}

pub(crate) fn s3(config: &SdkConfig) -> aws_sdk_s3::Client {
    aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(config).force_path_style(true).build())
}

/// A client of another user, who signs for a region.
pub(crate) fn s3_in(sandbox: &Sandbox, region: &str) -> aws_sdk_s3::Client {
    let user = sandbox.add_user(ACCOUNT, "bob");
    let config = config(sandbox, &user.access_key_id, &user.secret, None);
    s3(&config.into_builder().region(Region::new(region.to_owned())).build())
}

/// A client and a bucket called `bkt`.
pub(crate) async fn with_bucket() -> (Sandbox, aws_sdk_s3::Client) {
    let (sandbox, _, config) = with_user();
    let client = s3(&config);
    make_bucket(&client, "bkt").await;
    (sandbox, client)
}

pub(crate) async fn make_bucket(client: &aws_sdk_s3::Client, name: &str) {
    let place = aws_sdk_s3::types::BucketLocationConstraint::from(REGION);
    let place = aws_sdk_s3::types::CreateBucketConfiguration::builder().location_constraint(place).build();
    client.create_bucket().bucket(name).create_bucket_configuration(place).send().await.unwrap();
}

/// What an error says: status, code, and the further elements of its body, as one line.
pub(crate) fn refused<T: std::fmt::Debug, E: std::fmt::Debug>(
    result: Result<T, aws_sdk_s3::error::SdkError<E>>,
) -> String {
    let error = result.unwrap_err();
    let response = error.raw_response().unwrap_or_else(|| panic!("no answer: {error:?}"));
    let mut line = response.status().as_u16().to_string();
    let body = response.body().bytes().unwrap_or_default();
    if let Ok(body) = crate::wire::xml::parse(body) {
        let known = ["Message", "RequestId", "HostId"];
        for element in body.children.iter().filter(|element| !known.contains(&element.name.as_str())) {
            let name = if element.name == "Code" { String::new() } else { format!("{}=", element.name) };
            line.push_str(&format!(" {name}{}", element.text));
        }
    }
    line
}
