//! Hearing what people decide, beside the turns: a slow or crowded listing holds no verdict up.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::event::decision::Decision;
use crate::model::RunId;
use crate::run::view::Deaf;
use crate::store::decisions::{Ears, needs};
use crate::store::{Bucket, Keys, StoreError};

/// How long one look may take (wire time).
const LOOK: Duration = Duration::from_secs(20);

/// One look at a time, and what it came to.
pub(super) struct Hearing {
    bucket: Bucket,
    keys: Keys,
    run: RunId,
    ears: Ears,
    looking: JoinSet<(Ears, Result<(), Missed>)>,
    began: Instant,
    /// Since when every look fails, and why the last one did.
    failing: Option<(Instant, Missed)>,
}

/// Why nothing was heard.
pub(super) struct Missed {
    pub(super) why: String,
    needs: Option<String>,
}

impl Hearing {
    pub(super) fn new(bucket: &Bucket, keys: &Keys, run: &RunId) -> Hearing {
        Hearing {
            bucket: bucket.clone(),
            keys: keys.clone(),
            run: run.clone(),
            ears: Ears::default(),
            looking: JoinSet::new(),
            began: Instant::now(),
            failing: None,
        }
    }

    /// Begins to look, unless that is under way. `expected` are the names that would change something now, `known` those
    /// that nobody needs any more.
    pub(super) fn begin(&mut self, expected: Vec<String>, known: &[String]) {
        if !self.looking.is_empty() {
            return;
        }
        self.began = Instant::now();
        let (bucket, keys, run) = (self.bucket.clone(), self.keys.clone(), self.run.clone());
        let mut ears = self.ears.clone();
        ears.forget(known);
        self.looking.spawn(async move {
            let looked = timeout(LOOK, ears.listen(&bucket, &keys, &run, &expected)).await;
            let heard = match looked {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(Missed { needs: needs(&bucket, &keys, &run, &error), why: said(&error) }),
                Err(_) => Err(Missed { needs: None, why: format!("S3 did not answer in {} s", LOOK.as_secs()) }),
            };
            (ears, heard)
        });
    }

    /// Waits until the look that is under way has ended; for ever if none is. Gives why it failed, if it is the first of
    /// a row that did.
    pub(super) async fn ended(&mut self) -> Option<String> {
        let Some(ended) = self.looking.join_next().await else { return std::future::pending().await };
        let missed = match ended {
            Ok((ears, heard)) => {
                self.ears = ears;
                heard.err()
            }
            Err(error) => Some(Missed { why: format!("the look broke off: {error}"), needs: None }),
        };
        let Some(missed) = missed else {
            self.failing = None;
            return None;
        };
        let first = self.failing.is_none().then(|| missed.why.clone());
        let since = self.failing.as_ref().map_or(self.began, |(since, _)| *since);
        self.failing = Some((since, missed));
        first
    }

    /// What was heard so far.
    pub(super) fn heard(&self) -> &[Decision] {
        self.ears.heard()
    }

    /// Since when nothing is heard. Counted on the wire: in a world that runs faster a look takes longer.
    pub(super) fn deaf(&self, now: Timestamp) -> Option<Deaf> {
        let (since, missed) = self.failing.as_ref()?;
        let length = SignedDuration::try_from(since.elapsed()).unwrap_or(SignedDuration::MAX);
        let since = now.checked_sub(length).unwrap_or(now);
        Some(Deaf { since, why: missed.why.clone(), needs: missed.needs.clone() })
    }
}

fn said(error: &StoreError) -> String {
    crate::model::harmless(&error.to_string(), 300)
}
