//! Slows a world down while the machine cannot follow it, and lets it go again afterwards.
//!
//! Waits of the world are scaled, work is not: on a machine that is busy with other things an installation that takes
//! three seconds of the wall clock instead of one takes a minute longer in the world. What is measured is what the
//! world's hosts do all the time: start an interpreter.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::pace::start_interpreter;
use clock::Clock;

/// How often it is measured, in wire time.
const EVERY: Duration = Duration::from_millis(700);
/// How many measurements are looked at together: one slow start in a burst of them says nothing.
const LOOKED_AT: usize = 5;
/// A start within this is fast enough for any world.
const STARTS_WITHIN: Duration = Duration::from_millis(150);
/// A world is never slowed more than this.
const AT_MOST: f64 = 4.0;
/// Smaller changes are not worth one.
const WORTH: f64 = 1.25;

/// Keeps a world's pace until it is dropped.
pub struct Metronome {
    slowest: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Metronome {
    /// Starts to measure; changes are appended to a file, which is made at once.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn start(clock: Clock, changes: &Path) -> io::Result<Metronome> {
        let file = File::options().create(true).append(true).open(changes)?;
        let slowest = Arc::new(AtomicU64::new(clock.speed().to_bits()));
        let task = tokio::spawn(keep(clock, file, Arc::clone(&slowest)));
        Ok(Metronome { slowest, task })
    }

    /// The lowest speed so far.
    pub fn slowest(&self) -> f64 {
        f64::from_bits(self.slowest.load(Ordering::Relaxed))
    }
}

impl Drop for Metronome {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(clock: Clock, mut file: File, slowest: Arc<AtomicU64>) {
    let (full, mut starts, mut ticks) = (clock.speed(), Vec::new(), interval(EVERY));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // No interpreter, no measurement: the world's hosts will say what is missing.
        let Some(took) = start_interpreter("pass").await else { continue };
        starts.push(took);
        if starts.len() < LOOKED_AT {
            continue;
        }
        let (now, wanted) = (clock.speed(), pace(full, &starts));
        starts.remove(0);
        if wanted * WORTH < now || wanted > now * WORTH || (wanted >= full && now < full) {
            let change = clock.change(wanted);
            // A line goes out in one write, so that nobody reads half of it and another change after it.
            if file.write_all(change.to_text().as_bytes()).is_ok() {
                let least = f64::from_bits(slowest.load(Ordering::Relaxed)).min(wanted);
                slowest.store(least.to_bits(), Ordering::Relaxed);
            }
            starts.clear();
        }
    }
}

/// The speed that fits the median of what was measured.
fn pace(full: f64, starts: &[Duration]) -> f64 {
    let mut sorted = starts.to_vec();
    sorted.sort();
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    let slowdown = (median.as_secs_f64() / STARTS_WITHIN.as_secs_f64()).clamp(1.0, AT_MOST);
    (full / slowdown).max(1.0).min(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_is_as_fast_as_the_machine() {
        let speed = |starts: [u64; 5]| pace(32.0, &starts.map(Duration::from_millis));
        assert_eq!(speed([20, 20, 30, 25, 20]), 32.0);
        assert_eq!(speed([20, 900, 30, 900, 20]), 32.0, "bursts are normal");
        assert_eq!(speed([300, 20, 310, 300, 20]), 16.0);
        assert_eq!(speed([9000, 9000, 9000, 9000, 9000]), 8.0);
        assert_eq!(pace(2.0, &[Duration::from_secs(9); 5]), 1.0, "never slower than the wall clock");
    }
}
