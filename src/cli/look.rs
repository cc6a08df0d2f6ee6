//! Looking at a pipeline in an environment without changing anything: the store, the targets, and the run under way.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use jiff::Timestamp;

use super::prepare;
use super::project::{Cloud, Project};
use super::runs::{self, Loaded};
use crate::aws::AwsError;
use crate::engine::{Site, sweep};
use crate::error::Failure;
use crate::event::record::Outcome;
use crate::model::function::FunctionRef;
use crate::model::pipeline::{FleetRef, Target};
use crate::model::{Name, Revision, RunId};
use crate::plan::Plan;
use crate::plan::function::hex_of;
use crate::probe::Prober;
use crate::report::StatusView;
use crate::report::status::{Driver, Found, Known, Looked, Mover, Observed, RunSeen, Unread};
use crate::run::reads::{Read, due};
use crate::run::state::LaneState;
use crate::run::view::View;
use crate::run::{RunStatus, State};
use crate::store::head::{self, Head};
use crate::store::{StoreError, lock};
use clock::wall_now;

/// Targets and runs that are looked at at the same time.
pub const SIDE_BY_SIDE: usize = 16;

/// Runs that are read when nothing else tells what is live.
const JOURNALS: usize = 20;

/// Everything that was seen.
pub struct Look {
    store: Shelf,
    targets: Vec<Looked>,
    /// What was seen of the unfinished run's lanes.
    pub view: Option<View>,
}

/// What lies in the store.
#[derive(Default)]
pub struct Shelf {
    head: Head,
    lock: lock::Lock,
    /// The unfinished run.
    pub run: Option<Loaded>,
    /// The last run, if it has ended and none is under way; as far as it tells something.
    last: Option<Loaded>,
    /// The run that is under way and cannot be read.
    unread: Option<Unread>,
    /// What was made live last, where the head does not tell it.
    made_live: BTreeMap<Name, Known>,
    notes: Vec<String>,
}

impl Look {
    /// Looks at everything. Whether these are credentials of the environment's account is found out first: what others see
    /// is not what is live.
    ///
    /// # Errors
    /// Foreign credentials, as for a deploy; what the store and AWS say, but for what can be told of beside the rest.
    pub async fn at(project: &Project, cloud: &Cloud, prober: &Prober, now: Timestamp) -> Result<Look, Failure> {
        let targets: Vec<(&Name, &Target)> = project.pipeline.targets.iter().collect();
        let (caller, store, mut found) =
            tokio::join!(prepare::caller(project, cloud), Shelf::read(cloud), look_at(cloud, &targets));
        caller?;
        let store = store?;
        look_again(project, cloud, &store, &mut found).await;
        let mut look = Look { store, targets: found, view: None };
        look.sweep(cloud, prober, now).await;
        Ok(look)
    }

    /// The unfinished run.
    pub fn run(&self) -> Option<&Loaded> {
        self.store.run.as_ref()
    }

    /// The same, to take in what is written to its journal.
    pub fn run_mut(&mut self) -> Option<&mut Loaded> {
        self.store.run.as_mut()
    }

    /// Takes in the lock as it is now.
    pub fn holds(&mut self, lock: lock::Lock) {
        self.store.lock = lock;
    }

    /// Who drives.
    pub fn driver(&self) -> Option<Driver> {
        driver(&self.store.lock)
    }

    /// Takes in another look at the targets, and at what the run waits for.
    pub fn sees(&mut self, targets: Vec<Looked>, view: Option<View>) {
        self.targets = targets;
        self.view = view.or(self.view.take());
    }

    /// Reads what the lanes of the unfinished run wait for; twice, because what is read tells what else is worth reading.
    async fn sweep(&mut self, cloud: &Cloud, prober: &Prober, now: Timestamp) {
        let Some(run) = &self.store.run else { return };
        let sites = sites(cloud, &run.plan).await;
        let mut view = View::new(&run.plan);
        for _ in 0..2 {
            read_due(&run.plan, &run.state, &sites, prober, &mut view, now).await;
        }
        self.view = Some(view);
    }

    /// What can be said of it.
    pub fn told(&self, project: &Project, now: Timestamp) -> StatusView {
        let Shelf { head, lock, run, last, unread, made_live, notes } = &self.store;
        let mut known: Vec<Known> = Vec::new();
        for run in run.iter().chain(last) {
            known.extend(Known::of_run(&run.plan, &run.state));
        }
        known.extend(of_head(head, project));
        let live = head.live.iter().map(|(target, live)| {
            let (key, release) = (live.revision.key.clone(), live.release.clone());
            (target.clone(), Known { key, release, run: Some(live.run.clone()), since: Some(live.since) })
        });
        let observed = Observed {
            at: now,
            pipeline: project.pipeline.pipeline.clone(),
            environment: project.environment.clone(),
            invocation: &project.invocation,
            targets: self.targets.clone(),
            known,
            made_live: made_live.clone().into_iter().chain(live).collect(),
            movers: movers(head),
            run: run.as_ref().map(|run| RunSeen { plan: &run.plan, state: &run.state, view: self.view.as_ref() }),
            last: last.as_ref().map(|run| RunSeen { plan: &run.plan, state: &run.state, view: None }),
            unread: unread.clone(),
            driver: driver(lock),
            notes: notes.clone(),
        };
        observed.view()
    }
}

/// The clients of a plan's sites; they read only.
pub async fn sites(cloud: &Cloud, plan: &Plan) -> Vec<Site> {
    let mut sites = Vec::new();
    for site in &plan.sites {
        let clients = cloud.aws.at(&site.region, site.role.as_deref(), "shipit-status", None).await;
        sites.push(Site { clients });
    }
    sites
}

/// Reads what is due of a run's lanes. The application is asked and programs are run by whoever drives alone.
pub async fn read_due(plan: &Plan, state: &State, sites: &[Site], prober: &Prober, view: &mut View, now: Timestamp) {
    let (mut reads, _) = due(plan, state, view, now);
    reads.retain(|(_, read)| !matches!(read, Read::Probe(_) | Read::Command(_)));
    if !reads.is_empty() {
        let _ = sweep(plan, state, sites, prober, reads, view, now).await;
    }
}

impl Shelf {
    /// Reads the store. What cannot be understood there is said, and hides nothing else.
    ///
    /// # Errors
    /// What S3 says.
    pub async fn read(cloud: &Cloud) -> Result<Shelf, StoreError> {
        let (head, lock) = tokio::join!(head::read(&cloud.bucket, &cloud.keys), lock::read(&cloud.bucket, &cloud.keys));
        let mut shelf = Shelf::default();
        shelf.head = shelf.understood(head)?.map(|(head, _)| head).unwrap_or_default();
        shelf.lock = shelf.understood(lock)?.map(|seen| seen.lock).unwrap_or_default();
        if let Some(run) = shelf.lock.claim.as_ref().map(|claim| claim.run.clone()) {
            match runs::load(&cloud.bucket, &cloud.keys, &run).await {
                Ok(Some(run)) if run.state.has_ended() => shelf.last = Some(run),
                Ok(Some(found)) => shelf.run = Some(found),
                Ok(None) => shelf.unread = Some(Unread { run, why: "its plan is gone from the store".to_owned() }),
                Err(error @ StoreError::Corrupt { .. }) => {
                    shelf.unread = Some(Unread { run, why: error.to_string() });
                }
                Err(error) => return Err(error),
            }
        }
        if shelf.run.is_none() && shelf.last.is_none() && shelf.unread.is_none() {
            shelf.read_last(cloud).await?;
        }
        Ok(shelf)
    }

    /// The last run, if it ended badly; by the journals if the head knows of none.
    async fn read_last(&mut self, cloud: &Cloud) -> Result<(), StoreError> {
        if let Some(newest) = self.head.runs.first() {
            if newest.outcome != Some(Outcome::Succeeded) {
                let loaded = runs::load(&cloud.bucket, &cloud.keys, &newest.run.clone()).await;
                self.last = self.understood(loaded)?.flatten();
            }
            return Ok(());
        }
        let ids = newest(cloud, JOURNALS).await?;
        if !ids.is_empty() {
            self.notes.push(
                "the store's head.json is missing or cannot be read: what follows was read from the journals"
                    .to_owned(),
            );
        }
        for id in ids {
            let loaded = runs::load(&cloud.bucket, &cloud.keys, &id).await;
            let Some(run) = self.understood(loaded)?.flatten() else { continue };
            let is_good = run.state.status == RunStatus::Ended(Outcome::Succeeded);
            if is_good {
                self.made_live.extend(made_live(&run));
            }
            if self.last.is_none() && !run.envelopes.is_empty() {
                self.last = Some(run);
            }
            if is_good {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What an object does not hold as it should is a note.
    fn understood<T>(&mut self, read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match read {
            Ok(found) => Ok(Some(found)),
            Err(error @ StoreError::Corrupt { .. }) => {
                self.notes.push(error.to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The deployments that the run in question has made on a target.
    fn made_on(&self, target: &Name) -> Vec<String> {
        let runs = self.run.iter().chain(&self.last);
        let lanes = runs.flat_map(|run| &run.state.lanes).filter(|lane| lane.target == *target);
        lanes.flat_map(|lane: &LaneState| lane.deployment.iter().chain(&lane.redeployment)).cloned().collect()
    }
}

/// The newest runs of an environment.
///
/// # Errors
/// What S3 says.
pub async fn newest(cloud: &Cloud, most: usize) -> Result<Vec<RunId>, StoreError> {
    let names = cloud.bucket.folders(&cloud.keys.runs()).await?;
    let mut ids: Vec<RunId> = names.iter().filter_map(|name| RunId::parse(name).ok()).collect();
    ids.sort_unstable_by(|one, other| other.cmp(one));
    ids.truncate(most);
    Ok(ids)
}

/// Who holds the lease, unless that process is certainly gone.
pub fn driver(lock: &lock::Lock) -> Option<Driver> {
    let held = lock.lease.as_ref().filter(|held| !held.holder.is_surely_gone())?;
    let seen_seconds_ago = u64::try_from(wall_now().duration_since(held.beat).as_secs()).unwrap_or(0);
    Some(Driver { holder: held.holder.who.clone(), since: None, seen_seconds_ago })
}

/// What a run has made live, by target.
fn made_live(run: &Loaded) -> Vec<(Name, Known)> {
    let of = |lane: &crate::plan::Lane| {
        let revision = run.state.revisions.get(&lane.target).unwrap_or(&lane.revision);
        let (key, release) = (revision.key.clone(), run.plan.release.label.clone());
        let known = Known { key, release, run: Some(run.state.run.clone()), since: run.state.ended };
        (lane.target.clone(), known)
    };
    run.plan.lanes().map(of).collect()
}

/// Past releases by their bundles: those that succeeded first.
fn of_head(head: &Head, project: &Project) -> Vec<Known> {
    let keys = crate::store::Keys::new(&project.pipeline.store, &project.pipeline.pipeline, &project.environment);
    let (good, bad): (Vec<_>, Vec<_>) = head.runs.iter().partition(|run| run.outcome == Some(Outcome::Succeeded));
    let of = |run: &crate::store::head::RunSummary| {
        let known = |sha256: &String| Known {
            key: keys.artifact(sha256),
            release: run.release.clone(),
            run: Some(run.run.clone()),
            since: None,
        };
        run.digests.iter().map(known).collect::<Vec<_>>()
    };
    good.into_iter().chain(bad).flat_map(of).collect()
}

fn movers(head: &Head) -> Vec<Mover> {
    let of = |run: &crate::store::head::RunSummary| {
        let mover = |(target, revision_id): (&Name, &String)| Mover {
            target: target.clone(),
            revision_id: revision_id.clone(),
            run: run.run.clone(),
            by: Some(run.by.clone()),
        };
        run.moved.iter().map(mover).collect::<Vec<_>>()
    };
    head.runs.iter().flat_map(of).collect()
}

/// What AWS says of targets.
pub async fn look_at(cloud: &Cloud, targets: &[(&Name, &Target)]) -> Vec<Looked> {
    let mut found = Vec::new();
    for some in targets.chunks(SIDE_BY_SIDE) {
        found.extend(join_all(some.iter().map(|(name, target)| look_at_one(cloud, name, target, &[]))).await);
    }
    found
}

async fn look_at_one(cloud: &Cloud, name: &Name, target: &Target, others: &[String]) -> Looked {
    let found = match (&target.function, &target.fleet) {
        (Some(function), _) => function_of(cloud, function).await,
        (None, Some(fleet)) => fleet_of(cloud, fleet, others).await,
        (None, None) => {
            return Looked { target: name.clone(), found: Err("neither a fleet nor a function".to_owned()) };
        }
    };
    Looked { target: name.clone(), found: found.map_err(|error| error.to_string()) }
}

async fn fleet_of(cloud: &Cloud, fleet: &FleetRef, others: &[String]) -> Result<Found, AwsError> {
    let seen = cloud.clients.serving(&fleet.application, &fleet.deployment_group, others).await?;
    Ok(Found::Fleet(Box::new(seen)))
}

/// Where an alias sends its callers, and the bundles of those versions.
async fn function_of(cloud: &Cloud, of: &FunctionRef) -> Result<Found, AwsError> {
    let alias = cloud.clients.alias(of).await?;
    let versions: BTreeSet<String> =
        alias.iter().flat_map(|alias| std::iter::once(&alias.version).chain(alias.weights.keys())).cloned().collect();
    let codes = join_all(versions.iter().map(|version| cloud.clients.code(&of.name, version))).await;
    let mut bundles = BTreeMap::new();
    for (version, code) in versions.into_iter().zip(codes) {
        let Some(sha256) = hex_of(&code?.code_sha256) else { continue };
        let (bucket, key) = (cloud.bucket.name().to_owned(), cloud.keys.artifact(&sha256));
        bundles.insert(version, Revision { bucket, key, version: None, etag: None });
    }
    Ok(Found::Function { of: of.clone(), alias, bundles })
}

/// Fleets on which the run in question has made deployments that do not show by themselves any more.
async fn look_again(project: &Project, cloud: &Cloud, store: &Shelf, found: &mut [Looked]) {
    for looked in found {
        let others = store.made_on(&looked.target);
        let Ok(Found::Fleet(seen)) = &looked.found else { continue };
        let is_complete = others.iter().all(|id| seen.deployment(id).is_some());
        if let Some(target) = project.pipeline.targets.get(&looked.target).filter(|_| !is_complete) {
            *looked = look_at_one(cloud, &looked.target, target, &others).await;
        }
    }
}
