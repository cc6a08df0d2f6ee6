//! What becomes of an invocation.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;

use super::super::doc::Doc;
use super::super::later::Later;
use super::super::world::{ApiError, Scope, Site, State, World};
use super::check::Checks;
use super::counts::{Subject, publish_metrics};
use super::environment::{ANSWER, Done, Task, failure};
use super::errors;
use super::names::{self, LATEST, Named};
use super::nouns::{Function, Meaning, Progress, Store, Version};

/// The answer to an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoked {
    /// 200 also if the function failed; 202 for an event, 204 for a question.
    pub status: u16,
    /// Which version answered, whether it failed, what it wrote.
    pub headers: Vec<(&'static str, String)>,
    /// What the function answered.
    pub body: Bytes,
}

/// The largest event that is answered.
const EVENT: usize = 6_291_456;
/// The largest event that is not.
const ASYNC_EVENT: usize = 1_048_576;
/// How much of what was written is told, in bytes.
const LOG: usize = 4096;
/// When an event is given to a function again that failed, in seconds of world time.
const RETRIES: [u64; 2] = [60, 120];
/// For how long an event is kept that the function has no room for.
const KEPT: u64 = 6 * 3600;

/// An invocation that may run.
struct Admitted {
    task: Task,
    subject: Subject,
    began: Timestamp,
    room: Room,
}

/// A place among the concurrent executions.
struct Room {
    world: Arc<World>,
    site: Site,
    function: String,
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut state = self.world.lock();
        let running = &mut state.site(&self.site).lambda.running;
        if let Some(count) = running.get_mut(&self.function) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.function);
            }
        }
    }
}

/// What is to run, for whom it counts, and why there is no room for it.
type Chosen = (Task, Subject, Result<(), &'static str>);

/// What a caller asks for.
struct Request {
    named: Named,
    site: Site,
    event: Bytes,
    client_context: Option<String>,
    wants_log: bool,
    id: String,
}

/// Invokes a function: waits for its answer, or only takes the event, or only says whether it could.
///
/// # Errors
/// What the service answers when it does not invoke the function. A function that fails is no such error.
pub async fn invoke(
    world: &Arc<World>,
    scope: &Scope,
    input: &Doc,
    payload: Bytes,
    id: &str,
) -> Result<Invoked, ApiError> {
    let named = names::invoked(scope, input)?;
    let kind = input.text("InvocationType").unwrap_or("RequestResponse");
    let mut checks = Checks::default();
    checks.one_of(Some(kind), "invocationType", &["Event", "RequestResponse", "DryRun"]);
    checks.one_of(input.text("LogType"), "logType", &["None", "Tail"]);
    checks.done()?;
    let request = Arc::new(Request {
        named,
        site: scope.site.clone(),
        event: event(kind, payload)?,
        client_context: input.text("ClientContext").map(str::to_owned),
        wants_log: input.text("LogType") == Some("Tail") && kind == "RequestResponse",
        id: id.to_owned(),
    });
    let bare = |status| Invoked { status, headers: Vec::new(), body: Bytes::new() };
    match kind {
        "DryRun" => request.find(world).map(|()| bare(204)),
        "Event" => {
            request.find(world)?;
            tokio::spawn(deliver(Later::of(world), request));
            Ok(bare(202))
        }
        _ => {
            let admitted = request.admit(world)?;
            let (version, trace) = (admitted.task.version.clone(), admitted.task.trace.clone());
            let wants_log = request.wants_log;
            // A caller that hangs up does not end the function.
            let running = tokio::spawn(admitted.run());
            let (done, log) = running.await.map_err(|_| {
                ApiError::new("ServiceException", "The environment is gone.").status(500).with("Type", "Service")
            })?;
            let mut headers = vec![("x-amz-executed-version", version), ("x-amzn-trace-id", trace)];
            if done.is_error {
                headers.push(("x-amz-function-error", "Unhandled".to_owned()));
            }
            if wants_log {
                headers.push(("x-amz-log-result", STANDARD.encode(tail(&log))));
            }
            Ok(Invoked { status: 200, headers, body: done.body })
        }
    }
}

/// The event, which has to be JSON; nothing means an empty object.
fn event(kind: &str, payload: Bytes) -> Result<Bytes, ApiError> {
    let most = if kind == "Event" { ASYNC_EVENT } else { EVENT };
    if payload.len() > most {
        return Err(errors::too_large(format!(
            "Request must be smaller than {most} bytes for the InvokeFunction operation"
        )));
    }
    if payload.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    match serde_json::from_slice::<serde::de::IgnoredAny>(&payload) {
        Ok(_) => Ok(payload),
        Err(why) => {
            let message = format!("Could not parse request body into json: {why}");
            Err(ApiError::new("InvalidRequestContentException", message).with("Type", "User"))
        }
    }
}

impl Request {
    /// Checks that there is what is to be invoked, and that it can be.
    fn find(&self, world: &Arc<World>) -> Result<(), ApiError> {
        let now = world.now();
        let mut state = world.lock();
        let store = &mut state.site(&self.site).lambda;
        store.settle(now);
        let (function, _) = self.target(store)?;
        function.main(self.named.qualifier.as_deref()).map_or(Ok(()), is_there)
    }

    fn target<'a>(&self, store: &'a Store) -> Result<(&'a Function, Meaning), ApiError> {
        let qualifier = self.named.qualifier.as_deref();
        let missing = || errors::no_function(&self.named.with(qualifier.unwrap_or(LATEST)));
        let function = store.functions.get(&self.named.name).ok_or_else(missing)?;
        Ok((function, function.meaning(qualifier).ok_or_else(missing)?))
    }

    /// Chooses the version and takes a place among the concurrent executions, if there is one left.
    fn admit(&self, world: &Arc<World>) -> Result<Admitted, ApiError> {
        let began = world.now();
        let (task, subject, room) = self.choose(&mut world.lock(), began)?;
        publish_metrics(world, &self.site);
        room.map_err(errors::throttled)?;
        let room = Room { world: world.clone(), site: self.site.clone(), function: self.named.name.clone() };
        Ok(Admitted { task, subject, began, room })
    }

    fn choose(&self, state: &mut State, now: Timestamp) -> Result<Chosen, ApiError> {
        let State { rng: seed, sites, .. } = state;
        let store = &mut sites.entry(self.site.clone()).or_default().lambda;
        store.settle(now);
        let mut rng = store.rng.take().unwrap_or_else(|| seed.get_or_insert_with(fastrand::Rng::new).fork());
        let chosen = self.target(store).and_then(|(function, meaning)| {
            let version = choose(function, &meaning, &mut rng);
            let version = version.ok_or_else(|| errors::no_function(&self.named.asked()))?;
            is_there(version)?;
            Ok((function.reserved, matches!(meaning, Meaning::Alias(_)), self.task(function, version)))
        });
        store.rng = Some(rng);
        let (reserved, is_alias, task) = chosen?;
        let subject = Subject {
            function: self.named.name.clone(),
            qualifier: self.named.qualifier.clone(),
            executed: is_alias.then(|| task.version.clone()),
        };
        let room = store.room(&self.named.name, reserved);
        match room {
            Err(_) => store.counts.throttled(now, &subject),
            Ok((account, function)) => store.counts.began(now, &subject, account, function),
        }
        Ok((task, subject, room.map(drop)))
    }

    fn task(&self, function: &Function, version: &Version) -> Task {
        let id: String = self.id.chars().filter(char::is_ascii_hexdigit).collect();
        Task {
            id: self.id.clone(),
            function: function.name.clone(),
            region: self.site.region.clone(),
            arn: self.named.asked(),
            version: version.name(),
            version_arn: format!("{}:{}", function.arn, version.name()),
            event: self.event.clone(),
            client_context: self.client_context.clone(),
            trace: format!("Root=1-{:0>8.8}-{:0>24.24};Sampled=0", id, id.chars().rev().collect::<String>()),
            wants_log: self.wants_log,
            content: version.serving().clone(),
        }
    }
}

/// Refuses a version that is still being made.
fn is_there(version: &Version) -> Result<(), ApiError> {
    if let Progress::Creating(_) = version.progress {
        let why =
            "The operation cannot be performed at this time. The function is currently in the following state: Pending";
        return Err(errors::conflict(why));
    }
    Ok(())
}

/// The version of an invocation. An alias with weights draws it by lot, each time anew.
fn choose<'a>(function: &'a Function, meaning: &Meaning, rng: &mut fastrand::Rng) -> Option<&'a Version> {
    match meaning {
        Meaning::Latest => Some(&function.latest),
        Meaning::Version(number) => function.versions.get(number),
        Meaning::Alias(name) => {
            let alias = function.aliases.get(name)?;
            // The lot lies in [0, 1): a weight of zero is never hit, one of one always.
            let other = alias.other.as_ref().filter(|(_, weight)| rng.f64() < *weight);
            function.version(other.map_or(&alias.version, |(version, _)| version))
        }
    }
}

impl Store {
    /// Takes a place among the concurrent executions; how many of the account and of the function run then, or why
    /// there is none.
    fn room(&mut self, name: &str, reserved: Option<i64>) -> Result<(i64, i64), &'static str> {
        let own = self.running.get(name).copied().unwrap_or(0);
        let is_unreserved = |name: &&String| self.functions.get(*name).is_none_or(|one| one.reserved.is_none());
        let unreserved: i64 =
            self.running.iter().filter(|(name, _)| is_unreserved(name)).map(|(_, running)| running).sum();
        match reserved {
            Some(reserved) if own >= reserved => return Err("ReservedFunctionConcurrentInvocationLimitExceeded"),
            None if unreserved >= self.unreserved_without("") => return Err("ConcurrentInvocationLimitExceeded"),
            _ => {}
        }
        *self.running.entry(name.to_owned()).or_default() += 1;
        Ok((self.running.values().sum(), own + 1))
    }
}

impl Admitted {
    /// Runs it; what became of it, and what was written.
    async fn run(self) -> (Done, String) {
        let world = self.room.world.clone();
        let task = self.task.clone();
        let mut done = world.hosts.functions().run(&world, task).await;
        if done.body.len() > ANSWER && !done.is_error {
            let message = format!("Response payload size exceeded maximum allowed payload size ({ANSWER} bytes).");
            done.body = failure("Function.ResponseSizeTooLarge", &message);
            done.is_error = true;
        }
        let site = &self.room.site;
        world.lock().site(site).lambda.counts.ended(self.began, &self.subject, done.took, done.is_error);
        publish_metrics(&world, site);
        let log = log(&self.task, &done);
        (done, log)
    }
}

/// What the service writes around what the function wrote.
fn log(task: &Task, done: &Done) -> String {
    let Task { id, version, .. } = task;
    let memory = task.config().memory;
    let ms = |length: Duration| length.as_secs_f64() * 1000.0;
    let (took, init) = (ms(done.took), done.init.map(ms));
    let billed = (took + init.unwrap_or(0.0)).ceil();
    let lines: String = done.log.iter().map(|line| format!("{line}\n")).collect();
    let used =
        done.memory.map(|bytes| format!("Max Memory Used: {} MB\t", bytes.div_ceil(1 << 20))).unwrap_or_default();
    let init = init.map(|init| format!("Init Duration: {init:.2} ms\t")).unwrap_or_default();
    format!(
        "START RequestId: {id} Version: {version}\n{lines}END RequestId: {id}\nREPORT RequestId: {id}\tDuration: \
         {took:.2} ms\tBilled Duration: {billed} ms\tMemory Size: {memory} MB\t{used}{init}\n"
    )
}

fn tail(log: &str) -> &[u8] {
    let bytes = log.as_bytes();
    &bytes[bytes.len().saturating_sub(LOG)..]
}

/// Gives an event to its function: again if the function failed, and while there is no room for it.
async fn deliver(later: Later, request: Arc<Request>) {
    let (mut failed, mut waited, mut pause) = (0, 0, 1);
    loop {
        let Some(world) = later.world() else { return };
        let admitted = request.admit(&world);
        drop(world);
        let wait = match admitted {
            Ok(admitted) => match tokio::spawn(admitted.run()).await {
                Ok((done, _)) if done.is_error => {
                    failed += 1;
                    RETRIES.get(failed - 1).copied()
                }
                _ => None,
            },
            Err(error) if error.status == 429 && waited < KEPT => {
                waited += pause;
                let now = pause;
                pause = (pause * 2).min(300);
                Some(now)
            }
            Err(_) => None,
        };
        let Some(wait) = wait else { return };
        if later.sleep(Duration::from_secs(wait)).await.is_none() {
            return;
        }
    }
}
