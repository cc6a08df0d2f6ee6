//! How calls, conditions and verdicts are called: records know them by kinds and ids, people by these words.

use crate::event::{CallKind, Doing, Share, VerdictKind};
use crate::model::{ConditionId, harmless};
use crate::plan::Lane;
use crate::run::judge::conditions;
use crate::run::{LaneState, Told};

/// Characters of text that others wrote.
const WIDTH: usize = 200;

/// A call.
pub fn call(kind: &CallKind) -> String {
    match kind {
        CallKind::CreateDeployment => "create the deployment".to_owned(),
        CallKind::EnsureConfig => "make the deployment configuration".to_owned(),
        CallKind::Compare => "compare green with blue".to_owned(),
        CallKind::MoveTraffic { deployment } => format!("move traffic ({deployment})"),
        CallKind::LetBlueGo { deployment } => format!("let blue go ({deployment})"),
        CallKind::FindDeployment => "look for a deployment of ours".to_owned(),
        CallKind::StopDeployment { deployment } => format!("stop {deployment}"),
        CallKind::DeployBaseline => "deploy the baseline".to_owned(),
        CallKind::TakeOut { group } => format!("take {group} out of the load balancer"),
        CallKind::DeleteLeftover { group } => format!("delete the left-over group {group}"),
        CallKind::UpdateCode => "update the code".to_owned(),
        CallKind::PublishVersion => "publish a version".to_owned(),
        CallKind::TestVersion { version, round, times, name, .. } => {
            format!("call version {version} with {name} ({round} of {times})")
        }
        CallKind::Task { name, times: 1, .. } => name.clone(),
        CallKind::Task { name, round, times } => format!("{name} ({round} of {times})"),
        CallKind::CreateAlias { version } => format!("create the alias on version {version}"),
        CallKind::DeleteAlias => "delete the alias".to_owned(),
        CallKind::ShiftAlias { version, share: None } => format!("send all calls to version {version}"),
        CallKind::ShiftAlias { share: Some(Share { version, weight }), .. } => {
            format!("send {weight} of the calls to version {version}")
        }
        CallKind::PruneVersions => "delete an old version".to_owned(),
        CallKind::RestoreCode => "put the old code back into $LATEST".to_owned(),
    }
}

/// Why a step is not done yet.
pub fn doing(doing: &Doing) -> String {
    match doing {
        Doing::Calling(kind) => format!("calling: {}", call(kind)),
        Doing::Waiting(why) => why.clone(),
    }
}

/// A condition of a lane; one that the plan does not have, by its id. What is only reported says so.
pub fn condition(lane: Option<&Lane>, id: &ConditionId) -> String {
    let known = lane.and_then(|lane| Some((lane, conditions(lane).find(|it| it.id() == *id)?)));
    known.map_or_else(|| harmless(&id.to_string(), WIDTH), |(lane, known)| known.label_among(conditions(lane)))
}

/// What a condition says, as a verb.
pub fn says(verdict: VerdictKind, is_report_only: bool) -> &'static str {
    match verdict {
        VerdictKind::Pass => "passes",
        VerdictKind::Fail if is_report_only => "would fail",
        VerdictKind::Fail => "fails",
        VerdictKind::Undecided => "is undecided",
    }
}

/// The same as a word for machines.
pub fn verdict(verdict: VerdictKind, is_report_only: bool) -> &'static str {
    match verdict {
        VerdictKind::Pass => "pass",
        VerdictKind::Fail if is_report_only => "would fail",
        VerdictKind::Fail => "fail",
        VerdictKind::Undecided => "undecided",
    }
}

/// What a person has to decide of a lane: a condition that cannot be told, and why.
pub fn asks(lane: &Lane, state: &LaneState) -> Option<String> {
    let (id, Told { why, .. }) = state.asks()?;
    Some(format!("{}: {why}", condition(Some(lane), id)))
}
