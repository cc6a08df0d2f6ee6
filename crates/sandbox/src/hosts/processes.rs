//! The sandbox's end of a supervisor, a host's or a function's.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{self, Receiver, Sender, UnboundedSender};
use tokio::task::AbortHandle;

use super::agent::work::{Done, Work};
use super::supervisor::{Order, Report, Run, Said};

/// The processes of one host. Dropping this closes the supervisor's stdin, upon which it kills all of them.
pub struct Processes {
    orders: UnboundedSender<Order>,
    writer: AbortHandle,
    jobs: Arc<Mutex<Jobs>>,
    child: Mutex<Option<Child>>,
}

/// How many reports of a job may wait to be read.
const REPORTS: usize = 256;

#[derive(Default)]
struct Jobs {
    last: u64,
    running: BTreeMap<u64, Sender<Said>>,
}

/// A program that was started.
pub struct Job {
    id: u64,
    orders: UnboundedSender<Order>,
    jobs: Arc<Mutex<Jobs>>,
    reports: Receiver<Said>,
}

impl Processes {
    /// Starts a supervisor: `program sandbox-hosts` and these words, with an empty environment, in its own process group, so
    /// that a terminal's signals do not reach it.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(program: &Path, words: &[String]) -> io::Result<Processes> {
        let mut child = Command::new(program)
            .arg("sandbox-hosts")
            .args(words)
            .env_clear()
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("the supervisor has no pipes"));
        };
        let (orders, mut given) = mpsc::unbounded_channel::<Order>();
        let writer = tokio::spawn(async move {
            while let Some(order) = given.recv().await {
                let mut line = serde_json::to_vec(&order).unwrap_or_default();
                line.push(b'\n');
                if stdin.write_all(&line).await.is_err() {
                    return;
                }
            }
        });
        let jobs: Arc<Mutex<Jobs>> = Arc::default();
        let known = jobs.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let Ok(Report { job, said }) = serde_json::from_str(&line) else { continue };
                let listener = lock(&known).running.get(&job).cloned();
                if let Some(listener) = listener {
                    let _gone = listener.send(said).await; // a script that writes faster than it is read has to wait
                }
            }
            lock(&known).running.clear(); // whoever still listens learns that nothing will come
        });
        Ok(Processes { orders, writer: writer.abort_handle(), jobs, child: Mutex::new(Some(child)) })
    }

    /// Starts a program. That it could not be started is the job's first report.
    pub fn run(&self, command: Vec<String>, env: BTreeMap<String, String>, directory: String) -> Job {
        self.run_as(None, command, env, directory)
    }

    /// Starts a program as a user.
    pub fn run_as(
        &self,
        user: Option<String>,
        command: Vec<String>,
        env: BTreeMap<String, String>,
        directory: String,
    ) -> Job {
        self.job(|job| Order::Run(Run { job, command, env, directory, user }))
    }

    /// Does a piece of the agent's work on the host's disk.
    pub async fn work(&self, work: Work) -> Done {
        let mut job = self.job(|job| Order::Do { job, work: Box::new(work) });
        match job.next().await {
            Some(Said::Done(done)) => done,
            _ => Done::Failed("The agent's processes are gone".to_owned()),
        }
    }

    /// Appends to a log file of the host, before whatever is asked next.
    pub fn append(&self, path: PathBuf, text: String) {
        let _gone = self.orders.send(Order::Append { path, text });
    }

    fn job(&self, order: impl FnOnce(u64) -> Order) -> Job {
        let (sender, reports) = mpsc::channel(REPORTS);
        let mut jobs = lock(&self.jobs);
        jobs.last += 1;
        let id = jobs.last;
        jobs.running.insert(id, sender);
        let _gone = self.orders.send(order(id));
        Job { id, orders: self.orders.clone(), jobs: self.jobs.clone(), reports }
    }

    /// Closes the supervisor's stdin: it kills everything and ends.
    pub fn close(&self) {
        self.writer.abort();
    }

    /// The id of the supervisor's process, unless that was taken.
    pub fn id(&self) -> Option<u32> {
        lock(&self.child).as_ref().and_then(Child::id)
    }

    /// Takes the supervisor's process, to wait for its end after the close.
    pub fn take_child(&self) -> Option<Child> {
        lock(&self.child).take()
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.close();
    }
}

impl Job {
    /// What happens next; `None` if the supervisor is gone.
    pub async fn next(&mut self) -> Option<Said> {
        self.reports.recv().await
    }

    /// Sends TERM to its process group.
    pub fn terminate(&self) {
        let _gone = self.orders.send(Order::Term { job: self.id });
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        lock(&self.jobs).running.remove(&self.id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
