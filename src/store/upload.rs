//! Bundles into the bucket, under their content's hash: put if absent, verified by S3 itself, pinned to a version.

use std::path::Path;
use std::time::Duration;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use aws_smithy_types::timeout::TimeoutConfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};

use super::error::StoreError;
use super::keys::Keys;
use super::objects::{Bucket, failed};
use crate::artifact::bundle::{Bundle, Source};
use crate::model::Revision;

/// Up to this size a bundle goes in one piece.
pub(super) const ONE_PIECE_MAX: u64 = 64 * 1024 * 1024;

/// The size of a part, and how many travel at once.
pub(super) const PART: u64 = 16 * 1024 * 1024;
const AT_ONCE: usize = 4;

/// The metadata that holds the content's hash.
const SHA256: &str = "sha256";

/// Puts a bundle if it is not there yet, and gives where it lies.
///
/// # Errors
/// What S3 says; an object at that key that is not this bundle.
pub async fn put(bucket: &Bucket, keys: &Keys, bundle: &Bundle) -> Result<Revision, StoreError> {
    put_if_absent(bucket, &keys.artifact(&bundle.sha256), (&bundle.sha256, bundle.size), async |key| {
        if bundle.size <= ONE_PIECE_MAX {
            let body = match &bundle.source {
                Source::Memory(bytes) => ByteStream::from(bytes.clone()),
                Source::File(file) => from_file(bucket, key, file, 0, bundle.size).await?,
            };
            return put_one(bucket, key, &bundle.sha256, body).await;
        }
        let parts = stream::iter(0..bundle.size.div_ceil(PART)).then(|place| part_of(bucket, key, bundle, place));
        put_parts(bucket, key, &bundle.sha256, parts).await
    })
    .await
}

/// Puts what is not there yet, in whichever way, and gives where it lies.
///
/// # Errors
/// What S3 says; an object at that key that is something else.
pub(super) async fn put_if_absent(
    bucket: &Bucket,
    key: &str,
    (sha256, size): (&str, u64),
    put: impl AsyncFnOnce(&str) -> Result<(), StoreError>,
) -> Result<Revision, StoreError> {
    if let Some(found) = find(bucket, key, sha256, size).await? {
        return Ok(found);
    }
    let put = put(key).await;
    match (find(bucket, key, sha256, size).await, put) {
        // Whoever put it, and whatever became of our answer: it is there.
        (Ok(Some(found)), _) => Ok(found),
        (_, Err(error)) | (Err(error), _) => Err(error),
        (Ok(None), Ok(())) => Err(bucket.corrupt(key, "vanished after it was put")),
    }
}

/// The bundle at a key, if there is one; it must be the one that the key says.
///
/// # Errors
/// What S3 says; an object that is something else.
pub async fn find(bucket: &Bucket, key: &str, sha256: &str, size: u64) -> Result<Option<Revision>, StoreError> {
    let head = match bucket.client().head_object().bucket(bucket.name()).key(key).send().await {
        Ok(head) => head,
        Err(error) if error.code() == Some("NotFound") => return Ok(None),
        Err(error) => return Err(failed("HeadObject", error)),
    };
    let has = head.metadata().and_then(|metadata| metadata.get(SHA256)).map(String::as_str);
    if head.content_length().and_then(|length| u64::try_from(length).ok()) != Some(size) || has != Some(sha256) {
        return Err(bucket.corrupt(key, "is not the bundle that its name says; delete it and deploy again"));
    }
    Ok(Some(Revision {
        bucket: bucket.name().to_owned(),
        key: key.to_owned(),
        version: head.version_id().filter(|version| *version != "null").map(str::to_owned),
        etag: head.e_tag().map(|etag| etag.trim_matches('"').to_owned()),
    }))
}

/// Puts a bundle in one piece; S3 checks that it is what its hash says.
///
/// # Errors
/// What S3 says. That it is there already is none.
pub(super) async fn put_one(bucket: &Bucket, key: &str, sha256: &str, body: ByteStream) -> Result<(), StoreError> {
    let request = bucket
        .client()
        .put_object()
        .bucket(bucket.name())
        .key(key)
        .if_none_match("*")
        .metadata(SHA256, sha256)
        .content_type("application/zip")
        .checksum_sha256(base64_of(sha256))
        .body(body);
    match request.customize().config_override(patient()).send().await {
        Ok(_) => Ok(()),
        Err(error) if is_there_already(error.code()) => Ok(()),
        Err(error) => Err(failed("PutObject", error)),
    }
}

/// Puts a bundle part by part as the parts come; nothing is there before the last of them is, and nothing if one fails.
///
/// # Errors
/// What S3 says; what the parts' source says.
pub(super) async fn put_parts(
    bucket: &Bucket,
    key: &str,
    sha256: &str,
    parts: impl Stream<Item = Result<Bytes, StoreError>>,
) -> Result<(), StoreError> {
    let created = bucket
        .client()
        .create_multipart_upload()
        .bucket(bucket.name())
        .key(key)
        .metadata(SHA256, sha256)
        .content_type("application/zip")
        .checksum_algorithm(ChecksumAlgorithm::Sha256)
        .send()
        .await
        .map_err(|error| failed("CreateMultipartUpload", error))?;
    let upload = created.upload_id().unwrap_or_default();
    let result = upload_all(bucket, key, upload, parts).await;
    if result.is_err() {
        // Parts that stay behind cost money; a lifecycle rule takes what this misses.
        let abort = bucket.client().abort_multipart_upload().bucket(bucket.name()).key(key).upload_id(upload);
        let _ = abort.send().await;
    }
    result
}

async fn upload_all(
    bucket: &Bucket,
    key: &str,
    upload: &str,
    parts: impl Stream<Item = Result<Bytes, StoreError>>,
) -> Result<(), StoreError> {
    let numbered = parts.enumerate();
    let sent = numbered.map(|(place, bytes)| async move {
        let number = i32::try_from(place + 1).unwrap_or(i32::MAX);
        upload_part(bucket, key, upload, number, bytes?).await
    });
    let parts: Vec<CompletedPart> = sent.buffered(AT_ONCE).try_collect().await?;
    let completed = bucket
        .client()
        .complete_multipart_upload()
        .bucket(bucket.name())
        .key(key)
        .upload_id(upload)
        .if_none_match("*")
        .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
        .send()
        .await;
    match completed {
        Ok(_) => Ok(()),
        Err(error) if is_there_already(error.code()) => Err(bucket.corrupt(key, "was put by somebody else meanwhile")),
        Err(error) => Err(failed("CompleteMultipartUpload", error)),
    }
}

async fn upload_part(
    bucket: &Bucket,
    key: &str,
    upload: &str,
    number: i32,
    bytes: Bytes,
) -> Result<CompletedPart, StoreError> {
    let sum = BASE64.encode(Sha256::digest(&bytes));
    let part = bucket
        .client()
        .upload_part()
        .bucket(bucket.name())
        .key(key)
        .upload_id(upload)
        .part_number(number)
        .checksum_sha256(&sum)
        .body(ByteStream::from(bytes))
        .customize()
        .config_override(patient())
        .send()
        .await
        .map_err(|error| failed("UploadPart", error))?;
    Ok(CompletedPart::builder()
        .part_number(number)
        .set_e_tag(part.e_tag().map(str::to_owned))
        .checksum_sha256(sum)
        .build())
}

async fn part_of(bucket: &Bucket, key: &str, bundle: &Bundle, place: u64) -> Result<Bytes, StoreError> {
    let (offset, length) = (place * PART, PART.min(bundle.size - place * PART));
    Ok(match &bundle.source {
        Source::Memory(bytes) => bytes.slice(to_index(offset)..to_index(offset + length)),
        Source::File(file) => {
            let stream = from_file(bucket, key, file, offset, length).await?;
            let read = stream.collect().await.map_err(|error| bucket.corrupt(key, &error.to_string()))?;
            read.into_bytes()
        }
    })
}

async fn from_file(
    bucket: &Bucket,
    key: &str,
    path: &Path,
    offset: u64,
    length: u64,
) -> Result<ByteStream, StoreError> {
    ByteStream::read_from()
        .path(path)
        .offset(offset)
        .length(Length::Exact(length))
        .build()
        .await
        .map_err(|error| bucket.corrupt(key, &format!("{} cannot be read: {error}", path.display())))
}

/// Uploads take longer than other calls: a part has five minutes.
pub(super) fn patient() -> aws_sdk_s3::config::Builder {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(Duration::from_secs(300))
        .operation_timeout(Duration::from_secs(1200))
        .build();
    aws_sdk_s3::Config::builder().timeout_config(timeouts)
}

fn is_there_already(code: Option<&str>) -> bool {
    matches!(code, Some("PreconditionFailed" | "ConditionalRequestConflict"))
}

fn base64_of(hex: &str) -> String {
    let byte = |place: usize| hex.get(place..place + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    BASE64.encode((0..hex.len()).step_by(2).filter_map(byte).collect::<Vec<u8>>())
}

fn to_index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
