//! The sandbox over TCP on loopback, spoken to by a client that is not ours: the AWS SDK with its own HTTP client.
#![allow(clippy::unwrap_used, clippy::panic)]

mod wire {
    mod commands;
    mod functions;
    mod objects;
    mod sockets;
}

use std::net::SocketAddr;
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::SdkConfig;
use aws_types::region::Region;
use clock::Clock;
use sandbox::hosts::{Backend, Hosts, Launched};
use sandbox::{Sandbox, Settings, World};

const REGION: &str = "ap-northeast-2";

/// Nothing here needs an instance.
struct NoHosts;
impl Hosts for NoHosts {
    fn launch(&self, _world: &Arc<World>, _instance: &Launched) {}
    fn terminate(&self, _id: &str) {}
    fn backend(&self, _id: &str, _port: u16) -> Option<Backend> {
        None
    }
}

/// A sandbox that serves on a port, and the configuration of a client.
async fn serve() -> (Sandbox, SocketAddr, SdkConfig) {
    let (clock, wire) = (Clock::wall(), Clock::wall());
    let sandbox = Sandbox::new(Settings { clock, wire, hosts: Arc::new(NoHosts), seed: 1, sockets: true });
    let user = sandbox.add_user("111122223333", "ann");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(sandbox.clone().serve(listener));
    let credentials = Credentials::new(user.access_key_id, user.secret, None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(format!("http://{address}"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(aws_smithy_types::retry::RetryConfig::disabled())
        .build();
    (sandbox, address, config)
}

/// The same with a client for S3 and a bucket called `bkt`.
async fn serve_bucket() -> (Sandbox, SocketAddr, aws_sdk_s3::Client) {
    let (sandbox, address, config) = serve().await;
    let client =
        aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build());
    let place = aws_sdk_s3::types::BucketLocationConstraint::from(REGION);
    let place = aws_sdk_s3::types::CreateBucketConfiguration::builder().location_constraint(place).build();
    client.create_bucket().bucket("bkt").create_bucket_configuration(place).send().await.unwrap();
    (sandbox, address, client)
}
