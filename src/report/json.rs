//! The stream for machines: one record per line, as the journal has it. Transient things are not in it.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::event::Envelope;
use crate::model::Format;
use crate::plan::Plan;
use crate::run::{Reporter, State};

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The format's version.
    pub v: Format,
    /// The record, and when it was written.
    #[serde(flatten)]
    pub envelope: Envelope,
}

/// Writes `--events FILE`.
pub struct Events {
    out: Box<dyn Write + Send>,
    trouble: Option<io::Error>,
}

impl Events {
    /// Writes to `out`.
    pub fn new(out: Box<dyn Write + Send>) -> Events {
        Events { out, trouble: None }
    }

    fn write(&mut self, envelope: &Envelope) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Event { v: Format::NOW, envelope: envelope.clone() })?;
        line.push(b'\n');
        self.out.write_all(&line)?;
        self.out.flush()
    }
}

impl Reporter for Events {
    fn on(&mut self, _plan: &Plan, _before: &State, envelope: &Envelope) {
        if self.trouble.is_none() {
            self.trouble = self.write(envelope).err();
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        let incomplete =
            |error: io::Error| io::Error::new(error.kind(), format!("`--events` is not complete: {error}"));
        self.trouble.take().map_or_else(|| self.out.flush(), Err).map_err(incomplete)
    }
}
