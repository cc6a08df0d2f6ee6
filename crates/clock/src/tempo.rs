//! Changes of a clock's speed while it runs, told to other processes before they take effect.

use std::sync::{PoisonError, RwLock};

use jiff::{SignedDuration, Timestamp};

/// From a moment of wall time on, at which the world's time is `world`, the clock runs at `speed`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// When, on the wall clock that processes of one machine share.
    pub wall: Timestamp,
    /// What the world's clock shows then.
    pub world: Timestamp,
    /// The speed from then on.
    pub speed: f64,
}

impl Change {
    /// One line, as [`Change::from_text`] reads it.
    pub fn to_text(&self) -> String {
        format!("{} {} {}\n", self.wall, self.world, self.speed)
    }

    /// Reads a line; nothing if it is none, such as the first half of one that is being written.
    pub fn from_text(line: &str) -> Option<Change> {
        let mut words = line.strip_suffix('\n')?.split(' ');
        let (wall, world) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let speed: f64 = words.next()?.parse().ok()?;
        (words.next().is_none() && speed > 0.0 && speed.is_finite()).then_some(Change { wall, world, speed })
    }
}

/// The changes that a clock knows of.
#[derive(Debug, Default)]
pub(super) struct Tempo {
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    segments: Vec<Segment>,
    /// A change that was heard of too late must not turn the clock back: it stands still until the world has caught up.
    floor: Option<Timestamp>,
}

/// A stretch of even speed; `from` is measured from the start of this process's clock and may lie before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Segment {
    pub(super) from: SignedDuration,
    pub(super) world: Timestamp,
    pub(super) speed: f64,
}

impl Segment {
    /// World time at a moment measured like `from`.
    pub(super) fn at(&self, elapsed: SignedDuration) -> Timestamp {
        let since = elapsed.saturating_sub(self.from).as_secs_f64() * self.speed;
        let since = SignedDuration::try_from_secs_f64(since).unwrap_or(SignedDuration::MAX);
        self.world.checked_add(since).unwrap_or(Timestamp::MAX)
    }

    /// The moment of a world time, measured like `from`.
    pub(super) fn moment_of(&self, world: Timestamp) -> SignedDuration {
        let since = world.duration_since(self.world).as_secs_f64() / self.speed;
        self.from.saturating_add(SignedDuration::try_from_secs_f64(since).unwrap_or(SignedDuration::MAX))
    }
}

impl Tempo {
    /// The stretch in which a moment lies, and the earliest time that may be shown.
    pub(super) fn at(&self, elapsed: SignedDuration) -> (Option<Segment>, Option<Timestamp>) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        (known.segments.iter().rev().find(|segment| segment.from <= elapsed).copied(), known.floor)
    }

    /// The stretch in which a world time lies.
    pub(super) fn of(&self, world: Timestamp) -> Option<Segment> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.segments.iter().rev().find(|segment| segment.world <= world).copied()
    }

    /// Takes a change in; `shown` is what the clock showed so far, if the change comes too late.
    pub(super) fn learn(&self, segment: Segment, shown: Option<Timestamp>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.segments.last().is_none_or(|last| last.from < segment.from) {
            known.segments.push(segment);
            known.floor = shown.max(known.floor);
        }
    }
}
