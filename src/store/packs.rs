//! Packs: the entries of a journal once more, ten, a hundred and a thousand in one object, so that a journal of ten thousand
//! is read with some forty calls. A pack holds the very bytes of its entries, so the chain of their hashes proves it as it
//! proves them; a pack that is missing or wrong costs calls and nothing else.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::keys::Keys;
use super::objects::Bucket;
use crate::model::{Format, RunId};

/// How many entries a pack may hold, the most first.
pub(super) const SIZES: [u64; 3] = [1000, 100, 10];

/// Entries that are read at the same time.
const AT_ONCE: usize = 8;

/// Most bytes of entries that are packed; larger ones stay alone.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// How long a turn waits for its pack (wire time).
const PATIENCE: Duration = Duration::from_secs(5);

/// What the object holds.
#[derive(Serialize, Deserialize)]
pub(super) struct Pack {
    v: Format,
    run: RunId,
    /// The number of its first entry.
    first: u64,
    /// The entries as they were written, byte by byte.
    entries: Vec<String>,
}

/// The last entries of a journal, as far as they go into packs that are not whole yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    entries: VecDeque<Bytes>,
    size: usize,
}

impl Recent {
    /// Takes the next entry, which has this number.
    pub(super) fn push(&mut self, seq: u64, bytes: &Bytes) {
        if seq.is_multiple_of(SIZES[0]) {
            *self = Recent::default();
        }
        self.size += bytes.len();
        self.entries.push_back(bytes.clone());
        while self.size > BYTES_MAX {
            self.size -= self.entries.pop_front().map_or(self.size, |bytes| bytes.len());
        }
    }

    /// The packs that the entry of this number, which was pushed last, makes whole.
    pub(super) fn whole(&self, run: &RunId, seq: u64) -> Vec<Pack> {
        let is_whole = |size: &u64| (seq + 1).is_multiple_of(*size);
        SIZES.into_iter().filter(is_whole).filter_map(|size| self.last(run, seq + 1 - size, size)).collect()
    }

    fn last(&self, run: &RunId, first: u64, size: u64) -> Option<Pack> {
        let left_out = self.entries.len().checked_sub(usize::try_from(size).ok()?)?;
        Pack::new(run, first, self.entries.iter().skip(left_out))
    }
}

impl Pack {
    /// A pack of these entries; nothing if they are no text.
    pub(super) fn new<'a>(run: &RunId, first: u64, entries: impl Iterator<Item = &'a Bytes>) -> Option<Pack> {
        let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).ok();
        Some(Pack { v: Format::NOW, run: run.clone(), first, entries: entries.map(text).collect::<Option<_>>()? })
    }

    /// Writes it, if that can be done in a moment: whoever reads does without. It needs no nonce, because everybody who
    /// writes it writes the same.
    pub(super) async fn write(&self, bucket: &Bucket, keys: &Keys) {
        let Ok(body) = serde_json::to_vec(self) else { return };
        let key = keys.pack(&self.run, self.entries.len(), self.first);
        let _ = tokio::time::timeout(PATIENCE, bucket.put_if_absent(&key, Bytes::from(body))).await;
    }
}

/// The entries of a pack; nothing if there is no such pack.
pub(super) async fn read(bucket: &Bucket, keys: &Keys, run: &RunId, first: u64, size: u64) -> Option<Vec<Bytes>> {
    let count = usize::try_from(size).ok()?;
    let object = bucket.get(&keys.pack(run, count, first)).await.ok()??;
    let pack: Pack = serde_json::from_slice(&object.bytes).ok()?;
    let is_it = pack.v == Format::NOW && pack.run == *run && pack.first == first && pack.entries.len() == count;
    is_it.then(|| pack.entries.into_iter().map(Bytes::from).collect())
}

/// Whether a pack is the entries that it stands for, byte by byte; with `mend` it is written anew if it is not.
///
/// # Errors
/// What S3 says; an entry that is missing.
pub(super) async fn is_sound(
    bucket: &Bucket,
    keys: &Keys,
    run: &RunId,
    (size, first): (usize, u64),
    mend: bool,
) -> Result<bool, StoreError> {
    let numbers = (first..).take(size);
    let entry = |seq| async move {
        let key = keys.journal_entry(run, seq);
        Ok::<_, StoreError>(bucket.get(&key).await?.ok_or_else(|| bucket.missing(&key))?.bytes)
    };
    let entries: Vec<Bytes> = stream::iter(numbers).map(entry).buffered(AT_ONCE).try_collect().await?;
    let Some(pack) = Pack::new(run, first, entries.iter()) else { return Ok(false) };
    let Ok(body) = serde_json::to_vec(&pack).map(Bytes::from) else { return Ok(false) };
    let key = keys.pack(run, size, first);
    let (bytes, etag) = match bucket.get(&key).await {
        Ok(Some(object)) => (Some(object.bytes), object.etag),
        Ok(None) => return Ok(true),
        Err(StoreError::Aws(error)) => return Err(error.into()),
        Err(_) => (None, String::new()),
    };
    let is_sound = bytes.as_ref() == Some(&body);
    if mend && !is_sound {
        bucket.put_if_match(&key, body, &etag).await?;
    }
    Ok(is_sound)
}

/// How entries from one number on are best read: the first number and the size of each piece. Up to `proved` a pack may
/// stand for them, because an entry behind it, read by itself, names their hashes.
pub(super) fn pieces(from: u64, proved: u64, end: u64) -> Vec<(u64, u64)> {
    let (mut pieces, mut at) = (Vec::new(), from);
    while at < end {
        let fits = |size: &u64| at.is_multiple_of(*size) && at + size <= proved;
        let size = SIZES.into_iter().find(fits).unwrap_or(1);
        pieces.push((at, size));
        at += size;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_entries_are_few_pieces() {
        for (from, proved, end, expected) in [
            (0, 0, 0, vec![]),
            (0, 9, 10, (0..10).map(|at| (at, 1)).collect()),
            (0, 10, 11, vec![(0, 10), (10, 1)]),
            (5, 20, 22, vec![(5, 1), (6, 1), (7, 1), (8, 1), (9, 1), (10, 10), (20, 1), (21, 1)]),
            (990, 1110, 1111, vec![(990, 10), (1000, 100), (1100, 10), (1110, 1)]),
            (0, 1000, 1000, vec![(0, 1000)]),
        ] {
            assert_eq!(pieces(from, proved, end), expected, "{from}..{end}, proved up to {proved}");
        }
        let most = (0..12_000).map(|end| pieces(0, end, end + 1).len()).max();
        assert_eq!(most, Some(11 + 9 + 9 + 10));
    }

    #[test]
    fn what_was_read_last_is_packed_when_it_is_whole() {
        let run = RunId::parse("20261121-090000-aaaa").unwrap();
        let mut recent = Recent::default();
        let mut packed = Vec::new();
        for seq in 0..2000 {
            recent.push(seq, &Bytes::from(seq.to_string()));
            for pack in recent.whole(&run, seq) {
                let expected: Vec<String> = (pack.first..=seq).map(|seq| seq.to_string()).collect();
                assert_eq!(pack.entries, expected);
                packed.push((pack.first, pack.entries.len()));
            }
        }
        assert_eq!(packed.len(), 200 + 20 + 2);
        assert!(packed.contains(&(1000, 1000)) && packed.contains(&(1900, 100)) && packed.contains(&(0, 10)));
        // Whoever begins to read in the middle packs what is whole from there on.
        let mut late = Recent::default();
        (95..120).for_each(|seq| late.push(seq, &Bytes::from("x")));
        assert_eq!(late.whole(&run, 119).len(), 1);
        // Entries that are too large together stay alone, and are not kept.
        let mut large = Recent::default();
        (0..10).for_each(|seq| large.push(seq, &Bytes::from(vec![b'x'; 1 << 20])));
        assert_eq!(large.whole(&run, 9).len(), 0);
        assert!(large.size <= BYTES_MAX);
    }
}
