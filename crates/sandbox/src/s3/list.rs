//! Listing keys, in UTF-8 byte order, a thousand at a time.

use std::ops::Bound;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::store::Version;
use super::{Ask, Bucket, Error, NAMESPACE, Object, Reply, iso, object, owner, xml};
use crate::wire::percent;
use crate::wire::xml::Document;
use crate::world::World;

/// One line of a list.
pub enum Entry<T> {
    /// A key and what is known about it.
    Key(String, T),
    /// What the keys up to the next delimiter have in common.
    Prefix(String),
}

/// As much of a list as was asked for.
pub struct Page<T> {
    /// In order.
    pub entries: Vec<Entry<T>>,
    /// Whether there is more.
    pub is_truncated: bool,
}

/// Which part of a list is asked for.
pub struct Cut {
    /// Only keys that start with it.
    pub prefix: String,
    /// Keys are grouped up to it.
    pub delimiter: Option<String>,
    /// How many entries at most.
    pub max: usize,
    /// Whether keys are written percent-encoded.
    pub is_encoded: bool,
}

impl Cut {
    /// Reads the parameters that all lists have.
    ///
    /// # Errors
    /// One of them is no number or an unknown word.
    pub fn of(ask: &Ask, max_name: &str) -> Result<Cut, Error> {
        let encoding = ask.parameter("encoding-type");
        if let Some(other) = encoding.filter(|encoding| *encoding != "url") {
            return Err(Error::invalid_argument(
                "encoding-type",
                other,
                "Invalid Encoding Method specified in Request",
            ));
        }
        let max = match ask.parameter(max_name).filter(|text| !text.is_empty()) {
            None => 1000,
            Some(text) => text.parse::<u32>().ok().filter(|max| i32::try_from(*max).is_ok()).ok_or_else(|| {
                let why = format!("Argument {max_name} must be an integer between 0 and 2147483647");
                Error::invalid_argument(max_name, text, why)
            })?,
        };
        Ok(Cut {
            prefix: ask.parameter("prefix").unwrap_or_default().to_owned(),
            delimiter: ask.parameter("delimiter").filter(|text| !text.is_empty()).map(str::to_owned),
            max: (max as usize).min(1000),
            is_encoded: encoding.is_some(),
        })
    }

    /// Groups and counts. `items` are sorted by key, start after what was listed before and may have other prefixes;
    /// keys below `listed`, a common prefix that ended the page before, are passed over.
    pub fn page<'a, T>(&self, items: impl Iterator<Item = (&'a str, T)>, listed: Option<&str>) -> Page<T> {
        let mut entries: Vec<Entry<T>> = Vec::new();
        let mut group = listed.and_then(|key| self.group(key).filter(|group| group == key));
        for (key, item) in items {
            let Some(rest) = key.strip_prefix(&self.prefix) else {
                if key > self.prefix.as_str() {
                    break;
                }
                continue;
            };
            if group.as_ref().is_some_and(|group| key.starts_with(group)) {
                continue;
            }
            if entries.len() == self.max {
                return Page { is_truncated: self.max > 0, entries };
            }
            group = self.group_of(rest);
            entries.push(match &group {
                Some(prefix) => Entry::Prefix(prefix.clone()),
                None => Entry::Key(key.to_owned(), item),
            });
        }
        Page { entries, is_truncated: false }
    }

    fn group(&self, key: &str) -> Option<String> {
        key.strip_prefix(&self.prefix).and_then(|rest| self.group_of(rest))
    }

    fn group_of(&self, rest: &str) -> Option<String> {
        let delimiter = self.delimiter.as_ref()?;
        rest.find(delimiter).map(|at| format!("{}{}", self.prefix, &rest[..at + delimiter.len()]))
    }

    /// A key as this list writes it.
    pub fn key(&self, key: &str) -> String {
        if self.is_encoded { percent::encode(key.as_bytes(), b"/ ").replace(' ', "+") } else { key.to_owned() }
    }

    /// Writes what all lists repeat of the request.
    pub fn head(&self, out: &mut Document, ask: &Ask, max_name: &str, is_truncated: bool) {
        out.text("Name", &ask.bucket).text("Prefix", self.key(&self.prefix));
        if let Some(delimiter) = &self.delimiter {
            out.text("Delimiter", self.key(delimiter));
        }
        out.text(max_name, self.max).text("IsTruncated", is_truncated);
        if self.is_encoded {
            out.text("EncodingType", "url");
        }
    }

    /// Writes the common prefixes, which follow all keys.
    pub fn prefixes<T>(&self, out: &mut Document, page: &Page<T>) {
        for entry in &page.entries {
            if let Entry::Prefix(prefix) = entry {
                out.element("CommonPrefixes", |out| {
                    out.text("Prefix", self.key(prefix));
                });
            }
        }
    }
}

impl<T> Page<T> {
    /// The key or prefix that the next page follows.
    pub fn last(&self) -> Option<&str> {
        self.entries.last().map(|entry| match entry {
            Entry::Key(text, _) | Entry::Prefix(text) => text.as_str(),
        })
    }
}

/// The keys after a key that have a current object.
fn current<'a>(bucket: &'a Bucket, after: &str, prefix: &str) -> impl Iterator<Item = (&'a str, &'a Version)> {
    let from = if after < prefix { Bound::Included(prefix) } else { Bound::Excluded(after) };
    let versions = bucket.objects.range::<str, _>((from, Bound::Unbounded));
    versions
        .filter_map(|(key, versions)| Some((key.as_str(), versions.last()?)).filter(|(_, last)| last.object.is_some()))
}

/// `ListObjectsV2`.
pub fn v2(world: &World, ask: &Ask) -> Reply {
    let cut = Cut::of(ask, "max-keys")?;
    let token = match ask.parameter("continuation-token") {
        None => None,
        Some(token) => {
            let key = STANDARD.decode(token).ok().and_then(|raw| String::from_utf8(raw).ok());
            let why = "The continuation token provided is incorrect";
            Some(key.ok_or_else(|| Error::invalid_argument("continuation-token", token, why))?)
        }
    };
    let start_after = ask.parameter("start-after").unwrap_or_default();
    let mut state = world.lock();
    let bucket = state.s3.bucket(&ask.bucket)?;
    let after = token.as_deref().unwrap_or(start_after);
    let page = cut.page(current(bucket, after, &cut.prefix), token.as_deref());
    let mut out = Document::new();
    out.root("ListBucketResult", NAMESPACE, |out| {
        cut.head(out, ask, "MaxKeys", page.is_truncated);
        out.text("KeyCount", page.entries.len());
        if let Some(token) = ask.parameter("continuation-token") {
            out.text("ContinuationToken", token);
        }
        if let Some(last) = page.last().filter(|_| page.is_truncated) {
            out.text("NextContinuationToken", STANDARD.encode(last));
        }
        if !start_after.is_empty() {
            out.text("StartAfter", cut.key(start_after));
        }
        let owner = (ask.parameter("fetch-owner") == Some("true")).then_some(bucket.account.as_str());
        contents(out, &cut, &page, owner);
        cut.prefixes(out, &page);
    });
    Ok(xml(out))
}

/// `ListObjects`.
pub fn v1(world: &World, ask: &Ask) -> Reply {
    let cut = Cut::of(ask, "max-keys")?;
    let marker = ask.parameter("marker").unwrap_or_default();
    let mut state = world.lock();
    let bucket = state.s3.bucket(&ask.bucket)?;
    let page = cut.page(current(bucket, marker, &cut.prefix), Some(marker));
    let mut out = Document::new();
    out.root("ListBucketResult", NAMESPACE, |out| {
        cut.head(out, ask, "MaxKeys", page.is_truncated);
        out.text("Marker", cut.key(marker));
        if let Some(last) = page.last().filter(|_| page.is_truncated && cut.delimiter.is_some()) {
            out.text("NextMarker", cut.key(last));
        }
        contents(out, &cut, &page, Some(&bucket.account));
        cut.prefixes(out, &page);
    });
    Ok(xml(out))
}

fn contents(out: &mut Document, cut: &Cut, page: &Page<&Version>, account: Option<&str>) {
    for entry in &page.entries {
        let Entry::Key(key, version) = entry else { continue };
        out.element("Contents", |out| {
            out.text("Key", cut.key(key)).text("LastModified", iso(version.modified));
            if let Some(stored) = &version.object {
                stored_as(out, stored);
            }
            account.iter().for_each(|account| owner(out, "Owner", account));
        });
    }
}

/// What lists say about a stored object.
pub fn stored_as(out: &mut Document, stored: &Object) {
    out.text("ETag", format!("\"{}\"", stored.etag));
    if let Some(checksum) = &stored.checksum {
        out.text("ChecksumAlgorithm", checksum.algorithm.name()).text("ChecksumType", object::kind(checksum));
    }
    out.text("Size", stored.body.len()).text("StorageClass", super::object::class(&stored.headers));
}
