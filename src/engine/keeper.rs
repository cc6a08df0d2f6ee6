//! Keeping the lease while the driver works.

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::drive::LAST_WRITE;
use crate::store::Lease;
use crate::store::lease::BEAT;

/// Keeps the lease while the driver works.
pub(super) struct Keeper {
    lease: Arc<Mutex<Option<Lease>>>,
    beating: JoinHandle<()>,
}

impl Keeper {
    pub(super) fn start(lease: Lease) -> Keeper {
        let lease = Arc::new(Mutex::new(Some(lease)));
        let beating = tokio::spawn(beat(Arc::clone(&lease)));
        Keeper { lease, beating }
    }

    pub(super) async fn release(self, is_over: bool) {
        let given_back = async {
            if let Some(lease) = self.lease.lock().await.take() {
                // If this fails the lease lapses by itself.
                let _ = lease.release(is_over).await;
            }
        };
        let _ = tokio::time::timeout(LAST_WRITE, given_back).await;
        self.beating.abort();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.beating.abort();
    }
}

async fn beat(lease: Arc<Mutex<Option<Lease>>>) {
    loop {
        tokio::time::sleep(BEAT).await;
        match lease.lock().await.as_mut() {
            None => return,
            // A beat that fails is weather: the guard grows old and says no in time.
            Some(lease) => {
                if let Ok(false) = lease.beat().await {
                    return;
                }
            }
        }
    }
}
