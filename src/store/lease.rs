//! Driving a run: taking the lease, keeping it, giving it back, and the guard that every changing call asks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::error::StoreError;
use super::holder::Holder;
use super::keys::Keys;
use super::lock::{Claim, Held, Lock, Seen, read, write};
use super::objects::{Bucket, WRITES};
use crate::model::RunId;
use clock::wall_now;

/// How often the holder says that it lives (wire time).
pub const BEAT: Duration = Duration::from_secs(10);

/// How long after the last beat another may take over (wire time).
pub const LAPSE: Duration = Duration::from_secs(60);

/// How long after the last good write a changing call is still made (wire time). Far below the lapse, so that a holder
/// that was taken over can have at most the one call in flight.
const FRESH: Duration = Duration::from_secs(20);

/// The lease, held.
#[derive(Debug)]
pub struct Lease {
    bucket: Bucket,
    keys: Keys,
    seen: Seen,
    guard: Guard,
}

/// Whether changing calls may be made.
#[derive(Clone, Debug)]
pub struct Guard(Arc<Mutex<GuardState>>);

#[derive(Debug)]
struct GuardState {
    good: Instant,
    good_wall: Timestamp,
    lost: Option<String>,
}

/// What stands in the way of the lease.
#[derive(Debug)]
pub enum Taking {
    /// It is ours.
    Taken(Box<Lease>),
    /// Another run owns the environment.
    Claimed(Box<Claim>, Option<Held>),
    /// Somebody drives this run.
    Driven(Held),
    /// There is no such claim (any more).
    Unclaimed,
}

/// Claims the environment for a new run and takes the lease.
///
/// # Errors
/// What S3 says.
pub async fn claim(bucket: &Bucket, keys: &Keys, claim: &Claim, holder: &Holder) -> Result<Taking, StoreError> {
    for _ in 0..WRITES {
        let seen = read(bucket, keys).await?;
        if let Some(other) = seen.lock.claim.clone().filter(|other| other.run != claim.run) {
            return Ok(Taking::Claimed(Box::new(other), seen.lock.lease));
        }
        if let Some(lease) = take(bucket, keys, &seen, Some(claim.clone()), holder).await? {
            return Ok(Taking::Taken(Box::new(lease)));
        }
    }
    Err(bucket.contended(&keys.lock()))
}

/// Takes the lease of a run that is claimed. Waits until a lease that shows no life has lapsed; `patience` bounds how
/// long a living holder is watched before it is reported.
///
/// # Errors
/// What S3 says.
pub async fn take_over(
    bucket: &Bucket,
    keys: &Keys,
    run: &RunId,
    holder: &Holder,
    patience: Duration,
) -> Result<Taking, StoreError> {
    take_over_telling(bucket, keys, run, (holder, patience), |_| {}).await
}

/// The same, and says at once whom it waits for.
///
/// # Errors
/// What S3 says.
pub async fn take_over_telling(
    bucket: &Bucket,
    keys: &Keys,
    run: &RunId,
    (holder, patience): (&Holder, Duration),
    mut tell: impl FnMut(&Held),
) -> Result<Taking, StoreError> {
    let mut told: Option<Holder> = None;
    let mut watched: Option<(Option<String>, Instant)> = None;
    let began = Instant::now();
    loop {
        let seen = read(bucket, keys).await?;
        match &seen.lock.claim {
            None => return Ok(Taking::Unclaimed),
            Some(other) if other.run != *run => return Ok(Taking::Claimed(Box::new(other.clone()), seen.lock.lease)),
            Some(_) => {}
        }
        let since = match &watched {
            Some((etag, since)) if *etag == seen.etag => *since,
            Some(_) | None => Instant::now(),
        };
        watched = Some((seen.etag.clone(), since));
        let is_free = seen.lock.lease.as_ref().is_none_or(|held| held.holder.is_surely_gone());
        match &seen.lock.lease {
            Some(held) if !is_free && since.elapsed() < LAPSE => {
                if began.elapsed() >= patience {
                    return Ok(Taking::Driven(held.clone()));
                }
                if told.as_ref() != Some(&held.holder) {
                    tell(held);
                    told = Some(held.holder.clone());
                }
                tokio::time::sleep(Duration::from_secs(5).min(patience)).await;
            }
            Some(_) | None => {
                let claim = seen.lock.claim.clone();
                if let Some(lease) = take(bucket, keys, &seen, claim, holder).await? {
                    return Ok(Taking::Taken(Box::new(lease)));
                }
            }
        }
    }
}

async fn take(
    bucket: &Bucket,
    keys: &Keys,
    seen: &Seen,
    claim: Option<Claim>,
    holder: &Holder,
) -> Result<Option<Lease>, StoreError> {
    let began = Instant::now();
    let began_wall = wall_now();
    let lease = Some(Held { holder: holder.clone(), beat: began_wall });
    let lock = Lock { token: seen.lock.token + 1, claim, lease, ..Lock::default() };
    let guard = GuardState { good: began, good_wall: began_wall, lost: None };
    Ok(write(bucket, keys, seen, &lock).await?.map(|seen| Lease {
        bucket: bucket.clone(),
        keys: keys.clone(),
        seen,
        guard: Guard(Arc::new(Mutex::new(guard))),
    }))
}

impl Lease {
    /// This driver's number.
    pub fn token(&self) -> u64 {
        self.seen.lock.token
    }

    /// What changing calls ask.
    pub fn guard(&self) -> Guard {
        self.guard.clone()
    }

    /// Says that this driver lives. False if another has taken over: then nothing may be changed any more.
    ///
    /// # Errors
    /// What S3 says; the next beat may succeed.
    pub async fn beat(&mut self) -> Result<bool, StoreError> {
        let (began, began_wall) = (Instant::now(), wall_now());
        let mut lock = self.seen.lock.clone();
        if let Some(held) = &mut lock.lease {
            held.beat = began_wall;
        }
        match write(&self.bucket, &self.keys, &self.seen, &lock).await? {
            Some(seen) => {
                self.seen = seen;
                self.guard.renew(began, began_wall);
                Ok(true)
            }
            None => self.is_still_ours().await,
        }
    }

    /// A beat that lost may have lost to our own one before, whose answer never came: the token tells.
    async fn is_still_ours(&mut self) -> Result<bool, StoreError> {
        let seen = read(&self.bucket, &self.keys).await?;
        if seen.lock.token == self.token() && seen.lock.lease.is_some() {
            self.seen = seen;
            return Ok(true);
        }
        self.guard.lose("another driver has taken over");
        Ok(false)
    }

    /// Gives the lease back; with `is_over` the claim, too.
    ///
    /// # Errors
    /// What S3 says; the lease then lapses by itself.
    pub async fn release(mut self, is_over: bool) -> Result<(), StoreError> {
        self.guard.lose("the lease was given back");
        loop {
            let claim = self.seen.lock.claim.clone().filter(|_| !is_over);
            let lock = Lock { claim, lease: None, ..self.seen.lock.clone() };
            let is_written = write(&self.bucket, &self.keys, &self.seen, &lock).await?.is_some();
            // Lost to a beat of our own whose answer never came: once more.
            if is_written || !self.is_still_ours().await? {
                return Ok(());
            }
        }
    }
}

impl Guard {
    /// Whether a changing call may be made now.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), String> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = &state.lost {
            return Err(why.clone());
        }
        // A machine that slept has an old wall clock; a wall clock that was set back has an old monotonic one.
        let wall = Duration::try_from(wall_now().duration_since(state.good_wall)).unwrap_or_default();
        let age = state.good.elapsed().max(wall);
        if age < FRESH { Ok(()) } else { Err(format!("the lease was not renewed for {} s", age.as_secs())) }
    }

    /// Whether it is lost for good.
    pub fn is_lost(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).lost.is_some()
    }

    fn renew(&self, good: Instant, good_wall: Timestamp) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.good = good;
        state.good_wall = good_wall;
    }

    /// Nothing may be changed from here on.
    pub fn lose(&self, why: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).lost.get_or_insert_with(|| why.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    /// The larger of both ages counts: a machine that slept has an old wall clock, one whose clock was set back an old
    /// monotonic one; a wall clock that is ahead or behind makes nothing younger.
    #[tokio::test(start_paused = true)]
    async fn a_guard_is_as_old_as_the_older_clock_says() {
        let begin = Instant::now();
        tokio::time::sleep(Duration::from_secs(100)).await;
        for (monotonic, wall, is_fresh) in [
            (0, 0, true),
            (19, 19, true),
            (20, 0, false),
            (0, 20, false),
            (0, 3600, false),
            (19, -3600, true),
            (20, -3600, false),
        ] {
            let good = begin + Duration::from_secs(100 - monotonic);
            let good_wall = wall_now() - SignedDuration::from_secs(wall);
            let guard = Guard(Arc::new(Mutex::new(GuardState { good, good_wall, lost: None })));
            assert_eq!(guard.check().is_ok(), is_fresh, "{monotonic} s by one clock, {wall} s by the other");
            guard.lose("first");
            guard.lose("second");
            guard.renew(Instant::now(), wall_now());
            assert_eq!(guard.check(), Err("first".to_owned()), "what is lost stays lost");
        }
    }
}
