//! S3: an own layer over REST and XML.
//!
//! Bodies are read and hashed without the lock; what a write demands is checked under the same lock as the write, so of
//! two conditional writes at most one succeeds.

mod allow;
mod ask;
mod attributes;
mod body;
mod bucket;
mod checksum;
mod complete;
mod condition;
mod copy;
mod delete;
mod error;
mod list;
mod multipart;
mod object;
mod read;
mod store;
mod tagging;
mod versions;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::Timestamp;

use super::wire::xml::Document;
use super::world::{ApiError, World};

pub(super) use ask::{Ask, Operation};
pub(super) use body::{MAX_SIZE, too_large};
pub(super) use error::{Error, refuse};
pub use store::{Bucket, Object, Store, Versioning};

/// What an operation returns.
type Reply = Result<Response<Bytes>, Error>;

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
const VERSION_ID: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";

/// Runs what a request asks for.
pub(super) fn answer(world: &World, ask: &Ask, id: u128) -> Response<Bytes> {
    match bucket::check_reach(world, ask).and_then(|()| run(world, ask)) {
        Ok(mut response) => {
            error::name(&mut response, id);
            response
        }
        Err(error) => refuse(ask.request, error, id),
    }
}

fn run(world: &World, ask: &Ask) -> Reply {
    match ask.operation {
        Operation::ListBuckets => bucket::list(world, ask),
        Operation::CreateBucket => bucket::create(world, ask),
        Operation::HeadBucket => bucket::head(world, ask),
        Operation::DeleteBucket => bucket::delete(world, ask),
        Operation::GetBucketLocation => bucket::location(world, ask),
        Operation::GetBucketVersioning => bucket::versioning(world, ask),
        Operation::PutBucketVersioning => bucket::put_versioning(world, ask),
        Operation::GetBucketTagging | Operation::GetObjectTagging => tagging::get(world, ask),
        Operation::PutBucketTagging | Operation::PutObjectTagging => tagging::put(world, ask),
        Operation::DeleteBucketTagging | Operation::DeleteObjectTagging => tagging::delete(world, ask),
        Operation::ListObjects => list::v1(world, ask),
        Operation::ListObjectsV2 => list::v2(world, ask),
        Operation::ListObjectVersions => versions::list(world, ask),
        Operation::ListMultipartUploads => multipart::list_uploads(world, ask),
        Operation::DeleteObjects => delete::many(world, ask),
        Operation::PutObject => object::put(world, ask),
        Operation::CopyObject => copy::object(world, ask),
        Operation::GetObject | Operation::HeadObject => read::get(world, ask),
        Operation::GetObjectAttributes => attributes::get(world, ask),
        Operation::DeleteObject => delete::one(world, ask),
        Operation::CreateMultipartUpload => multipart::create(world, ask),
        Operation::UploadPart => multipart::upload(world, ask),
        Operation::UploadPartCopy => copy::part(world, ask),
        Operation::CompleteMultipartUpload => complete::complete(world, ask),
        Operation::AbortMultipartUpload => multipart::abort(world, ask),
        Operation::ListParts => multipart::list_parts(world, ask),
    }
}

/// Reads an object and its ETag as a host of this account with an instance profile would; the place is a bucket, a key and
/// a version.
///
/// # Errors
/// The service's error code and message.
pub fn fetch(
    world: &World,
    account: &str,
    (bucket, key, version): (&str, &str, Option<&str>),
) -> Result<(Bytes, String), ApiError> {
    let mut state = world.lock();
    let bucket = state.s3.bucket(bucket)?;
    bucket.check_owner(account)?;
    let (_, object) = bucket.version(key, version, "GET")?;
    Ok((object.body.clone(), object.etag.clone()))
}

/// An answer with an XML body.
fn xml(document: Document) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(document.finish()));
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/xml"));
    response
}

/// An answer without a body.
fn bare(status: u16) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    response
}

/// Sets a header; a value that cannot be one is left out.
fn set(response: &mut Response<Bytes>, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(name), http::HeaderValue::try_from(value)) {
        response.headers_mut().insert(name, value);
    }
}

/// A moment as S3 lists have it.
fn iso(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

/// Twelve digits as the canonical id that S3 shows as an owner.
fn owner(out: &mut Document, name: &str, account: &str) {
    out.element(name, |out| {
        out.text("ID", super::wire::signature::digest(account.as_bytes()));
    });
}
