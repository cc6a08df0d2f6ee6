//! `GetObjectAttributes`.

use super::{Ask, Error, NAMESPACE, Reply, Versioning, object, set, xml};
use crate::wire::xml::Document;
use crate::world::World;

const HEADER: &str = "x-amz-object-attributes";
const ALL: [&str; 5] = ["Checksum", "ETag", "ObjectParts", "ObjectSize", "StorageClass"];

/// What is asked for of an object; parts are counted, not listed.
pub fn get(world: &World, ask: &Ask) -> Reply {
    let asked = ask.header(HEADER).unwrap_or_default();
    let asked: Vec<&str> = asked.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if asked.is_empty() {
        return Err(Error::invalid_request(
            "The x-amz-object-attributes header specifying the attributes to be retrieved \
                                           is either missing or empty",
        ));
    }
    if let Some(unknown) = asked.iter().find(|name| !ALL.contains(name)) {
        return Err(Error::invalid_argument(HEADER, unknown, "Invalid attribute name specified."));
    }
    let mut state = world.lock();
    let bucket = state.s3.bucket(&ask.bucket)?;
    let (version, stored) = bucket.version(&ask.key, ask.version(), "GET")?;
    let mut out = Document::new();
    out.root("GetObjectAttributesResponse", NAMESPACE, |out| {
        let is_asked = |name: &str| asked.contains(&name);
        if is_asked("ETag") {
            out.text("ETag", &stored.etag);
        }
        if let Some(checksum) = stored.checksum.as_ref().filter(|_| is_asked("Checksum")) {
            out.element("Checksum", |out| {
                let value = checksum.value.split_once('-').map_or(checksum.value.as_str(), |(value, _)| value);
                out.text(&checksum.algorithm.element(), value).text("ChecksumType", object::kind(checksum));
            });
        }
        if is_asked("ObjectParts") && !stored.parts.is_empty() {
            out.element("ObjectParts", |out| {
                out.text("PartsCount", stored.parts.len());
            });
        }
        if is_asked("StorageClass") {
            out.text("StorageClass", object::class(&stored.headers));
        }
        if is_asked("ObjectSize") {
            out.text("ObjectSize", stored.body.len());
        }
    });
    let mut response = xml(out);
    let modified = super::read::http_date(version.modified);
    set(&mut response, "last-modified", &modified);
    if bucket.versioning != Versioning::Off {
        set(&mut response, "x-amz-version-id", &version.id);
    }
    Ok(response)
}
