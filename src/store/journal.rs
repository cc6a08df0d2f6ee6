//! The journal of a run: one object per turn, put only if absent, each naming the hash of the one before. Whoever writes
//! number n+1 has seen all up to n; a second driver is noticed at its first write. A turn of very many lanes that does not
//! fit into one object has several, and counts as a whole or not at all.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::{Proof, StoreError};
use super::keys::Keys;
use super::objects::{Bucket, Put};
use super::packs::{self, Recent, pieces};
use crate::aws::Class;
use crate::event::record::{Envelope, Record};
use crate::model::{Format, RunId};

/// Most bytes of one object; a single record that is longer has one for itself.
const ENTRY_MAX: usize = 256 * 1024;

/// What an object holds besides its records, with room to spare.
const FRAME: usize = 2 * 1024;

/// Objects that are read at the same time.
const AT_ONCE: usize = 8;

/// No entry is older or younger: with other times nothing can be reckoned.
const EARLIEST: Timestamp = Timestamp::constant(946_684_800, 0);
const LATEST: Timestamp = Timestamp::constant(32_503_680_000, 0);

/// The journal of one run, at its tail.
#[derive(Clone, Debug)]
pub struct Journal {
    bucket: Bucket,
    keys: Keys,
    run: RunId,
    /// The number of the next object.
    next: u64,
    /// The hash of the last object.
    head: String,
    /// What was read of a turn whose last part has not come yet.
    begun: Option<Begun>,
    /// What goes into packs that are not whole yet.
    recent: Recent,
}

/// Which part of its turn an object is, if a turn does not fit into one.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Part {
    /// The turn, unlike any other.
    turn: String,
    /// From 1.
    number: usize,
    /// How many there are.
    of: usize,
}

/// The first parts of a turn.
#[derive(Clone, Debug)]
struct Begun {
    last: Part,
    records: Vec<Record>,
}

/// What an object holds.
#[derive(Serialize, Deserialize)]
pub(crate) struct Entry {
    v: Format,
    /// Its number.
    pub(crate) seq: u64,
    at: Timestamp,
    run: RunId,
    token: u64,
    nonce: String,
    /// SHA-256 of the object before it; nothing in the first.
    pub(crate) prev: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    part: Option<Part>,
    records: Vec<Record>,
}

/// How an append went.
#[derive(Debug, PartialEq, Eq)]
pub enum Append {
    /// It is durable; its number.
    Done(u64),
    /// Another driver has written this number.
    Fenced,
}

impl Journal {
    /// Reads a journal from its beginning.
    ///
    /// # Errors
    /// What S3 says; an entry that cannot be read, is missing, or does not follow from the one before.
    pub async fn open(bucket: &Bucket, keys: &Keys, run: &RunId) -> Result<(Journal, Vec<Envelope>), StoreError> {
        let mut journal = Journal {
            bucket: bucket.clone(),
            keys: keys.clone(),
            run: run.clone(),
            next: 0,
            head: String::new(),
            begun: None,
            recent: Recent::default(),
        };
        let envelopes = journal.catch_up().await?;
        Ok((journal, envelopes))
    }

    /// Reads what was written since. What is no entry by its name is passed over.
    ///
    /// # Errors
    /// As for [`Journal::open`].
    pub async fn catch_up(&mut self) -> Result<Vec<Envelope>, StoreError> {
        let before = self.clone();
        match self.read_on(true).await {
            // A pack may be wrong; what the entries themselves are decides.
            Err(error) if error.object().is_some() => {
                *self = before;
                self.read_on(false).await
            }
            read => read,
        }
    }

    async fn read_on(&mut self, by_packs: bool) -> Result<Vec<Envelope>, StoreError> {
        let bucket = self.bucket.clone();
        let prefix = self.keys.journal_entries(&self.run);
        let mut envelopes = Vec::new();
        let mut after = self.next.checked_sub(1).map(|last| self.keys.journal_entry(&self.run, last));
        loop {
            let (names, is_last) = bucket.page(&prefix, after.as_deref()).await?;
            let numbers = names.iter().filter_map(|key| self.keys.journal_seq(&self.run, key));
            let end = (self.next..).zip(numbers).try_fold(self.next, |_, (expected, number)| {
                let missing = || bucket.missing(&self.keys.journal_entry(&self.run, expected));
                if number == expected { Ok(number + 1) } else { Err(missing()) }
            })?;
            let proved = match by_packs {
                true if is_last => end.saturating_sub(1),
                true => end,
                false => 0,
            };
            let (keys, run) = (self.keys.clone(), self.run.clone());
            let fetch = |(first, size)| fetch(&bucket, &keys, &run, first, size);
            let mut pieces = stream::iter(pieces(self.next, proved, end)).map(fetch).buffered(AT_ONCE);
            while let Some(entries) = pieces.next().await {
                for bytes in entries? {
                    let key = self.keys.journal_entry(&self.run, self.next);
                    envelopes.extend(self.take_in(&key, &bytes)?);
                }
            }
            if is_last {
                return Ok(envelopes);
            }
            after = names.last().cloned();
        }
    }

    fn take_in(&mut self, key: &str, bytes: &Bytes) -> Result<Vec<Envelope>, StoreError> {
        let entry: Entry = self.bucket.parse(key, bytes, "a journal entry")?;
        if entry.prev != self.head || entry.seq != self.next || entry.run != self.run {
            return Err(self.bucket.rewritten(key, Proof::Chain));
        }
        if !(EARLIEST..=LATEST).contains(&entry.at) {
            return Err(self.bucket.corrupt(key, "is not a journal entry: it is of no time of ours"));
        }
        self.head = hash(bytes);
        self.recent.push(self.next, bytes);
        self.next += 1;
        let records = self.whole(key, entry.part, entry.records)?;
        let envelope = |record| Envelope { run: entry.run.clone(), at: entry.at, seq: entry.seq, record };
        Ok(records.into_iter().map(envelope).collect())
    }

    /// The records of a turn once its last part is read, and none before. A turn that its driver did not finish is
    /// forgotten with the next one that begins: nothing was done because of it.
    fn whole(&mut self, key: &str, part: Option<Part>, records: Vec<Record>) -> Result<Vec<Record>, StoreError> {
        let begun = self.begun.take();
        let Some(part) = part else { return Ok(records) };
        let is_next = |begun: &Begun| begun.last.turn == part.turn && begun.last.number + 1 == part.number;
        let mut all = match begun.filter(is_next) {
            Some(begun) => begun.records,
            None if part.number == 1 => Vec::new(),
            None => return Err(self.bucket.corrupt(key, "is a part of a turn whose parts before it are not there")),
        };
        all.extend(records);
        if part.number >= part.of {
            return Ok(all);
        }
        self.begun = Some(Begun { last: part, records: all });
        Ok(Vec::new())
    }

    /// Appends the records of one turn. Until this returns `Done`, nothing may be done because of them: a turn that does
    /// not fit into one object has several, which count once the last of them is there.
    ///
    /// A store that cannot be reached is tried again with the same bytes for half a minute, so that an entry whose answer
    /// was lost is recognised as ours.
    ///
    /// # Errors
    /// What S3 says: it is not known whether the entry is there, and this journal must be opened anew.
    pub async fn append(&mut self, at: Timestamp, token: u64, records: &[Record]) -> Result<Append, StoreError> {
        let parts = self.parts(records)?;
        let of = parts.len();
        let turn = (of > 1).then(|| format!("{:016x}", fastrand::u64(..)));
        let mut appended = Append::Fenced;
        for (number, records) in (1..).zip(parts) {
            let part = turn.clone().map(|turn| Part { turn, number, of });
            appended = self.append_part(at, token, part, records).await?;
            if appended == Append::Fenced {
                break;
            }
        }
        Ok(appended)
    }

    /// The records of a turn as they fit into objects, in order; without records there is one empty part.
    fn parts<'a>(&self, records: &'a [Record]) -> Result<Vec<&'a [Record]>, StoreError> {
        let (mut parts, mut first, mut size) = (Vec::new(), 0, FRAME);
        for (place, record) in records.iter().enumerate() {
            let length = serde_json::to_vec(record).map_err(|error| self.unwritable(&error))?.len() + 1;
            if size + length > ENTRY_MAX && place > first {
                parts.push(&records[first..place]);
                (first, size) = (place, FRAME);
            }
            size += length;
        }
        parts.push(&records[first..]);
        Ok(parts)
    }

    fn unwritable(&self, error: &serde_json::Error) -> StoreError {
        self.bucket.corrupt(&self.keys.journal_entry(&self.run, self.next), &error.to_string())
    }

    async fn append_part(
        &mut self,
        at: Timestamp,
        token: u64,
        part: Option<Part>,
        records: &[Record],
    ) -> Result<Append, StoreError> {
        let (seq, nonce) = (self.next, format!("{:016x}", fastrand::u64(..)));
        let (prev, records) = (self.head.clone(), records.to_vec());
        let entry = Entry { v: Format::NOW, seq, at, run: self.run.clone(), token, nonce, prev, part, records };
        let key = self.keys.journal_entry(&self.run, seq);
        let body = Bytes::from(serde_json::to_vec(&entry).map_err(|error| self.unwritable(&error))?);
        match self.put(&key, &body).await? {
            Put::Done(_) => {
                self.head = hash(&body);
                self.next += 1;
                self.begun = None;
                self.recent.push(seq, &body);
                for pack in self.recent.whole(&self.run, seq) {
                    pack.write(&self.bucket, &self.keys).await;
                }
                Ok(Append::Done(seq))
            }
            Put::Lost => Ok(Append::Fenced),
        }
    }

    async fn put(&self, key: &str, body: &Bytes) -> Result<Put, StoreError> {
        let mut wait = Duration::from_millis(500);
        loop {
            match self.bucket.put_if_absent(key, body.clone()).await {
                // Whether an unanswered put took effect is seen by its nonce, so that it can be made again.
                Err(StoreError::Aws(error))
                    if (error.is_weather() || error.class == Class::Unknown) && wait < Duration::from_secs(30) =>
                {
                    tokio::time::sleep(wait).await;
                    wait *= 2;
                }
                other => return other,
            }
        }
    }

    /// The hash of the last object: with it a rewritten tail can be noticed.
    pub fn head(&self) -> &str {
        &self.head
    }

    /// How many objects it has.
    pub fn length(&self) -> u64 {
        self.next
    }
}

/// Entries from a number on: a pack of so many, or where that is not there, smaller ones, or each by itself.
async fn fetch(bucket: &Bucket, keys: &Keys, run: &RunId, first: u64, size: u64) -> Result<Vec<Bytes>, StoreError> {
    if size == 1 {
        let key = keys.journal_entry(run, first);
        let object = bucket.get(&key).await?.ok_or_else(|| bucket.missing(&key))?;
        return Ok(vec![object.bytes]);
    }
    if let Some(entries) = packs::read(bucket, keys, run, first, size).await {
        return Ok(entries);
    }
    let smaller = size / 10;
    let parts = (0..10).map(|place| Box::pin(fetch(bucket, keys, run, first + place * smaller, smaller)));
    let parts: Vec<Vec<Bytes>> = stream::iter(parts).buffered(AT_ONCE).try_collect().await?;
    Ok(parts.concat())
}

pub(crate) fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
