//! Deleting objects, one or many.

use super::condition::{check_delete, matches_for_delete};
use super::{Ask, Error, NAMESPACE, Reply, VERSION_ID, bare, set, xml};
use crate::wire::xml::{Document, Element, parse};
use crate::world::World;

/// What became of a delete.
#[derive(Default)]
struct Deleted {
    /// The version that was deleted or the marker that was made.
    version: Option<String>,
    /// Whether a marker was made or deleted.
    is_marker: bool,
}

/// `DeleteObject`.
pub fn one(world: &World, ask: &Ask) -> Reply {
    let deleted = delete(world, ask, &ask.key, ask.version(), None)?;
    let mut response = bare(204);
    if let Some(version) = &deleted.version {
        set(&mut response, "x-amz-version-id", version);
    }
    if deleted.is_marker {
        set(&mut response, "x-amz-delete-marker", "true");
    }
    Ok(response)
}

/// Deletes a key or a version under one lock with its condition: the headers', or for one of many its own ETag.
fn delete(world: &World, ask: &Ask, key: &str, version: Option<&str>, etag: Option<&str>) -> Result<Deleted, Error> {
    let now = world.now();
    let mut state = world.lock();
    let fresh = state.random_text(VERSION_ID, 32);
    let bucket = state.s3.bucket(&ask.bucket)?;
    let current = bucket.current(key).map(AsRef::as_ref);
    match etag {
        Some(etag) => matches_for_delete(etag, current, key)?,
        None if ask.key == key => check_delete(ask, current)?,
        None => {}
    }
    Ok(match version {
        Some(version) => {
            // Where no versions were ever kept, no id can name one.
            if bucket.versioning == super::Versioning::Off && version != super::store::NULL {
                return Err(Error::invalid_argument("versionId", version, "Invalid version id specified"));
            }
            let is_marker = bucket.delete_version(key, version)?;
            Deleted { version: Some(version.to_owned()), is_marker }
        }
        None => {
            let version = bucket.delete(key, &fresh, now);
            Deleted { is_marker: version.is_some(), version }
        }
    })
}

/// `DeleteObjects`: at most a thousand; each succeeds or fails for itself.
pub fn many(world: &World, ask: &Ask) -> Reply {
    world.lock().s3.bucket(&ask.bucket)?;
    let content = super::body::read(ask)?;
    let stated = super::checksum::stated(|name| content.header(ask, name))?;
    if stated.is_none() && ask.header("content-md5").is_none() {
        return Err(Error::invalid_request(
            "Missing required header for this request: Content-MD5 OR x-amz-checksum-*",
        ));
    }
    super::checksum::etag(&content.body, ask.header("content-md5").as_deref())?;
    super::checksum::verify(&content.body, stated)?;
    let request = parse(&content.body).map_err(|_| Error::malformed_xml())?;
    let objects: Vec<&Element> = request.all("Object").collect();
    if request.name != "Delete" || objects.is_empty() || objects.len() > 1000 {
        return Err(Error::malformed_xml());
    }
    let is_quiet = request.get("Quiet") == Some("true");
    let mut out = Document::new();
    out.root("DeleteResult", NAMESPACE, |out| {
        for object in objects {
            // A key keeps the white space that `get` would trim.
            let key = object.all("Key").next().map_or("", |key| key.text.as_str());
            let version = object.get("VersionId");
            match delete(world, ask, key, version, object.get("ETag")) {
                Ok(_) if is_quiet => {}
                Ok(deleted) => done(out, key, version, &deleted),
                Err(error) => failed(out, key, version, &error),
            }
        }
    });
    Ok(xml(out))
}

fn done(out: &mut Document, key: &str, version: Option<&str>, deleted: &Deleted) {
    out.element("Deleted", |out| {
        out.text("Key", key);
        out.maybe("VersionId", version);
        if deleted.is_marker {
            out.text("DeleteMarker", true);
            out.maybe("DeleteMarkerVersionId", deleted.version.as_ref());
        }
    });
}

fn failed(out: &mut Document, key: &str, version: Option<&str>, error: &Error) {
    out.element("Error", |out| {
        out.text("Key", key);
        out.maybe("VersionId", version);
        out.text("Code", &error.code).text("Message", &error.message);
    });
}
