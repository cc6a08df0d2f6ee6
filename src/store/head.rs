//! The head of an environment: what is live and the last runs. A cache: the journals are the truth. Before it is used it is
//! compared with them, and what it lacks is read there: the run whose driver died before it could say so here, or all of it
//! if it is missing, broken, or not the one that was written.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures_util::future::join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::StoreError;
use super::journal::{Journal, hex};
use super::keys::Keys;
use super::objects::{Bucket, Put};
use super::runs;
use super::summary::summarize;
use crate::event::record::{Back, Build, Origin, Outcome};
use crate::model::revision::BundleRef;
use crate::model::{Format, Name, Period, Revision, RunId};
use crate::plan::StepId;
use crate::plan::timing::{Past, RUNS_COUNTED};

/// Runs that are kept in the cache.
const RUNS_KEPT: usize = 50;

/// Runs that are read at the same time where the head lacks them.
const AT_ONCE: usize = 8;

/// How often it is written anew because somebody else was faster.
const TRIES: u32 = 5;

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
    /// Where the journals of these runs end.
    #[serde(default)]
    ends: BTreeMap<RunId, End>,
    /// SHA-256 of all that with nothing here: what was changed by hand or on the way is not believed.
    #[serde(default)]
    pub(crate) sum: String,
}

/// Where the journal of a run ends that is over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// How many objects it has.
    entries: u64,
    /// SHA-256 of the last of them.
    hash: String,
}

impl End {
    /// The end of a journal that was read or written to its last entry.
    pub fn of(journal: &Journal) -> End {
        End { entries: journal.length(), hash: journal.head().to_owned() }
    }
}

/// A run that cannot be read, and why.
#[derive(Debug)]
pub struct Unreadable {
    /// The run.
    pub run: RunId,
    /// Why.
    pub error: StoreError,
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
    fn take_in(&mut self, summary: &RunSummary, end: End, live: &BTreeMap<Name, Live>) {
        if self.knows(&summary.run) {
            return;
        }
        for (target, live) in live {
            // A run that comes late does not hide what came after it.
            if self.live.get(target).is_none_or(|known| known.since <= live.since) {
                self.live.insert(target.clone(), live.clone());
            }
        }
        self.ends.insert(summary.run.clone(), end);
        self.runs.insert(0, summary.clone());
        self.runs.sort_by(|one, other| other.run.cmp(&one.run));
        for forgotten in self.runs.drain(RUNS_KEPT.min(self.runs.len())..) {
            self.ends.remove(&forgotten.run);
        }
        let tell = self.runs.iter_mut().filter(|run| !run.took.is_empty());
        tell.skip(RUNS_COUNTED).for_each(|run| run.took.clear());
        let mut known = BTreeSet::new();
        for run in &mut self.runs {
            run.moved.retain(|target, _| known.insert(target.clone()));
        }
    }

    fn knows(&self, run: &RunId) -> bool {
        self.runs.iter().any(|known| known.run == *run)
    }

    /// What its sum should be.
    pub(crate) fn summed(&self) -> String {
        let bare = Head { sum: String::new(), ..self.clone() };
        serde_json::to_vec(&bare).map(|bytes| hex(&Sha256::digest(bytes))).unwrap_or_default()
    }

    /// The run that left the alias of a target with this revision id, if that is known.
    pub fn mover(&self, target: &Name, revision_id: &str) -> Option<&RunSummary> {
        self.runs.iter().find(|run| run.moved.get(target).is_some_and(|id| id == revision_id))
    }
}

/// The head as it was read, and as it should be.
struct Seen {
    head: Head,
    /// Of the object; `None` if there is none.
    etag: Option<String>,
    /// Whether the object lacks something, or is not to be believed.
    is_stale: bool,
    unreadable: Vec<Unreadable>,
}

/// Reads the head, with all that the journals say beyond it; and the runs among the last ones that cannot be read, of which
/// it therefore knows nothing.
///
/// # Errors
/// What S3 says. A head that was written by a newer shipit.
pub async fn read(bucket: &Bucket, keys: &Keys) -> Result<(Head, Vec<Unreadable>), StoreError> {
    let seen = look(bucket, keys, None).await?;
    Ok((seen.head, seen.unreadable))
}

/// Reads the head and compares it with the journals; that of a run that is about to be taken in need not be read.
async fn look(bucket: &Bucket, keys: &Keys, but: Option<&RunId>) -> Result<Seen, StoreError> {
    let object = bucket.get(&keys.head()).await?;
    let stored = match &object {
        Some(object) => believed(bucket, keys, &object.bytes).await?,
        None => None,
    };
    let etag = object.map(|object| object.etag);
    let mut seen = Seen { is_stale: stored.is_none(), head: stored.unwrap_or_default(), etag, unreadable: Vec::new() };
    // Older runs than it remembers are none of its business.
    let oldest = seen.head.runs.last().filter(|_| seen.head.runs.len() >= RUNS_KEPT).map(|run| run.run.clone());
    let names = bucket.folders_from(&keys.runs(), oldest.as_ref().map(RunId::as_str)).await?;
    let mut ids: Vec<RunId> = names.iter().filter_map(|name| RunId::parse(name).ok()).collect();
    ids.retain(|run| !seen.head.knows(run) && Some(run) != but);
    ids.sort_unstable_by(|one, other| other.cmp(one));
    let mut found = Vec::new();
    for some in ids.chunks(AT_ONCE) {
        if found.len() >= RUNS_KEPT {
            break;
        }
        for (run, loaded) in
            join_all(some.iter().map(|run| async move { (run, runs::load(bucket, keys, run).await) })).await
        {
            match loaded {
                Ok(Some(loaded)) if loaded.state.has_ended() => found.push(loaded),
                Ok(_) => {}
                Err(StoreError::Aws(error)) => return Err(error.into()),
                Err(error) => seen.unreadable.push(Unreadable { run: run.clone(), error }),
            }
        }
    }
    found.sort_by(|one, other| (one.state.ended, &one.state.run).cmp(&(other.state.ended, &other.state.run)));
    for run in &found {
        let (summary, live) = summarize(&run.plan, &run.state);
        seen.head.take_in(&summary, End::of(&run.journal), &live);
        seen.is_stale = true;
    }
    Ok(seen)
}

/// A head that is whole, as it was written, and agrees with the journal of its newest run; nothing if it is not.
async fn believed(bucket: &Bucket, keys: &Keys, bytes: &[u8]) -> Result<Option<Head>, StoreError> {
    let head: Head = match bucket.parse(&keys.head(), bytes, "a head") {
        Ok(head) => head,
        Err(error) if error.is_newer() => return Err(error),
        Err(_) => return Ok(None),
    };
    if head.sum != head.summed() {
        return Ok(None);
    }
    let Some(newest) = head.runs.first().map(|run| &run.run) else { return Ok(Some(head)) };
    let Some(end) = head.ends.get(newest) else { return Ok(None) };
    let last = match bucket.get(&keys.journal_entry(newest, end.entries.saturating_sub(1))).await {
        Ok(last) => last,
        Err(StoreError::Aws(error)) => return Err(error.into()),
        Err(_) => None,
    };
    let agrees = last.is_some_and(|last| hex(&Sha256::digest(&last.bytes)) == end.hash);
    Ok(agrees.then_some(head))
}

/// Adds a run that has ended. Whoever holds the lease writes; a lost race is tried again a few times.
///
/// # Errors
/// What S3 says. A head that was written by a newer shipit: it stays as it is.
pub async fn add(
    bucket: &Bucket,
    keys: &Keys,
    (summary, end): (&RunSummary, End),
    live: &BTreeMap<Name, Live>,
) -> Result<(), StoreError> {
    for _ in 0..TRIES {
        let mut seen = look(bucket, keys, Some(&summary.run)).await?;
        seen.head.take_in(summary, end.clone(), live);
        if write(bucket, keys, seen).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Writes what the journals say beyond the head, if there is anything: a run has ended whose driver could not. Says whether
/// there was.
///
/// # Errors
/// As for [`add`].
pub async fn refresh(bucket: &Bucket, keys: &Keys) -> Result<bool, StoreError> {
    let mut was_stale = false;
    for _ in 0..TRIES {
        let seen = look(bucket, keys, None).await?;
        let is_nothing = seen.etag.is_none() && seen.head.runs.is_empty();
        if !seen.is_stale || is_nothing {
            break;
        }
        was_stale = true;
        if write(bucket, keys, seen).await? {
            break;
        }
    }
    Ok(was_stale)
}

/// Whether the object lacks something that the journals say, or is not to be believed.
///
/// # Errors
/// As for [`read`].
pub async fn is_stale(bucket: &Bucket, keys: &Keys) -> Result<bool, StoreError> {
    let seen = look(bucket, keys, None).await?;
    Ok(seen.is_stale && (seen.etag.is_some() || !seen.head.runs.is_empty()))
}

async fn write(bucket: &Bucket, keys: &Keys, seen: Seen) -> Result<bool, StoreError> {
    let (key, nonce) = (keys.head(), format!("{:016x}", fastrand::u64(..)));
    let mut head = Head { v: Format::NOW, nonce, ..seen.head };
    head.sum = head.summed();
    let body = serde_json::to_vec(&head).map_err(|error| bucket.corrupt(&key, &error.to_string()))?;
    let put = match seen.etag {
        None => bucket.put_if_absent(&key, Bytes::from(body)).await?,
        Some(etag) => bucket.put_if_match(&key, Bytes::from(body), &etag).await?,
    };
    Ok(matches!(put, Put::Done(_)))
}
