//! Functions as processes of this machine: one for each concurrent execution, kept a while for the next one.
//!
//! Each environment has a directory of its own, an endpoint of the runtime API on loopback, and an init process, the
//! [supervisor](super::super::hosts::supervisor), by which all that the function started is killed when the environment
//! ends, and when the sandbox ends, however it ends.

mod api;
mod execution;
mod launch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, OnceCell, Semaphore};

use super::super::hosts::processes::Processes;
use super::super::world::World;
use super::environment::{Done, Environments, Task, failure};
use clock::Clock;
use execution::Execution;

/// How long an environment without work is kept, in world time.
const KEPT: SignedDuration = SignedDuration::from_mins(10);
/// How often it is looked for those.
const LOOK: Duration = Duration::from_secs(60);
/// How long a supervisor may take to kill everything before its directory is removed anyway.
const LAST_ORDERS: Duration = Duration::from_secs(10);

/// How many environments start at the same time. Were it as many as there are calls without one, a machine of few cores
/// would start ever more of them, each the slower; meanwhile calls take an environment that has become free.
const STARTS: usize = 4;

/// Which environments can answer an invocation: those of the same version with the same code and configuration.
type Key = (String, u64);

/// Execution environments below a directory.
pub struct RealFunctions {
    house: Arc<House>,
    starts: Arc<Semaphore>,
    /// An environment has become free.
    freed: Notify,
    python: OnceCell<String>,
    /// Bundles that are unpacked, by digest.
    unpacked: tokio::sync::Mutex<BTreeMap<String, PathBuf>>,
}

/// What environments share.
struct House {
    program: PathBuf,
    directory: PathBuf,
    rooms: Mutex<Rooms>,
}

#[derive(Default)]
struct Rooms {
    last: u64,
    is_closed: bool,
    /// All init processes.
    living: BTreeMap<u64, Arc<Processes>>,
    /// Environments without work, and since when.
    idle: BTreeMap<Key, Vec<(Timestamp, Execution)>>,
    is_reaped: bool,
}

impl House {
    fn lock(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RealFunctions {
    /// Environments below this directory, which is made when the first one is needed. `program` is the binary whose
    /// hidden subcommand `sandbox-hosts` is the supervisor.
    pub fn new(program: &Path, directory: PathBuf) -> RealFunctions {
        let house = House { program: program.to_owned(), directory, rooms: Mutex::default() };
        RealFunctions {
            house: Arc::new(house),
            starts: Arc::new(Semaphore::new(STARTS)),
            freed: Notify::new(),
            python: OnceCell::new(),
            unpacked: tokio::sync::Mutex::default(),
        }
    }

    /// Ends all environments and returns when their processes are gone.
    pub async fn stop(&self) {
        let (idle, living) = {
            let mut rooms = self.house.lock();
            rooms.is_closed = true;
            (std::mem::take(&mut rooms.idle), std::mem::take(&mut rooms.living))
        };
        drop(idle);
        futures_util::future::join_all(living.into_values().map(end)).await;
        let directory = self.house.directory.clone();
        let _left = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(directory)).await;
    }

    /// The environment that was used last of those that can answer this.
    fn take(&self, key: &Key) -> Option<Execution> {
        let mut rooms = self.house.lock();
        let idle = rooms.idle.get_mut(key)?;
        let taken = idle.pop().map(|(_, execution)| execution);
        if idle.is_empty() {
            rooms.idle.remove(key);
        }
        taken
    }

    /// An environment that has become free, or a new one, whichever is there first.
    async fn take_or_start(&self, key: &Key, task: &Task) -> Result<Execution, String> {
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // From here on none that is freed is missed.
            freed.as_mut().enable();
            if let Some(kept) = self.take(key) {
                return Ok(kept);
            }
            tokio::select! {
                turn = self.starts.clone().acquire_owned() => {
                    let turn = turn.map_err(|_| "the sandbox has ended".to_owned())?;
                    return self.start(task, turn).await;
                }
                () = freed => {}
            }
        }
    }

    fn keep(&self, clock: Clock, key: Key, execution: Execution) {
        let is_reaped = {
            let mut rooms = self.house.lock();
            if rooms.is_closed {
                return;
            }
            rooms.idle.entry(key).or_default().push((clock.now(), execution));
            std::mem::replace(&mut rooms.is_reaped, true)
        };
        self.freed.notify_waiters();
        if !is_reaped {
            tokio::spawn(reap(Arc::downgrade(&self.house), clock));
        }
    }

    async fn answer(&self, world: &Arc<World>, task: Task) -> Done {
        let key = (task.version_arn.clone(), task.content.stamp);
        loop {
            let mut execution = match self.take_or_start(&key, &task).await {
                Ok(execution) => execution,
                Err(why) => {
                    let body = failure("Runtime.InvalidEntrypoint", &format!("RequestId: {} Error: {why}", task.id));
                    return Done { body, is_error: true, ..Done::default() };
                }
            };
            // One that was kept may have ended meanwhile.
            let Some(done) = execution.answer(&world.wire, &task).await else { continue };
            if execution.is_living() {
                self.keep(world.clock, key, execution);
            }
            return done;
        }
    }
}

impl Environments for RealFunctions {
    fn run<'a>(&'a self, world: &'a Arc<World>, task: Task) -> BoxFuture<'a, Done> {
        Box::pin(self.answer(world, task))
    }
}

/// Ends environments that had no work for long, as long as there are any.
async fn reap(house: std::sync::Weak<House>, clock: Clock) {
    loop {
        clock.sleep(LOOK).await;
        let Some(house) = house.upgrade() else { return };
        let mut rooms = house.lock();
        let now = clock.now();
        let mut old = Vec::new();
        for idle in rooms.idle.values_mut() {
            let is_old = |(since, _): &mut (Timestamp, Execution)| now.duration_since(*since) >= KEPT;
            old.extend(idle.extract_if(.., is_old));
        }
        rooms.idle.retain(|_, idle| !idle.is_empty());
        rooms.is_reaped = !rooms.idle.is_empty();
        let is_done = !rooms.is_reaped;
        drop(rooms);
        drop(old);
        if is_done {
            return;
        }
    }
}

/// Closes a supervisor and waits for its end.
async fn end(processes: Arc<Processes>) {
    let child = processes.take_child();
    processes.close();
    if let Some(mut child) = child {
        let _late = tokio::time::timeout(LAST_ORDERS, child.wait()).await;
    }
}
