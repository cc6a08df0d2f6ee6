//! The things of this service.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Notify;

use super::super::balancer::{Counts, Door};
use super::super::doc::Doc;

/// A load balancer.
pub(crate) struct LoadBalancer {
    pub arn: String,
    pub name: String,
    pub kind: String,
    pub scheme: String,
    pub subnets: Vec<String>,
    pub security_groups: Vec<String>,
    pub created: Timestamp,
    pub attributes: Vec<(String, String)>,
    pub counts: Counts,
    /// Model requests per second of world time.
    pub traffic: u32,
}

/// A target group.
pub(crate) struct TargetGroup {
    pub arn: String,
    pub name: String,
    pub settings: Settings,
    pub attributes: Vec<(String, String)>,
    /// By instance and port.
    pub targets: BTreeMap<(String, u16), Target>,
    /// Targets whose instances were terminated, and until when that is remembered.
    pub gone: BTreeMap<(String, u16), Timestamp>,
    /// How many registrations there were.
    pub registrations: u64,
    /// Wakes those who wait for the group to be used by a listener, also when the group ends.
    pub used: Arc<Notify>,
    /// How many requests it was given, for turns.
    pub turn: usize,
}

/// What a target group is created with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    pub protocol: String,
    pub protocol_version: String,
    pub port: u16,
    pub vpc: Option<String>,
    pub check: Check,
}

/// How the health of targets is found out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Check {
    pub protocol: String,
    pub port: String,
    pub path: String,
    /// Seconds of world time.
    pub interval: i64,
    /// Seconds.
    pub timeout: i64,
    pub healthy: i64,
    pub unhealthy: i64,
    /// Status codes that are healthy: `200`, `200,204`, `200-299`.
    pub matcher: String,
}

/// One registered target.
pub(crate) struct Target {
    pub state: Health,
    /// Which registration this is; checks of an earlier one do not count.
    pub registration: u64,
    pub passes: i64,
    pub failures: i64,
}

/// The health of a registered target, while its group is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Registering,
    Initial,
    Healthy,
    Unhealthy(Complaint),
    Draining,
}

/// Why a check failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Complaint {
    /// The status was not among those expected.
    Status(u16),
    /// No answer in time.
    Timeout,
    /// No connection, or no HTTP.
    NoAnswer,
}

/// A listener.
pub(crate) struct Listener {
    pub arn: String,
    pub load_balancer: String,
    pub port: u16,
    pub action: Action,
    /// Open while the listener exists, if the world has sockets.
    pub door: Option<Door>,
}

/// A rule of a listener, other than its default action.
pub(crate) struct Rule {
    pub arn: String,
    pub listener: String,
    pub priority: u16,
    pub conditions: Vec<Condition>,
    pub action: Action,
}

/// What a rule looks at: one of the values has to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Path(Vec<String>),
    Host(Vec<String>),
}

/// What is done with requests.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    Forward(Vec<Share>),
    Fixed { status: u16, content_type: Option<String>, body: String },
}

/// A target group's part of the traffic.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Share {
    pub target_group: String,
    pub weight: i64,
    /// How much of its part it has not had yet.
    pub owed: i64,
}

impl Action {
    /// Whether a target group gets traffic from this, were its weight not zero.
    pub fn names(&self, target_group: &str) -> bool {
        match self {
            Action::Forward(shares) => shares.iter().any(|share| share.target_group == target_group),
            Action::Fixed { .. } => false,
        }
    }

    /// The target groups it names.
    pub fn target_groups(&self) -> impl Iterator<Item = &str> {
        let shares = match self {
            Action::Forward(shares) => shares.as_slice(),
            Action::Fixed { .. } => &[],
        };
        shares.iter().map(|share| share.target_group.as_str())
    }
}

impl Drop for TargetGroup {
    fn drop(&mut self) {
        self.used.notify_waiters();
    }
}

impl TargetGroup {
    /// How long a target that was deregistered drains, in seconds of world time.
    pub fn deregistration_delay(&self) -> i64 {
        let name = "deregistration_delay.timeout_seconds";
        self.attributes.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.parse().ok()).unwrap_or(300)
    }

    /// The dimension by which metrics name it: `targetgroup/NAME/ID`.
    pub fn dimension(&self) -> String {
        self.arn.rsplit(':').next().unwrap_or_default().to_owned()
    }
}

impl LoadBalancer {
    /// The dimension by which metrics name it: `app/NAME/ID`.
    pub fn dimension(&self) -> String {
        self.arn.split_once(":loadbalancer/").map(|(_, name)| name).unwrap_or_default().to_owned()
    }
}

impl Check {
    /// Whether a status is among those expected.
    pub fn accepts(&self, status: u16) -> bool {
        self.matcher.split(',').any(|part| match part.split_once('-') {
            Some((low, high)) => (number(low)..=number(high)).contains(&status),
            None => number(part) == status,
        })
    }

    /// The port that is asked, for a target registered with this one.
    pub fn port_of(&self, target: u16) -> u16 {
        self.port.parse().unwrap_or(target)
    }
}

fn number(text: &str) -> u16 {
    text.trim().parse().unwrap_or(0)
}

/// A list of names and values as attributes are written.
pub(super) fn attribute_docs(attributes: &[(String, String)]) -> Vec<Doc> {
    attributes.iter().map(|(key, value)| super::super::doc::doc! { "Key" => key, "Value" => value }).collect()
}
