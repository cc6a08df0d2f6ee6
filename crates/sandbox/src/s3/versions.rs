//! Listing all versions and delete markers.

use std::ops::Bound;

use super::list::{Cut, Entry, stored_as};
use super::store::Version;
use super::{Ask, Error, NAMESPACE, Reply, iso, owner, xml};
use crate::wire::xml::Document;
use crate::world::World;

/// `ListObjectVersions`: by key, the newest first.
pub fn list(world: &World, ask: &Ask) -> Reply {
    let cut = Cut::of(ask, "max-keys")?;
    let (after, after_version) = (ask.parameter("key-marker").unwrap_or_default(), ask.parameter("version-id-marker"));
    if after.is_empty() && after_version.is_some_and(|version| !version.is_empty()) {
        let why = "A version-id marker cannot be specified without a key marker.";
        return Err(Error::invalid_argument("version-id-marker", after_version.unwrap_or_default(), why));
    }
    let mut state = world.lock();
    let bucket = state.s3.bucket(&ask.bucket)?;
    let mut is_ahead = after_version.is_none_or(str::is_empty);
    let items =
        bucket.objects.range::<str, _>((Bound::Included(after), Bound::Unbounded)).flat_map(|(key, versions)| {
            versions
                .iter()
                .enumerate()
                .rev()
                .map(move |(n, version)| (key.as_str(), (version, n + 1 == versions.len())))
        });
    // What a page before has listed: the whole key, or of the key all up to a version.
    let items = items.filter(|(key, (version, _))| {
        let is_listed = *key == after && !after.is_empty() && (is_whole(after_version) || !is_ahead);
        is_ahead |= *key == after && after_version == Some(version.id.as_str());
        !is_listed
    });
    let page = cut.page(items, Some(after).filter(|_| is_whole(after_version)));
    let mut out = Document::new();
    out.root("ListVersionsResult", NAMESPACE, |out| {
        cut.head(out, ask, "MaxKeys", page.is_truncated);
        out.text("KeyMarker", cut.key(after)).text("VersionIdMarker", after_version.unwrap_or_default());
        match page.entries.last().filter(|_| page.is_truncated) {
            Some(Entry::Key(key, (version, _))) => {
                out.text("NextKeyMarker", cut.key(key)).text("NextVersionIdMarker", &version.id);
            }
            Some(Entry::Prefix(prefix)) => {
                out.text("NextKeyMarker", cut.key(prefix));
            }
            None => {}
        }
        for entry in &page.entries {
            if let Entry::Key(key, (version, is_latest)) = entry {
                line(out, &cut.key(key), version, *is_latest, &bucket.account);
            }
        }
        cut.prefixes(out, &page);
    });
    Ok(xml(out))
}

fn is_whole(version: Option<&str>) -> bool {
    version.is_none_or(str::is_empty)
}

fn line(out: &mut Document, key: &str, version: &Version, is_latest: bool, account: &str) {
    out.element(if version.object.is_some() { "Version" } else { "DeleteMarker" }, |out| {
        out.text("Key", key).text("VersionId", &version.id).text("IsLatest", is_latest);
        out.text("LastModified", iso(version.modified));
        if let Some(stored) = &version.object {
            stored_as(out, stored);
        }
        owner(out, "Owner", account);
    });
}
