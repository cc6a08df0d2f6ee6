//! The claims of targets: beside the lock of an environment, one object for every fleet and function that is shipped to. It
//! says which unfinished run works on it and what was last shipped to it, so that pipelines and environments that name one
//! thing and share a store neither meet in it nor forget what the other has shipped.
//!
//! A run takes its claims after the lock of its environment and before its first entry, in sorted order, and nobody ever
//! waits for one. They are given back before the lock is. So a claim whose run does not own its environment any more, or
//! has ended, or never began, is an orphan: whoever comes next takes it.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::head::Live;
use super::journal::Journal;
use super::keys::Keys;
use super::lock::{self, Claim, Held};
use super::objects::{Bucket, Put, WRITES};
use crate::event::record::{Outcome, Record};
use crate::model::pipeline::{Environment, Target};
use crate::model::{Format, Name, RunId};
use crate::plan::{Lane, On, Plan};

/// Claims that are read or given back at the same time.
const AT_ONCE: usize = 8;

/// Something on AWS that is shipped to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Thing {
    /// Twelve digits.
    pub account: String,
    /// The region's code.
    pub region: String,
    /// A fleet's application and group, or a function's name.
    pub what: What,
}

/// Which thing of its account and region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A deployment group.
    Fleet {
        /// The application.
        application: String,
        /// The group.
        group: String,
    },
    /// A function with all its aliases: they share `$LATEST`.
    Function {
        /// Its name.
        name: String,
    },
}

/// What the object holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetClaim {
    /// The format's version.
    pub v: Format,
    /// Makes every write unlike any other.
    pub nonce: String,
    /// The run that works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// What was last made live: of a function by alias, of a fleet under an empty name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub live: BTreeMap<String, Live>,
}

/// A run that works on a thing, whoever's it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Its pipeline.
    pub pipeline: Name,
    /// Its environment.
    pub environment: Name,
    /// The run.
    #[serde(flatten)]
    pub claim: Claim,
    /// What is live once it has succeeded.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ships: BTreeMap<String, Live>,
}

/// A claim as it was read; nothing before the first run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    claim: TargetClaim,
    etag: Option<String>,
}

/// What is known of a thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The unfinished run that works on it.
    pub busy: Option<Busy>,
    /// What was last made live: of a function by alias, of a fleet under an empty name.
    pub live: BTreeMap<String, Live>,
    /// What was read, if it is nobody's: with it a claim is taken without another look.
    seen: Option<Seen>,
}

/// An unfinished run that works on a thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Busy {
    /// The thing.
    pub thing: Thing,
    /// The run.
    pub owner: Owner,
    /// Its driver.
    pub held: Option<Held>,
}

impl Thing {
    /// What a target of a pipeline is in one of its environments.
    pub fn of_target(place: &Environment, target: &Target) -> Option<Thing> {
        let what = match (&target.fleet, &target.function) {
            (Some(fleet), _) => {
                What::Fleet { application: fleet.application.clone(), group: fleet.deployment_group.clone() }
            }
            (None, Some(function)) => What::Function { name: function.name.clone() },
            (None, None) => return None,
        };
        Some(Thing { account: place.account.clone(), region: place.region.clone(), what })
    }

    /// What a lane stands on.
    pub fn of_lane(plan: &Plan, lane: &Lane) -> Option<Thing> {
        let site = plan.sites.get(lane.site)?;
        let what = match &lane.on {
            On::Fleet(fleet) => What::Fleet {
                application: fleet.group.application.clone(),
                group: fleet.group.deployment_group.clone(),
            },
            On::Function(on) => What::Function { name: on.function.name.clone() },
        };
        Some(Thing { account: site.account.clone(), region: site.region.clone(), what })
    }

    /// What people call it.
    pub fn label(&self) -> String {
        match &self.what {
            What::Fleet { application, group } => format!("fleet {application}/{group}"),
            What::Function { name } => format!("function {name}"),
        }
    }
}

/// Under which name a target's release is kept in its claim.
pub fn part_of_target(target: &Target) -> &str {
    target.function.as_ref().map_or("", |function| &function.alias)
}

fn part_of_lane(lane: &Lane) -> &str {
    lane.function().map_or("", |on| &on.function.alias)
}

/// The things that a plan changes, sorted, each once, with what is live there once the run has succeeded.
pub fn wanted(plan: &Plan, live: impl Fn(&Lane) -> Live) -> BTreeMap<Thing, BTreeMap<String, Live>> {
    let mut wanted: BTreeMap<Thing, BTreeMap<String, Live>> = BTreeMap::new();
    for lane in plan.lanes().filter(|lane| !lane.steps.is_empty()) {
        if let Some(thing) = Thing::of_lane(plan, lane) {
            wanted.entry(thing).or_default().insert(part_of_lane(lane).to_owned(), live(lane));
        }
    }
    wanted
}

async fn read(bucket: &Bucket, keys: &Keys, thing: &Thing) -> Result<Seen, StoreError> {
    read_at(bucket, &keys.target(thing)).await
}

async fn read_at(bucket: &Bucket, key: &str) -> Result<Seen, StoreError> {
    let Some(object) = bucket.get(key).await? else { return Ok(Seen::default()) };
    let claim = bucket.parse(key, &object.bytes, "the claim of a target")?;
    Ok(Seen { claim, etag: Some(object.etag) })
}

/// The run of this environment that left its claim at a key behind, though it is over; with `clear` the claim is given back
/// as the next run would.
///
/// # Errors
/// What S3 says; an object that is not a claim.
pub(super) async fn left_over(
    bucket: &Bucket,
    keys: &Keys,
    key: &str,
    clear: bool,
) -> Result<Option<RunId>, StoreError> {
    let seen = read_at(bucket, key).await?;
    let Some(owner) = seen.claim.owner.clone() else { return Ok(None) };
    if keys.beside(&owner.pipeline, &owner.environment) != *keys {
        return Ok(None);
    }
    let Standing::Over(outcome) = standing(bucket, keys, &owner.claim.run).await? else { return Ok(None) };
    if clear {
        let mut live = seen.claim.live.clone();
        live.extend(owner.ships.into_iter().filter(|_| outcome == Some(Outcome::Succeeded)));
        write_at(bucket, key, &seen, TargetClaim { live, ..TargetClaim::default() }).await?;
    }
    Ok(Some(owner.claim.run))
}

/// Reads the claims of several things as they count: an orphan is nobody's, and what its run has made live is live.
///
/// # Errors
/// What S3 says; an object that is not a claim.
pub async fn look(bucket: &Bucket, keys: &Keys, things: Vec<Thing>) -> Result<BTreeMap<Thing, Known>, StoreError> {
    let read = |thing: Thing| async { read(bucket, keys, &thing).await.map(|seen| (thing, seen)) };
    let claims: Vec<(Thing, Seen)> = stream::iter(things).map(read).buffered(AT_ONCE).try_collect().await?;
    let mut standings: BTreeMap<RunId, Standing> = BTreeMap::new();
    let mut known = BTreeMap::new();
    for (thing, seen) in claims {
        let (mut busy, mut live) = (None, seen.claim.live.clone());
        if let Some(owner) = seen.claim.owner.clone() {
            let run = owner.claim.run.clone();
            let standing = match standings.remove(&run) {
                Some(standing) => standing,
                None => standing(bucket, &keys.beside(&owner.pipeline, &owner.environment), &run).await?,
            };
            standings.insert(run, standing.clone());
            match standing {
                Standing::Works(held) => busy = Some(Busy { thing: thing.clone(), owner, held }),
                Standing::Over(Some(Outcome::Succeeded)) => live.extend(owner.ships),
                Standing::Over(_) => {}
            }
        }
        let seen = Some(seen).filter(|seen| seen.claim.owner.is_none());
        known.insert(thing, Known { busy, live, seen });
    }
    Ok(known)
}

async fn write(
    bucket: &Bucket,
    keys: &Keys,
    thing: &Thing,
    seen: &Seen,
    claim: TargetClaim,
) -> Result<bool, StoreError> {
    write_at(bucket, &keys.target(thing), seen, claim).await
}

async fn write_at(bucket: &Bucket, key: &str, seen: &Seen, claim: TargetClaim) -> Result<bool, StoreError> {
    let claim = TargetClaim { nonce: format!("{:016x}", fastrand::u64(..)), ..claim };
    let body = Bytes::from(serde_json::to_vec(&claim).map_err(|error| bucket.corrupt(key, &error.to_string()))?);
    let put = match &seen.etag {
        None => bucket.put_if_absent(key, body).await?,
        Some(etag) => bucket.put_if_match(key, body, etag).await?,
    };
    Ok(matches!(put, Put::Done(_)))
}

/// Takes a thing for a run, or says who else works on it. A claim that is the run's already stays as it is. What was seen
/// of it shortly before saves a look.
///
/// # Errors
/// What S3 says.
pub async fn take(
    bucket: &Bucket,
    keys: &Keys,
    thing: &Thing,
    owner: &Owner,
    known: Option<&Known>,
) -> Result<Option<Busy>, StoreError> {
    let mut known = known.and_then(|known| known.seen.clone());
    for _ in 0..WRITES {
        let seen = match known.take() {
            Some(seen) => seen,
            None => read(bucket, keys, thing).await?,
        };
        let mut live = seen.claim.live.clone();
        if let Some(other) = &seen.claim.owner {
            if other.claim.run == owner.claim.run {
                return Ok(None);
            }
            let theirs = keys.beside(&other.pipeline, &other.environment);
            match standing(bucket, &theirs, &other.claim.run).await? {
                Standing::Works(held) => {
                    return Ok(Some(Busy { thing: thing.clone(), owner: other.clone(), held }));
                }
                // Its driver died before it could say so here.
                Standing::Over(Some(Outcome::Succeeded)) => live.extend(other.ships.clone()),
                Standing::Over(_) => {}
            }
        }
        let claim = TargetClaim { owner: Some(owner.clone()), live, ..TargetClaim::default() };
        if write(bucket, keys, thing, &seen, claim).await? {
            return Ok(None);
        }
    }
    Err(bucket.contended(&keys.target(thing)))
}

/// Gives back what a run has taken, and says what it has made live; what is not the run's any more is left alone.
///
/// # Errors
/// What S3 says; the claims are then orphans, which stand in nobody's way.
pub async fn give_back(
    bucket: &Bucket,
    keys: &Keys,
    run: &RunId,
    things: &BTreeMap<Thing, BTreeMap<String, Live>>,
) -> Result<(), StoreError> {
    let give = |(thing, live)| give_one_back(bucket, keys, run, thing, live);
    stream::iter(things).map(give).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await.map(|_| ())
}

async fn give_one_back(
    bucket: &Bucket,
    keys: &Keys,
    run: &RunId,
    thing: &Thing,
    made_live: &BTreeMap<String, Live>,
) -> Result<(), StoreError> {
    for _ in 0..WRITES {
        let seen = read(bucket, keys, thing).await?;
        if seen.claim.owner.as_ref().is_none_or(|owner| owner.claim.run != *run) {
            return Ok(());
        }
        let mut live = seen.claim.live.clone();
        live.extend(made_live.clone());
        if write(bucket, keys, thing, &seen, TargetClaim { live, ..TargetClaim::default() }).await? {
            return Ok(());
        }
    }
    Err(bucket.contended(&keys.target(thing)))
}

/// What a run lets go of at its end: everything that its plan changes, and what of it the run has made live.
pub fn of_ended(plan: &Plan, made_live: &BTreeMap<Name, Live>) -> BTreeMap<Thing, BTreeMap<String, Live>> {
    let mut things: BTreeMap<Thing, BTreeMap<String, Live>> = BTreeMap::new();
    for lane in plan.lanes().filter(|lane| !lane.steps.is_empty()) {
        if let Some(thing) = Thing::of_lane(plan, lane) {
            let live = made_live.get(&lane.target).map(|live| (part_of_lane(lane).to_owned(), live.clone()));
            things.entry(thing).or_default().extend(live);
        }
    }
    things
}

/// Where a run stands that claims something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is over, as its journal says, or it never began and nobody is about to begin it.
    Over(Option<Outcome>),
    /// It is not; its driver, if it has one.
    Works(Option<Held>),
}

/// Where a run stands.
///
/// # Errors
/// What S3 says; a journal that cannot be read.
pub async fn standing(bucket: &Bucket, keys: &Keys, run: &RunId) -> Result<Standing, StoreError> {
    let lock = lock::read(bucket, keys).await?.lock;
    let is_owner = lock.claim.as_ref().is_some_and(|claim| claim.run == *run);
    let (_, envelopes) = Journal::open(bucket, keys, run).await?;
    let outcome = envelopes.iter().find_map(|envelope| match &envelope.record {
        Record::RunEnded { outcome, .. } => Some(*outcome),
        _ => None,
    });
    let held = lock.lease.filter(|_| is_owner);
    let is_driven = held.as_ref().is_some_and(|held| !held.holder.is_surely_gone());
    let never_begins = envelopes.is_empty() && !is_driven;
    Ok(if !is_owner || outcome.is_some() || never_begins { Standing::Over(outcome) } else { Standing::Works(held) })
}
