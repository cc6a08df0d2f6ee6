//! The clients against the sandbox: in-process, through the real SDK, in virtual time.

mod deploying;
mod failing;
mod observing;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use bytes::Bytes;
use http_body_util::BodyExt;

use super::*;
use crate::model::Revision;
use crate::model::facts::{Deployment, Status};
use crate::model::pipeline::FleetRef;
use ::sandbox::doc::{Doc, doc};
use ::sandbox::front::Dropped;
use ::sandbox::hosts::model::ModelHosts;
use ::sandbox::world::{Scope, Site};
use ::sandbox::{Sandbox, Settings};
use clock::Clock;

const ACCOUNT: &str = "111122223333";
const REGION: &str = "ap-northeast-2";

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
            let (parts, body) = request.try_into_http1x().unwrap().into_parts();
            let body: Bytes = body.collect().await.unwrap().to_bytes();
            match sandbox.handle(http::Request::from_parts(parts, body)).await {
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

/// A sandbox and clients that act as a user of it.
struct Stage {
    sandbox: Sandbox,
    aws: Aws,
    clients: Clients,
    scope: Scope,
}

impl Stage {
    async fn new() -> Stage {
        let clock = Clock::starting_at("2026-11-20T10:00:00Z".parse().unwrap(), 1.0);
        let hosts = Arc::new(ModelHosts::default());
        let sandbox = Sandbox::new(Settings { clock, wire: clock, hosts, seed: 7, sockets: false });
        let user = sandbox.add_user(ACCOUNT, "ann");
        let credentials = Credentials::new(&user.access_key_id, &user.secret, None, None, "test");
        let config = SdkConfig::builder()
            .region(Region::new(REGION))
            .endpoint_url("http://sandbox")
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(SharedHttpClient::new(InProcess(sandbox.clone())))
            .time_source(SharedTimeSource::new(WireTime(clock)))
            .build();
        let aws = Aws::new(config);
        let clients = aws.at(REGION, None, "test", None).await;
        let site = Site { account: ACCOUNT.into(), region: REGION.into() };
        let scope = Scope { site, caller: format!("arn:aws:iam::{ACCOUNT}:user/ann") };
        Stage { sandbox, aws, clients, scope }
    }

    fn call(&self, service: &str, operation: &str, input: &Doc) -> Doc {
        self.sandbox.world.call(&self.scope, service, operation, input).unwrap()
    }

    /// A load balancer, a target group, two instances and a deployment group that copies them.
    async fn with_fleet() -> Stage {
        let stage = Stage::new().await;
        let group = doc! { "Name" => "web", "Protocol" => "HTTP", "Port" => 80, "HealthCheckPath" => "/healthz" };
        let answer = stage.call("elasticloadbalancing", "CreateTargetGroup", &group);
        let arn = answer.list("TargetGroups")[0].text("TargetGroupArn").unwrap().to_owned();
        let drain = doc! { "Key" => "deregistration_delay.timeout_seconds", "Value" => "40" };
        let attributes = doc! { "TargetGroupArn" => &arn, "Attributes" => vec![drain] };
        stage.call("elasticloadbalancing", "ModifyTargetGroupAttributes", &attributes);
        let balancer = doc! { "Name" => "front", "Subnets" => vec!["subnet-a"] };
        let answer = stage.call("elasticloadbalancing", "CreateLoadBalancer", &balancer);
        let balancer = answer.list("LoadBalancers")[0].text("LoadBalancerArn").unwrap().to_owned();
        let forward = doc! { "Type" => "forward", "TargetGroupArn" => &arn };
        let listener = doc! {
            "LoadBalancerArn" => &balancer, "Port" => 80, "Protocol" => "HTTP", "DefaultActions" => vec![forward],
        };
        stage.call("elasticloadbalancing", "CreateListener", &listener);
        stage.add_instances(&arn);
        stage.add_deployment_group("storefront-web");
        stage.pass(120).await;
        stage
    }

    fn add_instances(&self, target_group: &str) {
        let template = doc! { "ImageId" => "ami-1", "InstanceType" => "t3.micro" };
        let template = doc! { "LaunchTemplateName" => "web", "LaunchTemplateData" => template };
        self.call("ec2", "CreateLaunchTemplate", &template);
        let tag = |key: &str, value: &str| doc! { "Key" => key, "Value" => value, "PropagateAtLaunch" => true };
        let source = doc! { "LaunchTemplateName" => "web", "Version" => "$Latest" };
        let group = doc! {
            "AutoScalingGroupName" => "web-asg",
            "LaunchTemplate" => source,
            "MinSize" => 0,
            "MaxSize" => 4,
            "DesiredCapacity" => 2,
            "VPCZoneIdentifier" => "subnet-a,subnet-b",
            "TargetGroupARNs" => vec![target_group],
            "Tags" => vec![tag("team", "shop"), tag("app", "web")],
        };
        self.call("autoscaling", "CreateAutoScalingGroup", &group);
    }

    fn add_deployment_group(&self, name: &str) {
        if name == "storefront-web" {
            self.call("codedeploy", "CreateApplication", &doc! { "applicationName" => "storefront" });
        }
        let copy = doc! {
            "deploymentReadyOption" =>
                doc! { "actionOnTimeout" => "STOP_DEPLOYMENT", "waitTimeInMinutes" => 60 },
            "terminateBlueInstancesOnDeploymentSuccess" =>
                doc! { "action" => "TERMINATE", "terminationWaitTimeInMinutes" => 45 },
            "greenFleetProvisioningOption" => doc! { "action" => "COPY_AUTO_SCALING_GROUP" },
        };
        let balancers = doc! { "targetGroupInfoList" => vec![doc! { "name" => "web" }] };
        let group = doc! {
            "applicationName" => "storefront",
            "deploymentGroupName" => name,
            "serviceRoleArn" => format!("arn:aws:iam::{ACCOUNT}:role/codedeploy"),
            "deploymentConfigName" => "CodeDeployDefault.HalfAtATime",
            "autoScalingGroups" => vec!["web-asg"],
            "deploymentStyle" =>
                doc! { "deploymentType" => "BLUE_GREEN", "deploymentOption" => "WITH_TRAFFIC_CONTROL" },
            "blueGreenDeploymentConfiguration" => copy,
            "loadBalancerInfo" => balancers,
        };
        self.call("codedeploy", "CreateDeploymentGroup", &group);
    }

    async fn pass(&self, seconds: u64) {
        self.sandbox.world.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// Uploads a bundle and returns where it lies, its version pinned.
    async fn bundle(&self, release: &str) -> Revision {
        let s3 = self.clients.s3();
        let place = aws_sdk_s3::types::BucketLocationConstraint::from(REGION);
        let place = aws_sdk_s3::types::CreateBucketConfiguration::builder().location_constraint(place).build();
        if s3.create_bucket().bucket("bundles").create_bucket_configuration(place).send().await.is_ok() {
            let versions = aws_sdk_s3::types::VersioningConfiguration::builder()
                .status(aws_sdk_s3::types::BucketVersioningStatus::Enabled)
                .build();
            s3.put_bucket_versioning().bucket("bundles").versioning_configuration(versions).send().await.unwrap();
        }
        let key = format!("{release}.zip");
        let put = s3.put_object().bucket("bundles").key(&key).body(zipped(release).into()).send().await.unwrap();
        let etag = put.e_tag().map(|etag| etag.trim_matches('"').to_owned());
        Revision { bucket: "bundles".into(), key, version: put.version_id().map(str::to_owned), etag }
    }

    async fn create(&self, revision: &Revision, description: &str) -> Result<String> {
        let wanted = CreateDeployment {
            application: "storefront",
            group: "storefront-web",
            revision,
            description,
            config: None,
            suspend: &[],
            ignore_stop_failures: false,
            alarms: None,
            auto_rollback: true,
        };
        self.clients.create(wanted).await
    }

    /// Waits until a deployment is as wanted.
    async fn until(&self, id: &str, is_there: impl Fn(&Deployment) -> bool) -> Deployment {
        for _ in 0..400 {
            let deployment = self.clients.deployment(id).await.unwrap();
            if is_there(&deployment) {
                return deployment;
            }
            self.pass(10).await;
        }
        panic!("{id} does not get there: {:?}", self.clients.deployment(id).await)
    }

    /// Ships a release to its end.
    async fn ship(&self, release: &str) -> (String, Revision) {
        let revision = self.bundle(release).await;
        let id = self.create(&revision, release).await.unwrap();
        self.until(&id, |it| it.status == Status::Ready).await;
        self.clients.resume(&id, Wait::Ready).await.unwrap();
        self.until(&id, |it| it.is_waiting_to_terminate).await;
        self.clients.resume(&id, Wait::Termination).await.unwrap();
        self.until(&id, |it| it.status == Status::Succeeded).await;
        (id, revision)
    }
}

fn fleet() -> FleetRef {
    FleetRef { application: "storefront".into(), deployment_group: "storefront-web".into() }
}

fn zipped(release: &str) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let hooks = "ValidateService:\n    - location: check.sh\n      timeout: 60\n";
    let appspec =
        format!("version: 0.0\nos: linux\nfiles:\n  - {{source: /, destination: /srv/app}}\nhooks:\n  {hooks}");
    let model = format!("release: {release}\nlistens: true\n");
    for (name, text) in [("appspec.yml", appspec.as_str()), ("check.sh", "true\n"), ("model.yml", &model)] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}
