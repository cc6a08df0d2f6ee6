//! Where a command's result goes beside standard output: the files that were asked for, and the files of the CI system.
//! They are checked before anything starts, and hold something true from then on, however the process ends.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::args::Output;
use super::files::{create, replace};
use crate::error::{Failure, Kind, Result};
use crate::event::{Envelope, Record};
use crate::plan::Plan;
use crate::report::{Invocation, Reporter, ResultDocument, Workflow, github, junit};
use crate::run::State;

/// Bytes that GitHub takes of a step's summaries; it drops the whole of what is larger.
const SUMMARIES: u64 = 1_000_000;

/// What the command line wants to be told, and where.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The command.
    pub command: String,
    /// The form of standard output.
    pub output: Output,
    /// `--result-file`.
    pub result_file: Option<PathBuf>,
    /// `--junit`.
    pub junit: Option<PathBuf>,
    /// `--events`.
    pub events: Option<PathBuf>,
}

/// The run that a command drives, as far as this process knows.
pub struct Known {
    /// Its plan.
    pub plan: Arc<Plan>,
    /// The fold of what was recorded.
    pub state: State,
    /// How it is called on the command line.
    pub invocation: Invocation,
}

/// The outlets of a process. Shared with the driver, which is told of records.
#[derive(Clone, Default)]
pub struct Outlets(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    asked: Option<Asked>,
    is_closed: bool,
    events: Option<File>,
    known: Option<Known>,
    /// The file of the step's outputs, and what was written there.
    outputs: Option<PathBuf>,
    written: BTreeMap<&'static str, String>,
    workflow: Option<Workflow>,
}

impl Outlets {
    /// Outlets of a step of GitHub Actions: `outputs` is its file.
    pub fn of_step(outputs: Option<PathBuf>, workflow: Workflow) -> Outlets {
        let inner = Inner { outputs, workflow: Some(workflow), ..Inner::default() };
        Outlets(Arc::new(Mutex::new(inner)))
    }

    /// Checks every file and writes what is true from now on: that the command has not said how it ended.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn open(&self, mut asked: Asked, directory: &Path) -> Result<()> {
        let document = ResultDocument::of_word(&asked.command, "unfinished", Kind::Unexpected.exit_code()).because(
            "unexpected",
            "shipit did not live to say how it ended",
            Some("shipit status".to_owned()),
        );
        if let Some(path) = &mut asked.result_file {
            *path = place("--result-file", directory, path)?;
            replace(path, &document.text()).map_err(|error| unwritable(path, &error))?;
        }
        if let Some(path) = &mut asked.junit {
            *path = place("--junit", directory, path)?;
            replace(path, &junit(&document, None)).map_err(|error| unwritable(path, &error))?;
        }
        let mut inner = self.inner();
        if let Some(path) = &asked.events {
            let path = directory.join(path);
            is_there(&path)?;
            inner.events = Some(create(&path).map_err(|error| unwritable(&path, &error))?);
        }
        inner.asked = Some(asked);
        Ok(())
    }

    /// What was asked for, unless nothing was, or the result has been said.
    pub fn asked(&self) -> Option<Asked> {
        let inner = self.inner();
        inner.asked.clone().filter(|_| !inner.is_closed)
    }

    /// Whether the command line has not been looked at, or wants nothing.
    pub fn are_untouched(&self) -> bool {
        self.inner().asked.is_none()
    }

    /// The file of `--events`.
    pub fn events(&self) -> Option<File> {
        self.inner().events.take()
    }

    /// A run is driven from here on: what is known of it is said at once.
    pub fn drive(&self, plan: Arc<Plan>, state: State, invocation: Invocation) {
        let mut inner = self.inner();
        inner.known = Some(Known { plan, state, invocation });
        inner.tell_early();
    }

    /// The run, as far as it is known.
    pub fn with_known<T>(&self, tell: impl FnOnce(&Known) -> T) -> Option<T> {
        self.inner().known.as_ref().map(tell)
    }

    /// Writes the result to all files; gives what could not be written.
    pub fn close(&self, document: &ResultDocument) -> Vec<Failure> {
        let mut inner = self.inner();
        inner.is_closed = true;
        inner.tell_step(document);
        let Some(asked) = inner.asked.clone() else { return Vec::new() };
        let known = inner.known.as_ref().map(|known| (&*known.plan, &known.state));
        let result = asked.result_file.as_ref().map(|path| (path, document.text()));
        let report = asked.junit.as_ref().map(|path| (path, junit(document, known)));
        let written = result.into_iter().chain(report).map(|(path, text)| (path, replace(path, &text)));
        written.filter_map(|(path, done)| Some(unwritable(path, &done.err()?))).collect()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// What is known before the end: whoever recovers after a kill needs the run's id.
    fn tell_early(&mut self) {
        let (Some(Known { plan, state, invocation }), Some(asked)) = (&self.known, &self.asked) else { return };
        let code = Kind::Unexpected.exit_code();
        let mut document = ResultDocument::of_run(&asked.command, plan, state, code, None).because(
            "unexpected",
            "shipit did not live to say how it ended",
            Some(invocation.command("resume")),
        );
        "unfinished".clone_into(&mut document.outcome);
        if let Some(path) = &asked.result_file {
            // It could be written a moment ago; the end will say if it cannot any more.
            let _ = replace(path, &document.text());
        }
        "running".clone_into(&mut document.outcome);
        self.tell_step(&document);
    }

    /// Assigns what has changed to the step's outputs. The last assignment counts.
    fn tell_step(&mut self, document: &ResultDocument) {
        let Some(workflow) = &self.workflow else { return };
        let mut news = document.outputs();
        news.retain(|(name, value)| self.written.get(name) != Some(value));
        let Some(path) = self.outputs.as_ref().filter(|_| !news.is_empty()) else { return };
        let pairs: Vec<(&str, &str)> = news.iter().map(|(name, value)| (*name, value.as_str())).collect();
        match append(path, &github::assignments(&pairs, fastrand::u128(..))) {
            Ok(()) => self.written.extend(news),
            Err(error) => {
                workflow.warning("no outputs", &format!("GITHUB_OUTPUT {} cannot be written: {error}", path.display()));
                self.outputs = None;
            }
        }
    }
}

impl Reporter for Outlets {
    fn on(&mut self, _plan: &Plan, _before: &State, envelope: &Envelope) {
        let mut inner = self.inner();
        if let Some(Known { plan, state, .. }) = &mut inner.known {
            state.apply(plan, envelope.at, &envelope.record);
        }
        if let Record::DeploymentSeen { .. } = envelope.record {
            inner.tell_early();
        }
    }
}

/// Adds a summary to the step's, unless GitHub would drop them all for it.
///
/// # Errors
/// The file cannot be written.
pub fn add_summary(path: &Path, text: &str) -> std::io::Result<()> {
    let there = fs::metadata(path).map_or(0, |found| found.len());
    if there + text.len() as u64 > SUMMARIES {
        return Err(std::io::Error::other("the step has written as much as GitHub takes"));
    }
    append(path, text)
}

fn append(path: &Path, text: &str) -> std::io::Result<()> {
    File::options().append(true).create(true).open(path)?.write_all(text.as_bytes())
}

/// Where a file will be written: a file that is there or can be made, and no pipe, which nobody may read.
fn place(flag: &str, directory: &Path, path: &Path) -> Result<PathBuf> {
    let path = directory.join(path);
    let refused =
        |what: &str, help: &str| Err(Failure::new(Kind::Usage, format!("{flag} {} {what}", path.display())).help(help));
    // A link to a file is replaced, and the file stays as it is.
    match fs::metadata(&path) {
        Ok(found) if found.is_dir() => refused("is a directory", "name a file in it"),
        Ok(found) if found.is_file() || found.is_symlink() => Ok(path),
        Ok(_) => refused("is no regular file", "name a file; `--output json` prints the result on standard output"),
        Err(_) => is_there(&path).map(|()| path),
    }
}

fn is_there(path: &Path) -> Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match fs::metadata(parent) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(Failure::new(Kind::Usage, format!("{} is no directory", parent.display()))
            .help("name a file in a directory that is there")),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let what = format!("{} cannot be written: there is no directory {}", path.display(), parent.display());
            Err(Failure::new(Kind::Usage, what).help(format!("mkdir -p {}", parent.display())))
        }
        Err(error) => Err(unwritable(path, &error)),
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Kind::Usage, format!("{} cannot be written: {error}", path.display()))
}
