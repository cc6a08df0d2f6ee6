//! Putting objects.

use bytes::Bytes;
use http::Response;

use super::checksum::{self, Checksum};
use super::condition::Condition;
use super::{Ask, Error, Object, Reply, VERSION_ID, bare, body, set, tagging};
use crate::world::World;

/// Headers that are stored and given back as they are.
const STORED: [&str; 6] =
    ["cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires"];

/// `PutObject`.
pub fn put(world: &World, ask: &Ask) -> Reply {
    let condition = Condition::of_write(ask)?;
    check(world, ask, &condition)?;
    let content = body::read(ask)?;
    let stated = checksum::stated(|name| content.header(ask, name))?;
    let object = Object {
        etag: checksum::etag(&content.body, ask.header("content-md5").as_deref())?,
        checksum: Some(checksum::verify(&content.body, stated)?),
        headers: headers(ask)?,
        tags: tagging::of_header(ask)?,
        body: content.body,
        parts: Vec::new(),
    };
    let mut response = bare(200);
    describe(&mut response, &object);
    let version = commit(world, ask, &condition, object)?;
    if let Some(version) = version {
        set(&mut response, "x-amz-version-id", &version);
    }
    Ok(response)
}

/// Checks a condition before the body is read, so that what cannot succeed costs little.
fn check(world: &World, ask: &Ask, condition: &Condition) -> Result<(), Error> {
    let mut state = world.lock();
    let bucket = state.s3.bucket(&ask.bucket)?;
    condition.check(bucket.current(&ask.key).map(AsRef::as_ref), &ask.key)
}

/// Stores an object if the condition holds. Returns the version's id, if versions are kept.
pub fn commit(world: &World, ask: &Ask, condition: &Condition, object: Object) -> Result<Option<String>, Error> {
    let now = world.now();
    let mut state = world.lock();
    let fresh = state.random_text(VERSION_ID, 32);
    let bucket = state.s3.bucket(&ask.bucket)?;
    condition.check(bucket.current(&ask.key).map(AsRef::as_ref), &ask.key)?;
    Ok(bucket.put(&ask.key, &fresh, now, object))
}

/// What a write says about what it stored.
pub fn describe(response: &mut Response<Bytes>, object: &Object) {
    set(response, "etag", &format!("\"{}\"", object.etag));
    set(response, "x-amz-server-side-encryption", "AES256");
    if let Some(checksum) = &object.checksum {
        show(response, checksum);
    }
}

/// The headers of a checksum.
pub fn show(response: &mut Response<Bytes>, checksum: &Checksum) {
    set(response, &checksum.algorithm.header(), &checksum.value);
    set(response, "x-amz-checksum-type", kind(checksum));
}

/// `COMPOSITE` or `FULL_OBJECT`.
pub fn kind(checksum: &Checksum) -> &'static str {
    if checksum.is_composite { "COMPOSITE" } else { "FULL_OBJECT" }
}

/// The headers of a request that are stored with the object.
///
/// # Errors
/// The user's metadata is too large, or asks for an encryption that is not there.
pub fn headers(ask: &Ask) -> Result<Vec<(String, String)>, Error> {
    if let Some(kind) = ask.header("x-amz-server-side-encryption").filter(|kind| kind != "AES256") {
        return Err(Error::not_implemented("x-amz-server-side-encryption", None).with("ArgumentValue", &kind));
    }
    let mut headers = Vec::new();
    for name in ask.request.headers().keys().map(http::HeaderName::as_str) {
        let value = ask.header(name).unwrap_or_default();
        if name == "content-encoding" {
            // The framing of the transfer is not part of the object.
            let kept: Vec<&str> = value.split(',').map(str::trim).filter(|coding| *coding != "aws-chunked").collect();
            if !kept.is_empty() {
                headers.push((name.to_owned(), kept.join(",")));
            }
        } else if STORED.contains(&name) || name.starts_with("x-amz-meta-") {
            headers.push((name.to_owned(), value));
        }
    }
    let metadata: usize =
        headers.iter().filter_map(|(name, value)| Some(name.strip_prefix("x-amz-meta-")?.len() + value.len())).sum();
    if metadata > 2048 {
        let why = "Your metadata headers exceed the maximum allowed metadata size";
        return Err(Error::new(400, "MetadataTooLarge", why)
            .with("Size", &metadata.to_string())
            .with("MaxSizeAllowed", "2048"));
    }
    if !headers.iter().any(|(name, _)| name == "content-type") {
        headers.push(("content-type".to_owned(), "binary/octet-stream".to_owned()));
    }
    headers.sort();
    Ok(headers)
}
