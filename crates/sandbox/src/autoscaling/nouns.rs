//! The things of this service.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Notify;

use super::super::doc::Doc;
use super::super::world::Site;
use super::Place;
use super::source::Source;

/// A group.
pub(super) struct Group {
    pub name: String,
    pub arn: String,
    pub created: Timestamp,
    pub source: Source,
    pub min: i64,
    pub max: i64,
    pub desired: i64,
    pub zones: Vec<String>,
    /// What is kept as it was given and shown again; see `groups::SETTINGS`.
    pub settings: Doc,
    pub target_groups: Vec<Attached>,
    /// In the order of their launch.
    pub instances: Vec<Instance>,
    /// Suspended processes and since when.
    pub suspended: BTreeMap<&'static str, Timestamp>,
    /// Values, and whether new instances get them.
    pub tags: BTreeMap<String, (String, bool)>,
    pub hooks: BTreeMap<String, Hook>,
    pub policies: BTreeMap<String, Doc>,
    pub schedules: BTreeMap<String, Doc>,
    /// Topics and kinds of notices.
    pub notices: BTreeSet<(String, String)>,
    pub metrics: BTreeSet<String>,
    pub warm_pool: Option<Doc>,
    pub deleting: bool,
    /// Why the capacity was last changed; the activities that follow quote it.
    pub request: Option<String>,
    /// Wakes the keeper, also when the group ends.
    pub wake: Arc<Notify>,
}

/// A target group whose targets are the group's instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attached {
    pub arn: String,
    /// Since the group exists.
    pub from_start: bool,
}

/// An instance as a member of its group.
pub(super) struct Instance {
    pub id: String,
    pub kind: String,
    pub zone: String,
    pub phase: Phase,
    pub healthy: bool,
    /// `LaunchTemplate` or `LaunchConfigurationName`, resolved.
    pub source: Vec<(String, Doc)>,
    pub protected: bool,
    /// Whether it was launched to balance the group's zones, beyond its capacity.
    pub balances: bool,
    pub in_service_since: Option<Timestamp>,
    pub actions: Vec<Action>,
    /// Wakes the task that walks it through its life.
    pub wake: Arc<Notify>,
}

/// Where an instance is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Pending,
    PendingWait,
    PendingProceed,
    InService,
    Terminating,
    TerminatingWait,
    TerminatingProceed,
    Detaching,
    EnteringStandby,
    Standby,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Pending => "Pending",
            Phase::PendingWait => "Pending:Wait",
            Phase::PendingProceed => "Pending:Proceed",
            Phase::InService => "InService",
            Phase::Terminating => "Terminating",
            Phase::TerminatingWait => "Terminating:Wait",
            Phase::TerminatingProceed => "Terminating:Proceed",
            Phase::Detaching => "Detaching",
            Phase::EnteringStandby => "EnteringStandby",
            Phase::Standby => "Standby",
        })
    }
}

impl Phase {
    /// Whether an instance here counts towards the desired capacity.
    pub fn counts(self) -> bool {
        matches!(self, Phase::Pending | Phase::PendingWait | Phase::PendingProceed | Phase::InService)
    }

    /// Whether it is on its way out to be terminated.
    pub fn is_terminating(self) -> bool {
        matches!(self, Phase::Terminating | Phase::TerminatingWait | Phase::TerminatingProceed)
    }
}

/// A lifecycle hook.
#[derive(Clone, Debug)]
pub(super) struct Hook {
    pub name: String,
    pub launching: bool,
    /// Seconds of world time.
    pub heartbeat: i64,
    /// Whether silence means that the launch goes on.
    pub default_continue: bool,
    pub metadata: Option<String>,
    pub target: Option<String>,
    pub role: Option<String>,
}

/// A hook that makes an instance wait.
pub(super) struct Action {
    pub hook: String,
    pub token: String,
    pub heartbeat: i64,
    pub default_continue: bool,
    pub deadline: Timestamp,
    /// No heartbeat moves the deadline beyond this.
    pub latest: Timestamp,
    pub result: Option<Outcome>,
}

/// How a lifecycle action ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Continue,
    Abandon,
    /// Nobody said anything, and the default is to abandon.
    TimedOut,
}

/// Something that the service does.
pub(super) struct Activity {
    pub id: String,
    pub group: String,
    pub group_arn: String,
    pub description: String,
    pub cause: String,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    pub status: &'static str,
    pub message: Option<String>,
    pub progress: i64,
    pub zone: String,
}

impl Drop for Group {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}

impl Group {
    /// Where its tasks find it.
    pub fn place(&self, site: &Site) -> Place {
        Place { site: site.clone(), group: self.name.clone(), arn: self.arn.clone() }
    }

    /// Whether a process is suspended.
    pub fn is_suspended(&self, process: &str) -> bool {
        self.suspended.contains_key(process)
    }

    /// How many instances count towards the desired capacity.
    pub fn capacity(&self) -> i64 {
        let count = self.instances.iter().filter(|instance| instance.phase.counts()).count();
        i64::try_from(count).unwrap_or(i64::MAX)
    }

    /// Seconds after an instance came into service in which a load balancer's verdict does not count.
    pub fn grace(&self) -> i64 {
        self.settings.int("HealthCheckGracePeriod").unwrap_or(0)
    }

    /// Whether the load balancer's checks count.
    pub fn asks_load_balancer(&self) -> bool {
        self.settings.text("HealthCheckType").unwrap_or_default().split(',').any(|kind| kind.trim() == "ELB")
    }

    /// The subnets, in the order in which they were given.
    pub fn subnets(&self) -> Vec<String> {
        let subnets = self.settings.text("VPCZoneIdentifier").unwrap_or_default();
        subnets.split(',').map(str::trim).filter(|subnet| !subnet.is_empty()).map(str::to_owned).collect()
    }
}
