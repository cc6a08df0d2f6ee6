//! The init process of a real host, or of a function's execution environment: the same binary, started with the hidden subcommand `sandbox-hosts`.
//!
//! It starts what it is told to (JSON lines on stdin), reports what that writes and how it ends (JSON lines on stdout),
//! and adopts what daemonises below it. When stdin closes, because the host is terminated or because the sandbox is
//! gone, however it went, it kills every descendant and ends. So nothing survives the sandbox.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, WaitStatus};
use serde::{Deserialize, Serialize};

use super::agent::layout::Layout;
use super::agent::work::{self, Done, Work};

/// What the supervisor is told.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Start a program in a process group of its own.
    Run(Run),
    /// Send TERM to the process group of a job.
    Term {
        /// The job.
        job: u64,
    },
    /// Do a piece of the agent's work on the disk.
    Do {
        /// The job.
        job: u64,
        /// What.
        work: Box<Work>,
    },
    /// Append to a log file, which is made with its directory.
    Append {
        /// Which.
        path: PathBuf,
        /// What.
        text: String,
    },
}

/// A program to start.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Run {
    /// Chosen by the one who gives the order.
    pub job: u64,
    /// Program and arguments; the program is a path.
    pub command: Vec<String>,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// Where it runs.
    pub directory: String,
    /// Who runs it, if not whoever runs everything.
    #[serde(default)]
    pub user: Option<String>,
}

/// What the supervisor reports about a job.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Report {
    /// The job.
    pub job: u64,
    /// What happened.
    pub said: Said,
}

/// What happens to a job.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// A line on stdout.
    Out(String),
    /// A line on stderr.
    Err(String),
    /// Stdout was closed by everyone who had it.
    OutClosed,
    /// Stderr was closed by everyone who had it.
    ErrClosed,
    /// It ended; `None` if by a signal.
    Exited(Option<i32>),
    /// It could not be started.
    Refused(String),
    /// A piece of work is done.
    Done(Done),
}

/// Longer lines are reported in pieces.
const LONGEST_LINE: u64 = 8 << 10;
/// A log file does not grow beyond this.
const LOG_FILE: u64 = 16 << 20;
/// How often the end of all descendants is awaited, 10 ms each.
const KILL_ROUNDS: usize = 500;

struct Jobs {
    inner: Mutex<Inner>,
    started: Condvar,
}

#[derive(Default)]
struct Inner {
    jobs: BTreeMap<i32, u64>,
    spawned: u64,
}

impl Jobs {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the hidden subcommand does, by the words after it; the exit code of the process. Without words it serves a
/// function's environment.
pub fn main(words: &[String]) -> i32 {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mapped = |directory: &str| Layout::new(Path::new(directory).join("root"));
    let ended = match words[..] {
        [] => Ok(supervise(mapped("/nonexistent"))),
        ["unconfined", directory, _] => Ok(supervise(mapped(directory))),
        #[cfg(target_os = "linux")]
        ["namespaces", directory, name] => super::confine::namespaces::enter(Path::new(directory), name),
        #[cfg(target_os = "linux")]
        ["within", directory, name] => {
            super::confine::namespaces::within(Path::new(directory), name).map(|()| supervise(Layout::new("/".into())))
        }
        #[cfg(target_os = "linux")]
        ["map", process] => super::confine::namespaces::map(process),
        #[cfg(target_os = "linux")]
        ["writes", directory, _] => {
            super::confine::writes::confine(Path::new(directory)).map(|()| supervise(mapped(directory)))
        }
        _ => Err(io::Error::other("this machine cannot do that")),
    };
    ended.unwrap_or_else(|why| {
        // Whoever tries what this machine can do wants to know.
        let _nobody = writeln!(io::stderr(), "{why}");
        1
    })
}

/// Runs the supervisor until stdin closes.
fn supervise(layout: Layout) -> i32 {
    #[cfg(target_os = "linux")]
    if rustix::process::set_child_subreaper(Some(rustix::process::getpid())).is_err() {
        return 1;
    }
    let jobs = Arc::new(Jobs { inner: Mutex::default(), started: Condvar::new() });
    let reaper = jobs.clone();
    std::thread::spawn(move || reap(&reaper));
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        match serde_json::from_str(&line) {
            Ok(Order::Run(run)) => start(&jobs, &run),
            Ok(Order::Term { job }) => terminate(&jobs, job),
            Ok(Order::Do { job, work }) => {
                let layout = layout.clone();
                std::thread::spawn(move || report(job, Said::Done(work::done(&layout, &work))));
            }
            // A full disk must not fail a hook.
            Ok(Order::Append { path, text }) => drop(append(&path, &text)),
            Err(_) => break,
        }
    }
    kill_everything(&jobs);
    0
}

fn report(job: u64, said: Said) {
    if let Ok(mut line) = serde_json::to_vec(&Report { job, said }) {
        line.push(b'\n');
        let mut out = io::stdout().lock();
        // Nobody may listen any more; then stdin closes too.
        let _gone = out.write_all(&line).and_then(|()| out.flush());
    }
}

fn append(path: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    let mut file = fs::File::options().create(true).append(true).open(path)?;
    if file.metadata()?.len() < LOG_FILE { file.write_all(text.as_bytes()) } else { Ok(()) }
}

/// The command of a job. Another user is possible only where there is more than one.
fn command(run: &Run) -> Vec<String> {
    match &run.user {
        Some(user) if has_users() => {
            let words = ["/bin/su", user, "-c"].into_iter().chain(run.command.iter().map(String::as_str));
            words.map(str::to_owned).collect()
        }
        _ => run.command.clone(),
    }
}

/// Whether this process may become other users: it is root, and of more than one user's world.
fn has_users() -> bool {
    let mapped = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let ids = |line: &str| line.split_ascii_whitespace().nth(2).and_then(|count| count.parse::<u64>().ok());
    rustix::process::geteuid().is_root() && mapped.lines().filter_map(ids).sum::<u64>() != 1
}

fn start(jobs: &Arc<Jobs>, run: &Run) {
    let command = command(run);
    let mut inner = jobs.lock();
    let child = match spawn(&command, run) {
        // A script without `#!` is for the shell.
        Err(why) if why.raw_os_error() == Some(Errno::NOEXEC.raw_os_error()) => {
            let shell: Vec<String> = ["/bin/sh".to_owned()].into_iter().chain(command.iter().cloned()).collect();
            spawn(&shell, run)
        }
        spawned => spawned,
    };
    let mut child = match child {
        Ok(child) => child,
        Err(why) => return report(run.job, Said::Refused(why.to_string())),
    };
    if let Ok(pid) = i32::try_from(child.id()) {
        inner.jobs.insert(pid, run.job);
    }
    inner.spawned += 1;
    jobs.started.notify_all();
    drop(inner);
    let job = run.job;
    if let Some(out) = child.stdout.take() {
        std::thread::spawn(move || relay(job, out, Said::Out, Said::OutClosed));
    }
    if let Some(err) = child.stderr.take() {
        std::thread::spawn(move || relay(job, err, Said::Err, Said::ErrClosed));
    }
}

fn spawn(command: &[String], run: &Run) -> io::Result<std::process::Child> {
    let (program, arguments) = command.split_first().ok_or_else(|| io::Error::other("there is no command"))?;
    let mut tries = 0;
    loop {
        let spawned = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(&run.env)
            .current_dir(&run.directory)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        match spawned {
            // Whoever wrote the script has just started a process that still holds it open.
            Err(why) if why.raw_os_error() == Some(Errno::TXTBSY.raw_os_error()) && tries < 20 => tries += 1,
            spawned => return spawned,
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn relay(job: u64, stream: impl Read, line: fn(String) -> Said, closed: Said) {
    let mut stream = BufReader::new(stream);
    let mut bytes = Vec::new();
    while stream.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&bytes);
        report(job, line(text.trim_end_matches(['\n', '\r']).to_owned()));
        bytes.clear();
    }
    report(job, closed);
}

fn terminate(jobs: &Jobs, job: u64) {
    let pid = jobs.lock().jobs.iter().find(|(_, running)| **running == job).and_then(|(pid, _)| Pid::from_raw(*pid));
    if let Some(pid) = pid {
        let _gone = rustix::process::kill_process_group(pid, Signal::TERM);
    }
}

/// Reaps own children and adopted ones. It first waits without reaping, and reaps under the lock: so it cannot take the
/// status of a child that is just being started, nor report an end before its start is in the books.
fn reap(jobs: &Jobs) {
    let mut seen = 0;
    loop {
        match rustix::process::waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Err(Errno::CHILD) => {
                let mut inner = jobs.lock();
                while inner.spawned == seen {
                    inner = jobs.started.wait(inner).unwrap_or_else(PoisonError::into_inner);
                }
                seen = inner.spawned;
            }
            Err(Errno::INTR) => {}
            Err(_) => return,
            Ok(_) => reap_ended(&mut jobs.lock()),
        }
    }
}

fn reap_ended(inner: &mut Inner) {
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        if let Some(job) = inner.jobs.remove(&pid.as_raw_nonzero().get()) {
            report(job, Said::Exited(WaitStatus::exit_status(status)));
        }
    }
}

/// Kills all descendants, again and again until none is left: one may have forked meanwhile.
fn kill_everything(jobs: &Jobs) {
    for _ in 0..KILL_ROUNDS {
        let living = descendants(jobs);
        if living.is_empty() {
            return;
        }
        for pid in living {
            kill(pid);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[cfg(target_os = "linux")]
fn kill(pid: Pid) {
    let _gone = rustix::process::kill_process(pid, Signal::KILL);
}

/// All processes below this one, however deep. Zombies count until they are reaped.
#[cfg(target_os = "linux")]
fn descendants(_jobs: &Jobs) -> Vec<Pid> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let parents: BTreeMap<i32, i32> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: i32| Some((pid, parent(pid)?)))
        .collect();
    let below = |pid: i32| {
        let mut up = pid;
        for _ in 0..parents.len() {
            match parents.get(&up) {
                Some(parent) if *parent == own => return true,
                Some(parent) => up = *parent,
                None => return false,
            }
        }
        false
    };
    parents.keys().filter(|pid| below(**pid)).filter_map(|pid| Pid::from_raw(*pid)).collect()
}

/// The parent's id: the second field after the name, which is in parentheses and may contain anything.
#[cfg(target_os = "linux")]
fn parent(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Where descendants cannot be listed: the process groups of the jobs.
#[cfg(not(target_os = "linux"))]
fn descendants(jobs: &Jobs) -> Vec<Pid> {
    jobs.lock().jobs.keys().filter_map(|pid| Pid::from_raw(*pid)).collect()
}

#[cfg(not(target_os = "linux"))]
fn kill(group: Pid) {
    let _gone = rustix::process::kill_process_group(group, Signal::KILL);
}
