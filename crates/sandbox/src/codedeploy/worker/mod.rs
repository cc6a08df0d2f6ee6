//! The task behind each deployment.
//!
//! # Map
//! - [`work`]: what all parts share: the deployment's books, calls to other services, waits that a stop interrupts
//! - [`roll`]: events on instances, a roll over many instances
//! - [`traffic`]: registration, health, drains; [`fleet`]: the group and its copy; [`tagged`]: instances by tags;
//!   [`suspend`]: processes that rest meanwhile
//! - [`blue_green`], [`in_place`], [`route_back`], [`launch`]: what a deployment does; [`finish`]: how it ends and what follows
//! - [`alarms`]: the watch that can stop it

mod alarms;
mod blue_green;
mod finish;
mod fleet;
mod in_place;
mod launch;
mod roll;
mod route_back;
mod suspend;
mod tagged;
mod traffic;
mod work;

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use super::super::world::{Site, World};
use super::deployment::{Job, Status, Stop};
pub use launch::{Held, on_hook};
use work::{End, Work};

/// Starts the worker of a deployment that is in the books.
pub(super) fn start(world: &Arc<World>, site: &Site, id: &str) {
    if let Some(work) = Work::new(world, site, id) {
        tokio::spawn(run(work));
    }
}

async fn run(work: Work) {
    let outcome = tokio::select! {
        biased;
        outcome = perform(&work) => outcome,
        never = alarms::watch(&work) => match never {},
        never = deadline(&work) => match never {},
    };
    let outcome = work.resume(outcome);
    finish::finish(&work, outcome).await;
}

/// Stops the deployment when it has run for as long as it may. Never ends by itself.
async fn deadline(work: &Work) -> Infallible {
    work.clock.sleep(work.longest()).await;
    work.stop(Stop::Timeout);
    pending().await
}

async fn perform(work: &Work) -> Result<(), End> {
    work.pause(work.pace.start).await?;
    let now = work.clock.now();
    let job = work.edit(|it| {
        it.status = Status::InProgress;
        it.started = Some(now);
        it.job.clone()
    })?;
    match job {
        Job::BlueGreen => blue_green::run(work).await,
        Job::InPlace => in_place::run(work, None).await,
        Job::Reinstall(instances) => in_place::run(work, Some(instances)).await,
        Job::RouteBack(of) => route_back::run(work, &of).await,
        Job::Launch(held) => launch::run(work, &held).await,
        Job::Leave(held) => launch::leave(work, &held).await,
    }
}
