//! `status`: what is live, what is under way, who waits for what since when, and how the last run ended. A structure that
//! is made of what was observed, and texts that are made of the structure.

mod observed;
mod overview;
mod run;
mod text;
mod watch;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::commands::Suggestion;
use crate::event::VerdictKind;
use crate::model::Format;
use crate::model::serving::Part;
use crate::model::{Name, Percent, RunId};
use crate::run::StepStatus;

pub use observed::{Found, Known, Looked, Mover, Observed, RunSeen};
pub use overview::{Row, overview_text};
pub use text::status_text;
pub use watch::watch_lines;

/// Everything that `status` says; as JSON it is the document of `--output json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatusView {
    /// The format's version.
    pub v: Format,
    /// World time of the look.
    pub at: Timestamp,
    /// The pipeline's name.
    pub pipeline: Name,
    /// The environment.
    pub environment: Name,
    /// What is live, per target.
    pub targets: Vec<TargetStatus>,
    /// The unfinished run, if there is one.
    pub run: Option<RunView>,
    /// The run that is under way and could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<Unread>,
    /// The last run, if it ended badly and none has begun since.
    pub last: Option<LastRun>,
    /// What could not be seen, and other things worth knowing.
    pub notes: Vec<String>,
}

/// A run that owns the environment and could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// The run.
    pub run: RunId,
    /// Why.
    pub why: String,
}

/// What is live on a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetStatus {
    /// The target.
    pub target: Name,
    /// The release or bundle that serves all of its traffic; nothing while two share it, or if it could not be seen.
    pub live: Option<String>,
    /// The run that brought it, if that is known.
    pub run: Option<RunId>,
    /// The deployment that brought it.
    pub deployment: Option<String>,
    /// Since when, if that is known.
    pub since: Option<Timestamp>,
    /// The Auto Scaling group.
    pub group: Option<String>,
    /// Healthy hosts, of how many, of the one fleet that gets most of the traffic.
    pub healthy: Option<(usize, usize)>,
    /// Everything that is on the target and what it gets of the traffic, what gets most first.
    pub parts: Vec<PartStatus>,
    /// A deployment under way that is not of the unfinished run: id, creator, status.
    pub active: Option<String>,
    /// The alias, if it is a function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<AliasStatus>,
}

/// A release on a target, and what it gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartStatus {
    /// What it is called here.
    pub release: String,
    /// What was seen of it.
    #[serde(flatten)]
    pub part: Part,
}

/// Where a function's alias sends its callers, and who did that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AliasStatus {
    /// The function.
    pub function: String,
    /// The alias.
    pub alias: String,
    /// The version that gets what others do not get; none if there is no alias yet.
    pub version: Option<String>,
    /// Shares of other versions.
    pub weights: BTreeMap<String, Percent>,
    /// The run that left it so, if that is known: AWS itself does not say.
    pub run: Option<RunId>,
    /// Who asked for that run.
    pub by: Option<String>,
}

impl TargetStatus {
    /// A target of which nothing is known.
    pub fn of(target: &Name) -> TargetStatus {
        TargetStatus {
            target: target.clone(),
            live: None,
            run: None,
            deployment: None,
            since: None,
            group: None,
            healthy: None,
            parts: Vec::new(),
            active: None,
            alias: None,
        }
    }
}

/// An unfinished run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunView {
    /// The run.
    pub run: RunId,
    /// `deploy` or `rollback`.
    pub what: String,
    /// What will be live.
    pub release: String,
    /// Such as `running`, `paused`, `rolling_back`.
    pub status: String,
    /// When it was planned.
    pub started: Option<Timestamp>,
    /// Who asked for it.
    pub by: Option<String>,
    /// Why it goes back or is held, if it is.
    pub cause: Option<String>,
    /// Where its lanes are that are not done.
    pub lanes: Vec<LaneStatus>,
    /// All targets with their steps, in the order of the stages.
    pub targets: Vec<TargetBrief>,
    /// Until when a person may promote, if one is waited for.
    pub open_until: Option<Timestamp>,
    /// Why nothing is begun that is slow to take back: what people decide cannot be heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deaf: Option<String>,
    /// Who drives it, if somebody does.
    pub driver: Option<Driver>,
    /// What makes sense now.
    pub next: Vec<Suggestion>,
}

/// A target of a run, and its steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetBrief {
    /// The target.
    pub target: Name,
    /// Its stage.
    pub stage: String,
    /// Its steps, in order.
    pub steps: Vec<StepBrief>,
}

/// A step, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepBrief {
    /// The step.
    pub step: String,
    /// Where it stands.
    pub status: StepStatus,
    /// How long it took, in seconds, if it has ended.
    pub took_s: Option<u64>,
}

/// Where a lane is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LaneStatus {
    /// The target.
    pub target: Name,
    /// Its stage.
    pub stage: String,
    /// The step under way, or the next.
    pub step: String,
    /// What it does or waits for.
    pub does: String,
    /// How long it should take, in seconds; nothing where a person is waited for.
    pub expected_s: Option<u64>,
    /// How long it may take, in seconds.
    pub limit_s: u64,
    /// The deployment that it works with.
    pub deployment: Option<String>,
    /// When it began, if it did.
    pub since: Option<Timestamp>,
    /// Why it is not done yet, by what AWS shows now; nothing if AWS was not asked or did not answer.
    pub why: Option<String>,
    /// Something to count, if there is: done, of how many.
    pub count: Option<(usize, usize)>,
    /// What is watched now.
    pub conditions: Vec<ConditionStatus>,
    /// What a person has to decide, because nothing else can tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asks: Option<String>,
}

/// A condition that is watched, and what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConditionStatus {
    /// What it is called.
    pub condition: String,
    /// What it says.
    pub verdict: VerdictKind,
    /// With which numbers.
    pub why: String,
    /// It is judged and shown, but decides nothing.
    pub is_report_only: bool,
}

/// Who drives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Driver {
    /// Who, where.
    pub holder: String,
    /// Since when, if the journal says it already.
    pub since: Option<Timestamp>,
    /// Seconds since the lease's last beat, by wall clocks.
    pub seen_seconds_ago: u64,
}

/// How long a driver may be silent before others may go on with its run.
const LEASE_SECONDS: u64 = 60;

impl Driver {
    /// Whether it was seen lately enough to be taken for alive.
    pub fn is_alive(&self) -> bool {
        self.seen_seconds_ago <= LEASE_SECONDS
    }
}

/// The last run, if it ended badly: nothing has happened since.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LastRun {
    /// The run.
    pub run: RunId,
    /// `deploy` or `rollback`.
    pub what: String,
    /// What was to be live.
    pub release: String,
    /// `rolled_back`, `held`, `stuck`, `refused`.
    pub status: String,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Who asked for it.
    pub by: Option<String>,
    /// Why it went back, or why its way back failed.
    pub cause: Option<String>,
    /// Where that was.
    pub at: Vec<String>,
    /// What to look at.
    pub help: Vec<String>,
    /// What makes sense now.
    pub next: Vec<Suggestion>,
}
