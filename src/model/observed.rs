//! What one read-only sweep found before a plan is made. Everything is as AWS said it; nothing is judged here.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::revision::Revision;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// Twelve digits.
    pub account: String,
    /// The identity's ARN.
    pub arn: String,
}

/// A fleet: the deployment group and what it stands on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fleet {
    /// The deployment group.
    pub group: Group,
    /// The Auto Scaling groups that it names and that exist.
    pub scaling_groups: Vec<ScalingGroup>,
    /// The target groups that it names and that exist.
    pub target_groups: Vec<TargetGroup>,
    /// The load balancers in front of them.
    pub load_balancers: Vec<LoadBalancer>,
    /// How many hosts the deployment configuration keeps healthy; none if there is no such configuration for hosts.
    pub min_healthy: Option<MinHealthy>,
    /// How zones follow each other, if the deployment configuration says so.
    pub zones: Option<Zones>,
    /// Other deployment groups that name one of the same Auto Scaling groups or have a lifecycle hook on it.
    pub shared_with: Vec<String>,
    /// The conditions' alarms and the group's own, as far as they exist.
    pub alarms: Vec<Alarm>,
    /// What was wrong with the answers of probes that were asked once.
    pub probe_troubles: Vec<String>,
    /// Math of conditions that CloudWatch refuses, and why.
    pub math_troubles: Vec<String>,
    /// What serves now, if a deployment ever succeeded.
    pub baseline: Option<Baseline>,
    /// Why what serves now could not be deployed again, if it could not: it came from elsewhere than a bucket.
    pub baseline_trouble: Option<String>,
    /// An unfinished deployment of the group.
    pub active: Option<ActiveDeployment>,
    /// Auto Scaling groups that CodeDeploy once made for this deployment group, other than the live one.
    pub leftovers: Vec<String>,
    /// What could not be seen, and why: a person should know, nothing depends on it.
    pub remarks: Vec<String>,
}

impl Fleet {
    /// Whether nobody is served yet: nothing was ever deployed, and no target is healthy anywhere.
    pub fn serves_nobody(&self) -> bool {
        let mut targets = self.target_groups.iter().flat_map(|group| &group.targets);
        self.baseline.is_none() && !targets.any(|target| target.state == "healthy")
    }
}

/// A deployment group's settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// The application.
    pub application: String,
    /// The group.
    pub name: String,
    /// `Server`, `Lambda`, `ECS`.
    pub platform: String,
    /// `IN_PLACE` or `BLUE_GREEN`.
    pub deployment_type: String,
    /// `WITH_TRAFFIC_CONTROL` or `WITHOUT_TRAFFIC_CONTROL`.
    pub traffic_option: String,
    /// `COPY_AUTO_SCALING_GROUP` or `DISCOVER_EXISTING`.
    pub provisioning: Option<String>,
    /// `STOP_DEPLOYMENT` or `CONTINUE_DEPLOYMENT`, and minutes.
    pub ready: Option<(String, i64)>,
    /// `TERMINATE` or `KEEP_ALIVE`, and minutes.
    pub termination: Option<(String, i64)>,
    /// The deployment configuration's name.
    pub config: String,
    /// Names of Auto Scaling groups.
    pub scaling_groups: Vec<String>,
    /// Names of target groups.
    pub target_groups: Vec<String>,
    /// Names of Classic Load Balancers.
    pub classic_balancers: Vec<String>,
    /// Whether tags select instances, too.
    pub has_tag_filters: bool,
    /// Whether hosts that scaled out during a deployment are left with the release before.
    pub keeps_outdated: bool,
    /// Whether the group's alarms count.
    pub alarms_enabled: bool,
    /// The group's alarms.
    pub alarms: Vec<String>,
}

/// An Auto Scaling group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScalingGroup {
    /// Its name.
    pub name: String,
    /// Least, wanted and greatest size.
    pub sizes: (i64, i64, i64),
    /// Its instances.
    pub instances: Vec<Instance>,
    /// Tags that are copied, as `key=value`, sorted; `aws:` and CodeDeploy's own are left out.
    pub tags: Vec<String>,
    /// The deployment that made it, by CodeDeploy's own tag.
    pub made_by: Option<String>,
    /// The CloudFormation stack that owns it, by its tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    /// Subnets, comma-separated, as AWS says them.
    pub subnets: String,
    /// Health checks: `EC2` or `ELB`.
    pub health_check: String,
    /// Names of scaling policies, sorted.
    pub policies: Vec<String>,
    /// Names of scheduled actions, sorted.
    pub schedules: Vec<String>,
    /// Names of lifecycle hooks that are not CodeDeploy's, sorted.
    pub hooks: Vec<String>,
    /// Suspended processes, sorted.
    pub suspended: Vec<String>,
    /// Whether it has a warm pool.
    pub has_warm_pool: bool,
    /// Whether it is being deleted.
    pub is_deleting: bool,
}

/// An instance as its Auto Scaling group sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// `i-…`.
    pub id: String,
    /// Such as `InService`.
    pub state: String,
    /// Whether Auto Scaling calls it healthy.
    pub is_healthy: bool,
    /// The resolved launch template version.
    pub template_version: Option<String>,
    /// Its Availability Zone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub zone: String,
}

impl Instance {
    /// Whether it serves as far as Auto Scaling knows.
    pub fn is_in_service(&self) -> bool {
        self.state == "InService" && self.is_healthy
    }
}

/// A target group with the health of its targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetGroup {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// `HTTP`, `HTTPS`, `TCP`…
    pub protocol: String,
    /// ARNs of the load balancers that use it.
    pub balancers: Vec<String>,
    /// Seconds that a deregistered target drains.
    pub drain_seconds: u64,
    /// Seconds between health checks, and how many make a target healthy.
    pub health_check: (u64, u64),
    /// Its targets.
    pub targets: Vec<TargetHealth>,
}

/// The health of one target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TargetHealth {
    /// The instance.
    pub id: String,
    /// Such as `healthy`, `draining`.
    pub state: String,
    /// Such as `Target.Timeout`, if AWS gave one.
    pub reason: Option<String>,
}

/// A load balancer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadBalancer {
    /// Its ARN.
    pub arn: String,
    /// `application`, `network`, …
    pub kind: String,
    /// Its host name.
    pub dns_name: String,
    /// Protocol and port of each listener, and the target groups that its default action forwards to.
    pub listeners: Vec<Listener>,
}

/// A listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listener {
    /// `HTTP` or `HTTPS`.
    pub protocol: String,
    /// Its port.
    pub port: u16,
    /// ARNs of the target groups that its default action forwards to.
    pub target_groups: Vec<String>,
}

/// A deployment configuration's floor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MinHealthy {
    /// `HOST_COUNT`, `FLEET_PERCENT`, or a word of AWS's own.
    pub kind: String,
    /// Hosts or percent.
    pub value: i64,
}

/// How a deployment configuration lets zones follow each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zones {
    /// How long a finished zone is waited for before the next.
    pub monitor_seconds: u64,
    /// The same after the first zone.
    pub first_monitor_seconds: u64,
    /// How many hosts of the zone that is worked on stay healthy.
    pub min_healthy: MinHealthy,
}

/// A deployment configuration for hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostsConfig {
    /// Its name.
    pub name: String,
    /// How many hosts stay healthy.
    pub min_healthy: MinHealthy,
    /// How zones follow each other, if they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zones: Option<Zones>,
}

/// An alarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// `OK`, `ALARM`, `INSUFFICIENT_DATA`.
    pub state: String,
    /// What CloudWatch says about the state.
    pub reason: String,
    /// Since when it is in that state, if CloudWatch says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Seconds per period and how many periods must be bad before it turns red, if it is a metric alarm.
    pub window: Option<(u64, u64)>,
}

/// What serves before the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// The release's label, if shipit shipped it.
    pub release: Option<String>,
    /// The bundle of the last successful deployment.
    pub revision: Revision,
    /// That deployment.
    pub deployment: String,
    /// Whether the bundle still exists, as far as could be seen.
    pub bundle_exists: bool,
}

impl Baseline {
    /// What people call it: its release, or else its bundle.
    pub fn label(&self) -> String {
        self.release.clone().unwrap_or_else(|| self.revision.label())
    }
}

/// A deployment under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveDeployment {
    /// `d-…`.
    pub id: String,
    /// Such as `InProgress`.
    pub status: String,
    /// Such as `user`, `autoscaling`, `codeDeployRollback`.
    pub creator: String,
    /// What its creator wrote.
    pub description: String,
    /// When it began.
    pub created: Option<Timestamp>,
}
