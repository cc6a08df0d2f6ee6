//! A world for tests of the services: model hosts whose answers the test decides.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

use super::doc::{Doc, doc};
use super::hosts::{Backend, Hosts, Launched, ModelApp};
use super::world::{ApiError, Reply, Scope, Settings, Site, World};
use clock::Clock;

/// A world in virtual time, and what its hosts answer.
pub struct Stage {
    pub world: Arc<World>,
    pub scope: Scope,
    pub cast: Arc<Cast>,
}

/// Hosts that answer 200, unless the test says otherwise.
#[derive(Default)]
pub struct Cast {
    /// Hosts that exist, and what they answer; nothing if they do not listen.
    pub answers: Mutex<BTreeMap<String, Option<u16>>>,
    /// How many requests each host got, health checks left out.
    pub served: Mutex<BTreeMap<String, usize>>,
    /// Real servers that hosts stand for.
    pub servers: Mutex<BTreeMap<String, SocketAddr>>,
}

struct App(Arc<Cast>, String);

impl ModelApp for App {
    fn answer(&self, request: &http::Request<Bytes>) -> Option<http::Response<Bytes>> {
        let status = self.0.answers.lock().unwrap().get(&self.1).copied().flatten()?;
        let agent = request.headers().get("user-agent").and_then(|agent| agent.to_str().ok());
        if !agent.is_some_and(|agent| agent.starts_with("ELB-HealthChecker")) {
            *self.0.served.lock().unwrap().entry(self.1.clone()).or_default() += 1;
        }
        Some(http::Response::builder().status(status).body(Bytes::from(self.1.clone())).unwrap())
    }
}

struct Shared(Arc<Cast>);

impl Hosts for Shared {
    fn launch(&self, _: &Arc<World>, instance: &Launched) {
        self.0.answers.lock().unwrap().insert(instance.id.clone(), Some(200));
    }

    fn terminate(&self, id: &str) {
        self.0.answers.lock().unwrap().remove(id);
    }

    fn backend(&self, id: &str, _: u16) -> Option<Backend> {
        if let Some(address) = self.0.servers.lock().unwrap().get(id) {
            return Some(Backend::Tcp(*address));
        }
        let exists = self.0.answers.lock().unwrap().contains_key(id);
        exists.then(|| Backend::Model(Arc::new(App(self.0.clone(), id.to_owned()))))
    }
}

impl Stage {
    /// Begins on 20 November 2026 at 10 o'clock.
    pub fn new() -> Stage {
        Stage::with(false)
    }

    pub fn with(sockets: bool) -> Stage {
        let cast = Arc::new(Cast::default());
        let world = World::new(Settings {
            clock: Clock::starting_at("2026-11-20T10:00:00Z".parse().unwrap(), 1.0),
            wire: Clock::wall(),
            hosts: Arc::new(Shared(cast.clone())),
            seed: 7,
            sockets,
        });
        let site = Site { account: "111122223333".to_owned(), region: "ap-northeast-2".to_owned() };
        let caller = "arn:aws:iam::111122223333:user/tester".to_owned();
        Stage { world, scope: Scope { site, caller }, cast }
    }

    pub fn try_call(&self, service: &str, operation: &str, input: Doc) -> Reply {
        self.world.call(&self.scope, service, operation, &input)
    }

    pub fn elb(&self, operation: &str, input: Doc) -> Doc {
        self.try_call("elasticloadbalancing", operation, input).unwrap()
    }

    pub fn asg(&self, operation: &str, input: Doc) -> Doc {
        self.try_call("autoscaling", operation, input).unwrap()
    }

    pub fn ec2(&self, operation: &str, input: Doc) -> Doc {
        self.try_call("ec2", operation, input).unwrap()
    }

    pub fn metrics(&self, operation: &str, input: Doc) -> Doc {
        self.try_call("monitoring", operation, input).unwrap()
    }

    pub fn error(&self, service: &str, operation: &str, input: Doc) -> ApiError {
        self.try_call(service, operation, input).unwrap_err()
    }

    pub async fn pass(&self, seconds: u64) {
        self.world.clock.sleep(Duration::from_secs(seconds)).await;
    }

    pub fn answers(&self, host: &str, status: Option<u16>) {
        self.cast.answers.lock().unwrap().insert(host.to_owned(), status);
    }

    /// Starts instances without a group; their hosts exist.
    pub fn run(&self, count: i64) -> Vec<String> {
        let input =
            doc! { "ImageId" => "ami-1", "InstanceType" => "t3.micro", "MinCount" => count, "MaxCount" => count };
        let answer = self.ec2("RunInstances", input);
        let ids: Vec<String> =
            answer.list("instancesSet").iter().map(|one| one.text("instanceId").unwrap().to_owned()).collect();
        ids.iter().for_each(|id| self.answers(id, Some(200)));
        ids
    }

    /// A target group of that name for port 8080.
    pub fn target_group(&self, name: &str) -> String {
        let input = doc! { "Name" => name, "Protocol" => "HTTP", "Port" => 8080, "HealthCheckPath" => "/healthz" };
        let answer = self.elb("CreateTargetGroup", input);
        answer.list("TargetGroups")[0].text("TargetGroupArn").unwrap().to_owned()
    }

    /// A load balancer with a listener that forwards to a target group; ARNs of both.
    pub fn front(&self, port: u16, target_group: &str) -> (String, String) {
        let answer =
            self.elb("CreateLoadBalancer", doc! { "Name" => format!("lb-{port}"), "Subnets" => vec!["subnet-a"] });
        let balancer = answer.list("LoadBalancers")[0].text("LoadBalancerArn").unwrap().to_owned();
        let action = doc! { "Type" => "forward", "TargetGroupArn" => target_group };
        let input = doc! { "LoadBalancerArn" => &balancer, "Port" => port, "Protocol" => "HTTP", "DefaultActions" => vec![action] };
        let answer = self.elb("CreateListener", input);
        (balancer, answer.list("Listeners")[0].text("ListenerArn").unwrap().to_owned())
    }

    pub fn register(&self, target_group: &str, ids: &[String]) {
        self.elb("RegisterTargets", targets(target_group, ids));
    }

    pub fn deregister(&self, target_group: &str, ids: &[String]) {
        self.elb("DeregisterTargets", targets(target_group, ids));
    }

    /// State and reason of all targets.
    pub fn health(&self, target_group: &str) -> Vec<String> {
        health_lines(&self.elb("DescribeTargetHealth", doc! { "TargetGroupArn" => target_group }))
    }

    /// A group of instances behind a target group, from a launch template that is made for it.
    pub fn group(&self, name: &str, size: i64, target_groups: Vec<&str>) {
        let template = doc! { "ImageId" => "ami-1", "InstanceType" => "t3.micro" };
        self.ec2("CreateLaunchTemplate", doc! { "LaunchTemplateName" => name, "LaunchTemplateData" => template });
        let source = doc! { "LaunchTemplateName" => name, "Version" => "$Latest" };
        self.asg(
            "CreateAutoScalingGroup",
            doc! {
                "AutoScalingGroupName" => name,
                "LaunchTemplate" => source,
                "MinSize" => 0,
                "MaxSize" => 10,
                "DesiredCapacity" => size,
                "VPCZoneIdentifier" => "subnet-a,subnet-b",
                "TargetGroupARNs" => target_groups,
            },
        );
    }

    /// A group as it is described; `Null` if there is none.
    pub fn described(&self, name: &str) -> Doc {
        let answer = self.asg("DescribeAutoScalingGroups", doc! { "AutoScalingGroupNames" => vec![name] });
        answer.list("AutoScalingGroups").first().cloned().unwrap_or(Doc::Null)
    }

    /// Ids of a group's instances.
    pub fn members(&self, name: &str) -> Vec<String> {
        let group = self.described(name);
        group.list("Instances").iter().map(|one| one.text("InstanceId").unwrap().to_owned()).collect()
    }

    /// Life cycle states of a group's instances.
    pub fn states(&self, name: &str) -> Vec<String> {
        let group = self.described(name);
        group.list("Instances").iter().map(|one| one.text("LifecycleState").unwrap().to_owned()).collect()
    }
}

/// State and reason of each target of an answer.
pub fn health_lines(answer: &Doc) -> Vec<String> {
    let line = |each: &Doc| {
        let health = each.get("TargetHealth");
        let words = [health.text("State"), health.text("Reason")];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    answer.list("TargetHealthDescriptions").iter().map(line).collect()
}

pub fn targets(target_group: &str, ids: &[String]) -> Doc {
    let targets: Vec<Doc> = ids.iter().map(|id| doc! { "Id" => id }).collect();
    doc! { "TargetGroupArn" => target_group, "Targets" => targets }
}
