//! The process that ships: shipit itself, as a user would start it, with nothing but what a user has.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use crate::error::{Failure, Kind, Result};

/// How a driver is started.
pub struct Driver {
    /// The binary of shipit.
    pub program: PathBuf,
    /// Where it is started; relative paths of the pipeline begin there.
    pub directory: PathBuf,
    /// The pipeline and the environment, as they are typed.
    pub at: [String; 3],
    /// Its environment, beside the terminal's.
    pub environment: Vec<(String, String)>,
    /// Where its log goes; to this process's standard error without it.
    pub log: Option<PathBuf>,
}

/// How a driver ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its exit code.
    pub code: u8,
    /// What it printed, unless it failed before there was a result.
    pub document: Option<serde_json::Value>,
}

/// What a driver takes over from this process's environment: what its terminal can show, where programs are.
const INHERITED: &[&str] =
    &["PATH", "TERM", "LANG", "LC_ALL", "LC_CTYPE", "COLUMNS", "NO_COLOR", "USER", "HOSTNAME", "TMPDIR"];

impl Driver {
    /// The environment that a user of a sandbox has: its address and keys, and none of this machine's own accounts.
    pub fn environment(client: &[(&'static str, String)], home: &Path) -> Vec<(String, String)> {
        let nothing = home.join("nothing").to_string_lossy().into_owned();
        let own = [
            ("HOME", home.to_string_lossy().into_owned()),
            ("AWS_CONFIG_FILE", nothing.clone()),
            ("AWS_SHARED_CREDENTIALS_FILE", nothing),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ];
        own.iter().chain(client).map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    /// Starts a command of shipit.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&self, verb: &[&str]) -> Result<Running> {
        let cannot = |error: std::io::Error| {
            Failure::new(Kind::Unexpected, format!("{} cannot be started: {error}", self.program.display()))
        };
        let stderr = match &self.log {
            None => Stdio::inherit(),
            Some(path) => Stdio::from(File::options().create(true).append(true).open(path).map_err(cannot)?),
        };
        let inherited = INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        // In a process group of its own: a Ctrl-C is for the rehearsal, which ends its driver.
        let child = Command::new(&self.program)
            .args(verb)
            .args(&self.at)
            .args(["--output", "json"])
            .current_dir(&self.directory)
            .env_clear()
            .envs(inherited)
            .envs(self.environment.iter().cloned())
            .env("SHIPIT_REHEARSAL", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(cannot)?;
        Ok(Running { child })
    }
}

/// A driver that runs; killed if this is dropped.
pub struct Running {
    child: Child,
}

impl Running {
    /// Waits for its end; kills it if it has not ended by then, and gives nothing.
    ///
    /// # Errors
    /// Its output cannot be read.
    pub async fn end_within(self, limit: Option<Duration>) -> Result<Option<Ended>> {
        let cannot = |error: std::io::Error| Failure::new(Kind::Unexpected, format!("the driver is lost: {error}"));
        let output = self.child.wait_with_output();
        let output = match limit {
            None => output.await,
            // Dropping the future drops the process, which kills it.
            Some(limit) => match tokio::time::timeout(limit, output).await {
                Ok(output) => output,
                Err(_) => return Ok(None),
            },
        };
        let output = output.map_err(cannot)?;
        let code = output.status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
        Ok(Some(Ended { code, document: serde_json::from_slice(&output.stdout).ok() }))
    }
}

/// The end of a driver's log, for whoever has not seen it.
pub fn last_words(log: &Path) -> String {
    const SHOWN: usize = 12;
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN)..].join("\n")
}
