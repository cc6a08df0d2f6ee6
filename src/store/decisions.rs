//! Decisions that people leave for whoever drives: objects of their own, so that a role can be allowed to promote and
//! nothing else.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::keys::Keys;
use super::objects::{Bucket, Put, failed, foreign};
use crate::aws::Class;
use crate::event::decision::{Decision, Wish};
use crate::model::{Format, Name, RunId};
use crate::plan::StepId;

/// What the object holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    v: Format,
    nonce: String,
    by: String,
    at: Timestamp,
    #[serde(flatten)]
    wish: StoredWish,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
enum StoredWish {
    Abort,
    Promote {
        target: Name,
        step: StepId,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        full: bool,
    },
    Accept {
        target: Name,
        step: StepId,
        number: u32,
    },
}

/// How the decision to go back is called.
const ABORT: &str = "abort";

/// How a decision is called.
pub fn name_of(wish: &Wish) -> String {
    match wish {
        Wish::Abort => ABORT.to_owned(),
        Wish::Promote { target, step, full: false } => format!("promote-{target}-{step}"),
        Wish::Promote { target, step, full: true } => format!("promote-full-{target}-{step}"),
        Wish::Accept { target, step, number } => format!("accept-{number}-{target}-{step}"),
    }
}

/// Leaves a decision. False if the same was decided before.
///
/// # Errors
/// What S3 says.
pub async fn leave(
    bucket: &Bucket,
    keys: &Keys,
    run: &RunId,
    wish: &Wish,
    by: &str,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let key = keys.decision(run, &name_of(wish));
    let stored = Stored {
        v: Format::NOW,
        nonce: format!("{:016x}", fastrand::u64(..)),
        by: by.to_owned(),
        at,
        wish: match wish {
            Wish::Abort => StoredWish::Abort,
            Wish::Promote { target, step, full } => {
                StoredWish::Promote { target: target.clone(), step: step.clone(), full: *full }
            }
            Wish::Accept { target, step, number } => {
                StoredWish::Accept { target: target.clone(), step: step.clone(), number: *number }
            }
        },
    };
    let body = serde_json::to_vec(&stored).map_err(|error| bucket.corrupt(&key, &error.to_string()))?;
    let body = Bytes::from(body);
    if let Put::Done(_) = bucket.put_if_absent(&key, body.clone()).await? {
        return Ok(true);
    }
    // Something else of that name must not keep anybody from deciding.
    match bucket.get(&key).await? {
        Some(there) if read(&name_of(wish), &there.bytes).is_none() => {
            match bucket.put_if_match(&key, body, &there.etag).await? {
                Put::Done(_) => Ok(true),
                Put::Lost => Err(bucket.contended(&key)),
            }
        }
        Some(_) | None => Ok(false),
    }
}

/// Most objects that are read at one look; the rest is there the next time.
const AT_ONCE: usize = 20;

/// Most decisions that are taken in without being waited for: each becomes a record.
const UNEXPECTED: usize = 200;

/// Longest name of a decision.
const NAME: usize = 250;

/// Most bytes of a decision, and of who made it: all of it goes into the journal.
const BYTES_MAX: usize = 16 * 1024;
const BY_MAX: usize = 2 * 1024;

/// What one process has read of a run's decisions. Whatever else lies there costs one page of a listing and at most
/// [`AT_ONCE`] objects a look, and is not read again.
#[derive(Clone, Debug, Default)]
pub struct Ears {
    /// What was read, by its name, with its ETag.
    seen: BTreeMap<String, String>,
    heard: Vec<Decision>,
    /// The key after which a listing of several pages goes on at the next look.
    after: Option<String>,
}

impl Ears {
    /// What was heard so far.
    pub fn heard(&self) -> &[Decision] {
        &self.heard
    }

    /// Nobody needs these any more: they are in the journal.
    pub fn forget(&mut self, known: &[String]) {
        self.heard.retain(|decision| !known.contains(&decision.name));
        self.seen.extend(known.iter().map(|name| (name.clone(), String::new())));
    }

    /// Looks for decisions that were not seen yet: first for those `expected`, by their names if the listing is long or
    /// denied. One that is not a decision is passed over: nothing that a person writes may stop a run.
    ///
    /// # Errors
    /// What S3 says: something that was decided may not be known.
    pub async fn listen(
        &mut self,
        bucket: &Bucket,
        keys: &Keys,
        run: &RunId,
        expected: &[String],
    ) -> Result<(), StoreError> {
        let prefix = keys.decisions(run);
        let page = match page(bucket, &prefix, self.after.as_deref()).await {
            Ok(page) => page,
            Err(error) => {
                // What has a known name may be heard all the same.
                for name in self.missing(expected) {
                    let _ = self.take_in(bucket, &keys.decision(run, &name), &name).await;
                }
                return Err(error);
            }
        };
        if !page.is_last || self.after.is_some() {
            for name in self.missing(expected) {
                match self.take_in(bucket, &keys.decision(run, &name), &name).await {
                    Ok(()) | Err(StoreError::Corrupt { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        self.take_in_page(bucket, &prefix, &page, expected).await
    }

    /// What is expected and was not heard: as much of it as one look reads, in another order each time.
    fn missing(&self, expected: &[String]) -> Vec<String> {
        let is_missing = |name: &&String| {
            !self.heard.iter().any(|decision| decision.name == **name) && self.seen.get(*name) != Some(&String::new())
        };
        let mut names: Vec<String> = expected.iter().filter(is_missing).cloned().collect();
        let first = names.iter().position(|name| name == ABORT).map(|place| names.swap_remove(place));
        fastrand::shuffle(&mut names);
        first.into_iter().chain(names).take(AT_ONCE).collect()
    }

    async fn take_in_page(
        &mut self,
        bucket: &Bucket,
        prefix: &str,
        page: &Page,
        expected: &[String],
    ) -> Result<(), StoreError> {
        let name = |key: &str| Some(key.strip_prefix(prefix)?.strip_suffix(".json")?.to_owned());
        let mut new: Vec<(String, &(String, String))> =
            page.objects.iter().filter_map(|object| Some((name(&object.0)?, object))).collect();
        new.retain(|(name, (_, etag))| is_like_one(name) && self.is_new(name, etag));
        new.sort_by_key(|(name, _)| !expected.contains(name));
        let is_all = new.len() <= AT_ONCE;
        let mut denied = None;
        for (name, (key, etag)) in new.into_iter().take(AT_ONCE) {
            let is_expected = expected.contains(&name);
            if !is_expected && self.heard.len() >= UNEXPECTED {
                continue;
            }
            match self.take_in(bucket, key, &name).await {
                Ok(()) => {}
                Err(StoreError::Aws(error)) if matches!(error.class, Class::Denied | Class::Refused) => {
                    // It hides no other; only what would change something now makes deaf.
                    if is_expected {
                        denied = Some(error);
                    } else {
                        self.seen.insert(name, etag.clone());
                    }
                }
                Err(StoreError::Corrupt { .. }) => {
                    self.seen.insert(name, etag.clone());
                }
                Err(error) => return Err(error),
            }
        }
        if is_all {
            self.after = page.objects.last().filter(|_| !page.is_last).map(|(key, _)| key.clone());
        }
        denied.map_or(Ok(()), |error| Err(error.into()))
    }

    fn is_new(&self, name: &str, etag: &str) -> bool {
        self.seen.get(name).is_none_or(|seen| !seen.is_empty() && seen != etag)
    }

    async fn take_in(&mut self, bucket: &Bucket, key: &str, name: &str) -> Result<(), StoreError> {
        let Some(object) = bucket.get(key).await? else { return Ok(()) };
        if let Some(decision) = read(name, &object.bytes)
            && !self.heard.iter().any(|known| known.name == name)
        {
            self.heard.push(decision);
        }
        self.seen.insert(name.to_owned(), object.etag);
        Ok(())
    }
}

/// What a role has to be allowed so that decisions are heard, if that is why they are not.
pub fn needs(bucket: &Bucket, keys: &Keys, run: &RunId, error: &StoreError) -> Option<String> {
    let StoreError::Aws(error) = error else { return None };
    let (bucket, prefix) = (bucket.name(), keys.decisions(run));
    match (error.class, error.operation) {
        (Class::Denied, "ListObjectsV2") => Some(format!("s3:ListBucket on {bucket} with the prefix {prefix}")),
        (Class::Denied, "GetObject") => Some(format!("s3:GetObject on {bucket}/{prefix}*")),
        _ => None,
    }
}

/// A page of a listing: keys with their ETags, in byte order.
struct Page {
    objects: Vec<(String, String)>,
    is_last: bool,
}

async fn page(bucket: &Bucket, prefix: &str, after: Option<&str>) -> Result<Page, StoreError> {
    let request = bucket.client().list_objects_v2().bucket(bucket.name()).prefix(prefix);
    let request = request.set_start_after(after.map(str::to_owned));
    let answer = request.send().await.map_err(|error| failed("ListObjectsV2", error))?;
    let object = |object: &aws_sdk_s3::types::Object| {
        Some((object.key()?.to_owned(), object.e_tag().unwrap_or_default().to_owned()))
    };
    let is_cut = answer.is_truncated().ok_or_else(|| foreign("ListObjectsV2"))?;
    Ok(Page { objects: answer.contents().iter().filter_map(object).collect(), is_last: !is_cut })
}

/// Whether an object of this name may be a decision.
fn is_like_one(name: &str) -> bool {
    let is_like = name == ABORT || name.starts_with("promote-") || name.starts_with("accept-");
    is_like && name.len() <= NAME && !name.contains('/')
}

/// The decision of this name, if that is what the object holds.
fn read(name: &str, bytes: &[u8]) -> Option<Decision> {
    if bytes.len() > BYTES_MAX {
        return None;
    }
    let stored: Stored = serde_json::from_slice(bytes).ok()?;
    let what = match stored.wish {
        StoredWish::Abort => Wish::Abort,
        StoredWish::Promote { target, step, full } => Wish::Promote { target, step, full },
        StoredWish::Accept { target, step, number } => Wish::Accept { target, step, number },
    };
    let is_named_so = name == name_of(&what);
    (is_named_so && stored.v == Format::NOW && stored.by.len() <= BY_MAX).then(|| Decision {
        name: name.to_owned(),
        by: stored.by,
        what,
    })
}
