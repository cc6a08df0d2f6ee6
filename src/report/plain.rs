//! The log without a terminal: a line per change, and a heartbeat with the reason for waiting. What `show` replays is the
//! same but for heartbeats and notes, which carry a mark of their own.

use std::io::{self, Write};
use std::time::Duration;

use jiff::Timestamp;

use super::called;
use super::line::{Line, lines};
use super::style::{Mark, Style};
use super::words;
use crate::event::{Envelope, Progress};
use crate::plan::Plan;
use crate::run::{Reporter, State};

/// Wire time between heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Lanes that a heartbeat names.
const LANES: usize = 10;

/// Writes lines.
pub struct Plain {
    out: Box<dyn Write + Send>,
    style: Style,
    beat: Duration,
}

impl Plain {
    /// Writes to `out`.
    pub fn new(out: Box<dyn Write + Send>, style: Style) -> Plain {
        Plain { out, style, beat: Duration::ZERO }
    }

    /// A log whose reader is gone must not end a run: what cannot be written is lost.
    fn say(&mut self, line: &Line) {
        let _ = writeln!(self.out, "{}", line.render(&self.style)).and_then(|()| self.out.flush());
    }
}

impl Reporter for Plain {
    fn on(&mut self, plan: &Plan, before: &State, envelope: &Envelope) {
        for line in lines(plan, before, envelope) {
            self.say(&line);
        }
    }

    fn progress(&mut self, progress: &[Progress], now: Timestamp, wire: Duration) {
        if progress.is_empty() || wire.saturating_sub(self.beat) < HEARTBEAT {
            return;
        }
        self.beat = wire;
        for lane in progress.iter().take(LANES) {
            let place = format!("{} {}", lane.target, lane.step);
            self.say(&Line { at: now, mark: Mark::Still, place, text: waiting(lane, now) });
        }
        if progress.len() > LANES {
            let text = format!("{} more lanes are under way", progress.len() - LANES);
            self.say(&Line { at: now, mark: Mark::Still, place: String::new(), text });
        }
    }

    fn note(&mut self, now: Timestamp, text: &str) {
        self.say(&Line { at: now, mark: Mark::Still, place: String::new(), text: text.to_owned() });
    }

    fn finish(&mut self) -> io::Result<()> {
        let _ = self.out.flush();
        Ok(())
    }
}

/// `since 4m10s, 3 of 4: i-0a1 is not healthy yet`.
fn waiting(lane: &Progress, now: Timestamp) -> String {
    let count = lane.count.map(|(done, of)| format!(", {done} of {of}")).unwrap_or_default();
    format!("for {}{count}: {}", words::short(words::between(lane.since, now)), called::doing(&lane.doing))
}
