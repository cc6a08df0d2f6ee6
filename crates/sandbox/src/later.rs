//! Tasks of the world: they wait on its clock and do not keep it alive.

use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::Timestamp;

use super::world::World;
use clock::Clock;

/// A world as a task holds it between two things to do.
#[derive(Clone)]
pub struct Later {
    world: Weak<World>,
    clock: Clock,
}

impl Later {
    /// For a task of this world.
    pub fn of(world: &Arc<World>) -> Later {
        Later { world: Arc::downgrade(world), clock: world.clock }
    }

    /// The world, unless it has ended.
    pub fn world(&self) -> Option<Arc<World>> {
        self.world.upgrade()
    }

    /// Waits for a length of world time.
    pub async fn sleep(&self, length: Duration) -> Option<Arc<World>> {
        self.clock.sleep(length).await;
        self.world()
    }

    /// Waits until a moment of world time.
    pub async fn sleep_until(&self, at: Timestamp) -> Option<Arc<World>> {
        self.clock.sleep_until(at).await;
        self.world()
    }
}

/// So many seconds; none if the number is negative.
pub fn seconds(count: i64) -> Duration {
    Duration::from_secs(u64::try_from(count).unwrap_or(0))
}

/// The moment so many seconds after another one.
pub fn after(at: Timestamp, count: i64) -> Timestamp {
    at.checked_add(jiff::SignedDuration::from_secs(count)).unwrap_or(Timestamp::MAX)
}
