//! Whole deployments in place onto real hosts behind a load balancer: over an old release, and back from a bad one.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clock::{Clock, wall_now};
use sandbox::doc::{Doc, doc};
use sandbox::hosts::confine::Allowed;
use sandbox::hosts::real::RealHosts;
use sandbox::s3::{Bucket, Object, Versioning};
use sandbox::world::{Scope, Settings, Site, World};

use super::hosts::{PROGRAM, healthz, storefront, zipped};

/// Two hosts of an Auto Scaling group, behind a load balancer, and a deployment group.
struct Fleet {
    world: Arc<World>,
    scope: Scope,
    hosts: Arc<RealHosts>,
    directory: PathBuf,
}

impl Fleet {
    async fn new() -> Fleet {
        let directory = std::env::temp_dir().join(format!("shipit-in-place-{}", std::process::id()));
        let hosts = Arc::new(RealHosts::start(PROGRAM.into(), directory.clone(), Allowed::Confined).unwrap());
        let clock = Clock::starting_at(wall_now(), 60.0);
        let world = World::new(Settings { clock, wire: Clock::wall(), hosts: hosts.clone(), seed: 7, sockets: true });
        let site = Site { account: "111122223333".to_owned(), region: "ap-northeast-2".to_owned() };
        let caller = "arn:aws:iam::111122223333:user/tester".to_owned();
        let bucket = Bucket {
            account: site.account.clone(),
            region: site.region.clone(),
            created: world.now(),
            versioning: Versioning::Off,
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
            tags: Vec::new(),
        };
        world.lock().s3.buckets.insert("bundles".to_owned(), bucket);
        let fleet = Fleet { world, scope: Scope { site, caller }, hosts, directory };
        fleet.provision();
        fleet.until("two hosts", || fleet.instances().len() == 2).await;
        fleet
    }

    fn provision(&self) {
        let settings = doc! {
            "Name" => "web", "Protocol" => "HTTP", "Port" => 8080, "HealthCheckPath" => "/healthz",
            "HealthCheckIntervalSeconds" => 10, "HealthyThresholdCount" => 2,
        };
        let made = self.ask("elasticloadbalancing", "CreateTargetGroup", settings);
        let target_group = made.list("TargetGroups")[0].text("TargetGroupArn").unwrap().to_owned();
        let delay = doc! { "Key" => "deregistration_delay.timeout_seconds", "Value" => "60" };
        let drain = doc! { "TargetGroupArn" => &target_group, "Attributes" => vec![delay] };
        self.ask("elasticloadbalancing", "ModifyTargetGroupAttributes", drain);
        let made = self.ask(
            "elasticloadbalancing",
            "CreateLoadBalancer",
            doc! { "Name" => "web", "Subnets" => vec!["subnet-a"] },
        );
        let balancer = made.list("LoadBalancers")[0].text("LoadBalancerArn").unwrap().to_owned();
        let forward = doc! { "Type" => "forward", "TargetGroupArn" => &target_group };
        let listener = doc! { "LoadBalancerArn" => balancer, "Port" => 80, "Protocol" => "HTTP", "DefaultActions" => vec![forward] };
        self.ask("elasticloadbalancing", "CreateListener", listener);
        let template = doc! { "ImageId" => "ami-1", "InstanceType" => "t3.micro" };
        let named = doc! { "LaunchTemplateName" => "web", "LaunchTemplateData" => template };
        self.ask("ec2", "CreateLaunchTemplate", named);
        let source = doc! { "LaunchTemplateName" => "web", "Version" => "$Latest" };
        self.ask("autoscaling", "CreateAutoScalingGroup", doc! {
            "AutoScalingGroupName" => "web", "MinSize" => 2, "MaxSize" => 2, "DesiredCapacity" => 2, "LaunchTemplate" => source,
            "VPCZoneIdentifier" => "subnet-a,subnet-b", "TargetGroupARNs" => vec![&target_group],
        });
        self.ask("codedeploy", "CreateApplication", doc! { "applicationName" => "shop" });
        let style = doc! { "deploymentType" => "IN_PLACE", "deploymentOption" => "WITH_TRAFFIC_CONTROL" };
        let groups = doc! { "targetGroupInfoList" => vec![doc! { "name" => "web" }] };
        self.ask(
            "codedeploy",
            "CreateDeploymentGroup",
            doc! {
                "applicationName" => "shop", "deploymentGroupName" => "web", "autoScalingGroups" => vec!["web"],
                "serviceRoleArn" => "arn:aws:iam::111122223333:role/codedeploy", "deploymentStyle" => style,
                "loadBalancerInfo" => groups,
            },
        );
    }

    fn ask(&self, service: &str, operation: &str, input: Doc) -> Doc {
        self.world.call(&self.scope, service, operation, &input).unwrap()
    }

    /// The hosts in service.
    fn instances(&self) -> Vec<String> {
        let known = self.ask("autoscaling", "DescribeAutoScalingGroups", doc! {});
        let members = known.list("AutoScalingGroups")[0].list("Instances").to_vec();
        let serving = members.iter().filter(|it| it.text("LifecycleState") == Some("InService"));
        serving.map(|it| it.text("InstanceId").unwrap().to_owned()).collect()
    }

    fn root(&self, host: &str) -> PathBuf {
        self.hosts.root(host).unwrap()
    }

    async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < Duration::from_secs(90), "{what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn deployment(&self, id: &str) -> Doc {
        self.ask("codedeploy", "GetDeployment", doc! { "deploymentId" => id }).get("deploymentInfo").clone()
    }

    /// Waits for a deployment's end, and says its status and, if it failed, what the hosts said.
    async fn end(&self, id: &str) -> (String, String) {
        let status = || self.deployment(id).text("status").unwrap().to_owned();
        self.until(id, || ["Succeeded", "Failed", "Stopped"].contains(&status().as_str())).await;
        let ids = self.ask("codedeploy", "ListDeploymentTargets", doc! { "deploymentId" => id }).texts("targetIds");
        let all =
            self.ask("codedeploy", "BatchGetDeploymentTargets", doc! { "deploymentId" => id, "targetIds" => ids });
        let events =
            all.list("deploymentTargets").iter().flat_map(|it| it.get("instanceTarget").list("lifecycleEvents"));
        let failed = events.filter(|event| event.text("status") == Some("Failed"));
        let said = failed.map(|event| {
            let diagnostics = event.get("diagnostics");
            [event.text("lifecycleEventName"), diagnostics.text("message")]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(" ")
        });
        (status(), said.collect::<Vec<_>>().join(", "))
    }

    /// Deploys the storefront as a release of this name, with one more line for its settings.
    async fn deploy(&self, release: &str, setting: &str) -> (String, (String, String)) {
        let files = storefront(release);
        let mut files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let settings = format!("RELEASE={release}\n{setting}");
        files.retain(|(name, _)| *name != "release.env");
        files.push(("release.env", &settings));
        let object = Object { body: Bytes::from(zipped(&files)), etag: release.to_owned(), ..Object::default() };
        let now = self.world.now();
        self.world.lock().s3.bucket("bundles").unwrap().put(release, "", now, object);
        let place = doc! { "bucket" => "bundles", "key" => release, "bundleType" => "zip", "eTag" => release };
        let events = vec!["DEPLOYMENT_FAILURE"];
        let made = self.ask(
            "codedeploy",
            "CreateDeployment",
            doc! {
                "applicationName" => "shop", "deploymentGroupName" => "web",
                "revision" => doc! { "revisionType" => "S3", "s3Location" => place },
                "autoRollbackConfiguration" => doc! { "enabled" => true, "events" => events },
            },
        );
        let id = made.text("deploymentId").unwrap().to_owned();
        let end = self.end(&id).await;
        (id, end)
    }

    /// The release on each host: by its files and by what it answers.
    fn releases(&self) -> Vec<(String, String)> {
        let told = |host: &String| {
            let settings = fs::read_to_string(self.root(host).join("srv/storefront/release.env")).unwrap_or_default();
            let on_disk = settings.lines().next().unwrap_or_default().replace("RELEASE=", "");
            (on_disk, healthz(&self.hosts, host).1)
        };
        self.instances().iter().map(told).collect()
    }

    /// The directory in which the host's agent keeps what came with a deployment.
    fn kept(&self, host: &str, deployment: &str) -> PathBuf {
        let group = self.ask(
            "codedeploy",
            "GetDeploymentGroup",
            doc! { "applicationName" => "shop", "deploymentGroupName" => "web" },
        );
        let group = group.get("deploymentGroupInfo").text("deploymentGroupId").unwrap().to_owned();
        self.root(host).join("opt/codedeploy-agent/deployment-root").join(group).join(deployment)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_hosts_are_rolled_over_and_back() {
    let fleet = Fleet::new().await;
    let both = |release: &str| vec![(release.to_owned(), release.to_owned()); 2];
    let fine = || ("Succeeded".to_owned(), String::new());
    let (_, end) = fleet.deploy("one", "").await;
    assert_eq!((end, fleet.releases()), (fine(), both("one")));

    let host = fleet.instances()[0].clone();
    let old = fs::read_to_string(fleet.root(&host).join("run/storefront.pid")).unwrap().trim().to_owned();
    let (two, end) = fleet.deploy("two", "").await;
    assert_eq!((end, fleet.releases()), (fine(), both("two")));
    let log = fs::read_to_string(fleet.kept(&host, &two).join("logs/scripts.log")).unwrap();
    assert!(
        log.contains("LifecycleEvent - ApplicationStop") && !fleet.root(&host).join("proc").join(&old).exists(),
        "the old release's script stopped it: {log}"
    );

    let (three, (status, said)) = fleet.deploy("three", "FAULT=failing-hook=ValidateService\n").await;
    let text = "ValidateService Script at specified location: scripts/validate.sh failed with exit code 1";
    assert_eq!((status.as_str(), said.as_str()), ("Failed", text));
    let touched = fleet.instances().iter().filter(|host| fleet.kept(host, &three).exists()).count();
    assert_eq!(touched, 1, "the first failure ended it");
    fleet
        .until("a rollback", || fleet.deployment(&three).get("rollbackInfo").text("rollbackDeploymentId").is_some())
        .await;
    let back = fleet.deployment(&three).get("rollbackInfo").text("rollbackDeploymentId").unwrap().to_owned();
    assert_eq!((fleet.end(&back).await, fleet.releases()), (fine(), both("two")));
    let info = fleet.deployment(&back).get("rollbackInfo").clone();
    assert_eq!(info.text("rollbackTriggeringDeploymentId"), Some(three.as_str()));
    fleet.hosts.stop().await;
    fs::remove_dir_all(&fleet.directory).unwrap();
}
