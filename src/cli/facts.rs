//! What a pipeline's variables stand for: the release, the checkout, the environment.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::around::Around;
use crate::config::{Facts, File};

/// Git reads two small files for this; a checkout on a network that hangs must not hold a command for long.
const GIT: Duration = Duration::from_secs(5);
/// How often it is asked whether it has ended.
const PACE: Duration = Duration::from_millis(5);

/// Gathers what a file may ask for.
pub fn gather(around: &Around, file: &File, release: Option<&str>) -> Facts {
    let env = around.env.clone();
    let set = |name: &str| env.get(name).filter(|value| !value.is_empty()).cloned();
    let git = |words: &[&str]| if file.asks_git() { git(&around.directory, words) } else { None };
    let git_sha = git(&["rev-parse", "--verify", "HEAD"]).or_else(|| set("GITHUB_SHA")).or_else(|| set("GIT_COMMIT"));
    // CI systems check out a commit, not a branch, and say in a variable which one they mean.
    let git_branch = git(&["symbolic-ref", "--short", "-q", "HEAD"])
        .or_else(|| set("GITHUB_HEAD_REF"))
        .or_else(|| set("GITHUB_REF_NAME").filter(|_| set("GITHUB_REF_TYPE").as_deref() == Some("branch")))
        .or_else(|| set("BRANCH_NAME"))
        .or_else(|| set("GIT_BRANCH").map(|name| name.trim_start_matches("origin/").to_owned()));
    Facts { release: release.map(str::to_owned), git_sha, git_branch, env }
}

/// The one line that git answers, if it answers in time.
fn git(directory: &Path, words: &[&str]) -> Option<String> {
    let mut child = Command::new("git")
        .args(words)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
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
    let mut line = String::new();
    child.stdout.take()?.take(1000).read_to_string(&mut line).ok()?;
    Some(line.trim().to_owned()).filter(|line| status.success() && !line.is_empty())
}
