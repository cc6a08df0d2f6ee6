//! Uploads in parts.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;

use super::checksum::{self, Algorithm, Checksum};
use super::{Ask, Error, NAMESPACE, Reply, bare, body, iso, object, owner, set, tagging, xml};
use crate::wire::xml::Document;
use crate::world::{State, World};

/// An upload that is not finished.
#[derive(Clone)]
pub struct Upload {
    /// What it will become.
    pub key: String,
    /// World time.
    pub initiated: Timestamp,
    /// The checksum that each part must have, and whether the whole one is over those of the parts.
    pub checksum: Option<(Algorithm, bool)>,
    /// As for a put.
    pub headers: Vec<(String, String)>,
    /// As for a put.
    pub tags: Vec<(String, String)>,
    /// By number.
    pub parts: BTreeMap<u32, Part>,
    /// The key was written since the upload began.
    pub is_rewritten: bool,
    /// The key was deleted since the upload began.
    pub is_deleted: bool,
}

/// A part of an upload.
#[derive(Clone)]
pub struct Part {
    /// The content.
    pub body: Bytes,
    /// Without its quotes.
    pub etag: String,
    /// The checksum that came with it, or the one that the upload demands.
    pub checksum: Checksum,
    /// World time.
    pub modified: Timestamp,
}

/// `CreateMultipartUpload`.
pub fn create(world: &World, ask: &Ask) -> Reply {
    let checksum = algorithm(ask)?;
    let upload = Upload {
        key: ask.key.clone(),
        initiated: world.now(),
        checksum,
        headers: object::headers(ask)?,
        tags: tagging::of_header(ask)?,
        parts: BTreeMap::new(),
        is_rewritten: false,
        is_deleted: false,
    };
    let mut state = world.lock();
    let id = state.random_text(super::VERSION_ID, 64);
    state.s3.bucket(&ask.bucket)?.uploads.insert(id.clone(), upload);
    let mut out = Document::new();
    out.root("InitiateMultipartUploadResult", NAMESPACE, |out| {
        out.text("Bucket", &ask.bucket).text("Key", &ask.key).text("UploadId", &id);
    });
    let mut response = xml(out);
    set(&mut response, "x-amz-server-side-encryption", "AES256");
    if let Some((algorithm, is_composite)) = checksum {
        set(&mut response, "x-amz-checksum-algorithm", algorithm.name());
        set(&mut response, "x-amz-checksum-type", if is_composite { "COMPOSITE" } else { "FULL_OBJECT" });
    }
    Ok(response)
}

fn algorithm(ask: &Ask) -> Result<Option<(Algorithm, bool)>, Error> {
    let kind = ask.header("x-amz-checksum-type").map(|kind| kind.to_ascii_uppercase());
    let Some(name) = ask.header("x-amz-checksum-algorithm") else {
        return match kind {
            None => Ok(None),
            Some(_) => {
                let why = "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.";
                Err(Error::invalid_request(why))
            }
        };
    };
    let algorithm = Algorithm::named(&name).ok_or_else(|| {
        let why = "Checksum algorithm provided is unsupported. Please try again with any of the valid types: \
                   [CRC32, CRC32C, CRC64NVME, MD5, SHA1, SHA256, SHA512, XXHASH3, XXHASH64, XXHASH128]";
        Error::invalid_request(why)
    })?;
    let never = |kind: &str| {
        let name = algorithm.lower();
        let why = format!("The {kind} checksum type cannot be used with the {name} checksum algorithm.");
        Err(Error::invalid_request(why))
    };
    match (kind.as_deref(), algorithm) {
        (Some("COMPOSITE"), Algorithm::Crc64Nvme) => never("COMPOSITE"),
        (Some("FULL_OBJECT"), Algorithm::Crc32 | Algorithm::Crc32c | Algorithm::Crc64Nvme)
        | (None, Algorithm::Crc64Nvme) => Ok(Some((algorithm, false))),
        (Some("FULL_OBJECT"), _) => never("FULL_OBJECT"),
        (Some("COMPOSITE") | None, _) => Ok(Some((algorithm, true))),
        (Some(_), _) => Err(Error::invalid_request("Value for x-amz-checksum-type header is invalid.")),
    }
}

/// The upload that a request is about.
///
/// # Errors
/// There is none of this id for this key.
pub fn find<'a>(state: &'a mut State, ask: &Ask) -> Result<&'a mut Upload, Error> {
    let id = ask.parameter("uploadId").unwrap_or_default();
    let bucket = state.s3.bucket(&ask.bucket)?;
    let upload = bucket.uploads.get_mut(id).filter(|upload| upload.key == ask.key);
    upload.ok_or_else(|| Error::no_such_upload(id))
}

/// The number of the part that a request is about.
///
/// # Errors
/// It is none.
pub fn number(ask: &Ask) -> Result<u32, Error> {
    let text = ask.parameter("partNumber").unwrap_or_default();
    text.parse().ok().filter(|number| (1..=10_000).contains(number)).ok_or_else(|| {
        let why = "Part number must be an integer between 1 and 10000, inclusive";
        Error::invalid_argument("partNumber", text, why)
    })
}

/// `UploadPart`.
pub fn upload(world: &World, ask: &Ask) -> Reply {
    let number = number(ask)?;
    let demanded = find(&mut world.lock(), ask)?.checksum;
    let content = body::read(ask)?;
    let stated = checksum::stated(|name| content.header(ask, name))?;
    if let (Some((demanded, _)), Some((given, _))) = (demanded, &stated)
        && demanded != *given
    {
        let (expected, actual) = (demanded.lower(), given.lower());
        let why = format!(
            "Checksum Type mismatch occurred, expected checksum Type: {expected}, actual checksum Type: {actual}"
        );
        return Err(Error::invalid_request(why));
    }
    let mut part = Part {
        etag: checksum::etag(&content.body, ask.header("content-md5").as_deref())?,
        checksum: checksum::verify(&content.body, stated)?,
        body: content.body,
        modified: world.now(),
    };
    if let Some((demanded, _)) = demanded {
        part.checksum = checksum::made(&part.body, demanded);
    }
    let mut response = bare(200);
    set(&mut response, "etag", &format!("\"{}\"", part.etag));
    set(&mut response, "x-amz-server-side-encryption", "AES256");
    set(&mut response, &part.checksum.algorithm.header(), &part.checksum.value);
    find(&mut world.lock(), ask)?.parts.insert(number, part);
    Ok(response)
}

/// `AbortMultipartUpload`.
pub fn abort(world: &World, ask: &Ask) -> Reply {
    let mut state = world.lock();
    find(&mut state, ask)?;
    let id = ask.parameter("uploadId").unwrap_or_default();
    state.s3.bucket(&ask.bucket)?.uploads.remove(id);
    Ok(bare(204))
}

/// `ListParts`.
pub fn list_parts(world: &World, ask: &Ask) -> Reply {
    let limit = |name: &str, default: u32| ask.parameter(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (marker, max) = (limit("part-number-marker", 0), limit("max-parts", 1000).min(1000) as usize);
    let mut state = world.lock();
    let account = state.s3.bucket(&ask.bucket)?.account.clone();
    let upload = find(&mut state, ask)?;
    let mut parts: Vec<(&u32, &Part)> = upload.parts.range(marker.saturating_add(1)..).take(max + 1).collect();
    let is_truncated = parts.len() > max;
    parts.truncate(max);
    let mut out = Document::new();
    out.root("ListPartsResult", NAMESPACE, |out| {
        out.text("Bucket", &ask.bucket).text("Key", &ask.key);
        out.text("UploadId", ask.parameter("uploadId").unwrap_or_default());
        owner(out, "Initiator", &account);
        owner(out, "Owner", &account);
        out.text("StorageClass", object::class(&upload.headers)).text("PartNumberMarker", marker);
        out.text("NextPartNumberMarker", parts.last().map_or(0, |(number, _)| **number));
        out.text("MaxParts", max).text("IsTruncated", is_truncated);
        if let Some((algorithm, is_composite)) = upload.checksum {
            out.text("ChecksumAlgorithm", algorithm.name());
            out.text("ChecksumType", if is_composite { "COMPOSITE" } else { "FULL_OBJECT" });
        }
        for (number, part) in parts {
            out.element("Part", |out| {
                out.text("PartNumber", number).text("LastModified", iso(part.modified));
                out.text("ETag", format!("\"{}\"", part.etag)).text("Size", part.body.len());
                out.text(&part.checksum.algorithm.element(), &part.checksum.value);
            });
        }
    });
    Ok(xml(out))
}

/// `ListMultipartUploads`, by key and then by age.
pub fn list_uploads(world: &World, ask: &Ask) -> Reply {
    let cut = super::list::Cut::of(ask, "max-uploads")?;
    let after =
        (ask.parameter("key-marker").unwrap_or_default(), ask.parameter("upload-id-marker").unwrap_or_default());
    let mut state = world.lock();
    let bucket = state.s3.bucket(&ask.bucket)?;
    let mut uploads: Vec<(&str, (&str, &Upload))> =
        bucket.uploads.iter().map(|(id, upload)| (upload.key.as_str(), (id.as_str(), upload))).collect();
    uploads.sort_by_key(|(key, (id, upload))| (*key, upload.initiated, *id));
    let at = uploads.iter().position(|(key, (id, _))| (*key, *id) == after);
    let start =
        at.map_or_else(|| uploads.partition_point(|(key, _)| *key <= after.0 && !after.0.is_empty()), |at| at + 1);
    let page = cut.page(uploads[start..].iter().copied(), Some(after.0).filter(|_| after.1.is_empty()));
    let mut out = Document::new();
    out.root("ListMultipartUploadsResult", NAMESPACE, |out| {
        out.text("Bucket", &ask.bucket).text("KeyMarker", cut.key(after.0)).text("UploadIdMarker", after.1);
        if let Some(last) = page.last().filter(|_| page.is_truncated) {
            out.text("NextKeyMarker", cut.key(last));
        }
        if let Some(super::list::Entry::Key(_, (id, _))) = page.entries.last().filter(|_| page.is_truncated) {
            out.text("NextUploadIdMarker", id);
        }
        cut.head(out, ask, "MaxUploads", page.is_truncated);
        for entry in &page.entries {
            let super::list::Entry::Key(key, (id, upload)) = entry else { continue };
            out.element("Upload", |out| {
                out.text("Key", cut.key(key)).text("UploadId", id);
                owner(out, "Initiator", &bucket.account);
                owner(out, "Owner", &bucket.account);
                out.text("StorageClass", object::class(&upload.headers)).text("Initiated", iso(upload.initiated));
            });
        }
        cut.prefixes(out, &page);
    });
    Ok(xml(out))
}
