//! Somebody who looks at the world all the time.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How often somebody looks, in wire time.
const LOOK: Duration = Duration::from_millis(20);

/// Somebody who looks until it is stopped or dropped, and keeps what was seen.
pub struct Looking<T> {
    stop: oneshot::Sender<()>,
    task: JoinHandle<T>,
}

impl<T: Default + Send + 'static> Looking<T> {
    /// Starts to look: each look adds to what was seen.
    pub fn start(mut look: impl FnMut(&mut T) + Send + 'static) -> Looking<T> {
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let (mut seen, mut looks) = (T::default(), tokio::time::interval(LOOK));
            looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                look(&mut seen);
                tokio::select! {
                    _ = &mut stopped => return seen,
                    _ = looks.tick() => {}
                }
            }
        });
        Looking { stop, task }
    }

    /// What was seen.
    pub async fn stop(self) -> T {
        let _ended = self.stop.send(());
        self.task.await.unwrap_or_default()
    }
}
