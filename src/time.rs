//! World time: the one clock that waits, records, conditions and the sandbox are given.
//!
//! World time may run faster than the wall (a rehearsal at `--speed 60` lives an hour in a minute). Wire time (timeouts,
//! leases, signature dates, redraws) never does: for those use a clock of speed 1 or tokio's timers directly. In tests
//! the same code runs on tokio's paused clock.

use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// A clock over tokio's timer wheel: `now = origin + elapsed × speed`.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Timestamp,
    start: Instant,
    speed: f64,
}

impl Clock {
    /// The wall clock at speed 1. It is read once; afterwards only monotonic time counts, so a wall clock that jumps
    /// cannot end a wait early.
    pub fn wall() -> Clock {
        Clock::starting_at(wall_now(), 1.0)
    }

    /// A clock that shows `origin` now and runs `speed` times as fast as the monotonic clock.
    pub fn starting_at(origin: Timestamp, speed: f64) -> Clock {
        assert!(speed > 0.0 && speed.is_finite(), "a clock's speed is a positive number");
        Clock { origin, start: Instant::now(), speed }
    }

    /// Reads a clock that another process wrote with [`Clock::to_text`]: `<origin>@<speed>`.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn from_text(text: &str) -> Result<Clock, String> {
        let (origin, speed) = text.split_once('@').ok_or_else(|| format!("`{text}` is not <origin>@<speed>"))?;
        let origin: Timestamp = origin.parse().map_err(|_| format!("`{origin}` is not a time"))?;
        let speed: f64 = speed.parse().map_err(|_| format!("`{speed}` is not a number"))?;
        if !(speed > 0.0 && speed.is_finite()) {
            return Err(format!("speed `{speed}` is not a positive number"));
        }
        let since_origin = Duration::try_from(wall_now().duration_since(origin)).unwrap_or_default();
        Ok(Clock::starting_at(origin + signed(since_origin.mul_f64(speed)), speed))
    }

    /// The text by which a process started on the same machine shares this clock: at wall time `origin` the world's
    /// time was `origin` too.
    pub fn to_text(&self) -> String {
        // world(w) = now + (w - wall) × speed, solved for the w at which both clocks show the same time.
        let (world, wall) = (self.now(), wall_now());
        if (self.speed - 1.0).abs() < f64::EPSILON {
            return format!("{world}@1");
        }
        let ahead = world.duration_since(wall).as_secs_f64() / (self.speed - 1.0);
        let origin = wall.checked_sub(SignedDuration::from_secs_f64(ahead)).unwrap_or(wall);
        format!("{origin}@{}", self.speed)
    }

    /// The present world time.
    pub fn now(&self) -> Timestamp {
        self.origin + signed(self.start.elapsed().mul_f64(self.speed))
    }

    /// How many seconds of world time pass in one second of wire time.
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// Waits for a length of world time.
    pub async fn sleep(&self, world: Duration) {
        tokio::time::sleep(world.div_f64(self.speed)).await;
    }

    /// Waits until a moment of world time; returns at once if it has passed.
    pub async fn sleep_until(&self, at: Timestamp) {
        if let Ok(wait) = Duration::try_from(at.duration_since(self.now())) {
            self.sleep(wait).await;
        }
    }
}

/// The wall clock, for the edges that need it (signature dates, file names); everything else is given a [`Clock`].
pub fn wall_now() -> Timestamp {
    Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn world_time_runs_at_its_speed() {
        let origin: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let clock = Clock::starting_at(origin, 60.0);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(clock.now(), origin + SignedDuration::from_secs(60));
        let before = Instant::now();
        clock.sleep(Duration::from_secs(120)).await;
        assert_eq!(before.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test]
    async fn a_clock_is_shared_as_text() {
        let clock = Clock::starting_at(wall_now() + SignedDuration::from_secs(1000), 50.0);
        let other = Clock::from_text(&clock.to_text()).unwrap();
        let apart = clock.now().duration_since(other.now()).abs();
        assert!(apart < SignedDuration::from_secs(5), "{apart}");
        for bad in ["", "x@1", "2026-01-01T00:00:00Z@0", "2026-01-01T00:00:00Z@-1", "2026-01-01T00:00:00Z@nan"] {
            assert!(Clock::from_text(bad).is_err(), "{bad}");
        }
    }
}
