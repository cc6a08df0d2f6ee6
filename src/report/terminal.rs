//! The screen of a run: a live line per lane, the log above them. Nothing here draws by itself: the screen changes when
//! something is said, so that no thread and no timer of its own is needed.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use super::called;
use super::line::{Line, lines};
use super::style::{Mark, Style, Tint};
use super::words::{between, short};
use crate::event::{Envelope, Progress, Record};
use crate::model::Name;
use crate::plan::Plan;
use crate::run::{Reporter, State};

/// Most lanes that have a line of their own.
const LANES: usize = 12;

/// Columns of a bar.
const BAR: usize = 16;

/// Draws on a terminal.
pub struct Terminal {
    screen: MultiProgress,
    rows: BTreeMap<Name, ProgressBar>,
    rest: Option<ProgressBar>,
    style: Style,
}

impl Terminal {
    /// Draws on stderr, which has to be a terminal: elsewhere nothing is seen.
    pub fn stderr(style: Style) -> Terminal {
        Terminal::new(ProgressDrawTarget::stderr(), style)
    }

    /// Draws somewhere.
    pub fn new(target: ProgressDrawTarget, style: Style) -> Terminal {
        let screen = MultiProgress::with_draw_target(target);
        Terminal { screen, rows: BTreeMap::new(), rest: None, style: Style { wraps: true, ..style } }
    }

    fn say(&self, line: &Line) {
        // A terminal that is gone must not end a run.
        let _ = self.screen.println(line.render(&self.style));
    }

    fn add(screen: &MultiProgress) -> ProgressBar {
        let row = screen.add(ProgressBar::new(0));
        row.set_style(ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar()));
        row
    }

    fn clear(&mut self) {
        for row in std::mem::take(&mut self.rows).into_values().chain(self.rest.take()) {
            row.finish_and_clear();
            self.screen.remove(&row);
        }
    }
}

impl Reporter for Terminal {
    fn on(&mut self, plan: &Plan, before: &State, envelope: &Envelope) {
        if matches!(envelope.record, Record::RunEnded { .. } | Record::Detached { .. }) {
            self.clear();
        }
        for line in lines(plan, before, envelope) {
            self.say(&line);
        }
    }

    fn progress(&mut self, progress: &[Progress], now: Timestamp, _wire: Duration) {
        let shown = &progress[..progress.len().min(LANES)];
        let is_gone = |target: &Name| !shown.iter().any(|lane| lane.target == *target);
        for (_, row) in self.rows.extract_if(.., |target, _| is_gone(target)) {
            row.finish_and_clear();
            self.screen.remove(&row);
        }
        // One change per row, because more than twenty in a row are not all drawn.
        for lane in shown {
            let row = self.rows.entry(lane.target.clone()).or_insert_with(|| Terminal::add(&self.screen));
            row.set_message(row_text(lane, now, &self.style));
        }
        if progress.len() > LANES {
            let rest = self.rest.get_or_insert_with(|| Terminal::add(&self.screen));
            rest.set_message(self.style.text(&format!("… {} more lanes are under way", progress.len() - LANES)));
        } else if let Some(rest) = self.rest.take() {
            rest.finish_and_clear();
            self.screen.remove(&rest);
        }
    }

    fn note(&mut self, now: Timestamp, text: &str) {
        self.say(&Line { at: now, mark: Mark::Still, place: String::new(), text: text.to_owned() });
    }

    fn finish(&mut self) -> io::Result<()> {
        self.clear();
        let _ = self.screen.clear();
        Ok(())
    }
}

/// `web create  ━━━━──── 2/4  1m5s  hosts install the release`.
fn row_text(lane: &Progress, now: Timestamp, style: &Style) -> String {
    let place = style.paint(Tint::Strong, &style.text(&format!("{} {}", lane.target, lane.step)));
    let age = short(between(lane.since, now));
    let counted = lane.count.map(|(done, of)| format!("{} {done}/{of}  ", bar(done, of, style))).unwrap_or_default();
    format!("{place}  {counted}{age}  {}", style.text(&called::doing(&lane.doing)))
}

fn bar(done: usize, of: usize, style: &Style) -> String {
    let full = (done.min(of).saturating_mul(BAR)).checked_div(of).unwrap_or(0);
    let (filled, open) = if style.unicode { ("━", "─") } else { ("=", ".") };
    format!("{}{}", style.paint(Tint::Good, &filled.repeat(full)), style.paint(Tint::Quiet, &open.repeat(BAR - full)))
}
