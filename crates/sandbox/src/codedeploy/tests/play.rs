//! A world with one application in it, and words to ask about it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::doc::{Doc, doc};
use crate::hosts::Backend;
use crate::hosts::agent::bundle::tests::zipped;
use crate::hosts::model::ModelHosts;
use crate::s3::{Bucket, Object, Versioning};
use crate::world::{ApiError, Reply, Scope, Settings, Site, World};
use clock::Clock;

/// An AppSpec with a script for every hook.
pub const APPSPEC: &str = "version: 0.0
os: linux
files: [{source: /, destination: /srv/app}]
hooks:
  ApplicationStop: [{location: run.sh}]
  AfterInstall: [{location: run.sh}]
  ApplicationStart: [{location: run.sh}]
  ValidateService: [{location: run.sh}]
";

pub struct Play {
    pub world: Arc<World>,
    pub scope: Scope,
    pub target_group: String,
}

impl Play {
    /// Three instances serve behind a target group that drains for a minute; the group is deployed to in place, one after
    /// the other.
    pub async fn new() -> Play {
        Play::of(3, "subnet-a").await
    }

    /// The same with so many instances, spread over the zones of these subnets.
    pub async fn of(size: i64, subnets: &str) -> Play {
        let world = World::new(Settings {
            clock: Clock::starting_at("2026-11-20T10:00:00Z".parse().unwrap(), 1.0),
            wire: Clock::wall(),
            hosts: Arc::new(ModelHosts::default()),
            seed: 7,
            sockets: false,
        });
        let site = Site { account: "111122223333".to_owned(), region: "ap-northeast-2".to_owned() };
        let scope = Scope { site, caller: "arn:aws:iam::111122223333:user/tester".to_owned() };
        let mut play = Play { world, scope, target_group: String::new() };
        play.bucket();
        play.fleet(size, subnets);
        play.pass(60).await;
        play.codedeploy("CreateApplication", doc! { "applicationName" => "shop" });
        play.codedeploy("CreateDeploymentGroup", play.group());
        play
    }

    /// The same with release v1 on it, and the group set to blue/green.
    pub async fn blue_green(ready_minutes: i64, termination_minutes: i64) -> Play {
        let play = Play::new().await;
        let baseline = play.deploy("v1", doc! {});
        play.pass(900).await;
        assert_eq!(play.status(&baseline), "Succeeded", "{:?} {:?}", play.why(&baseline), play.lifecycles(&baseline));
        let ready = match ready_minutes {
            0 => doc! { "actionOnTimeout" => "CONTINUE_DEPLOYMENT" },
            wait => doc! { "actionOnTimeout" => "STOP_DEPLOYMENT", "waitTimeInMinutes" => wait },
        };
        play.update(doc! {
            "autoScalingGroups" => vec!["web"],
            "deploymentStyle" => doc! { "deploymentType" => "BLUE_GREEN", "deploymentOption" => "WITH_TRAFFIC_CONTROL" },
            "blueGreenDeploymentConfiguration" => doc! {
                "deploymentReadyOption" => ready,
                "terminateBlueInstancesOnDeploymentSuccess" =>
                    doc! { "action" => "TERMINATE", "terminationWaitTimeInMinutes" => termination_minutes },
                "greenFleetProvisioningOption" => doc! { "action" => "COPY_AUTO_SCALING_GROUP" },
            },
        });
        play
    }

    fn bucket(&self) {
        let bucket = Bucket {
            account: self.scope.site.account.clone(),
            region: self.scope.site.region.clone(),
            created: self.world.now(),
            versioning: Versioning::Enabled,
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
            tags: Vec::new(),
        };
        self.world.lock().s3.buckets.insert("bundles".to_owned(), bucket);
        for release in ["v1", "v2", "v3"] {
            self.bundle(release, "");
        }
    }

    /// Puts a bundle of this release, with more lines for its `model.yml`.
    pub fn bundle(&self, release: &str, model: &str) {
        let model = format!("release: {release}\n{model}");
        self.object(release, &[("appspec.yml", APPSPEC), ("run.sh", "#!/bin/sh\n"), ("model.yml", &model)]);
    }

    /// Puts a bundle of these files, in the place of what had that key.
    pub fn object(&self, key: &str, files: &[(&str, &str)]) {
        let body = Bytes::from(zipped(files));
        let object = Object { body, etag: format!("etag-{key}"), ..Object::default() };
        let now = self.world.now();
        let mut state = self.world.lock();
        let bucket = state.s3.bucket("bundles").unwrap();
        bucket.objects.remove(key);
        bucket.put(key, &version(key), now, object);
    }

    fn fleet(&mut self, size: i64, subnets: &str) {
        let settings = doc! {
            "Name" => "web", "Protocol" => "HTTP", "Port" => 8080, "HealthCheckPath" => "/healthz",
            "HealthCheckIntervalSeconds" => 10, "HealthyThresholdCount" => 2,
        };
        let made = self.ask("elasticloadbalancing", "CreateTargetGroup", settings);
        self.target_group = made.list("TargetGroups")[0].text("TargetGroupArn").unwrap().to_owned();
        let attribute = doc! { "Key" => "deregistration_delay.timeout_seconds", "Value" => "60" };
        let drain = doc! { "TargetGroupArn" => &self.target_group, "Attributes" => vec![attribute] };
        self.ask("elasticloadbalancing", "ModifyTargetGroupAttributes", drain);
        let made = self.ask(
            "elasticloadbalancing",
            "CreateLoadBalancer",
            doc! { "Name" => "web", "Subnets" => vec!["subnet-a"] },
        );
        let balancer = made.list("LoadBalancers")[0].text("LoadBalancerArn").unwrap().to_owned();
        let forward = doc! { "Type" => "forward", "TargetGroupArn" => &self.target_group };
        let listener = doc! { "LoadBalancerArn" => balancer, "Port" => 80, "Protocol" => "HTTP", "DefaultActions" => vec![forward] };
        self.ask("elasticloadbalancing", "CreateListener", listener);
        let template = doc! { "ImageId" => "ami-1", "InstanceType" => "t3.micro" };
        self.ask(
            "ec2",
            "CreateLaunchTemplate",
            doc! { "LaunchTemplateName" => "web", "LaunchTemplateData" => template },
        );
        let tag = doc! { "Key" => "team", "Value" => "shop", "PropagateAtLaunch" => true };
        self.asg(
            "CreateAutoScalingGroup",
            doc! {
                "AutoScalingGroupName" => "web", "MinSize" => size.min(2), "MaxSize" => size.max(6), "DesiredCapacity" => size,
                "LaunchTemplate" => doc! { "LaunchTemplateName" => "web", "Version" => "$Latest" },
                "VPCZoneIdentifier" => subnets, "TargetGroupARNs" => vec![&self.target_group], "Tags" => vec![tag],
            },
        );
        let policy = doc! {
            "AutoScalingGroupName" => "web", "PolicyName" => "grow", "AdjustmentType" => "ChangeInCapacity",
            "ScalingAdjustment" => 1,
        };
        self.asg("PutScalingPolicy", policy);
    }

    /// The members of the deployment group.
    pub fn group(&self) -> Doc {
        let web = vec![doc! { "name" => "web" }];
        doc! {
            "applicationName" => "shop", "deploymentGroupName" => "web", "autoScalingGroups" => vec!["web"],
            "serviceRoleArn" => "arn:aws:iam::111122223333:role/codedeploy",
            "deploymentStyle" => doc! { "deploymentType" => "IN_PLACE", "deploymentOption" => "WITH_TRAFFIC_CONTROL" },
            "loadBalancerInfo" => doc! { "targetGroupInfoList" => web },
        }
    }

    pub async fn pass(&self, seconds: u64) {
        self.world.clock.sleep(Duration::from_secs(seconds)).await;
    }

    pub fn try_ask(&self, service: &str, operation: &str, input: Doc) -> Reply {
        self.world.call(&self.scope, service, operation, &input)
    }

    pub fn ask(&self, service: &str, operation: &str, input: Doc) -> Doc {
        self.try_ask(service, operation, input).unwrap_or_else(|refused| panic!("{operation}: {refused:?}"))
    }

    pub fn asg(&self, operation: &str, input: Doc) -> Doc {
        self.ask("autoscaling", operation, input)
    }

    pub fn codedeploy(&self, operation: &str, input: Doc) -> Doc {
        self.ask("codedeploy", operation, input)
    }

    pub fn refused(&self, operation: &str, input: Doc) -> ApiError {
        self.try_ask("codedeploy", operation, input).expect_err(operation)
    }

    /// Changes members of the group.
    pub fn update(&self, members: Doc) {
        self.codedeploy(
            "UpdateDeploymentGroup",
            with(doc! { "applicationName" => "shop", "currentDeploymentGroupName" => "web" }, members),
        );
    }

    /// Members that make every bad end trigger a rollback.
    pub fn guarded() -> Doc {
        let events = vec!["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"];
        doc! { "autoRollbackConfiguration" => doc! { "enabled" => true, "events" => events } }
    }

    pub fn stop(&self, id: &str) -> Doc {
        self.codedeploy("StopDeployment", doc! { "deploymentId" => id })
    }

    /// Kills an instance, as a broken machine would go.
    pub fn kill(&self, instance: &str) {
        self.ask("ec2", "TerminateInstances", doc! { "InstanceId" => vec![instance] });
    }

    pub fn order(release: &str, members: Doc) -> Doc {
        let place =
            doc! { "bucket" => "bundles", "key" => release, "bundleType" => "zip", "version" => version(release) };
        let revision = doc! { "revisionType" => "S3", "s3Location" => place };
        with(doc! { "applicationName" => "shop", "deploymentGroupName" => "web", "revision" => revision }, members)
    }

    /// Creates a deployment of a release.
    pub fn deploy(&self, release: &str, members: Doc) -> String {
        let made = self.codedeploy("CreateDeployment", Play::order(release, members));
        made.text("deploymentId").unwrap().to_owned()
    }

    pub fn deployment(&self, id: &str) -> Doc {
        self.codedeploy("GetDeployment", doc! { "deploymentId" => id }).get("deploymentInfo").clone()
    }

    pub fn status(&self, id: &str) -> String {
        self.deployment(id).text("status").unwrap().to_owned()
    }

    /// Code and message of why it failed.
    pub fn why(&self, id: &str) -> (String, String) {
        let why = self.deployment(id).get("errorInformation").clone();
        (why.text("code").unwrap_or_default().to_owned(), why.text("message").unwrap_or_default().to_owned())
    }

    /// The deployment that rolls this one back.
    pub fn rollback_of(&self, id: &str) -> String {
        let deployment = self.deployment(id);
        let info = deployment.get("rollbackInfo");
        let rollback = info.text("rollbackDeploymentId").unwrap_or_else(|| panic!("{info:?}")).to_owned();
        let text =
            format!("Deployment {id} terminated. Automatic rollback is triggered with a DeploymentId {rollback}.");
        assert_eq!(info.text("rollbackMessage"), Some(text.as_str()));
        let back = self.deployment(&rollback);
        assert_eq!(back.text("creator"), Some("codeDeployRollback"));
        let info = back.get("rollbackInfo");
        assert_eq!(info.text("rollbackTriggeringDeploymentId"), Some(id));
        let text = format!("Deployment {rollback} is triggered to roll back deployment {id}.");
        assert_eq!(info.text("rollbackMessage"), Some(text.as_str()));
        rollback
    }

    /// A line per target: label, status, and each event with its status's first letters.
    pub fn lifecycles(&self, id: &str) -> Vec<String> {
        let ids = self.codedeploy("ListDeploymentTargets", doc! { "deploymentId" => id }).texts("targetIds");
        if ids.is_empty() {
            return Vec::new();
        }
        let all = self.codedeploy("BatchGetDeploymentTargets", doc! { "deploymentId" => id, "targetIds" => ids });
        all.list("deploymentTargets").iter().map(|target| lifecycle(target.get("instanceTarget"))).collect()
    }

    pub fn fleet_names(&self) -> Vec<String> {
        let known = self.asg("DescribeAutoScalingGroups", doc! {});
        known.list("AutoScalingGroups").iter().map(|it| it.text("AutoScalingGroupName").unwrap().to_owned()).collect()
    }

    pub fn described(&self, fleet: &str) -> Doc {
        let known = self.asg("DescribeAutoScalingGroups", doc! { "AutoScalingGroupNames" => vec![fleet] });
        known.list("AutoScalingGroups").first().cloned().unwrap_or(Doc::Null)
    }

    pub fn instances(&self, fleet: &str) -> Vec<String> {
        let fleet = self.described(fleet);
        fleet.list("Instances").iter().map(|it| it.text("InstanceId").unwrap().to_owned()).collect()
    }

    pub fn hooks(&self, fleet: &str) -> Vec<String> {
        let known = self.asg("DescribeLifecycleHooks", doc! { "AutoScalingGroupName" => fleet });
        known.list("LifecycleHooks").iter().map(|it| it.text("LifecycleHookName").unwrap().to_owned()).collect()
    }

    /// The names and hooks of the deployment group's Auto Scaling groups.
    pub fn group_fleets(&self) -> Vec<(String, String)> {
        let input = doc! { "applicationName" => "shop", "deploymentGroupName" => "web" };
        let group = self.codedeploy("GetDeploymentGroup", input);
        let fleets = group.get("deploymentGroupInfo").list("autoScalingGroups").to_vec();
        fleets.iter().map(|it| (it.text("name").unwrap().to_owned(), it.text("hook").unwrap().to_owned())).collect()
    }

    /// What each registered instance answers, with its health: such as `v1 healthy`.
    pub fn traffic(&self) -> Vec<String> {
        let health =
            self.ask("elasticloadbalancing", "DescribeTargetHealth", doc! { "TargetGroupArn" => &self.target_group });
        let targets = health.list("TargetHealthDescriptions");
        let line = |it: &Doc| {
            let release = self.release(it.get("Target").text("Id").unwrap());
            format!("{release} {}", it.get("TargetHealth").text("State").unwrap())
        };
        targets.iter().map(line).collect()
    }

    /// The release that an instance answers with; `-` if nothing listens.
    pub fn release(&self, instance: &str) -> String {
        let Some(Backend::Model(app)) = self.world.hosts.backend(instance, 8080) else { return "-".to_owned() };
        let request = http::Request::get("/healthz").body(Bytes::new()).unwrap();
        let answer = app.answer(&request);
        let release = answer.and_then(|it| it.headers().get("x-release").map(|it| it.to_str().unwrap().to_owned()));
        release.unwrap_or_else(|| "-".to_owned())
    }
}

fn with(mut members: Doc, more: Doc) -> Doc {
    if let Doc::Map(more) = more {
        more.into_iter().for_each(|(name, value)| members.set(&name, value));
    }
    members
}

fn lifecycle(target: &Doc) -> String {
    let mut line =
        [target.text("instanceLabel"), target.text("status")].into_iter().flatten().collect::<Vec<_>>().join(" ");
    for event in target.list("lifecycleEvents") {
        let (name, status) = (event.text("lifecycleEventName").unwrap(), event.text("status").unwrap());
        line.push_str(&format!(" {name}:{}", &status[..2]));
    }
    line
}

/// The version id of a bundle: as long as S3's are.
fn version(key: &str) -> String {
    format!("{key:x>32}")
}
