//! What a pipeline's variables stand for: the release, the checkout, the environment.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::around::Around;
use super::ci::Ci;
use crate::config::{Facts, File};
use crate::event::Origin;
use crate::model::harmless;

/// The commit that is checked out.
const COMMIT: &[&str] = &["rev-parse", "--verify", "HEAD"];
/// The branch that is checked out.
const BRANCH: &[&str] = &["symbolic-ref", "--short", "-q", "HEAD"];
/// Whether the history ends where a download was told to end.
const SHALLOW: &[&str] = &["rev-parse", "--is-shallow-repository"];
/// What differs from the commit, of what git keeps, in submodules, too.
const CHANGED: &[&str] = &["status", "--porcelain", "--untracked-files=no", "--ignore-submodules=none"];
/// What git does not keep and was not told to pass over, below the paths that follow.
const UNTRACKED: &[&str] = &["status", "--porcelain", "--untracked-files=all", "--"];
/// The longest name of a branch that is recorded.
const NAME: usize = 200;
/// Git reads a few files for this, and the history for an ancestor; a checkout on a network that hangs must not hold a command for long.
const GIT: Duration = Duration::from_secs(5);
/// Bytes that are read of what it says.
const LINE: u64 = 1000;
/// How often it is asked whether it has ended.
const PACE: Duration = Duration::from_millis(5);

/// Gathers what a file may ask for. Git is asked first: what is checked out is what is shipped, whatever began the build.
pub fn gather(directory: &Path, env: &BTreeMap<String, String>, ci: &Ci, file: &File, release: Option<&str>) -> Facts {
    let ask = |words: &[&str]| if file.asks_git() { git(directory, words) } else { None };
    Facts {
        release: release.map(str::to_owned),
        git_sha: ask(COMMIT).or_else(|| ci.build.as_ref().and_then(|build| build.commit.clone())),
        git_branch: ask(BRANCH).or_else(|| ci.branch.clone()),
        env: env.clone(),
    }
}

/// What the release of this checkout is made of; nothing if nothing is known. `artifacts` are the paths that are shipped.
pub fn origin<'a>(around: &Around, artifacts: impl Iterator<Item = &'a str>) -> Option<Origin> {
    let ci = &around.ci;
    let commit = git(&around.directory, COMMIT).filter(|commit| is_commit(commit));
    let (job, number) = ci.job.clone().unzip();
    let dirty = commit.is_some() && is_dirty(&around.directory, artifacts);
    let origin = Origin {
        commit: commit.or_else(|| ci.build.as_ref().and_then(|build| build.commit.clone())),
        branch: git(&around.directory, BRANCH).map(|name| harmless(&name, NAME)).or_else(|| ci.branch.clone()),
        job,
        number,
        dirty,
    };
    (origin != Origin::default()).then_some(origin)
}

/// Whether what is shipped may hold something that is not in the commit, as far as git tells in time.
fn is_dirty<'a>(directory: &Path, artifacts: impl Iterator<Item = &'a str>) -> bool {
    let says_any = |words: &[&str]| run(directory, words).is_some_and(|(_, line)| !line.is_empty());
    let untracked: Vec<&str> = UNTRACKED.iter().copied().chain(artifacts).collect();
    says_any(CHANGED) || says_any(&untracked)
}

/// How one commit stands to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ancestry {
    /// It is an ancestor.
    Older,
    /// It is not.
    NotOlder,
    /// There is no git here, or this checkout does not know them both.
    Unknown,
    /// This checkout has not their whole history: an ancestor may lie beyond its end.
    Shallow,
}

/// Whether a commit is an ancestor of another, as far as the checkout knows.
pub fn ancestry(directory: &Path, one: &str, other: &str) -> Ancestry {
    // What is read from a store may be anything, and must not become an option.
    if !is_commit(one) || !is_commit(other) {
        return Ancestry::Unknown;
    }
    if one == other {
        return Ancestry::NotOlder;
    }
    let known = |commit: &str| git(directory, &["rev-parse", "--verify", &format!("{commit}^{{commit}}")]).is_some();
    let is_ancestor = || run(directory, &["merge-base", "--is-ancestor", one, other])?.0.code();
    match (known(one) && known(other)).then(is_ancestor).flatten() {
        // A history that was cut off hides ancestors and invents none.
        Some(0) => Ancestry::Older,
        _ if git(directory, SHALLOW).is_some_and(|answer| answer == "true") => Ancestry::Shallow,
        Some(1) => Ancestry::NotOlder,
        _ => Ancestry::Unknown,
    }
}

fn is_commit(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The one line that git answers, if it answers in time.
fn git(directory: &Path, words: &[&str]) -> Option<String> {
    let (status, line) = run(directory, words)?;
    Some(line.trim().to_owned()).filter(|line| status.success() && !line.is_empty())
}

/// Runs git; nothing if there is none, or if it does not end in time. Of what it says only the beginning is read.
fn run(directory: &Path, words: &[&str]) -> Option<(ExitStatus, String)> {
    let mut child = Command::new("git")
        // It runs no program of the repository's and writes nothing, neither asks anybody nor fetches what a partial clone
        // left behind.
        .args(["-c", "core.fsmonitor=false", "--no-optional-locks"])
        .args(words)
        .current_dir(directory)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_NO_LAZY_FETCH", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let out = child.stdout.take()?;
    let (said, line) = mpsc::channel();
    // Beside the wait: who writes more than a pipe holds would never end.
    std::thread::spawn(move || {
        let mut line = Vec::new();
        let read = out.take(LINE).read_to_end(&mut line);
        let _ = said.send(read.map(|_| line));
    });
    let begun = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if begun.elapsed() < GIT => std::thread::sleep(PACE),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    };
    let line = line.recv_timeout(GIT).ok()?.ok()?;
    Some((status, String::from_utf8_lossy(&line).into_owned()))
}
