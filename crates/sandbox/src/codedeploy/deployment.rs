//! A deployment and its targets.

use jiff::Timestamp;
use tokio::sync::watch;

use super::super::doc::Doc;
use super::events::Event;
use super::groups::Fleet;
use super::settings::{Alarms, AutoRollback, BlueGreen, Style};

/// A deployment.
#[derive(Debug)]
pub struct Deployment {
    /// `d-` and nine characters.
    pub id: String,
    /// Its application.
    pub application: String,
    /// Its group's name when it was made.
    pub group: String,
    /// Its group's id.
    pub group_id: String,
    /// What the worker does.
    pub job: Job,
    /// Who made it.
    pub creator: Creator,
    /// What it brings.
    pub revision: Doc,
    /// What the last successful deployment brought.
    pub previous: Option<Doc>,
    /// How it goes about it, fixed when it was made.
    pub terms: Terms,
    /// Where it stands.
    pub status: Status,
    /// Why it failed or was stopped.
    pub error: Option<Reason>,
    /// When it was made.
    pub created: Timestamp,
    /// When it left `Created`.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub completed: Option<Timestamp>,
    /// Its instances; `None` until they are known.
    pub targets: Option<Vec<Target>>,
    /// `rollbackInfo`.
    pub rollback: RollbackInfo,
    /// It has ended and a rollback of it is about to be made: the group's slot stays taken.
    pub rollback_due: bool,
    /// Whether blue's termination wait has begun.
    pub terminating: bool,
    /// Whether traffic was moved, or may have been.
    pub rerouted: bool,
    /// The group that was copied and the copy.
    pub fleets: Option<(String, String)>,
    /// The copy with its hooks, once they were moved there.
    pub green: Option<Fleet>,
    /// `deploymentStatusMessages`.
    pub messages: Vec<String>,
    /// The processes that it suspended and did not resume yet, by Auto Scaling group.
    pub suspended: Vec<(String, Vec<String>)>,
    /// The deployment that it follows on.
    pub root: Option<String>,
    /// The follow-on deployments to instances that launched with the old revision.
    pub updates: Vec<String>,
    /// What people asked of it while it ran.
    pub signals: watch::Sender<Signals>,
}

/// How a deployment goes about its job.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Blue/green or in place.
    pub style: Style,
    /// Given for blue/green.
    pub blue_green: Option<BlueGreen>,
    /// The name of its configuration.
    pub config: String,
    /// Its target groups' names.
    pub target_groups: Vec<String>,
    /// Alarms that stop it.
    pub alarms: Alarms,
    /// Ends that trigger a rollback.
    pub auto_rollback: AutoRollback,
    /// Whether failures of the previous revision's hooks fail an instance.
    pub ignore_stop_failures: bool,
    /// Whether instances that already have the revision are left out.
    pub only_outdated: bool,
    /// What Install does about files that it did not put there.
    pub file_exists: Option<String>,
    /// Auto Scaling processes that rest while it runs.
    pub suspend: Vec<String>,
    /// What was said about it.
    pub description: Option<String>,
    /// Members that `GetDeployment` gives back as they came.
    pub shown: Doc,
}

/// What a deployment's worker does.
#[derive(Clone, Debug)]
pub enum Job {
    /// Copy the group, install there, move traffic, delete the old one.
    BlueGreen,
    /// Install on the group's instances.
    InPlace,
    /// Install again on these instances: the rollback of a deployment in place, or an update of stragglers.
    Reinstall(Vec<String>),
    /// Bring traffic back to blue: the rollback of this blue/green deployment.
    RouteBack(String),
    /// Install on an instance whose launch is held for it.
    Launch(super::Held),
    /// Take an instance out whose termination is held for it.
    Leave(super::Held),
}

/// Who made a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creator {
    /// A caller of the API.
    User,
    /// A launch of Auto Scaling.
    Autoscaling,
    /// A termination of Auto Scaling.
    AutoscalingTermination,
    /// A failed or stopped deployment.
    Rollback,
    /// A deployment that found instances with an old revision when it had ended.
    AutoUpdate,
}

impl Creator {
    /// As the wire says it.
    pub fn name(self) -> &'static str {
        match self {
            Creator::User => "user",
            Creator::Autoscaling => "autoscaling",
            Creator::AutoscalingTermination => "autoscalingTermination",
            Creator::Rollback => "codeDeployRollback",
            Creator::AutoUpdate => "CodeDeployAutoUpdate",
        }
    }
}

/// Where a deployment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Accepted.
    Created,
    /// At work, or waiting to terminate blue.
    InProgress,
    /// Green is installed and waits to be continued.
    Ready,
    /// Done.
    Succeeded,
    /// Given up.
    Failed,
    /// Stopped by a person, an alarm or the end of the wait.
    Stopped,
}

impl Status {
    /// As the wire says it.
    pub fn name(self) -> &'static str {
        match self {
            Status::Created => "Created",
            Status::InProgress => "InProgress",
            Status::Ready => "Ready",
            Status::Succeeded => "Succeeded",
            Status::Failed => "Failed",
            Status::Stopped => "Stopped",
        }
    }

    /// Whether it has ended.
    pub fn is_final(self) -> bool {
        matches!(self, Status::Succeeded | Status::Failed | Status::Stopped)
    }
}

/// `errorInformation`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Such as `HEALTH_CONSTRAINTS`.
    pub code: &'static str,
    /// The text.
    pub message: String,
}

/// `rollbackInfo`, on either end.
#[derive(Clone, Debug, Default)]
pub struct RollbackInfo {
    /// On the deployment that failed: the rollback's id.
    pub rollback: Option<String>,
    /// On the rollback: the id of what failed.
    pub triggering: Option<String>,
    /// The text.
    pub message: Option<String>,
}

/// What people asked of a running deployment.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// It shall stop.
    pub stop: Option<Stop>,
    /// Traffic may move.
    pub reroute: bool,
    /// Blue may go now.
    pub terminate: bool,
}

/// Why a deployment shall stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// `StopDeployment`, with what it said about a rollback.
    Request {
        /// `autoRollbackEnabled`.
        rollback: Option<bool>,
    },
    /// An alarm is red, or cannot be read.
    Alarm(String),
    /// It has run for as long as it may.
    Timeout,
}

/// One instance of a deployment.
#[derive(Clone, Debug)]
pub struct Target {
    /// The instance's id.
    pub instance: String,
    /// Which fleet it is of; only in blue/green deployments.
    pub label: Option<Label>,
    /// Where it stands.
    pub status: TargetStatus,
    /// When that last changed.
    pub updated: Timestamp,
    /// Its lifecycle.
    pub events: Vec<EventRecord>,
}

/// Old or new fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// Old.
    Blue,
    /// New.
    Green,
}

impl Label {
    /// As the wire says it.
    pub fn name(self) -> &'static str {
        match self {
            Label::Blue => "Blue",
            Label::Green => "Green",
        }
    }
}

/// Where a target stands. Events have the same states but `Ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetStatus {
    /// Not begun.
    Pending,
    /// At work.
    InProgress,
    /// Done.
    Succeeded,
    /// Failed.
    Failed,
    /// Never attempted, or cut short.
    Skipped,
    /// Installed, waiting for traffic.
    Ready,
}

impl TargetStatus {
    /// As the wire says it.
    pub fn name(self) -> &'static str {
        match self {
            TargetStatus::Pending => "Pending",
            TargetStatus::InProgress => "InProgress",
            TargetStatus::Succeeded => "Succeeded",
            TargetStatus::Failed => "Failed",
            TargetStatus::Skipped => "Skipped",
            TargetStatus::Ready => "Ready",
        }
    }
}

/// What happened in one lifecycle event.
#[derive(Clone, Debug)]
pub struct EventRecord {
    /// Which.
    pub event: Event,
    /// Where it stands.
    pub status: TargetStatus,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// What the agent said.
    pub diagnostics: Option<super::commands::Diagnostics>,
}

impl Target {
    /// An instance that has not begun.
    pub fn new(instance: &str, label: Option<Label>, events: &[Event], now: Timestamp) -> Target {
        let record = |event: &Event| EventRecord {
            event: *event,
            status: TargetStatus::Pending,
            started: None,
            ended: None,
            diagnostics: None,
        };
        Target {
            instance: instance.to_owned(),
            label,
            status: TargetStatus::Pending,
            updated: now,
            events: events.iter().map(record).collect(),
        }
    }

    /// What is still open will not happen: its events are skipped, and it too unless it has its own end.
    pub fn close(&mut self, now: Timestamp) {
        for record in &mut self.events {
            if matches!(record.status, TargetStatus::Pending | TargetStatus::InProgress) {
                record.status = TargetStatus::Skipped;
                record.ended = record.started.map(|_| now);
            }
        }
        if matches!(self.status, TargetStatus::Pending | TargetStatus::InProgress | TargetStatus::Ready) {
            self.status = TargetStatus::Skipped;
            self.updated = now;
        }
    }
}

impl Deployment {
    /// Whether it takes its group's slot.
    pub fn is_active(&self) -> bool {
        !self.status.is_final() || self.rollback_due
    }

    /// The target of this instance.
    pub fn target(&mut self, instance: &str) -> Option<&mut Target> {
        self.targets.as_mut()?.iter_mut().find(|target| target.instance == instance)
    }
}
