//! Who owns what a run is about to change: its environment, and each of its targets whichever pipeline names it.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::project::{Cloud, Project};
use super::runs;
use crate::error::{Failure, Kind, Result};
use crate::model::{Name, Revision, RunId};
use crate::plan::{Lane, Plan};
use crate::run::HeldFailure;
use crate::store::Lease;
use crate::store::claims::{self, Busy, Known, Owner, Standing, Thing};
use crate::store::head::{self, Live};
use crate::store::lease::BEAT;
use crate::store::lock::{self, Claim, Held};

/// The claims of a pipeline's targets.
pub type Claims = BTreeMap<Thing, Known>;

/// Reads the claims of all targets.
///
/// # Errors
/// What the store says.
pub async fn read(project: &Project, cloud: &Cloud) -> Result<Claims> {
    let targets = project.pipeline.targets.values();
    let mut things: Vec<Thing> = targets.filter_map(|target| Thing::of_target(&project.place, target)).collect();
    things.sort_unstable();
    things.dedup();
    Ok(claims::look(&cloud.bucket, &cloud.keys, things).await?)
}

/// No unfinished run owns the environment.
///
/// # Errors
/// Busy, with that run's state and the commands.
pub async fn is_idle(project: &Project, cloud: &Cloud) -> Result<()> {
    let lock = lock::read(&cloud.bucket, &cloud.keys).await?.lock;
    let Some(claim) = lock.claim else { return Ok(()) };
    match claims::standing(&cloud.bucket, &cloud.keys, &claim.run).await? {
        Standing::Works(held) => {
            let busy = busy(project, &claim, held.as_ref());
            let run = runs::load(&cloud.bucket, &cloud.keys, &claim.run).await?;
            Err(match run.and_then(|run| run.state.held) {
                Some(failure) => busy.help(until_decided(project, &failure)),
                None => busy,
            })
        }
        Standing::Over(_) => Ok(()),
    }
}

/// Nobody else's unfinished run owns the environment or works on a target. A claim whose run has ended is given back: its
/// driver was killed between the last entry and that.
///
/// # Errors
/// Busy, with that run's state and the commands.
pub async fn are_free(project: &Project, cloud: &Cloud, claims: &Claims) -> Result<()> {
    let seen = lock::read(&cloud.bucket, &cloud.keys).await?;
    if seen.lock.claim.is_some() {
        is_idle(project, cloud).await?;
        // Its driver may have died before it could say in the head how the run ended.
        head::refresh(&cloud.bucket, &cloud.keys).await?;
        let free = lock::Lock { claim: None, lease: None, ..seen.lock.clone() };
        lock::write(&cloud.bucket, &cloud.keys, &seen, &free).await?;
    }
    claims.values().find_map(|known| known.busy.as_ref()).map_or(Ok(()), |other| Err(target_busy(other)))
}

/// What a person who only looks should know: a deploy would not begin now.
pub fn notes(claims: &Claims) -> Vec<String> {
    let busy = claims.values().filter_map(|known| known.busy.as_ref());
    busy.map(|other| target_busy(other).message).collect()
}

/// Takes everything that a plan changes for its run, in sorted order. If somebody else works on any of it, what was taken
/// is given back.
///
/// # Errors
/// Busy, with the other run; what the store says.
pub async fn take(
    cloud: &Cloud,
    plan: &Plan,
    claim: &Claim,
    revisions: &BTreeMap<Name, Revision>,
    known: &Claims,
    lease: &mut Lease,
) -> Result<()> {
    let live = |lane: &Lane| Live {
        release: plan.release.label.clone(),
        revision: revisions.get(&lane.target).unwrap_or(&lane.revision).clone(),
        run: claim.run.clone(),
        since: claim.since,
        origin: claim.origin.clone(),
    };
    let wanted = claims::wanted(plan, live);
    let mut beat = Instant::now();
    for (thing, ships) in &wanted {
        if beat.elapsed() > BEAT {
            // Many targets on a slow line take longer than a lease lasts without a word.
            lease.beat().await?;
            beat = Instant::now();
        }
        let (pipeline, environment) = (plan.pipeline.clone(), plan.environment.clone());
        let owner = Owner { pipeline, environment, claim: claim.clone(), ships: ships.clone() };
        if let Some(other) = claims::take(&cloud.bucket, &cloud.keys, thing, &owner, known.get(thing)).await? {
            give_back(cloud, plan, &claim.run).await?;
            return Err(target_busy(&other));
        }
    }
    Ok(())
}

/// Gives back what a run has taken that never began.
///
/// # Errors
/// What the store says.
pub async fn give_back(cloud: &Cloud, plan: &Plan, run: &RunId) -> Result<()> {
    let things = claims::of_ended(plan, &BTreeMap::new());
    Ok(claims::give_back(&cloud.bucket, &cloud.keys, run, &things).await?)
}

/// What a person types about a run that is held.
fn until_decided(project: &Project, held: &HeldFailure) -> String {
    let command = |verb: &str| project.invocation.command(verb);
    format!(
        "it is held at {} of {} until a person decides\n{}\n{}\n{}",
        held.step,
        held.target,
        command("status"),
        command("promote"),
        command("abort")
    )
}

/// The environment belongs to another run.
pub fn busy(project: &Project, claim: &Claim, held: Option<&Held>) -> Failure {
    let command = |verb: &str| project.invocation.command(verb);
    Failure::new(Kind::Busy, format!("{} belongs to {}", project.environment, who(claim, held))).help(format!(
        "{}\n{}\n{}",
        command("status"),
        command("resume"),
        command("abort")
    ))
}

/// A target is worked on by another run, which may be another pipeline's.
fn target_busy(other: &Busy) -> Failure {
    let Owner { pipeline, environment, claim, .. } = &other.owner;
    let invocation = super::invocation(pipeline.as_str(), environment.as_str());
    let command = |verb: &str| invocation.command(verb);
    let what = format!(
        "{} belongs to pipeline {pipeline} in {environment}: {}",
        other.thing.label(),
        who(claim, other.held.as_ref())
    );
    Failure::new(Kind::Busy, what).help(format!(
        "wait for it to end, or go there\n{}\n{}\n{}",
        command("status"),
        command("resume"),
        command("abort")
    ))
}

/// Which run, whose, since when, and who drives it.
fn who(claim: &Claim, held: Option<&Held>) -> String {
    let driver = held.map_or_else(|| "nobody drives it".to_owned(), |held| format!("{} drives it", held.holder.who));
    let since = claim.since.strftime("%Y-%m-%d %H:%M:%SZ");
    format!("run {} ({} by {}, since {since}); {driver}", claim.run, claim.why, claim.by)
}
