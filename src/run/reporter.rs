//! Who is told what happens in a run. The trait stands here, and not in `report`, so that the engine can call it without
//! knowing how anything is shown.

use std::io;
use std::time::Duration;

use jiff::Timestamp;

use super::State;
use crate::event::{Envelope, Progress};
use crate::plan::Plan;

/// Told of a run. Nothing it does can fail the run: trouble with its output is kept until [`Reporter::finish`].
pub trait Reporter: Send {
    /// A record is durable. `before` is the state without it, so that what is said is a pure function of the journal:
    /// replaying it says the same.
    fn on(&mut self, plan: &Plan, before: &State, envelope: &Envelope);

    /// Where the lanes are, about once a second or once a turn. `now` is world time, `wire` the time since the driver
    /// started, by which redraws and heartbeats are paced.
    fn progress(&mut self, _progress: &[Progress], _now: Timestamp, _wire: Duration) {}

    /// Something that is worth saying and is no record, such as a sweep that failed and is tried again.
    fn note(&mut self, _now: Timestamp, _text: &str) {}

    /// Nothing more comes.
    ///
    /// # Errors
    /// The first trouble with the output, after which nothing was written any more.
    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Several reporters as one; none is silence.
#[derive(Default)]
pub struct Reporters(Vec<Box<dyn Reporter>>);

impl Reporters {
    /// Adds one.
    #[must_use]
    pub fn with(mut self, reporter: impl Reporter + 'static) -> Reporters {
        self.0.push(Box::new(reporter));
        self
    }
}

impl Reporter for Reporters {
    fn on(&mut self, plan: &Plan, before: &State, envelope: &Envelope) {
        self.0.iter_mut().for_each(|reporter| reporter.on(plan, before, envelope));
    }

    fn progress(&mut self, progress: &[Progress], now: Timestamp, wire: Duration) {
        self.0.iter_mut().for_each(|reporter| reporter.progress(progress, now, wire));
    }

    fn note(&mut self, now: Timestamp, text: &str) {
        self.0.iter_mut().for_each(|reporter| reporter.note(now, text));
    }

    fn finish(&mut self) -> io::Result<()> {
        let results: Vec<io::Result<()>> = self.0.iter_mut().map(|reporter| reporter.finish()).collect();
        results.into_iter().collect()
    }
}
