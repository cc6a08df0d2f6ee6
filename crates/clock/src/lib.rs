//! World time: the one clock that waits, records, conditions and the sandbox are given.
//!
//! World time may run faster than the wall (a rehearsal at `--speed 60` lives an hour in a minute). Wire time (timeouts,
//! leases, signature dates, redraws) never does: for those use a clock of speed 1 or tokio's timers directly. In tests
//! the same code runs on tokio's paused clock.

mod tempo;

use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

pub use tempo::Change;
use tempo::{Segment, Tempo};

/// How long before it takes effect a change of speed is told. Whoever shares a clock has to look more often.
pub const NOTICE: Duration = Duration::from_millis(600);
/// How long a sleeper trusts in the speed that it knows.
const TRUSTED: Duration = Duration::from_millis(200);

/// A clock over tokio's timer wheel: `now = origin + elapsed × speed`. Its speed may change if it was made so.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Timestamp,
    start: Instant,
    speed: f64,
    tempo: Option<&'static Tempo>,
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
        Clock { origin, start: Instant::now(), speed, tempo: None }
    }

    /// The same clock, and the speed of all its copies may change. What knows of the changes is never freed: there is
    /// one such clock in a process.
    #[must_use]
    pub fn changeable(self) -> Clock {
        Clock { tempo: Some(Box::leak(Box::default())), ..self }
    }

    /// Changes the speed [`NOTICE`] from now; gives what others who share the clock have to learn. Nothing happens to a
    /// clock that is not changeable.
    pub fn change(&self, speed: f64) -> Change {
        let from = self.elapsed() + signed(NOTICE);
        let wall = wall_now().checked_add(signed(NOTICE)).unwrap_or(Timestamp::MAX);
        let world = self.segment_at(from).at(from);
        if let Some(tempo) = self.tempo {
            tempo.learn(Segment { from, world, speed }, None);
        }
        Change { wall, world, speed }
    }

    /// Takes in a change that another process made. One that is known already, or lies before a known one, is ignored.
    pub fn learn(&self, change: Change) {
        let elapsed = self.elapsed();
        let segment = self.segment_of(change, elapsed);
        let shown = (segment.from < elapsed).then(|| self.now());
        if let Some(tempo) = self.tempo {
            tempo.learn(segment, shown);
        }
    }

    /// The same clock with the changes from before anybody has looked at it: none of them comes too late, whatever it
    /// would have shown without them.
    #[must_use]
    pub fn with_past(self, changes: impl IntoIterator<Item = Change>) -> Clock {
        let elapsed = self.elapsed();
        if let Some(tempo) = self.tempo {
            changes.into_iter().for_each(|change| tempo.learn(self.segment_of(change, elapsed), None));
        }
        self
    }

    fn segment_of(&self, change: Change, elapsed: SignedDuration) -> Segment {
        let from = elapsed.saturating_add(change.wall.duration_since(wall_now()));
        Segment { from, world: change.world, speed: change.speed }
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
        let elapsed = self.elapsed();
        let Some(tempo) = self.tempo else { return self.first().at(elapsed) };
        let (segment, floor) = tempo.at(elapsed);
        let now = segment.unwrap_or_else(|| self.first()).at(elapsed);
        floor.map_or(now, |floor| floor.max(now))
    }

    /// How many seconds of world time pass in one second of wire time at present.
    pub fn speed(&self) -> f64 {
        self.segment_at(self.elapsed()).speed
    }

    /// Its present speed as a share of the one that it was made with: 1 unless it was changed.
    pub fn pace(&self) -> f64 {
        self.speed() / self.speed
    }

    /// How much wire time passes between two moments of world time, as far as changes are known.
    pub fn wire_between(&self, from: Timestamp, to: Timestamp) -> Duration {
        let moment = |world| {
            let segment = self.tempo.and_then(|tempo| tempo.of(world));
            segment.unwrap_or_else(|| self.first()).moment_of(world)
        };
        Duration::try_from(moment(to).saturating_sub(moment(from))).unwrap_or_default()
    }

    /// Waits for a length of world time.
    pub async fn sleep(&self, world: Duration) {
        match self.tempo {
            None => tokio::time::sleep(world.div_f64(self.speed)).await,
            Some(_) => self.sleep_until(self.now().checked_add(signed(world)).unwrap_or(Timestamp::MAX)).await,
        }
    }

    /// Waits until a moment of world time; returns at once if it has passed.
    pub async fn sleep_until(&self, at: Timestamp) {
        while let Some(left) = Duration::try_from(at.duration_since(self.now())).ok().filter(|left| !left.is_zero()) {
            let wait = left.div_f64(self.speed());
            if self.tempo.is_none() {
                return tokio::time::sleep(wait).await;
            }
            tokio::time::sleep(wait.min(TRUSTED)).await;
        }
    }

    fn elapsed(&self) -> SignedDuration {
        signed(self.start.elapsed())
    }

    /// The stretch before any change.
    fn first(&self) -> Segment {
        Segment { from: SignedDuration::ZERO, world: self.origin, speed: self.speed }
    }

    fn segment_at(&self, elapsed: SignedDuration) -> Segment {
        self.tempo.and_then(|tempo| tempo.at(elapsed).0).unwrap_or_else(|| self.first())
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

    #[tokio::test(start_paused = true)]
    async fn the_speed_of_a_clock_can_change() {
        let origin: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let clock = Clock::starting_at(origin, 60.0).changeable();
        let copy = clock;
        let before = Instant::now();
        let sleeper = tokio::spawn(async move { copy.sleep(Duration::from_secs(120)).await });
        tokio::time::sleep(Duration::from_millis(400)).await;
        let change = clock.change(30.0); // at 1 s, when 60 s of the two minutes are over
        assert_eq!((clock.speed(), change.world), (60.0, origin + SignedDuration::from_secs(60)));
        sleeper.await.unwrap();
        assert_eq!(before.elapsed().as_millis() / 10, 300, "one second at 60 and two at 30");
        assert_eq!(clock.speed(), 30.0);
        assert_eq!(clock.wire_between(origin, origin + SignedDuration::from_secs(120)), Duration::from_secs(3));
        assert_eq!(Change::from_text(&change.to_text()), Some(change));
        for bad in ["", "x\n", "2026-01-01T00:00:00Z 2026-01-01T00:00:00Z 0\n", change.to_text().trim_end()] {
            assert_eq!(Change::from_text(bad), None, "{bad}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_that_comes_late_does_not_turn_the_clock_back() {
        let origin: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let clock = Clock::starting_at(origin, 60.0).changeable();
        tokio::time::sleep(Duration::from_secs(10)).await;
        let shown = clock.now();
        let wall = wall_now() - SignedDuration::from_secs(4);
        clock.learn(Change { wall, world: origin + SignedDuration::from_secs(360), speed: 30.0 });
        assert_eq!(clock.now(), shown, "600 s were shown, but only 480 have passed");
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(clock.now().duration_since(origin).as_secs() - 630 <= 1, "{}", clock.now());
    }

    /// A process that starts after a slow hour would be an hour ahead without it; it has shown that to nobody.
    #[tokio::test(start_paused = true)]
    async fn a_clock_with_a_past_shows_the_time_at_once() {
        let origin: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let clock = Clock::starting_at(origin + SignedDuration::from_secs(36_000), 60.0).changeable();
        let world = origin + SignedDuration::from_secs(9_000);
        let wall = wall_now() - SignedDuration::from_secs(10);
        let clock = clock.with_past([Change { wall, world, speed: 30.0 }]);
        let ahead = clock.now().duration_since(world).as_secs();
        assert!((300..=330).contains(&ahead), "{ahead}");
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
