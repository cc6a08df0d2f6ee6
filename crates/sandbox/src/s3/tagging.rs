//! Tags of buckets and objects.

use std::sync::Arc;

use super::{Ask, Error, NAMESPACE, Reply, bare, set, xml};
use crate::wire::percent;
use crate::wire::xml::{Document, parse};
use crate::world::World;

type Tags = Vec<(String, String)>;

/// `GetObjectTagging` and `GetBucketTagging`.
pub fn get(world: &World, ask: &Ask) -> Reply {
    let mut state = world.lock();
    let bucket = state.s3.bucket(&ask.bucket)?;
    let tags = if ask.key.is_empty() {
        if bucket.tags.is_empty() {
            let why = "The TagSet does not exist";
            return Err(Error::new(404, "NoSuchTagSet", why).with("BucketName", &ask.bucket));
        }
        bucket.tags.clone()
    } else {
        bucket.version(&ask.key, ask.version(), "GET")?.1.tags.clone()
    };
    let mut out = Document::new();
    out.root("Tagging", NAMESPACE, |out| {
        out.element("TagSet", |out| {
            for (key, value) in &tags {
                out.element("Tag", |out| {
                    out.text("Key", key).text("Value", value);
                });
            }
        });
    });
    Ok(xml(out))
}

/// `PutObjectTagging` and `PutBucketTagging`.
pub fn put(world: &World, ask: &Ask) -> Reply {
    let content = super::body::read(ask)?;
    let request = parse(&content.body).map_err(|_| Error::malformed_xml())?;
    let set = request.all("TagSet").next().ok_or_else(Error::malformed_xml)?;
    let pair = |tag: &crate::wire::xml::Element| Some((tag.get("Key")?.to_owned(), tag.get("Value")?.to_owned()));
    let tags: Option<Tags> = set.all("Tag").map(pair).collect();
    let tags = tags.ok_or_else(Error::malformed_xml)?;
    check(&tags, if ask.key.is_empty() { 50 } else { 10 })?;
    replace(world, ask, tags, if ask.key.is_empty() { 204 } else { 200 })
}

/// `DeleteObjectTagging` and `DeleteBucketTagging`.
pub fn delete(world: &World, ask: &Ask) -> Reply {
    replace(world, ask, Tags::new(), 204)
}

fn replace(world: &World, ask: &Ask, tags: Tags, status: u16) -> Reply {
    let mut state = world.lock();
    let bucket = state.s3.bucket(&ask.bucket)?;
    let mut response = bare(status);
    if ask.key.is_empty() {
        bucket.tags = tags;
        return Ok(response);
    }
    let id = bucket.version(&ask.key, ask.version(), "PUT")?.0.id.clone();
    if bucket.versioning != super::Versioning::Off {
        set(&mut response, "x-amz-version-id", &id);
    }
    let versions = bucket.objects.get_mut(&ask.key).into_iter().flatten();
    for object in versions.filter(|version| version.id == id).filter_map(|version| version.object.as_mut()) {
        Arc::make_mut(object).tags.clone_from(&tags);
    }
    Ok(response)
}

/// The tags in the header of a put.
///
/// # Errors
/// Too many, or too long.
pub fn of_header(ask: &Ask) -> Result<Tags, Error> {
    let tags: Tags = ask.header("x-amz-tagging").map(|text| percent::pairs(&text).collect()).unwrap_or_default();
    check(&tags, 10)?;
    Ok(tags)
}

fn check(tags: &Tags, max: usize) -> Result<(), Error> {
    if tags.len() > max {
        let why = if max == 10 {
            "Object tags cannot be greater than 10"
        } else {
            "Bucket tag count cannot be greater than 50"
        };
        return Err(Error::new(400, "BadRequest", why));
    }
    for (n, (key, value)) in tags.iter().enumerate() {
        let is_repeated = tags[..n].iter().any(|(other, _)| other == key);
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(Error::new(400, "InvalidTag", "The TagKey you have provided is invalid").with("TagKey", key));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            let why = if max == 10 {
                "Your TagKey cannot be prefixed with aws:"
            } else {
                "System tags cannot be added/updated by requester"
            };
            return Err(Error::new(400, "InvalidTag", why).with("TagKey", key));
        }
        if is_repeated {
            let why = "Cannot provide multiple Tags with the same key";
            return Err(Error::new(400, "InvalidTag", why).with("TagKey", key));
        }
    }
    Ok(())
}
