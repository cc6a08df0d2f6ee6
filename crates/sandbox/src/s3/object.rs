//! Putting objects.

use bytes::Bytes;
use http::Response;

use super::checksum::{self, Checksum};
use super::condition::Condition;
use super::{Ask, Error, Object, Reply, VERSION_ID, allow, bare, body, set, tagging};
use crate::world::World;

/// Headers that are stored and given back as they are.
const STORED: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    REDIRECT,
];
const REDIRECT: &str = "x-amz-website-redirect-location";
/// Kept with the object unless it is the usual one.
pub const CLASS: &str = "x-amz-storage-class";
/// Classes that S3 has for objects of these buckets.
const CLASSES: [&str; 8] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
];

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
        upload: None,
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
    let names = ask.header_names();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    allow::check_settings(|name| ask.header(name), &names)?;
    let mut headers = settings(ask)?;
    for name in names {
        let value = ask.header(name).unwrap_or_default();
        if name == "content-encoding" {
            // The framing of the transfer is not part of the object.
            let kept: Vec<&str> = value.split(',').map(str::trim).filter(|coding| *coding != "aws-chunked").collect();
            if !kept.is_empty() {
                headers.push((name.to_owned(), kept.join(",")));
            }
        } else if name != REDIRECT && STORED.contains(&name) || name.starts_with("x-amz-meta-") {
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

/// Storage class and redirect, which a copy does not take over from where it comes from.
///
/// # Errors
/// They cannot be such.
fn settings(ask: &Ask) -> Result<Vec<(String, String)>, Error> {
    let mut headers = Vec::new();
    if let Some(class) = ask.header(CLASS) {
        if !CLASSES.contains(&class.as_str()) {
            let why = "The storage class you specified is not valid";
            return Err(Error::new(400, "InvalidStorageClass", why).with("StorageClassRequested", &class));
        }
        if class != "STANDARD" {
            headers.push((CLASS.to_owned(), class));
        }
    }
    if let Some(target) = ask.header(REDIRECT) {
        if !["/", "http://", "https://"].iter().any(|start| target.starts_with(start)) {
            let why = "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.";
            return Err(Error::new(400, "InvalidRedirectLocation", why));
        }
        headers.push((REDIRECT.to_owned(), target));
    }
    Ok(headers)
}

/// The headers of a copy that is not described anew: those of its source, but its own class and redirect.
///
/// # Errors
/// As of [`headers`].
pub fn copied(ask: &Ask, source: &[(String, String)]) -> Result<Vec<(String, String)>, Error> {
    let names = ask.header_names();
    allow::check_settings(|name| ask.header(name), &names.iter().map(String::as_str).collect::<Vec<_>>())?;
    let kept = source.iter().filter(|(name, _)| name != CLASS && name != REDIRECT).cloned();
    let mut headers: Vec<_> = kept.chain(settings(ask)?).collect();
    headers.sort();
    Ok(headers)
}

/// Whether a request says something of what a copy may change.
pub fn has_settings(ask: &Ask) -> bool {
    [CLASS, REDIRECT, "x-amz-server-side-encryption"].iter().any(|name| ask.header(name).is_some())
}

/// The storage class of an object.
pub fn class(headers: &[(String, String)]) -> &str {
    headers.iter().find(|(name, _)| name == CLASS).map_or("STANDARD", |(_, class)| class)
}
