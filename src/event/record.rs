//! Durable facts about a run, in the past tense. The journal is a list of them; the run's state is their fold.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::call::CallKind;
use crate::model::{ConditionId, Name, Revision, RunId};
use crate::plan::StepId;

/// A record and when it was written, as reporters and `show` see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// The run.
    pub run: RunId,
    /// World time of the turn.
    pub at: Timestamp,
    /// The number of the journal object that holds it.
    pub seq: u64,
    /// What happened.
    pub record: Record,
}

/// The build of a CI system that asked for a run, as that system tells it. Shown, and never the ground of a decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// What people call it: `acme/shop deploy #57`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it can be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Who started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The commit that it was made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// What a release was made of, as far as whoever shipped it knew. By this an older release is told from a newer one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The commit that was checked out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The branch that was checked out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The job of the CI system, whose builds are numbered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The number of its build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Whether the checkout held changes that are not in the commit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dirty: bool,
}

impl Origin {
    /// Job and number, where both are known.
    pub fn build(&self) -> Option<(&str, u64)> {
        Some((self.job.as_deref()?, self.number?))
    }

    /// What people call it; nothing if nothing is known.
    pub fn told(&self) -> Option<String> {
        let dirty = if self.dirty { " with uncommitted changes" } else { "" };
        let commit = self.commit.as_ref().map(|commit| format!("commit {}{dirty}", commit.get(..12).unwrap_or(commit)));
        let build = self.build().map(|(job, number)| format!("build {number} of {job}"));
        let known: Vec<String> = commit.into_iter().chain(build).collect();
        (!known.is_empty()).then(|| known.join(", "))
    }
}

/// What a rollback leaves, and what it goes back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Back {
    /// The release that was live.
    pub from: String,
    /// The run that had made the release live to which it goes back, if one of the last runs did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<RunId>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// The run exists: its bundles are up, its plan is stored.
    RunPlanned {
        /// Who asked, as AWS names them.
        by: String,
        /// Why, in a word: `deploy`, `rollback`.
        why: String,
        /// The run this one goes back from or repeats.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<RunId>,
        /// From which release and to which run, if it is a rollback.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        back: Option<Box<Back>>,
        /// Where each target's bundle lies, with its version pinned.
        revisions: BTreeMap<Name, Revision>,
        /// SHA-256 of the plan's bytes.
        plan: String,
        /// The build that asked, if a CI system did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        build: Option<Build>,
        /// What the release was made of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
        /// Why a release that failed here before is tried again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        again: Option<String>,
    },
    /// A process drives the run from here; what an earlier one still writes no longer counts.
    DriverStarted {
        /// Grows with every driver.
        token: u64,
        /// Who, where.
        holder: String,
    },
    /// A step began.
    StepStarted {
        /// The target.
        target: Name,
        /// The step.
        step: StepId,
    },
    /// A call to AWS that changes something is about to be made.
    CallBegan {
        /// The target.
        target: Name,
        /// The step.
        step: StepId,
        /// Counts the calls of this step from 1.
        attempt: u32,
        /// What is called.
        call: CallKind,
    },
    /// That call was answered, or its answer was lost.
    CallEnded {
        /// The target.
        target: Name,
        /// The step.
        step: StepId,
        /// Which call.
        attempt: u32,
        /// What went wrong, if anything did; it is tried again within the step's limit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trouble: Option<String>,
    },
    /// It is not known what became of that call: it was begun, and nobody saw its end.
    CallLost {
        /// The target.
        target: Name,
        /// The step.
        step: StepId,
        /// Which call.
        attempt: u32,
        /// Why not.
        why: String,
    },
    /// A deployment of ours was created, found again, or looked at closely because hosts do not move on.
    DeploymentSeen {
        /// The target.
        target: Name,
        /// The step that it belongs to.
        step: StepId,
        /// `d-…`.
        deployment: String,
        /// Hosts that do not move on in it, or in a deployment that follows from it, and were not told of before.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        waits: Vec<HostWait>,
    },
    /// A version of ours was published or found again.
    VersionSeen {
        /// The target.
        target: Name,
        /// Its number.
        version: String,
    },
    /// The alias was moved by this run; from then on it has this revision id.
    AliasMoved {
        /// The target.
        target: Name,
        /// The revision id.
        revision_id: String,
    },
    /// A person ended all waits that remain of a target; each still ends only once it is judged.
    PromotedFully {
        /// The target.
        target: Name,
        /// Who.
        by: String,
    },
    /// A step is done.
    StepDone {
        /// The target.
        target: Name,
        /// The step.
        step: StepId,
        /// What was found.
        note: String,
    },
    /// A step failed.
    StepFailed {
        /// The target.
        target: Name,
        /// The step.
        step: StepId,
        /// Why.
        cause: Cause,
    },
    /// A condition was judged, and the verdict is news.
    Judged {
        /// The target.
        target: Name,
        /// The condition, as the plan has it.
        condition: ConditionId,
        /// What it says.
        verdict: VerdictKind,
        /// Whether it is only reported and decides nothing.
        #[serde(default)]
        report_only: bool,
        /// The numbers.
        why: String,
    },
    /// So much of a bake has been watched by now.
    Watched {
        /// The target.
        target: Name,
        /// The step.
        step: StepId,
        /// Seconds of world time.
        seconds: u64,
    },
    /// Everything waits for a person.
    Paused {
        /// The target.
        target: Name,
        /// The step.
        step: StepId,
        /// When it rolls back by itself.
        until: Timestamp,
    },
    /// A person's decision was taken up.
    DecisionAccepted {
        /// The decision's name.
        name: String,
        /// Who made it.
        by: String,
    },
    /// A person's decision had no effect.
    DecisionIgnored {
        /// The decision's name.
        name: String,
        /// Why not.
        why: String,
    },
    /// Something failed that does not go back by itself: the run stops until a person decides.
    Held {
        /// The target.
        target: Name,
        /// The step.
        step: StepId,
        /// The condition that says no; without it the step itself failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        condition: Option<ConditionId>,
        /// Why.
        cause: Cause,
    },
    /// A person went on though this condition could not be told: it counts as passed until it says no.
    ConditionAccepted {
        /// The target.
        target: Name,
        /// The condition, as the plan has it.
        condition: ConditionId,
        /// Who.
        by: String,
    },
    /// A person accepted what failed: a condition counts as passed from here on, a step is over or tried again.
    FailureAccepted {
        /// The target.
        target: Name,
        /// The step.
        step: StepId,
        /// Who.
        by: String,
    },
    /// From here on the run goes back.
    RollBackBegan {
        /// Why.
        cause: Cause,
        /// The targets that are restored.
        targets: Vec<Name>,
    },
    /// A target is as it was.
    Restored {
        /// The target.
        target: Name,
        /// How it was found.
        note: String,
    },
    /// A target could not be restored.
    RestoreFailed {
        /// The target.
        target: Name,
        /// Why.
        cause: Cause,
    },
    /// CodeDeploy did not resume processes of a fleet's Auto Scaling group that it had suspended for the run.
    ProcessesLeft {
        /// The target.
        target: Name,
        /// The Auto Scaling group.
        group: String,
        /// The processes, as Auto Scaling names them.
        processes: Vec<String>,
    },
    /// What people decide cannot be read, so a step that is slow to take back is not begun.
    Deaf {
        /// The target.
        target: Name,
        /// The step.
        step: StepId,
        /// Why nothing can be read.
        why: String,
        /// What the driver has to be allowed, if that is why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        needs: Option<String>,
    },
    /// Decisions are heard again.
    HearsAgain,
    /// The driver let go; the run can be resumed.
    Detached {
        /// Why.
        why: String,
    },
    /// The run is over.
    RunEnded {
        /// How.
        outcome: Outcome,
        /// What is live now: target to release or bundle.
        live: BTreeMap<Name, String>,
    },
}

/// What a condition says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    /// It is true.
    Pass,
    /// It is false.
    Fail,
    /// It cannot be told.
    Undecided,
}

/// A host that does not move on, and until when CodeDeploy waits for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HostWait {
    /// The deployment.
    pub deployment: String,
    /// The instance.
    pub host: String,
    /// The lifecycle event that does not end, or does not begin.
    pub event: String,
    /// Whether it has begun, as far as CodeDeploy says.
    #[serde(default)]
    pub is_begun: bool,
    /// Whether Auto Scaling has the instance no more, or is terminating it.
    #[serde(default)]
    pub is_gone: bool,
    /// Since when nothing happens.
    pub since: Timestamp,
    /// When CodeDeploy gives the host up at the latest.
    pub until: Timestamp,
}

/// Why something failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Who or what stopped it.
    pub side: Side,
    /// One line.
    pub what: String,
    /// More, line by line: hosts, scripts, log tails. Made harmless before it is stored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// What to look at or to do, line by line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub help: Vec<String>,
    /// Whether CodeDeploy was stopped by a script of the release, or by an alarm.
    #[serde(default)]
    pub is_of_release: bool,
}

impl Cause {
    /// Whether it is the release that did not do, as far as can be told: a condition or a script said no.
    pub fn blames_the_release(&self) -> bool {
        match self.side {
            Side::Condition | Side::Lambda => true,
            // Whoever aborts what was held does it for the reason at which it was held.
            Side::CodeDeploy | Side::Person => self.is_of_release,
            Side::Limit | Side::Refused | Side::Busy | Side::Foreign | Side::Unseen => false,
        }
    }

    /// A cause in one line.
    pub fn new(side: Side, what: impl Into<String>) -> Cause {
        Cause { side, what: what.into(), details: Vec::new(), help: Vec::new(), is_of_release: false }
    }

    /// Adds more, line by line.
    #[must_use]
    pub fn details(mut self, lines: impl IntoIterator<Item = String>) -> Cause {
        self.details.extend(lines);
        self
    }

    /// Adds what to look at or to do, a line each.
    #[must_use]
    pub fn help<T: Into<String>>(mut self, lines: impl IntoIterator<Item = T>) -> Cause {
        self.help.extend(lines.into_iter().map(Into::into));
        self
    }
}

/// Who or what stopped it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// A condition that shipit watches.
    Condition,
    /// CodeDeploy: a host, an alarm of the group, its own limits.
    CodeDeploy,
    /// A person: through shipit or in the console.
    Person,
    /// A step's own limit.
    Limit,
    /// AWS refused a call.
    Refused,
    /// Somebody else is at work there: a deployment occupies the group, or a function was changed.
    Busy,
    /// Lambda: a version that does not become ready, a call that fails.
    Lambda,
    /// Somebody else moved the alias; what they did is left as it is.
    Foreign,
    /// Something was begun that must not be done twice, and nobody saw its end.
    Unseen,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The new release is live.
    Succeeded,
    /// The old release serves.
    RolledBack,
    /// Failed and left as it is.
    Held,
    /// A person must act.
    Stuck,
    /// Nothing was changed, because something stood in the way.
    Refused,
}
