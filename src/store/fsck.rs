//! A store is read object by object: what is wrong with which, and what of it can be put right without deciding anything.
//! The journals are the truth; what they say beyond the head, and what runs that are over have left behind, is put in order
//! exactly as the next run would.

use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::error::StoreError;
use super::keys::Keys;
use super::objects::{Bucket, failed};
use super::{claims, head, lock, packs, runs};
use crate::aws::Class;
use crate::model::RunId;

/// Runs that are read at the same time.
const AT_ONCE: usize = 4;

/// An upload that is older is nobody's: the longest upload of a bundle is far shorter.
const ABANDONED: SignedDuration = SignedDuration::from_hours(24);

/// What is wrong with an object.
#[derive(Debug)]
pub enum Fault {
    /// It is not what it should be, or not there. Nothing here can mend that.
    Broken(StoreError),
    /// The head says less than the journals, or something else.
    Stale,
    /// The lock or the claim of a target belongs to a run that is over.
    LeftOver(RunId),
    /// A pack is not the entries that it stands for; readers do without it.
    Unlike,
    /// An upload was begun then and never completed; its parts cost money.
    Upload(Timestamp),
    /// Nothing of shipit's; it is passed over.
    Foreign,
    /// It may not be looked at.
    Unseen(StoreError),
}

/// A fault of one object.
#[derive(Debug)]
pub struct Finding {
    /// The object's key.
    pub key: String,
    /// What is wrong with it.
    pub fault: Fault,
    /// Whether it was put right.
    pub is_repaired: bool,
}

/// What was found in a store.
#[derive(Debug, Default)]
pub struct Found {
    /// How many objects were looked at.
    pub objects: usize,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

impl Fault {
    /// Whether that can be put right here.
    pub fn is_repairable(&self) -> bool {
        match self {
            Fault::Stale | Fault::LeftOver(_) | Fault::Unlike | Fault::Upload(_) => true,
            Fault::Broken(_) | Fault::Foreign | Fault::Unseen(_) => false,
        }
    }

    /// Whether something is wrong at all.
    pub fn is_trouble(&self) -> bool {
        !matches!(self, Fault::Foreign)
    }
}

impl Found {
    fn add(&mut self, key: &str, fault: Fault, repair: bool) {
        let is_repaired = repair && fault.is_repairable();
        self.findings.push(Finding { key: key.to_owned(), fault, is_repaired });
    }

    /// Takes what an object came to: an object's own fault is a finding, AWS's ends it all.
    fn take<T>(&mut self, key: &str, got: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match got {
            Ok(got) => Ok(Some(got)),
            Err(StoreError::Aws(error)) => Err(error.into()),
            Err(error) => {
                let key = error.object().map_or(key, |(_, key)| key).to_owned();
                if !self.findings.iter().any(|it| it.key == key) {
                    self.add(&key, Fault::Broken(error), false);
                }
                Ok(None)
            }
        }
    }

    /// Whether anything is wrong that was not put right.
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|it| it.is_repaired || !it.fault.is_trouble())
    }
}

/// Reads everything of a pipeline in an environment, and with `repair` puts right what can be. Doing it twice changes
/// nothing the second time.
///
/// # Errors
/// What S3 says.
pub async fn check(bucket: &Bucket, keys: &Keys, now: Timestamp, repair: bool) -> Result<Found, StoreError> {
    let mut found = Found::default();
    let all = bucket.list(&keys.home()).await?;
    found.objects = all.len();
    for key in all.iter().filter(|key| !keys.is_ours(key)) {
        found.add(key, Fault::Foreign, false);
    }
    of_runs(bucket, keys, &all, repair, &mut found).await?;
    // Before the lock: a claim is given back once its run is in the head.
    let stale = match repair {
        true => head::refresh(bucket, keys).await,
        false => head::is_stale(bucket, keys).await,
    };
    if found.take(&keys.head(), stale)? == Some(true) {
        found.add(&keys.head(), Fault::Stale, repair);
    }
    of_lock(bucket, keys, repair, &mut found).await?;
    let targets = bucket.list(&keys.targets()).await?;
    for key in targets.iter().filter(|key| key.ends_with("/claim.json")) {
        let left = claims::left_over(bucket, keys, key, repair).await;
        found.objects += 1;
        if let Some(Some(run)) = found.take(key, left)? {
            found.add(key, Fault::LeftOver(run), repair);
        }
    }
    of_uploads(bucket, keys, now, repair, &mut found).await?;
    Ok(found)
}

async fn of_runs(
    bucket: &Bucket,
    keys: &Keys,
    all: &[String],
    repair: bool,
    found: &mut Found,
) -> Result<(), StoreError> {
    let names = all.iter().filter_map(|key| key.strip_prefix(&keys.runs())?.split_once('/'));
    let mut ids: Vec<RunId> = names.filter_map(|(run, _)| RunId::parse(run).ok()).collect();
    ids.dedup();
    let load = |run: RunId| async move { (runs::load(bucket, keys, &run).await, run) };
    let mut loads = stream::iter(ids).map(load).buffered(AT_ONCE);
    while let Some((loaded, run)) = loads.next().await {
        if found.take(&keys.plan(&run), loaded)?.is_none() {
            continue;
        }
        for (key, place) in all.iter().filter_map(|key| Some((key, keys.pack_place(&run, key)?))) {
            let sound = packs::is_sound(bucket, keys, &run, place, repair).await;
            if found.take(key, sound)? == Some(false) {
                found.add(key, Fault::Unlike, repair);
            }
        }
    }
    Ok(())
}

async fn of_lock(bucket: &Bucket, keys: &Keys, repair: bool, found: &mut Found) -> Result<(), StoreError> {
    let seen = lock::read(bucket, keys).await;
    let Some(seen) = found.take(&keys.lock(), seen)? else { return Ok(()) };
    let Some(claim) = seen.lock.claim.clone() else { return Ok(()) };
    let standing = claims::standing(bucket, keys, &claim.run).await;
    if let Some(claims::Standing::Over(_)) = found.take(&keys.lock(), standing)? {
        if repair {
            let free = lock::Lock { claim: None, lease: None, ..seen.lock.clone() };
            lock::write(bucket, keys, &seen, &free).await?;
        }
        found.add(&keys.lock(), Fault::LeftOver(claim.run), repair);
    }
    Ok(())
}

async fn of_uploads(
    bucket: &Bucket,
    keys: &Keys,
    now: Timestamp,
    repair: bool,
    found: &mut Found,
) -> Result<(), StoreError> {
    let (mut after_key, mut after_upload) = (None, None);
    loop {
        let request = bucket.client().list_multipart_uploads().bucket(bucket.name()).prefix(keys.artifacts());
        let page = request.set_key_marker(after_key).set_upload_id_marker(after_upload).send().await;
        let page = match page.map_err(|error| failed("ListMultipartUploads", error)) {
            Ok(page) => page,
            Err(StoreError::Aws(error)) if error.class == Class::Denied => {
                found.add(&keys.artifacts(), Fault::Unseen(error.into()), false);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for upload in page.uploads() {
            let since = upload.initiated().and_then(|at| Timestamp::from_second(at.secs()).ok());
            let (Some(key), Some(id), Some(since)) = (upload.key(), upload.upload_id(), since) else { continue };
            if now.duration_since(since) < ABANDONED {
                continue;
            }
            if repair {
                let abort = bucket.client().abort_multipart_upload().bucket(bucket.name()).key(key).upload_id(id);
                abort.send().await.map_err(|error| failed("AbortMultipartUpload", error))?;
            }
            found.add(key, Fault::Upload(since), repair);
        }
        (after_key, after_upload) =
            (page.next_key_marker().map(str::to_owned), page.next_upload_id_marker().map(str::to_owned));
        if page.is_truncated() != Some(true) || after_key.is_none() {
            return Ok(());
        }
    }
}
