//! What is read again and again while a run is under way. Statuses that this version does not know are kept as text and
//! treated as "not finished".

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::revision::Revision;

/// A CodeDeploy deployment.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployment {
    /// `d-…`.
    pub id: String,
    /// Where it stands.
    pub status: Status,
    /// Code and message, if it failed or was stopped.
    pub error: Option<(String, String)>,
    /// The deployment that rolls this one back, once CodeDeploy has begun it.
    pub rollback: Option<String>,
    /// The deployment that this one rolls back.
    pub rolls_back: Option<String>,
    /// `user`, `codeDeployRollback`, `autoscaling`, …
    pub creator: String,
    /// What its creator wrote; ours carry a mark.
    pub description: String,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// How many targets are in which state; absent until targets are known.
    pub overview: Option<Overview>,
    /// Whether the wait before blue is terminated has begun: traffic is on green.
    pub is_waiting_to_terminate: bool,
    /// What CodeDeploy remarks.
    pub messages: Vec<String>,
    /// The bundle that it installs, if that lies in a bucket.
    pub revision: Option<Revision>,
}

/// A deployment, and what became of it on its hosts.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// The deployment.
    pub deployment: Deployment,
    /// Its hosts.
    pub hosts: Vec<DeploymentTarget>,
}

/// Where a deployment stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Accepted.
    Created,
    /// Waits for capacity.
    Queued,
    /// Under way.
    InProgress,
    /// Green is installed and waits for traffic.
    Ready,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// Was stopped: by a person, an alarm or a time limit.
    Stopped,
    /// Something newer than this version; not finished.
    Other(String),
}

impl Status {
    /// Reads AWS's word.
    pub fn read(text: &str) -> Status {
        match text {
            "Created" => Status::Created,
            "Queued" => Status::Queued,
            "InProgress" => Status::InProgress,
            "Ready" => Status::Ready,
            "Succeeded" => Status::Succeeded,
            "Failed" => Status::Failed,
            "Stopped" => Status::Stopped,
            other => Status::Other(other.to_owned()),
        }
    }

    /// Whether it is over.
    pub fn has_ended(&self) -> bool {
        matches!(self, Status::Succeeded | Status::Failed | Status::Stopped)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Status::Created => "Created",
            Status::Queued => "Queued",
            Status::InProgress => "InProgress",
            Status::Ready => "Ready",
            Status::Succeeded => "Succeeded",
            Status::Failed => "Failed",
            Status::Stopped => "Stopped",
            Status::Other(text) => text,
        })
    }
}

/// Targets per state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// Not begun.
    pub pending: i64,
    /// Under way.
    pub in_progress: i64,
    /// Done.
    pub succeeded: i64,
    /// Failed.
    pub failed: i64,
    /// Not attempted.
    pub skipped: i64,
    /// Waiting for traffic.
    pub ready: i64,
}

impl Overview {
    /// All targets.
    pub fn total(&self) -> i64 {
        self.pending + self.in_progress + self.succeeded + self.failed + self.skipped + self.ready
    }
}

/// A host in a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentTarget {
    /// The instance.
    pub id: String,
    /// `Blue` or `Green`, in blue/green deployments.
    pub label: Option<String>,
    /// Such as `Succeeded`, `Ready`, `Failed`.
    pub status: String,
    /// When that last changed.
    pub updated: Option<Timestamp>,
    /// Its lifecycle events, in order.
    pub events: Vec<LifecycleEvent>,
}

/// A lifecycle event on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecycleEvent {
    /// Such as `ValidateService`.
    pub name: String,
    /// Such as `Failed`, `Skipped`.
    pub status: String,
    /// When it began.
    pub began: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// What the agent said, if it failed.
    pub diagnostics: Option<Diagnostics>,
}

/// What the agent said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    /// Such as `ScriptFailed`.
    pub code: String,
    /// The script.
    pub script: String,
    /// One line.
    pub message: String,
    /// The end of its output, as the host sent it: hostile until made harmless.
    pub log_tail: String,
}
