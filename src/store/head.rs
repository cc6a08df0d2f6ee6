//! The head of an environment: what is live and the last runs. A cache: the journals are the truth, and it is made again
//! from them when it is missing.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::keys::Keys;
use super::objects::{Bucket, Put};
use crate::event::record::{Back, Build, Origin, Outcome};
use crate::model::revision::BundleRef;
use crate::model::{Format, Name, Period, Revision, RunId};
use crate::plan::StepId;
use crate::plan::timing::{Past, RUNS_COUNTED};

/// Runs that are kept in the cache.
const RUNS_KEPT: usize = 50;

/// What the object holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// The format's version.
    pub v: Format,
    /// Makes every write unlike any other.
    pub nonce: String,
    /// What is live, by target.
    pub live: BTreeMap<Name, Live>,
    /// The last runs, the newest first.
    pub runs: Vec<RunSummary>,
}

/// What is live on a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// The release.
    pub release: String,
    /// Its bundle.
    pub revision: Revision,
    /// The run that brought it.
    pub run: RunId,
    /// Since when.
    pub since: Timestamp,
    /// What it was made of, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// A run in a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The run.
    pub run: RunId,
    /// Why: `deploy`, `rollback`.
    pub why: String,
    /// What it ships.
    pub release: String,
    /// Who asked.
    pub by: String,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// The cause, if it went back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The run it goes back from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<RunId>,
    /// From which release and to which run, if it is a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<Back>,
    /// How long its steps took, by target, if it succeeded. Only the last runs keep that.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub took: BTreeMap<Name, BTreeMap<StepId, Period>>,
    /// The revision ids with which it left aliases, by target. Only the last run that moved an alias keeps its id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub moved: BTreeMap<Name, String>,
    /// The build that asked, if a CI system did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// The hashes of what it shipped, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub digests: Vec<String>,
    /// Whether the checkout held changes that were not in the commit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dirty: bool,
    /// Whether it went back because a condition or a script of the release said no.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_to_blame: bool,
}

/// The hashes of bundles, sorted: by these a release is known again whatever it is called.
pub fn digests(bundles: &[BundleRef]) -> Vec<String> {
    let mut digests: Vec<String> = bundles.iter().map(|bundle| bundle.sha256.clone()).collect();
    digests.sort_unstable();
    digests.dedup();
    digests
}

impl Head {
    /// How long the steps of each target took in the last runs that tell.
    pub fn past(&self) -> BTreeMap<Name, Past> {
        let mut past: BTreeMap<Name, Past> = BTreeMap::new();
        for (target, steps) in self.runs.iter().flat_map(|run| &run.took) {
            for (step, took) in steps {
                past.entry(target.clone()).or_default().entry(step.clone()).or_default().push(*took);
            }
        }
        past
    }

    /// Takes in a run that has ended, once.
    fn take_in(&mut self, summary: &RunSummary, live: &BTreeMap<Name, Live>) {
        if self.runs.iter().any(|known| known.run == summary.run) {
            return;
        }
        self.live.extend(live.iter().map(|(target, live)| (target.clone(), live.clone())));
        self.runs.insert(0, summary.clone());
        self.runs.sort_by(|one, other| other.run.cmp(&one.run));
        self.runs.truncate(RUNS_KEPT);
        let tell = self.runs.iter_mut().filter(|run| !run.took.is_empty());
        tell.skip(RUNS_COUNTED).for_each(|run| run.took.clear());
        let mut known = BTreeSet::new();
        for run in &mut self.runs {
            run.moved.retain(|target, _| known.insert(target.clone()));
        }
    }

    /// The run that left the alias of a target with this revision id, if that is known.
    pub fn mover(&self, target: &Name, revision_id: &str) -> Option<&RunSummary> {
        self.runs.iter().find(|run| run.moved.get(target).is_some_and(|id| id == revision_id))
    }
}

/// Reads the head and its ETag.
///
/// # Errors
/// What S3 says. A head that cannot be read counts as none.
pub async fn read(bucket: &Bucket, keys: &Keys) -> Result<(Head, Option<String>), StoreError> {
    Ok(match bucket.get(&keys.head()).await? {
        None => (Head::default(), None),
        Some(object) => (serde_json::from_slice(&object.bytes).unwrap_or_default(), Some(object.etag)),
    })
}

/// Adds a run that has ended. Whoever holds the lease writes; a lost race is tried again a few times.
///
/// # Errors
/// What S3 says.
pub async fn add(
    bucket: &Bucket,
    keys: &Keys,
    summary: &RunSummary,
    live: &BTreeMap<Name, Live>,
) -> Result<(), StoreError> {
    let key = keys.head();
    for _ in 0..5 {
        let (mut head, etag) = read(bucket, keys).await?;
        head.take_in(summary, live);
        head.nonce = format!("{:016x}", fastrand::u64(..));
        let body = serde_json::to_vec(&head).map_err(|error| bucket.corrupt(&key, &error.to_string()))?;
        let put = match etag {
            None => bucket.put_if_absent(&key, Bytes::from(body)).await?,
            Some(etag) => bucket.put_if_match(&key, Bytes::from(body), &etag).await?,
        };
        if matches!(put, Put::Done(_)) {
            return Ok(());
        }
    }
    Ok(())
}
