//! A bundle from one store into another, which may be in another account and region: read with the one's credentials,
//! written with the other's, and not believed on the way. At no time is more than a few parts of it in memory.

use std::time::Duration;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures_util::stream;
use sha2::{Digest, Sha256};

use super::error::StoreError;
use super::journal::hex;
use super::keys::Keys;
use super::objects::{Bucket, failed};
use super::upload::{ONE_PIECE_MAX, PART, patient, put_if_absent, put_one, put_parts};
use crate::aws::{AwsError, Class};
use crate::model::Revision;

/// How often a part whose download breaks off is fetched again.
const TRIES: u32 = 4;

/// The bundle of this hash in a store, and its size; `None` if it is not there.
///
/// # Errors
/// What S3 says; an object that is something else.
pub async fn look(bucket: &Bucket, key: &str, sha256: &str) -> Result<Option<(Revision, u64)>, StoreError> {
    let head = match bucket.client().head_object().bucket(bucket.name()).key(key).send().await {
        Ok(head) => head,
        Err(error) if error.code() == Some("NotFound") => return Ok(None),
        Err(error) => return Err(failed("HeadObject", error)),
    };
    let size = head.content_length().and_then(|length| u64::try_from(length).ok()).unwrap_or(0);
    let found = super::upload::find(bucket, key, sha256, size).await?;
    Ok(found.map(|revision| (revision, size)))
}

/// Puts the bundle at `revision` into another store unless it is there, and gives where it lies.
///
/// # Errors
/// What S3 says on either side; bytes that are not the bundle's.
pub async fn copy(
    from: &Bucket,
    revision: &Revision,
    (sha256, size): (&str, u64),
    to: &Bucket,
    keys: &Keys,
) -> Result<Revision, StoreError> {
    put_if_absent(to, &keys.artifact(sha256), (sha256, size), async |key| {
        if size <= ONE_PIECE_MAX {
            let bytes = range(from, revision, 0, size).await?;
            is_it(from, revision, sha256, Sha256::new_with_prefix(&bytes))?;
            return put_one(to, key, sha256, ByteStream::from(bytes)).await;
        }
        // One after the other, because a hash is; they go out side by side.
        let parts = stream::try_unfold((0, Sha256::new()), |(offset, mut hash)| async move {
            if offset >= size {
                // Before the upload is completed: what is something else never gets to lie there.
                return is_it(from, revision, sha256, hash).map(|()| None);
            }
            let length = PART.min(size - offset);
            let bytes = range(from, revision, offset, length).await?;
            hash.update(&bytes);
            Ok(Some((bytes, (offset + length, hash))))
        });
        put_parts(to, key, sha256, parts).await
    })
    .await
}

fn is_it(from: &Bucket, revision: &Revision, sha256: &str, hash: Sha256) -> Result<(), StoreError> {
    if hex(&hash.finalize()) == sha256 {
        return Ok(());
    }
    Err(from.corrupt(&revision.key, "does not hold the bundle that its name says; nothing was copied"))
}

/// Bytes of a bundle, of exactly the version that was looked at.
async fn range(from: &Bucket, revision: &Revision, offset: u64, length: u64) -> Result<Bytes, StoreError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match fetch(from, revision, offset, length).await {
            Err(StoreError::Aws(error)) if error.is_weather() && tries < TRIES => {
                tokio::time::sleep(Duration::from_secs(1 << tries)).await;
            }
            other => return other,
        }
    }
}

async fn fetch(from: &Bucket, revision: &Revision, offset: u64, length: u64) -> Result<Bytes, StoreError> {
    let request = from
        .client()
        .get_object()
        .bucket(from.name())
        .key(&revision.key)
        .set_version_id(revision.version.clone())
        .set_if_match(revision.etag.as_ref().map(|etag| format!("\"{etag}\"")))
        .set_range((length > 0).then(|| format!("bytes={offset}-{}", offset + length - 1)));
    let answer = request.customize().config_override(patient()).send().await;
    let answer = answer.map_err(|error| failed("GetObject", error))?;
    let broke_off = |why: String| AwsError::new(("s3", "GetObject"), Class::Transient, format!("broke off: {why}"));
    if answer.content_length().and_then(|length| u64::try_from(length).ok()) != Some(length) {
        return Err(from.corrupt(&revision.key, "has another size than it had a moment ago"));
    }
    let bytes = answer.body.collect().await.map_err(|error| broke_off(error.to_string()))?.into_bytes();
    if bytes.len() as u64 != length {
        return Err(broke_off(format!("{} of {length} bytes", bytes.len())).into());
    }
    Ok(bytes)
}
