//! How often a driver looks up.

use std::time::Duration;

/// How often the driver looks up from what it does.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How often decisions are read, in world time and in wire time; the longer of the two counts.
    pub decisions: (Duration, Duration),
    /// How often the screen is told, in wire time.
    pub progress: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        // The second only counts where the world is faster than the wall clock, and lets a rehearsal keep the first.
        Pace { decisions: (Duration::from_secs(4), Duration::from_millis(125)), progress: Duration::from_secs(1) }
    }
}
