//! Where a rollback goes: the runs as they lie in the store, and what AWS shows, for the decision in `release`.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::around::Around;
use super::claims::Claims;
use super::prepare::{self, Looked, Wanted};
use super::project::{Cloud, Project};
use super::runs;
use crate::error::Result;
use crate::event::record::Back;
use crate::model::observed::Caller;
use crate::model::{Name, Release, Revision, RunId};
use crate::plan::Intent;
use crate::plan::build::{Built, Observed};
use crate::plan::function::{base64_of, hex_of};
use crate::release::{Goal, Live, No, PastRun, Stood, Way, goal};
use crate::report::goal as words;
use crate::store::StoreError;

/// Runs that are read at first; more are, where these do not tell.
const RUNS: usize = 32;
/// Runs that are read at the same time.
const AT_ONCE: usize = 8;

/// What a rollback would do.
pub enum Aim {
    /// A new run with this plan; nothing if the plan is empty.
    Plan(Box<Aimed>),
    /// The last run got stuck on its way there, or never ended: that is taken up.
    Recover(Way),
}

/// A planned rollback.
pub struct Aimed {
    /// The plan.
    pub built: Built,
    /// What will be live.
    pub wanted: Wanted,
    /// The last run that changed anything.
    pub parent: RunId,
    /// From where to where.
    pub back: Back,
}

/// Finds out where a rollback goes and plans it: what `rollback` does and `plan --rollback` shows.
///
/// # Errors
/// Why it goes nowhere; everything that stands in the way.
pub async fn aim(
    project: &Project,
    cloud: &Cloud,
    around: &Around,
    claims: &Claims,
    caller: Caller,
    to: Option<&str>,
) -> Result<Aim> {
    let looked = Box::pin(prepare::look(project, cloud, around, claims, Intent::Rollback)).await?;
    let live = live(project, cloud, &looked);
    let (found, unread) = find(cloud, &live, to).await?;
    let way = match found.map_err(|no| words::refusal(&no, &project.invocation))? {
        Goal::Serves(way) => way,
        Goal::Recover(way) => return Ok(Aim::Recover(way)),
        Goal::Go(way) => {
            is_kept(project, cloud, &looked, &way).await?;
            way
        }
    };
    let origin = match &way.made {
        Some(run) => runs::load(&cloud.bucket, &cloud.keys, run).await?.and_then(|run| run.state.origin),
        None => None,
    };
    let release = Release { label: way.release.clone(), bundles: Vec::new(), from: None };
    let revisions = way.bundles.clone();
    let wanted = Wanted { release, intent: Intent::Rollback, revisions, origin, ..Wanted::default() };
    let mut built = Box::pin(prepare::plan_of(project, cloud, around, &wanted, looked, caller)).await?;
    if !built.plan.is_empty() {
        built.notes.insert(0, words::why(&way));
    }
    built.notes.extend(unread);
    let back = Back { from: way.from, to: way.made };
    Ok(Aim::Plan(Box::new(Aimed { built, wanted, parent: way.parent, back })))
}

/// What AWS shows on every target, under the labels that shipit knows.
fn live(project: &Project, cloud: &Cloud, looked: &Looked) -> BTreeMap<Name, Live> {
    let bucket = &project.pipeline.store.bucket;
    let of = |(name, observed, _): &(Name, Observed, _)| {
        let live = match observed {
            Observed::Fleet(fleet) => Live {
                stood: fleet
                    .baseline
                    .as_ref()
                    .map(|live| Stood { label: live.label(), revision: live.revision.clone() }),
                is_split: false,
            },
            Observed::Function(function) => {
                let version = function.alias.as_ref().map(|alias| alias.version.clone()).unwrap_or_default();
                let label = function.release.clone().unwrap_or_else(|| format!("version {version}"));
                let sha256 = function.live.as_ref().and_then(|live| hex_of(&live.code_sha256));
                let revision = |sha256: String| Revision {
                    bucket: bucket.clone(),
                    key: cloud.keys.artifact(&sha256),
                    version: None,
                    etag: None,
                };
                Live {
                    stood: sha256.map(|sha256| Stood { label, revision: revision(sha256) }),
                    is_split: function.alias.as_ref().is_some_and(|alias| !alias.weights.is_empty()),
                }
            }
        };
        (name.clone(), live)
    };
    looked.found.iter().map(of).collect()
}

/// Reads runs, the newest first, until they tell where to go. What cannot be read is told as notes.
async fn find(
    cloud: &Cloud,
    live: &BTreeMap<Name, Live>,
    to: Option<&str>,
) -> Result<(std::result::Result<Goal, No>, Vec<String>)> {
    let names = cloud.bucket.folders(&cloud.keys.runs()).await?;
    let ids: BTreeSet<RunId> = names.iter().filter_map(|name| RunId::parse(name).ok()).collect();
    let ids: Vec<RunId> = ids.into_iter().rev().collect();
    let (mut past, mut notes, mut read): (Vec<(Timestamp, PastRun)>, Vec<String>, usize) = Default::default();
    loop {
        let upto = (read.max(RUNS / 2) * 2).min(ids.len());
        let older = stream::iter(ids[read..upto].iter().cloned()).map(|id| load(cloud, id)).buffered(AT_ONCE);
        for run in older.try_collect::<Vec<_>>().await? {
            match run {
                Ok(run) => past.extend(run),
                Err(note) => notes.push(note),
            }
        }
        read = upto;
        // Ids of one second are in no order.
        past.sort_by_key(|(began, _)| *began);
        let oldest_first: Vec<PastRun> = past.iter().map(|(_, run)| run.clone()).collect();
        let found = goal(&oldest_first, live, to);
        if read == ids.len() || is_settled(&found) {
            return Ok((found, notes));
        }
    }
}

/// Whether older runs would change nothing.
fn is_settled(found: &std::result::Result<Goal, No>) -> bool {
    match found {
        Ok(Goal::Go(way) | Goal::Serves(way)) => way.made.is_some(),
        Ok(Goal::Recover(_)) | Err(No::TakenOut { .. } | No::NotOurs { .. } | No::Ambiguous { .. }) => true,
        Err(No::NothingShipped | No::NothingBefore { .. } | No::NeverLive { .. } | No::Incomplete { .. }) => false,
    }
}

/// The last run that changed anything, if it left open what serves: it got stuck, or never ended.
///
/// # Errors
/// What the store says.
pub async fn left_open(cloud: &Cloud) -> Result<Option<RunId>> {
    let names = cloud.bucket.folders(&cloud.keys.runs()).await?;
    let mut ids: Vec<RunId> = names.iter().filter_map(|name| RunId::parse(name).ok()).collect();
    ids.sort_unstable();
    for id in ids.into_iter().rev() {
        if let Ok(Some((_, run))) = load(cloud, id).await? {
            return Ok(run.is_left_open().then_some(run.run));
        }
    }
    Ok(None)
}

/// One run; nothing if it changed nothing, and a note if it cannot be read.
async fn load(cloud: &Cloud, id: RunId) -> Result<std::result::Result<Option<(Timestamp, PastRun)>, String>> {
    match runs::load(&cloud.bucket, &cloud.keys, &id).await {
        Ok(run) => {
            let of = |run: runs::Loaded| Some((run.state.started.as_ref()?.2, PastRun::of(&run.plan, &run.state)?));
            Ok(Ok(run.and_then(of)))
        }
        Err(error @ StoreError::Aws(_)) => Err(error.into()),
        Err(error) => Ok(Err(format!("run {id} cannot be read and was passed over: {error}"))),
    }
}

/// The bundles are where they were, or a function still has their versions.
async fn is_kept(project: &Project, cloud: &Cloud, looked: &Looked, way: &Way) -> Result<()> {
    for (name, observed, _) in &looked.found {
        let Some(revision) = way.bundles.get(name) else { continue };
        let is_version = match observed {
            Observed::Fleet(_) => false,
            Observed::Function(function) => {
                let code = revision.sha256().and_then(base64_of);
                function.versions.iter().any(|version| Some(&version.code_sha256) == code.as_ref())
            }
        };
        // A bucket of somebody else may be out of sight, and its bundle still there for the hosts.
        if !is_version && matches!(cloud.clients.bundle_exists(revision).await, Ok(false)) {
            return Err(words::gone(way, name, revision, &project.invocation));
        }
    }
    Ok(())
}
