//! Getting objects: whole, in ranges, in parts.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response};
use jiff::Timestamp;

use super::{Ask, Error, Object, Reply, bare, condition, object, set};
use crate::world::World;

/// `GetObject` and `HeadObject`.
pub fn get(world: &World, ask: &Ask) -> Reply {
    let (version, stored) = {
        let mut state = world.lock();
        let bucket = state.s3.bucket(&ask.bucket)?;
        let (version, stored) = bucket.version(&ask.key, ask.version(), ask.request.method().as_str())?;
        let is_versioned = bucket.versioning != super::Versioning::Off;
        ((is_versioned.then(|| version.id.clone()), version.modified), Arc::clone(stored))
    };
    let (id, modified) = version;
    let last_modified = http_date(modified);
    condition::check_read(ask, "", &stored, modified, world.now())
        .map_err(|error| error.header("last-modified", &last_modified))?;
    if ask.request.method() == Method::GET {
        check_is_here(&stored)?;
    }
    let range = part(ask, &stored)?.map_or_else(|| range(ask.header("range").as_deref(), stored.body.len()), Ok)?;
    let mut response = bare(if range.is_some() { 206 } else { 200 });
    describe(&mut response, ask, &stored);
    set(&mut response, "last-modified", &last_modified);
    if let Some(id) = id {
        set(&mut response, "x-amz-version-id", &id);
    }
    let is_whole = range.is_none();
    let bounds = range.unwrap_or(0..stored.body.len());
    if is_whole && ask.header("x-amz-checksum-mode").is_some_and(|mode| mode.eq_ignore_ascii_case("enabled")) {
        stored.checksum.iter().for_each(|checksum| object::show(&mut response, checksum));
    }
    if !is_whole {
        let last = bounds.end.saturating_sub(1);
        set(&mut response, "content-range", &format!("bytes {}-{last}/{}", bounds.start, stored.body.len()));
    }
    if ask.parameter("partNumber").is_some() && !stored.parts.is_empty() {
        set(&mut response, "x-amz-mp-parts-count", &stored.parts.len().to_string());
    }
    set(&mut response, "content-length", &bounds.len().to_string());
    if ask.request.method() == Method::GET {
        *response.body_mut() = stored.body.slice(bounds);
    }
    Ok(response)
}

/// What was archived has to be restored before it can be read, which is not part of this.
///
/// # Errors
/// `InvalidObjectState`.
pub fn check_is_here(stored: &Object) -> Result<(), Error> {
    match object::class(&stored.headers) {
        class @ ("GLACIER" | "DEEP_ARCHIVE") => {
            let why = "The operation is not valid for the object's storage class";
            Err(Error::new(403, "InvalidObjectState", why).with("StorageClass", class))
        }
        _ => Ok(()),
    }
}

fn describe(response: &mut Response<Bytes>, ask: &Ask, stored: &Object) {
    set(response, "accept-ranges", "bytes");
    set(response, "etag", &format!("\"{}\"", stored.etag));
    set(response, "x-amz-server-side-encryption", "AES256");
    for (name, value) in &stored.headers {
        let asked = ask.parameter(&format!("response-{name}"));
        set(response, name, asked.unwrap_or(value));
    }
    if !stored.tags.is_empty() {
        set(response, "x-amz-tagging-count", &stored.tags.len().to_string());
    }
}

/// The range of the part that is asked for by number.
fn part(ask: &Ask, stored: &Object) -> Result<Option<Option<Range<usize>>>, Error> {
    let Some(number) = ask.parameter("partNumber") else { return Ok(None) };
    let sizes = if stored.parts.is_empty() { &[stored.body.len()][..] } else { &stored.parts };
    let index = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1)).filter(|n| *n < sizes.len());
    let index = index.ok_or_else(|| {
        Error::new(416, "InvalidPartNumber", "The requested partnumber is not satisfiable")
            .with("PartNumberRequested", number)
            .with("ActualPartCount", &sizes.len().to_string())
    })?;
    let start: usize = sizes[..index].iter().sum();
    Ok(Some(Some(start..start + sizes[index])))
}

/// The bytes that a `Range` header asks for; `None` for all of them, also if it cannot be read.
///
/// # Errors
/// It starts after the end.
pub fn range(header: Option<&str>, size: usize) -> Result<Option<Range<usize>>, Error> {
    let Some(text) = header else { return Ok(None) };
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Ok(None);
    };
    let bounds = match (first.trim().parse::<usize>(), last.trim().parse::<usize>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Ok(first), Err(_)) if last.trim().is_empty() => first..size,
        (Err(_), Ok(suffix)) if first.trim().is_empty() => size.saturating_sub(suffix)..size,
        _ => return Ok(None),
    };
    if bounds.is_empty() {
        return Err(Error::new(416, "InvalidRange", "The requested range is not satisfiable")
            .with("RangeRequested", text)
            .with("ActualObjectSize", &size.to_string()));
    }
    Ok(Some(bounds))
}

pub(super) fn http_date(at: Timestamp) -> String {
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap_or_default()
}
