//! Hooks: the scripts of an event as processes.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use super::super::super::codedeploy::commands::{Diagnostics, ErrorCode, Specification};
use super::super::super::codedeploy::events::Event;
use super::super::processes::Processes;
use super::super::supervisor::Said;
use super::appspec::Script;
use super::layout::Layout;
use super::work::{Done, Work};
use clock::Clock;

/// What the API is told of the scripts' output.
const LOG_TAIL: usize = 2048;

/// What all hooks of a host have in common.
pub struct Shell {
    /// Its processes.
    pub processes: Processes,
    /// Its disk.
    pub layout: Layout,
    /// Where hooks run: like the agent's own directory it is not the archive.
    pub directory: PathBuf,
    /// The environment before the deployment's variables.
    pub env: BTreeMap<String, String>,
    /// World time, for the log files.
    pub clock: Clock,
}

/// Runs the scripts of an event from an archive, in order, until one fails.
pub async fn run(
    shell: &Shell,
    specification: &Specification,
    event: Event,
    archive: &Path,
    scripts: &[Script],
) -> Diagnostics {
    let mut log = Log::new(shell, specification);
    if !scripts.is_empty() {
        log.add(&format!("LifecycleEvent - {}", event.name()));
    }
    for script in scripts {
        if let Err((code, message)) = one(shell, specification, event, archive, script, &mut log).await {
            return Diagnostics { code, script: script.location.clone(), message, log: log.tail() };
        }
    }
    Diagnostics::success(log.tail())
}

type Trouble = (ErrorCode, String);

async fn one(
    shell: &Shell,
    specification: &Specification,
    event: Event,
    archive: &Path,
    script: &Script,
    log: &mut Log<'_>,
) -> Result<(), Trouble> {
    let location = &script.location;
    let path = archive.join(location.trim_start_matches('/'));
    match shell.processes.work(Work::Prepare { script: path.clone() }).await {
        Done::Missing => {
            let message = format!("Script does not exist at specified location: {}", path.to_string_lossy());
            return Err((ErrorCode::ScriptMissing, message));
        }
        Done::NotExecutable => {
            let message = format!("Unable to set script at specified location: {location} as executable");
            return Err((ErrorCode::ScriptNotExecutable, message));
        }
        Done::Failed(why) => return Err((ErrorCode::UnknownError, why)),
        Done::Well | Done::Found { .. } => {}
    }
    log.add(&format!("Script - {location}"));
    let env = environment(shell, specification, event);
    let directory = shell.directory.to_string_lossy().into_owned();
    let user = script.runas.clone().filter(|user| user != "root");
    let mut job = shell.processes.run_as(user, vec![path.to_string_lossy().into_owned()], env, directory);
    let mut watch = Watch::default();
    let deadline = tokio::time::Instant::now() + script.timeout;
    loop {
        let said = tokio::select! {
            biased;
            said = job.next() => said,
            () = tokio::time::sleep_until(deadline), if !watch.is_late => {
                watch.is_late = true;
                if watch.exited.is_some() {
                    break;
                }
                job.terminate();
                continue;
            }
        };
        let said = said.ok_or_else(|| (ErrorCode::UnknownError, "The agent's processes are gone".to_owned()))?;
        watch.note(said, log)?;
        if watch.exited.is_some() && (watch.is_late || (watch.out_closed && watch.err_closed)) {
            break;
        }
    }
    watch.verdict(script)
}

/// What is known about a running script.
#[derive(Default)]
struct Watch {
    exited: Option<Option<i32>>,
    out_closed: bool,
    err_closed: bool,
    is_late: bool,
    was_late: bool,
}

impl Watch {
    fn note(&mut self, said: Said, log: &mut Log<'_>) -> Result<(), Trouble> {
        match said {
            Said::Out(line) => log.add(&format!("[stdout]{line}")),
            Said::Err(line) => log.add(&format!("[stderr]{line}")),
            Said::OutClosed => self.out_closed = true,
            Said::ErrClosed => self.err_closed = true,
            Said::Exited(code) => {
                self.exited = Some(code);
                self.was_late = self.is_late;
            }
            Said::Refused(why) => return Err((ErrorCode::UnknownError, why)),
            Said::Done(_) => {}
        }
        Ok(())
    }

    /// The budget covers the script's end and the end of both streams. A late script got a TERM and was waited for: if it
    /// ignored that, it failed only when it ended.
    fn verdict(&self, script: &Script) -> Result<(), Trouble> {
        let at = format!("Script at specified location: {}", script.location);
        if self.was_late {
            let message = format!("{at} failed to complete in {} seconds", script.timeout.as_secs());
            return Err((ErrorCode::ScriptTimedOut, message));
        }
        if !self.out_closed || !self.err_closed {
            let stream = if self.out_closed { "STDERR" } else { "STDOUT" };
            return Err((ErrorCode::OutputsLeftOpen, format!("{at} failed to close {stream}")));
        }
        match self.exited.flatten() {
            Some(0) => Ok(()),
            code => {
                let user = script.runas.as_ref().map(|user| format!(" run as user {user}")).unwrap_or_default();
                let code = code.map(|code| code.to_string()).unwrap_or_default();
                Err((ErrorCode::ScriptFailed, format!("{at}{user} failed with exit code {code}")))
            }
        }
    }
}

fn environment(shell: &Shell, specification: &Specification, event: Event) -> BTreeMap<String, String> {
    let revision = &specification.revision;
    let mut env = shell.env.clone();
    let mut set = |name: &str, value: &str| drop(env.insert(name.to_owned(), value.to_owned()));
    set("LIFECYCLE_EVENT", event.name());
    set("DEPLOYMENT_ID", &specification.deployment);
    set("APPLICATION_NAME", &specification.application);
    set("DEPLOYMENT_GROUP_NAME", &specification.group);
    set("DEPLOYMENT_GROUP_ID", &specification.group_id);
    set("BUNDLE_BUCKET", &revision.bucket);
    set("BUNDLE_KEY", &revision.key);
    if let Some(version) = &revision.version {
        set("BUNDLE_VERSION", version);
    }
    if let Some(etag) = &revision.etag {
        set("BUNDLE_ETAG", etag);
    }
    env
}

/// What scripts write: to the deployment's log, to the common log, and the end of it to the service.
struct Log<'a> {
    entries: VecDeque<String>,
    length: usize,
    shell: &'a Shell,
    deployment: String,
    scripts: PathBuf,
}

impl<'a> Log<'a> {
    fn new(shell: &'a Shell, specification: &Specification) -> Log<'a> {
        Log {
            entries: VecDeque::new(),
            length: 0,
            shell,
            deployment: specification.deployment.clone(),
            scripts: shell.layout.scripts_log(specification),
        }
    }

    fn add(&mut self, entry: &str) {
        let Shell { clock, processes, layout, .. } = self.shell;
        let now = clock.now();
        processes.append(self.scripts.clone(), format!("{} {entry}\n", now.strftime("%Y-%m-%d %H:%M:%S")));
        let line = format!("[{}] [{}]{entry}\n", now.strftime("%Y-%m-%d %H:%M:%S%.3f"), self.deployment);
        processes.append(layout.common_log(), line);
        let entry = format!("{entry}\n");
        self.length += entry.chars().count();
        self.entries.push_back(entry);
        while self.length > LOG_TAIL
            && let Some(dropped) = self.entries.pop_front()
        {
            self.length -= dropped.chars().count();
        }
    }

    fn tail(&self) -> String {
        self.entries.iter().map(String::as_str).collect()
    }
}
