//! Commands for hosts, shaped like the agent's own command service: an agent polls for a command, asks for the
//! deployment's specification, acknowledges (saying whether there is anything to do) and completes. The agents of this
//! world call these functions; a real agent could be attached to them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

use super::super::doc::Doc;
use super::super::world::{ApiError, Site, World};
use super::events::{self, Event};

/// Commands of a site: those that wait, and those that run.
#[derive(Debug, Default)]
pub struct Queue {
    last: u64,
    waiting: BTreeMap<String, VecDeque<HostCommand>>,
    bells: BTreeMap<String, Arc<Notify>>,
    progress: BTreeMap<String, watch::Sender<Progress>>,
    /// Hosts whose agents do not ask.
    silent: BTreeSet<String>,
}

/// What an agent is told to do (`HostCommand`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostCommand {
    /// `HostCommandIdentifier`.
    pub id: String,
    /// `DeploymentExecutionId`; here the deployment's id and the host.
    pub execution: String,
    /// `CommandName`.
    pub event: Event,
}

/// How far a command is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// No agent has taken it.
    Waiting,
    /// An agent has acknowledged it.
    Taken {
        /// Whether the event has no scripts on this host.
        noop: bool,
    },
    /// It has ended.
    Ended(Diagnostics),
}

/// What an agent says at the end of a command.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Diagnostics {
    /// How it went.
    pub code: ErrorCode,
    /// The script that failed.
    pub script: String,
    /// The text.
    pub message: String,
    /// The last 2048 characters of what the scripts wrote.
    pub log: String,
}

/// How a command went; the numbers are the agent's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ErrorCode {
    /// 0.
    #[default]
    Success,
    /// 1.
    ScriptMissing,
    /// 2.
    ScriptNotExecutable,
    /// 3.
    ScriptTimedOut,
    /// 4.
    ScriptFailed,
    /// 5.
    UnknownError,
    /// 6.
    OutputsLeftOpen,
    /// 7.
    FailedAfterRestart,
}

impl ErrorCode {
    /// As the deployment API says it, which has no names for the last two.
    pub fn api_name(self) -> &'static str {
        match self {
            ErrorCode::Success => "Success",
            ErrorCode::ScriptMissing => "ScriptMissing",
            ErrorCode::ScriptNotExecutable => "ScriptNotExecutable",
            ErrorCode::ScriptTimedOut => "ScriptTimedOut",
            ErrorCode::ScriptFailed => "ScriptFailed",
            ErrorCode::UnknownError | ErrorCode::OutputsLeftOpen | ErrorCode::FailedAfterRestart => "UnknownError",
        }
    }
}

impl Diagnostics {
    /// Everything went well.
    pub fn success(log: String) -> Diagnostics {
        Diagnostics { message: "Succeeded".to_owned(), log, ..Diagnostics::default() }
    }

    /// What an agent says about any trouble of its own.
    pub fn unknown(message: impl Into<String>) -> Diagnostics {
        Diagnostics { code: ErrorCode::UnknownError, message: message.into(), ..Diagnostics::default() }
    }
}

/// What an agent must know about a deployment (the JSON inside the envelope of `GetDeploymentSpecification`).
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Specification {
    /// `DeploymentId`.
    pub deployment: String,
    /// `DeploymentGroupId`; the agent keeps its files under it.
    pub group_id: String,
    /// `DeploymentGroupName`.
    pub group: String,
    /// `ApplicationName`.
    pub application: String,
    /// `DeploymentCreator`.
    pub creator: String,
    /// `DeploymentType`: `IN_PLACE` or `BLUE_GREEN`.
    pub kind: String,
    /// `Revision`.
    pub revision: Revision,
    /// `AgentActionOverrides.AgentOverrides.FileExistsBehavior`.
    pub file_exists: String,
    /// `AllPossibleLifecycleEvents`.
    pub possible_events: Vec<String>,
}

/// `S3Revision`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, Default)]
pub struct Revision {
    /// Whose hosts fetch it.
    pub account: String,
    /// `Bucket`.
    pub bucket: String,
    /// `Key`.
    pub key: String,
    /// `Version`.
    pub version: Option<String>,
    /// `ETag`.
    pub etag: Option<String>,
}

impl Specification {
    /// Whether traffic is being brought back to blue: then other archives' scripts run.
    pub fn is_route_back(&self) -> bool {
        self.creator == "codeDeployRollback" && self.kind == "BLUE_GREEN"
    }
}

/// Puts a command into a host's queue and rings its agent.
pub fn send(world: &World, site: &Site, host: &str, deployment: &str, event: Event) -> watch::Receiver<Progress> {
    let mut state = world.lock();
    let queue = &mut state.site(site).codedeploy.commands;
    queue.last += 1;
    let id = format!("{host}-{}", queue.last);
    let (sender, receiver) = watch::channel(Progress::Waiting);
    queue.progress.insert(id.clone(), sender);
    let command = HostCommand { id, execution: format!("{deployment}/{host}"), event };
    queue.waiting.entry(host.to_owned()).or_default().push_back(command);
    queue.bells.entry(host.to_owned()).or_default().notify_one();
    receiver
}

/// What rings when a command comes for this host; an agent waits on it instead of polling every second.
pub fn bell(world: &World, site: &Site, host: &str) -> Arc<Notify> {
    world.lock().site(site).codedeploy.commands.bells.entry(host.to_owned()).or_default().clone()
}

/// Has a host's agent stop or begin to ask for commands; what it is doing it brings to its end.
pub fn silence(world: &World, site: &Site, host: &str, silent: bool) {
    let mut state = world.lock();
    let queue = &mut state.site(site).codedeploy.commands;
    if silent {
        queue.silent.insert(host.to_owned());
    } else if queue.silent.remove(host) {
        queue.bells.entry(host.to_owned()).or_default().notify_one();
    }
}

/// `PollHostCommand`.
pub fn poll(world: &World, site: &Site, host: &str) -> Option<HostCommand> {
    let mut state = world.lock();
    let queue = &mut state.site(site).codedeploy.commands;
    if queue.silent.contains(host) {
        return None;
    }
    loop {
        let command = queue.waiting.get_mut(host)?.pop_front()?;
        if queue.progress.get(&command.id).is_some_and(|progress| !progress.is_closed()) {
            return Some(command);
        }
        queue.progress.remove(&command.id); // the service has given up on it
    }
}

/// `GetDeploymentSpecification`.
///
/// # Errors
/// The execution id names no deployment.
pub fn specification(world: &World, site: &Site, execution: &str) -> Result<Specification, ApiError> {
    let id = execution.split('/').next().unwrap_or_default();
    let mut state = world.lock();
    let deployment = state.site(site).codedeploy.deployments.get(id);
    let it = deployment.ok_or_else(|| super::errors::no_deployment(id))?;
    let place: &Doc = it.revision.get("s3Location");
    let text = |name: &str| place.text(name).unwrap_or_default().to_owned();
    Ok(Specification {
        deployment: it.id.clone(),
        group_id: it.group_id.clone(),
        group: it.group.clone(),
        application: it.application.clone(),
        creator: it.creator.name().to_owned(),
        kind: if it.terms.style.blue_green { "BLUE_GREEN" } else { "IN_PLACE" }.to_owned(),
        revision: Revision {
            account: site.account.clone(),
            bucket: text("bucket"),
            key: text("key"),
            version: place.text("version").map(str::to_owned),
            etag: place.text("eTag").map(str::to_owned),
        },
        file_exists: it.terms.file_exists.clone().unwrap_or_else(|| "DISALLOW".to_owned()),
        possible_events: events::possible(),
    })
}

/// `PutHostCommandAcknowledgement`. Says whether the command is still wanted.
pub fn acknowledge(world: &World, site: &Site, command: &str, noop: bool) -> bool {
    let mut state = world.lock();
    match state.site(site).codedeploy.commands.progress.get(command) {
        Some(progress) if *progress.borrow() == Progress::Waiting && !progress.is_closed() => {
            progress.send_replace(Progress::Taken { noop });
            true
        }
        _ => false,
    }
}

/// `PutHostCommandComplete`. Agents may say it twice; the first word counts.
pub fn complete(world: &World, site: &Site, command: &str, diagnostics: Diagnostics) {
    let mut state = world.lock();
    if let Some(progress) = state.site(site).codedeploy.commands.progress.remove(command) {
        progress.send_replace(Progress::Ended(diagnostics));
    }
}

/// Whether anything waits for this host that its agent would ask for.
pub fn has_waiting(world: &World, site: &Site, host: &str) -> bool {
    let mut state = world.lock();
    let queue = &state.site(site).codedeploy.commands;
    !queue.silent.contains(host) && queue.waiting.get(host).is_some_and(|waiting| !waiting.is_empty())
}
