//! One environment: a process that asks for invocations, and what is heard of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use super::super::super::hosts::processes::{Job, Processes};
use super::super::super::hosts::supervisor::Said;
use super::super::environment::{ANSWER, Done, Task, failure};
use super::House;
use super::api::{Endpoint, Heard, Invocation};
use clock::Clock;

/// How long an environment may take to start, besides the function's own limit.
const INIT: Duration = Duration::from_secs(10);
/// Lines arrive by another way than answers: so long nothing must come until it is taken for the end, at most that long.
const SILENCE: Duration = Duration::from_millis(20);
const LAST_LINES: Duration = Duration::from_millis(200);
/// How many lines of one invocation are kept.
const LINES: usize = 10_000;

/// A process that answers invocations, one after the other.
pub(super) struct Execution {
    pub id: u64,
    pub house: Arc<House>,
    pub processes: Arc<Processes>,
    pub directory: PathBuf,
    pub job: Job,
    pub endpoint: Endpoint,
    /// What asks for the next invocation.
    pub waiting: Option<oneshot::Sender<Invocation>>,
    /// Held while it starts.
    pub turn: Option<OwnedSemaphorePermit>,
    pub has_started: bool,
    pub is_spent: bool,
}

/// What comes next.
enum Met {
    Heard(Heard),
    Exited(Option<i32>),
    Refused(String),
    Late,
}

impl Execution {
    /// Whether it can answer further invocations, as far as is known.
    pub fn is_living(&self) -> bool {
        !self.is_spent
    }

    /// Answers an invocation; nothing if it answered others before and has ended since.
    pub async fn answer(&mut self, wire: &Clock, task: &Task) -> Option<Done> {
        let mut log = Vec::new();
        let began = Instant::now();
        let is_new = !self.has_started;
        let ready = self.ready(began + task.limit() + INIT, task, &mut log).await;
        let init = is_new.then(|| began.elapsed());
        let waiting = match ready {
            Ok(waiting) => waiting,
            Err(body) => {
                self.is_spent = true;
                let took = began.elapsed();
                return is_new.then_some(Done { body, is_error: true, log, took, ..Done::default() });
            }
        };
        self.has_started = true;
        self.turn = None;
        self.endpoint.expects(&task.id);
        let began = Instant::now();
        // Nobody waits any more if it has just died; that is met below.
        let _ = waiting.send(invocation(wire, task));
        let (body, is_error) = self.outcome(began + task.limit(), task, &mut log).await;
        let took = began.elapsed().min(task.limit());
        self.endpoint.expects("");
        let mut memory = None;
        if task.wants_log {
            memory = self.processes.id().and_then(memory_below);
            self.last_lines(&mut log).await;
        }
        Some(Done { body, is_error, log, took, init, memory })
    }

    /// Waits until the process asks for an invocation; else what is answered in its name.
    async fn ready(
        &mut self,
        deadline: Instant,
        task: &Task,
        log: &mut Vec<String>,
    ) -> Result<oneshot::Sender<Invocation>, Bytes> {
        loop {
            if let Some(waiting) = self.waiting.take().filter(|waiting| !waiting.is_closed()) {
                return Ok(waiting);
            }
            match self.meet(deadline, log).await {
                Met::Heard(Heard::Next(waiting)) => self.waiting = Some(waiting),
                Met::Heard(Heard::InitError(body)) => return Err(body),
                // What a late answer of the invocation before says was said already.
                Met::Heard(Heard::Response(_) | Heard::Error(_) | Heard::TooLarge) => {}
                Met::Exited(code) => return Err(exited(task, code)),
                Met::Refused(why) => return Err(failure("Runtime.InvalidEntrypoint", &why)),
                Met::Late => return Err(task.timed_out()),
            }
        }
    }

    /// What came of the invocation that was given out, and whether that is a failure.
    async fn outcome(&mut self, deadline: Instant, task: &Task, log: &mut Vec<String>) -> (Bytes, bool) {
        loop {
            match self.meet(deadline, log).await {
                Met::Heard(Heard::Response(body)) => return (body, false),
                Met::Heard(Heard::Error(body)) => return (body, true),
                Met::Heard(Heard::TooLarge) => {
                    let message =
                        format!("Response payload size exceeded maximum allowed payload size ({ANSWER} bytes).");
                    return (failure("Function.ResponseSizeTooLarge", &message), true);
                }
                Met::Heard(Heard::Next(waiting)) => self.waiting = Some(waiting),
                Met::Heard(Heard::InitError(_)) => {}
                Met::Exited(code) => {
                    self.is_spent = true;
                    return (exited(task, code), true);
                }
                Met::Refused(why) => {
                    self.is_spent = true;
                    return (failure("Runtime.ExitError", &why), true);
                }
                Met::Late => {
                    self.is_spent = true;
                    return (task.timed_out(), true);
                }
            }
        }
    }

    /// What comes next but lines, which are kept.
    async fn meet(&mut self, deadline: Instant, log: &mut Vec<String>) -> Met {
        loop {
            tokio::select! {
                biased;
                Some(heard) = self.endpoint.heard.recv() => return Met::Heard(heard),
                said = self.job.next() => match said {
                    Some(Said::Out(line) | Said::Err(line)) => keep(log, line),
                    Some(Said::OutClosed | Said::ErrClosed | Said::Done(_)) => {}
                    Some(Said::Exited(code)) => return Met::Exited(code),
                    Some(Said::Refused(why)) => return Met::Refused(why),
                    None => return Met::Exited(None),
                },
                () = tokio::time::sleep_until(deadline) => return Met::Late,
            }
        }
    }

    /// Waits for lines that were written before the answer.
    async fn last_lines(&mut self, log: &mut Vec<String>) {
        let end = Instant::now() + LAST_LINES;
        while let Ok(Some(said)) = tokio::time::timeout_at((Instant::now() + SILENCE).min(end), self.job.next()).await {
            match said {
                Said::Out(line) | Said::Err(line) => keep(log, line),
                Said::Exited(_) => self.is_spent = true,
                Said::OutClosed | Said::ErrClosed | Said::Refused(_) | Said::Done(_) => {}
            }
        }
    }
}

/// The most memory that the children of a process ever had, as Linux tells it.
fn memory_below(parent: u32) -> Option<u64> {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    let most = |child: &str| {
        let status = std::fs::read_to_string(format!("/proc/{child}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
    };
    children.split_ascii_whitespace().filter_map(most).reduce(u64::saturating_add)
}

fn keep(log: &mut Vec<String>, line: String) {
    if log.len() < LINES {
        log.push(line);
    }
}

fn exited(task: &Task, code: Option<i32>) -> Bytes {
    let how = match code {
        Some(0) => "Runtime exited without providing a reason".to_owned(),
        Some(code) => format!("Runtime exited with error: exit status {code}"),
        None => "Runtime exited with error: signal: killed".to_owned(),
    };
    failure("Runtime.ExitError", &format!("RequestId: {} Error: {how}", task.id))
}

fn invocation(wire: &Clock, task: &Task) -> Invocation {
    let deadline = wire.now().as_millisecond() + i64::try_from(task.limit().as_millis()).unwrap_or(i64::MAX / 2);
    let mut headers = vec![
        ("lambda-runtime-aws-request-id", task.id.clone()),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", task.arn.clone()),
        ("lambda-runtime-trace-id", task.trace.clone()),
    ];
    headers.extend(task.client_context.as_deref().and_then(plain).map(|text| ("lambda-runtime-client-context", text)));
    Invocation { headers, event: task.event.clone() }
}

/// What callers say about themselves arrives as base64 and is handed on as it was.
fn plain(text: &str) -> Option<String> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    String::from_utf8(bytes).ok()
}

impl Drop for Execution {
    fn drop(&mut self) {
        let known = self.house.lock().living.remove(&self.id);
        self.processes.close();
        let directory = std::mem::take(&mut self.directory);
        // Without a runtime the sandbox has ended, and its directory is removed as a whole.
        if let (Some(processes), Ok(runtime)) = (known, tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                super::end(processes).await;
                let _left = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(directory)).await;
            });
        }
    }
}
