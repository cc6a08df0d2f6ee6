//! Copies of objects, as an object or as a part of an upload.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::checksum::{self, Algorithm};
use super::condition::{self, Condition};
use super::multipart::{self, Part};
use super::{Ask, Error, NAMESPACE, Object, Reply, ask, iso, object, set, tagging, xml};
use crate::wire::percent;
use crate::wire::xml::Document;
use crate::world::World;

/// Where a copy comes from.
struct Source {
    object: Arc<Object>,
    version: Option<String>,
}

/// `CopyObject`.
pub fn object(world: &World, ask: &Ask) -> Reply {
    let condition = Condition::of_write(ask)?;
    let source = source(world, ask)?;
    let replaces = |header: &str| ask.header(header).is_some_and(|what| what.eq_ignore_ascii_case("REPLACE"));
    let (is_described_anew, is_tagged_anew) =
        (replaces("x-amz-metadata-directive"), replaces("x-amz-tagging-directive"));
    if is_onto_itself(ask) && !is_described_anew && !object::has_settings(ask) {
        let why = "This copy request is illegal because it is trying to copy an object to itself without changing the \
                   object's metadata, storage class, website redirect location or encryption attributes.";
        return Err(Error::invalid_request(why));
    }
    let from = &source.object;
    let algorithm = ask.header("x-amz-checksum-algorithm").and_then(|name| Algorithm::named(&name));
    let algorithm = algorithm.or_else(|| from.checksum.as_ref().map(|checksum| checksum.algorithm));
    let copy = Object {
        etag: checksum::etag(&from.body, None)?,
        checksum: Some(checksum::made(&from.body, algorithm.unwrap_or(Algorithm::Crc64Nvme))),
        headers: if is_described_anew { object::headers(ask)? } else { object::copied(ask, &from.headers)? },
        tags: if is_tagged_anew { tagging::of_header(ask)? } else { from.tags.clone() },
        body: from.body.clone(),
        parts: Vec::new(),
        upload: None,
    };
    let mut out = Document::new();
    out.root("CopyObjectResult", NAMESPACE, |out| {
        out.text("LastModified", iso(world.now())).text("ETag", format!("\"{}\"", copy.etag));
        if let Some(checksum) = &copy.checksum {
            out.text(&checksum.algorithm.element(), &checksum.value).text("ChecksumType", object::kind(checksum));
        }
    });
    let version = object::commit(world, ask, &condition, copy)?;
    let mut response = xml(out);
    set(&mut response, "x-amz-server-side-encryption", "AES256");
    if let Some(version) = version {
        set(&mut response, "x-amz-version-id", &version);
    }
    if let Some(version) = source.version {
        set(&mut response, "x-amz-copy-source-version-id", &version);
    }
    Ok(response)
}

/// `UploadPartCopy`.
pub fn part(world: &World, ask: &Ask) -> Reply {
    let number = multipart::number(ask)?;
    let demanded = multipart::find(&mut world.lock(), ask)?.checksum;
    let source = source(world, ask)?;
    let body = cut(ask, &source.object.body)?;
    let now = world.now();
    let algorithm = demanded.map_or(Algorithm::Crc64Nvme, |(algorithm, _)| algorithm);
    let checksum = checksum::made(&body, algorithm);
    let part = Part { etag: checksum::etag(&body, None)?, checksum, body, modified: now };
    let mut out = Document::new();
    out.root("CopyPartResult", NAMESPACE, |out| {
        out.text("LastModified", iso(now)).text("ETag", format!("\"{}\"", part.etag));
        out.text(&part.checksum.algorithm.element(), &part.checksum.value);
    });
    multipart::find(&mut world.lock(), ask)?.parts.insert(number, part);
    let mut response = xml(out);
    if let Some(version) = source.version {
        set(&mut response, "x-amz-copy-source-version-id", &version);
    }
    Ok(response)
}

fn cut(ask: &Ask, body: &Bytes) -> Result<Bytes, Error> {
    const HEADER: &str = "x-amz-copy-source-range";
    let Some(text) = ask.header(HEADER) else { return Ok(body.clone()) };
    let bounds = text.strip_prefix("bytes=").and_then(|range| range.split_once('-'));
    let bounds = bounds.and_then(|(first, last)| Some((first.parse::<usize>().ok()?, last.parse::<usize>().ok()?)));
    let Some((first, last)) = bounds.filter(|(first, last)| first <= last) else {
        let why = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
                   zero-based offsets of the first and last bytes to copy";
        return Err(Error::invalid_argument(HEADER, &text, why));
    };
    if first >= body.len() {
        return Err(Error::invalid_request("The specified copy range is invalid for the source object size"));
    }
    if last >= body.len() {
        let why = format!("Range specified is not valid for source object of size: {}", body.len());
        return Err(Error::invalid_argument(HEADER, &text, why));
    }
    Ok(body.slice(first..=last))
}

/// Bucket, key and version in the header, which is percent-encoded and may begin with a slash.
fn named(ask: &Ask) -> Result<(String, String, Option<String>), Error> {
    let header = ask.header(ask::COPY_SOURCE).unwrap_or_default();
    let bad = || {
        let why = "Invalid copy source object key";
        Error::invalid_argument(ask::COPY_SOURCE, &header, why)
    };
    let (path, version) = match header.split_once("?versionId=") {
        Some((path, version)) => (path, Some(version.to_owned())),
        None => (header.as_str(), None),
    };
    let path = String::from_utf8(percent::decode(path)).map_err(|_| bad())?;
    let path = path.strip_prefix('/').unwrap_or(&path);
    let (bucket, key) = path.split_once('/').filter(|(_, key)| !key.is_empty()).ok_or_else(bad)?;
    Ok((bucket.to_owned(), key.to_owned(), version))
}

fn is_onto_itself(ask: &Ask) -> bool {
    named(ask).is_ok_and(|(bucket, key, version)| bucket == ask.bucket && key == ask.key && version.is_none())
}

fn source(world: &World, ask: &Ask) -> Result<Source, Error> {
    let (bucket, key, version) = named(ask)?;
    let now = world.now();
    let mut state = world.lock();
    let bucket = state.s3.bucket(&bucket)?;
    bucket.check_owner(&ask.account)?;
    let (version, object) = bucket.version(&key, version.as_deref(), "GET")?;
    let modified: Timestamp = version.modified;
    condition::check_read(ask, "x-amz-copy-source-", object, modified, now)?;
    super::read::check_is_here(object)?;
    let version = (bucket.versioning != super::Versioning::Off).then(|| version.id.clone());
    Ok(Source { object: Arc::clone(object), version })
}
