//! Everything that a command gets from outside.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::SdkConfig;
use tokio::sync::watch;

use super::ci::Ci;
use super::outlets::Outlets;
use crate::engine::Pace;
use crate::report::{Style, Workflow};
use crate::store::holder::Holder;
use clock::Clock;

/// The surroundings of a command.
pub struct Around {
    /// World time.
    pub clock: Clock,
    /// Credentials, endpoint, HTTP client, time source, sleep.
    pub config: SdkConfig,
    /// Carries calls and probes.
    pub http: SharedHttpClient,
    /// The result.
    pub out: Sink,
    /// Everything else.
    pub err: Sink,
    /// What standard output can show.
    pub out_style: Style,
    /// What standard error can show.
    pub err_style: Style,
    /// Whether standard error is a terminal with live lines.
    pub is_live: bool,
    /// This process, as leases name it.
    pub holder: Holder,
    /// Turns true when the command is to let go.
    pub interrupt: watch::Receiver<bool>,
    /// Set while there is something to let go of: the command by which it is gone on with, or an empty text.
    pub driving: Arc<Mutex<Option<String>>>,
    /// How often a driver looks up.
    pub pace: Pace,
    /// Where relative paths start.
    pub directory: PathBuf,
    /// The CI system that runs this, if one does.
    pub ci: Ci,
    /// Its workflow commands, if it is GitHub Actions.
    pub workflow: Option<Workflow>,
    /// Where the result goes beside standard output.
    pub outlets: Outlets,
    /// Whether whoever reads standard error does not see standard output.
    pub is_out_elsewhere: bool,
    /// The environment variables that are text.
    pub env: BTreeMap<String, String>,
}

impl Around {
    /// From here on the first signal is a request to let go, which the command hears by its `interrupt`.
    pub fn lets_go(&self, resume: Option<String>) {
        *self.driving.lock().unwrap_or_else(PoisonError::into_inner) = Some(resume.unwrap_or_default());
    }

    /// A text of several lines that can be folded where the log can fold.
    pub fn say_folded(&mut self, title: &str, text: &str) {
        if let Some(workflow) = &self.workflow {
            workflow.open(title);
        }
        let _ = writeln!(self.err, "{text}");
        if let Some(workflow) = &self.workflow {
            workflow.close();
        }
    }
}

/// A place to write to that can be handed around.
#[derive(Clone)]
pub struct Sink(Arc<Mutex<dyn Write + Send>>);

impl Sink {
    /// A sink over anything that can be written to.
    pub fn new(to: impl Write + Send + 'static) -> Sink {
        Sink(Arc::new(Mutex::new(to)))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}
