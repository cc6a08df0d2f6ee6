//! The result of a command as one document: `--output json` and `--result-file`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::words;
use crate::error::{Failure, Kind};
use crate::event::record::Outcome;
use crate::model::{Format, Name};
use crate::plan::{Lane, Plan};
use crate::run::function::has_uploaded;
use crate::run::{LaneState, RunStatus, State};

/// What a command came to. Members are only ever added within a version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ResultDocument {
    /// The format's version.
    pub v: Format,
    /// The command, such as `deploy`.
    pub command: String,
    /// What it came to: `succeeded`, `no_change`, `rolled_back`, `paused`, `detached`, `held`, `stuck`, `refused`,
    /// `failed`, `recorded` (a decision, for whoever drives), `interrupted` (before anything was driven), `unfinished` (the
    /// command did not live to say more).
    pub outcome: String,
    /// The process's exit code.
    pub exit_code: u8,
    /// Whether anything was changed in AWS, restored or not.
    pub changed: bool,
    /// The pipeline's name.
    pub pipeline: Option<String>,
    /// The environment.
    pub environment: Option<String>,
    /// The run.
    pub run: Option<String>,
    /// Where the run stands.
    pub status: Option<String>,
    /// The release that was to be live.
    pub release: Option<String>,
    /// What was live before.
    pub previous_release: Option<String>,
    /// What is live now, by target, once the run has ended.
    pub live: BTreeMap<String, String>,
    /// CodeDeploy's deployments, by target, in the order in which they were made.
    pub deployments: BTreeMap<String, Vec<String>>,
    /// The version of each function that the run ships, by target, once there is one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<String, String>,
    /// How each target was restored, if the run went back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub restored: BTreeMap<String, String>,
    /// The decisions that were left for whoever drives, by the names under which the run tells what became of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<String>,
    /// SHA-256 of each artifact's bundle.
    pub artifacts: BTreeMap<String, String>,
    /// The hash of the journal's last entry: with it a rewritten tail is seen.
    pub head_hash: Option<String>,
    /// What went wrong, if anything did.
    pub error: Option<ErrorDocument>,
}

/// What went wrong.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ErrorDocument {
    /// The category, as the exit code has it: `preflight`, `busy`, `rolled_back`.
    pub kind: String,
    /// One line.
    pub message: String,
    /// What to do next.
    pub help: Option<String>,
    /// More, line by line.
    pub details: Vec<String>,
}

impl ResultDocument {
    /// A command about a plan that nothing came of: it was only made, or there was nothing to do.
    pub fn of_plan(command: &str, plan: &Plan, exit_code: u8) -> ResultDocument {
        let live = plan.lanes().filter(|lane| lane.steps.is_empty());
        let previous = plan.lanes().find_map(|lane| lane.live());
        let artifacts = plan.release.bundles.iter().map(|it| (it.artifact.clone(), it.sha256.clone()));
        ResultDocument {
            command: command.to_owned(),
            outcome: if plan.is_empty() { "no_change" } else { "planned" }.to_owned(),
            exit_code,
            pipeline: Some(plan.pipeline.to_string()),
            environment: Some(plan.environment.to_string()),
            release: Some(plan.release.label.clone()),
            previous_release: previous,
            live: live.filter_map(|lane| Some((lane.target.to_string(), lane.live()?))).collect(),
            artifacts: artifacts.collect(),
            ..ResultDocument::default()
        }
    }

    /// A command that drove a run, or looked at one.
    pub fn of_run(
        command: &str,
        plan: &Plan,
        state: &State,
        exit_code: u8,
        head_hash: Option<String>,
    ) -> ResultDocument {
        let of_fleet = |lane: &LaneState| lane.deployment.is_some() || lane.redeployment.is_some();
        let of_function = |(lane, state): (&Lane, &LaneState)| {
            has_uploaded(lane, state) || state.version.is_some() || !state.revision_ids.is_empty()
        };
        let is_touched = state.lanes.iter().any(of_fleet) || plan.lanes().zip(&state.lanes).any(of_function);
        let version = |(lane, state): (&Lane, &LaneState)| {
            Some((lane.target.to_string(), crate::run::function::version(lane.function()?, state)?))
        };
        let restored = |lane: &LaneState| {
            Some((lane.target.to_string(), lane.restore.as_ref().filter(|_| lane.is_restored())?.note.clone()))
        };
        let text = |(target, what): (&Name, &String)| (target.to_string(), what.clone());
        let ended = state.live.iter().map(text).collect();
        let of_lane = |lane: &LaneState| {
            let ids: Vec<String> = lane.deployment.iter().chain(&lane.redeployment).cloned().collect();
            (!ids.is_empty()).then(|| (lane.target.to_string(), ids))
        };
        let is_failure = exit_code != 0 && state.status != RunStatus::Ended(Outcome::Succeeded);
        let error = state.trouble().filter(|_| is_failure).map(|cause| ErrorDocument {
            kind: outcome(state.status),
            message: cause.what.clone(),
            help: (!cause.help.is_empty()).then(|| cause.help.join("\n")),
            details: cause.details.clone(),
        });
        ResultDocument {
            outcome: outcome(state.status),
            changed: is_touched,
            run: Some(state.run.to_string()),
            status: Some(words::key(state.status)),
            live: ended,
            deployments: state.lanes.iter().filter_map(of_lane).collect(),
            versions: plan.lanes().zip(&state.lanes).filter_map(version).collect(),
            restored: state.lanes.iter().filter_map(restored).collect(),
            head_hash,
            error,
            ..ResultDocument::of_plan(command, plan, exit_code)
        }
    }

    /// A command that came to nothing but a word.
    pub fn of_word(command: &str, outcome: &str, exit_code: u8) -> ResultDocument {
        let (command, outcome) = (command.to_owned(), outcome.to_owned());
        ResultDocument { command, outcome, exit_code, ..ResultDocument::default() }
    }

    /// The same with another word for what the command came to.
    #[must_use]
    pub fn of(mut self, outcome: &str) -> ResultDocument {
        outcome.clone_into(&mut self.outcome);
        self
    }

    /// Adds what went wrong, in a category of its own.
    #[must_use]
    pub fn because(mut self, kind: &str, message: &str, help: Option<String>) -> ResultDocument {
        let (kind, message) = (kind.to_owned(), message.to_owned());
        self.error = Some(ErrorDocument { kind, message, help, details: Vec::new() });
        self
    }

    /// What a CI system's next step may want to know: names and values. Values of several targets are joined by commas.
    pub fn outputs(&self) -> Vec<(&'static str, String)> {
        let joined =
            |values: &mut dyn Iterator<Item = &String>| values.map(String::as_str).collect::<Vec<_>>().join(",");
        let all = [
            ("status", self.outcome.clone()),
            ("changed", self.changed.to_string()),
            ("run", self.run.clone().unwrap_or_default()),
            ("deployment-id", joined(&mut self.deployments.values().flatten())),
            ("release", self.release.clone().unwrap_or_default()),
            ("previous-release", self.previous_release.clone().unwrap_or_default()),
            ("artifact-sha256", joined(&mut self.artifacts.values())),
            ("head-hash", self.head_hash.clone().unwrap_or_default()),
        ];
        all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }

    /// A command that failed by itself, before or beside a run.
    pub fn of_failure(command: &str, failure: &Failure) -> ResultDocument {
        ResultDocument { command: command.to_owned(), ..ResultDocument::default() }.failed(failure)
    }

    /// Adds a failure of the command itself.
    #[must_use]
    pub fn failed(mut self, failure: &Failure) -> ResultDocument {
        self.exit_code = failure.kind.exit_code();
        let outcome = match failure.kind {
            Kind::Preflight | Kind::Busy | Kind::Stale | Kind::Credentials | Kind::Usage => "refused",
            Kind::Unexpected => "failed",
            Kind::NotFinished | Kind::RolledBack | Kind::Stuck | Kind::Held => kind(failure.kind),
        };
        outcome.clone_into(&mut self.outcome);
        self.error = Some(ErrorDocument {
            kind: kind(failure.kind).to_owned(),
            message: failure.message.clone(),
            help: failure.help.clone(),
            details: super::failure::causes(failure),
        });
        self
    }

    /// The document's text, with a line break at its end.
    pub fn text(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("a document of texts and numbers is JSON");
        format!("{text}\n")
    }
}

/// A run that goes on without this command is detached from it.
fn outcome(status: RunStatus) -> String {
    match status {
        RunStatus::Ended(_) | RunStatus::Paused | RunStatus::Held => words::key(status),
        RunStatus::Planned | RunStatus::Running | RunStatus::Detached | RunStatus::RollingBack => {
            words::key(RunStatus::Detached)
        }
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Unexpected => "unexpected",
        Kind::Usage => "usage",
        Kind::Preflight => "preflight",
        Kind::Busy => "busy",
        Kind::Stale => "stale",
        Kind::NotFinished => "not_finished",
        Kind::RolledBack => "rolled_back",
        Kind::Stuck => "stuck",
        Kind::Held => "held",
        Kind::Credentials => "credentials",
    }
}
