//! Finishing an upload in parts.

use bytes::{Bytes, BytesMut};

use super::checksum::{self, Algorithm, Checksum};
use super::condition::Condition;
use super::multipart::{Part, Upload, find};
use super::{Ask, Bucket, Error, NAMESPACE, Object, Reply, VERSION_ID, Versioning, body, object, set, xml};
use crate::wire::xml::{Document, Element, parse};
use crate::world::World;

/// Every part but the last is at least this large.
const SMALLEST_PART: usize = 5 << 20;

/// A part as the request names it.
struct Named {
    number: u32,
    etag: String,
    checksum: Option<(Algorithm, String)>,
}

/// `CompleteMultipartUpload`. The parts are put together without the lock; then condition and commit are one.
pub fn complete(world: &World, ask: &Ask) -> Reply {
    let condition = Condition::of_write(ask)?;
    let content = body::read(ask)?;
    let named = names(&content.body)?;
    let id = ask.parameter("uploadId").unwrap_or_default();
    if let Some(again) = completed(world, ask, id)? {
        return Ok(again);
    }
    let upload = find(&mut world.lock(), ask)?.clone();
    if named.is_empty() {
        return Err(Error::invalid_request("You must specify at least one part"));
    }
    let parts = choose(&upload, &named, id)?;
    let stored = assemble(ask, &upload, &parts)?;
    let now = world.now();
    let mut state = world.lock();
    let fresh = state.random_text(VERSION_ID, 32);
    let Upload { is_rewritten, is_deleted, .. } = *find(&mut state, ask)?;
    let bucket = state.s3.bucket(&ask.bucket)?;
    check(&condition, bucket, ask, is_rewritten, is_deleted)?;
    bucket.uploads.remove(id);
    let out = said(ask, &bucket.region, &stored);
    let version = bucket.put(&ask.key, &fresh, now, stored);
    Ok(answered(out, version))
}

/// The answer once more to whoever completes an upload that is complete, as long as its object is the current one.
fn completed(world: &World, ask: &Ask, id: &str) -> Result<Option<http::Response<Bytes>>, Error> {
    let mut state = world.lock();
    let bucket = state.s3.bucket(&ask.bucket)?;
    let version = bucket.objects.get(&ask.key).and_then(|versions| versions.last());
    let made = version.and_then(|version| Some((version, version.object.as_ref()?)));
    Ok(made.filter(|(_, object)| object.upload.as_deref() == Some(id)).map(|(version, object)| {
        let is_versioned = bucket.versioning != Versioning::Off;
        answered(said(ask, &bucket.region, object), is_versioned.then(|| version.id.clone()))
    }))
}

fn said(ask: &Ask, region: &str, stored: &Object) -> Document {
    let mut out = Document::new();
    out.root("CompleteMultipartUploadResult", NAMESPACE, |out| {
        out.text("Location", format!("https://{}.s3.{region}.amazonaws.com/{}", ask.bucket, ask.key));
        out.text("Bucket", &ask.bucket).text("Key", &ask.key).text("ETag", format!("\"{}\"", stored.etag));
        if let Some(checksum) = &stored.checksum {
            out.text(&checksum.algorithm.element(), &checksum.value).text("ChecksumType", object::kind(checksum));
        }
    });
    out
}

fn answered(out: Document, version: Option<String>) -> http::Response<Bytes> {
    let mut response = xml(out);
    set(&mut response, "x-amz-server-side-encryption", "AES256");
    if let Some(version) = version {
        set(&mut response, "x-amz-version-id", &version);
    }
    response
}

/// The condition of a put, and besides: an upload whose key was changed since it began is in conflict.
fn check(condition: &Condition, bucket: &Bucket, ask: &Ask, is_rewritten: bool, is_deleted: bool) -> Result<(), Error> {
    condition.check(bucket.current(&ask.key).map(AsRef::as_ref), &ask.key)?;
    match condition {
        Condition::Absent if is_deleted => Err(Error::conflict("If-None-Match", &ask.key)),
        Condition::Matches(_) if is_rewritten || is_deleted => Err(Error::conflict("If-Match", &ask.key)),
        Condition::None | Condition::Absent | Condition::Matches(_) => Ok(()),
    }
}

fn names(body: &Bytes) -> Result<Vec<Named>, Error> {
    let request = parse(body).map_err(|_| Error::malformed_xml())?;
    let named = |part: &Element| {
        let checksum = Algorithm::ALL.into_iter().find_map(|it| Some((it, part.get(&it.element())?.to_owned())));
        let number = part.get("PartNumber")?.parse().ok()?;
        Some(Named { number, etag: part.get("ETag")?.trim_matches('"').to_owned(), checksum })
    };
    if request.name != "CompleteMultipartUpload" || request.children.len() > 10_000 {
        return Err(Error::malformed_xml());
    }
    request.all("Part").map(named).collect::<Option<_>>().ok_or_else(Error::malformed_xml)
}

/// The parts that are named, if all are there, in order, large enough and with the right checksums.
fn choose<'a>(upload: &'a Upload, named: &[Named], id: &str) -> Result<Vec<&'a Part>, Error> {
    if named.windows(2).any(|pair| pair[0].number >= pair[1].number) {
        let why = "The list of parts was not in ascending order. Parts must be ordered by part number.";
        return Err(Error::new(400, "InvalidPartOrder", why).with("UploadId", id));
    }
    let mut parts = Vec::new();
    for (n, name) in named.iter().enumerate() {
        let part = upload.parts.get(&name.number).filter(|part| part.etag == name.etag);
        let part = part.ok_or_else(|| invalid_part(name, id))?;
        if let Some((algorithm, value)) = &name.checksum {
            if *algorithm == part.checksum.algorithm && *value != part.checksum.value {
                return Err(invalid_part(name, id));
            }
            if let Some((demanded, _)) = upload.checksum.filter(|(demanded, _)| demanded != algorithm) {
                let (lower, number) = (demanded.lower(), name.number);
                let why = format!("The {lower} you specified for part {number} did not match what we received.");
                return Err(Error::new(400, "BadDigest", why));
            }
        } else if let Some((demanded, true)) = upload.checksum {
            let why = format!(
                "The upload was created using a {} checksum. The complete request must include the checksum for each \
                 part. It was missing for part {} in the request.",
                demanded.lower(),
                name.number
            );
            return Err(Error::invalid_request(why));
        }
        if n + 1 < named.len() && part.body.len() < SMALLEST_PART {
            return Err(Error::new(
                400,
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed size",
            )
            .with("ProposedSize", &part.body.len().to_string())
            .with("MinSizeAllowed", &SMALLEST_PART.to_string())
            .with("PartNumber", &name.number.to_string())
            .with("ETag", &part.etag));
        }
        parts.push(part);
    }
    Ok(parts)
}

fn invalid_part(name: &Named, id: &str) -> Error {
    let why = "One or more of the specified parts could not be found.  The part may not have been uploaded, or the \
               specified entity tag may not match the part's entity tag.";
    Error::new(400, "InvalidPart", why)
        .with("ETag", &name.etag)
        .with("PartNumber", &name.number.to_string())
        .with("UploadId", id)
}

fn assemble(ask: &Ask, upload: &Upload, parts: &[&Part]) -> Result<Object, Error> {
    let sizes: Vec<usize> = parts.iter().map(|part| part.body.len()).collect();
    let size: usize = sizes.iter().sum();
    if let Some(claimed) = ask.header("x-amz-mp-object-size").filter(|claimed| *claimed != size.to_string()) {
        let why = format!(
            "The provided 'x-amz-mp-object-size' header value {claimed} does not match what was computed: {size}"
        );
        return Err(Error::invalid_request(why));
    }
    let mut body = BytesMut::with_capacity(size);
    parts.iter().for_each(|part| body.extend_from_slice(&part.body));
    let body = body.freeze();
    let etags: Vec<String> = parts.iter().map(|part| part.etag.clone()).collect();
    let (algorithm, is_composite) = upload.checksum.unwrap_or((Algorithm::Crc64Nvme, false));
    if let Some(kind) = ask.header("x-amz-checksum-type") {
        let mode = if is_composite { "COMPOSITE" } else { "FULL_OBJECT" };
        if upload.checksum.is_some() && !kind.eq_ignore_ascii_case(mode) {
            let why = format!(
                "The upload was created using the {mode} checksum mode. The complete request must use the \
                               same checksum mode."
            );
            return Err(Error::invalid_request(why));
        }
    }
    let value = if is_composite {
        algorithm.composite(&parts.iter().map(|part| part.checksum.value.clone()).collect::<Vec<_>>())
    } else {
        algorithm.of(&body)
    };
    if let Some((stated, given)) = checksum::stated(|name| ask.header(name))? {
        let bare = value.split_once('-').map_or(value.as_str(), |(digits, _)| digits);
        if stated != algorithm || (given != value && given != bare) {
            let why = format!("The {} you specified did not match the calculated checksum.", stated.lower());
            return Err(Error::new(400, "BadDigest", why));
        }
    }
    Ok(Object {
        etag: checksum::etag_of_parts(&etags),
        checksum: Some(Checksum { algorithm, value, is_composite }),
        headers: upload.headers.clone(),
        tags: upload.tags.clone(),
        parts: sizes,
        body,
        upload: ask.parameter("uploadId").map(str::to_owned),
    })
}
