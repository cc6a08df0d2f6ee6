//! Objects in S3, with the conditional writes that everything else here is built on.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::put_object::PutObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ServerSideEncryption;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use bytes::Bytes;
use md5::{Digest, Md5};

use super::error::StoreError;
use super::journal::hex;
use crate::aws::{AwsError, Class};

/// Most bytes of an object of ours that are read: plans and journals are far smaller.
const READ_MAX: i64 = 16 * 1024 * 1024;

/// How often a write is tried again after a conflict (409), which the SDK does not do.
const CONFLICT_TRIES: u32 = 6;
/// How often a call is made again that somebody between us and S3 answered.
const FOREIGN_TRIES: u32 = 3;
/// How often an object is read and written anew because somebody else was faster.
pub(super) const WRITES: u32 = 20;

/// A bucket as shipit uses it.
#[derive(Clone, Debug)]
pub struct Bucket {
    client: Client,
    name: String,
}

/// An object that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// What it holds.
    pub bytes: Bytes,
    /// For the next conditional write.
    pub etag: String,
}

/// How a conditional write went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is ours; the new ETag.
    Done(String),
    /// Somebody else's object is there.
    Lost,
}

impl Bucket {
    /// A bucket through a client.
    pub fn new(client: Client, name: &str) -> Bucket {
        Bucket { client, name: name.to_owned() }
    }

    /// The SDK's client, for uploads.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The bucket's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads an object; `None` if there is none.
    ///
    /// # Errors
    /// What S3 says, and objects over 16 MiB.
    pub async fn get(&self, key: &str) -> Result<Option<Object>, StoreError> {
        for attempt in 0.. {
            match self.get_once(key).await {
                Err(StoreError::Aws(error)) if error.class == Class::Transient && attempt < FOREIGN_TRIES => {
                    tokio::time::sleep(Duration::from_millis(200 << attempt)).await;
                }
                got => return got,
            }
        }
        Ok(None)
    }

    async fn get_once(&self, key: &str) -> Result<Option<Object>, StoreError> {
        let answer = match self.client.get_object().bucket(&self.name).key(key).send().await {
            Ok(answer) => answer,
            Err(error) if error.code() == Some("NoSuchKey") => return Ok(None),
            Err(error) => return Err(failed("GetObject", error)),
        };
        if answer.content_length().unwrap_or(0) > READ_MAX {
            return Err(self.corrupt(key, "is larger than anything shipit writes there"));
        }
        let etag = answer.e_tag().ok_or_else(|| foreign("GetObject"))?.to_owned();
        let broke_off = |error| AwsError::new(("s3", "GetObject"), Class::Transient, format!("broke off: {error}"));
        let bytes = answer.body.collect().await.map_err(broke_off)?;
        Ok(Some(Object { bytes: bytes.into_bytes(), etag }))
    }

    /// Writes an object unless there is one. The body must be unlike any other (a nonce): that is how a write whose
    /// answer was lost is recognised.
    ///
    /// # Errors
    /// What S3 says, and bodies over 16 MiB.
    pub async fn put_if_absent(&self, key: &str, body: Bytes) -> Result<Put, StoreError> {
        self.put(key, body, None).await
    }

    /// Replaces an object if it still is the one with this ETag.
    ///
    /// # Errors
    /// What S3 says.
    pub async fn put_if_match(&self, key: &str, body: Bytes, etag: &str) -> Result<Put, StoreError> {
        self.put(key, body, Some(etag)).await
    }

    async fn put(&self, key: &str, body: Bytes, etag: Option<&str>) -> Result<Put, StoreError> {
        if i64::try_from(body.len()).map_or(true, |length| length > READ_MAX) {
            // Nobody could read it back.
            return Err(self.corrupt(key, "would be larger than 16 MiB; divide the pipeline into several"));
        }
        let mut foreign_answers = 0;
        for attempt in 0.. {
            let put = self.client.put_object().bucket(&self.name).key(key).content_type("application/json");
            let put = match etag {
                None => put.if_none_match("*"),
                Some(etag) => put.if_match(etag),
            };
            let error = match put.body(ByteStream::from(body.clone())).send().await {
                Ok(answer) => match proof(&answer, &body) {
                    Some(etag) => return Ok(Put::Done(etag)),
                    None => match self.look(key, &body, etag).await? {
                        Some(put) => return Ok(put),
                        None if foreign_answers < FOREIGN_TRIES => {
                            foreign_answers += 1;
                            tokio::time::sleep(Duration::from_millis(200 << foreign_answers)).await;
                            continue;
                        }
                        None => return Err(foreign("PutObject").into()),
                    },
                },
                Err(error) => error,
            };
            match error.code() {
                // A write of the same key was under way: look again in a moment.
                Some("ConditionalRequestConflict") if attempt < CONFLICT_TRIES => {
                    tokio::time::sleep(Duration::from_millis(50 << attempt)).await;
                }
                // 412, or 404 where an object was expected: somebody else's, or our own write whose answer was lost.
                Some("PreconditionFailed" | "NoSuchKey" | "ConditionalRequestConflict") => {
                    return self.is_ours(key, &body).await;
                }
                // The answer may have been lost after the effect, or be somebody else's in S3's place.
                _ => {
                    let error = failed("PutObject", error);
                    let is_lost = matches!(&error, StoreError::Aws(error) if error.class == Class::Unknown);
                    match self.look(key, &body, etag).await {
                        Ok(Some(put)) => return Ok(put),
                        Ok(None) if is_lost && foreign_answers < FOREIGN_TRIES => {
                            foreign_answers += 1;
                            tokio::time::sleep(Duration::from_millis(200 << foreign_answers)).await;
                        }
                        Ok(None) | Err(_) => return Err(error),
                    }
                }
            }
        }
        Ok(Put::Lost)
    }

    /// What became of a write whose answer proves nothing; `None` if nothing was written.
    async fn look(&self, key: &str, body: &Bytes, before: Option<&str>) -> Result<Option<Put>, StoreError> {
        Ok(match self.get(key).await? {
            Some(object) if object.bytes == *body => Some(Put::Done(object.etag)),
            Some(object) if Some(object.etag.as_str()) == before => None,
            Some(_) => Some(Put::Lost),
            None => None,
        })
    }

    async fn is_ours(&self, key: &str, body: &Bytes) -> Result<Put, StoreError> {
        Ok(match self.get(key).await? {
            Some(object) if object.bytes == *body => Put::Done(object.etag),
            Some(_) | None => Put::Lost,
        })
    }

    /// The keys below a prefix, in byte order.
    ///
    /// # Errors
    /// What S3 says.
    pub async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let mut keys: Vec<String> = Vec::new();
        loop {
            let (more, is_last) = self.page(prefix, keys.last().map(String::as_str)).await?;
            keys.extend(more);
            if is_last {
                return Ok(keys);
            }
        }
    }

    /// At most a thousand keys below a prefix, in byte order, those after a key if one is given; and whether they are the
    /// last ones.
    ///
    /// # Errors
    /// What S3 says.
    pub async fn page(&self, prefix: &str, after: Option<&str>) -> Result<(Vec<String>, bool), StoreError> {
        let request = self.client.list_objects_v2().bucket(&self.name).prefix(prefix);
        let page = request.set_start_after(after.map(str::to_owned)).send().await;
        let page = page.map_err(|error| failed("ListObjectsV2", error))?;
        let is_cut = page.is_truncated().ok_or_else(|| foreign("ListObjectsV2"))?;
        let keys: Vec<String> = page.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect();
        let is_last = !is_cut || keys.is_empty();
        Ok((keys, is_last))
    }

    /// The names directly below a prefix that ends in `/`, of things that have something below them.
    ///
    /// # Errors
    /// What S3 says.
    pub async fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.folders_from(prefix, None).await
    }

    /// The same from a name on.
    ///
    /// # Errors
    /// What S3 says.
    pub async fn folders_from(&self, prefix: &str, from: Option<&str>) -> Result<Vec<String>, StoreError> {
        let mut names = Vec::new();
        let request = self.client.list_objects_v2().bucket(&self.name).prefix(prefix).delimiter("/");
        let request = request.set_start_after(from.map(|name| format!("{prefix}{name}")));
        let mut pages = request.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed("ListObjectsV2", error))?;
            page.is_truncated().ok_or_else(|| foreign("ListObjectsV2"))?;
            let found = page.common_prefixes().iter().filter_map(|common| common.prefix());
            names.extend(found.filter_map(|it| it.strip_prefix(prefix)).map(|it| it.trim_end_matches('/').to_owned()));
        }
        Ok(names)
    }

    /// Says that somebody else was always faster.
    pub(super) fn contended(&self, key: &str) -> StoreError {
        let why = format!("others wrote s3://{}/{key} {WRITES} times in a row; try again", self.name);
        AwsError::new(("s3", "PutObject"), Class::Transient, why).into()
    }
}

/// The ETag of an answer that proves by it that this body was written: S3 says the body's MD5 wherever it does not encrypt
/// with a key of KMS or of the customer, and says so where it does. Whoever answers in its place has none, or another one.
fn proof(answer: &PutObjectOutput, body: &Bytes) -> Option<String> {
    let etag = answer.e_tag()?;
    let is_md5 = etag.trim_matches('"') == hex(&Md5::digest(body));
    let by_kms = matches!(
        answer.server_side_encryption(),
        Some(ServerSideEncryption::AwsKms | ServerSideEncryption::AwsKmsDsse)
    );
    (is_md5 || by_kms || answer.sse_customer_algorithm().is_some()).then(|| etag.to_owned())
}

/// An answer that S3 does not give: it always says what is missing in it.
pub(super) fn foreign(operation: &'static str) -> AwsError {
    AwsError::new(
        ("s3", operation),
        Class::Transient,
        "was answered, but not by S3: the answer lacks what S3 always says",
    )
}

/// An SDK error as ours.
pub(super) fn failed<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    StoreError::Aws(crate::aws::failed(("s3", operation))(error))
}
