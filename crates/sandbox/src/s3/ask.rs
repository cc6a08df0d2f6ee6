//! What a request to S3 asks for: which operation on which bucket and key.

use bytes::Bytes;
use http::{Method, Request};

use super::{Error, allow};
use crate::wire::percent;
use crate::wire::signature::{self, Seed};

/// The operations that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    ListBuckets,
    CreateBucket,
    HeadBucket,
    DeleteBucket,
    GetBucketLocation,
    GetBucketVersioning,
    PutBucketVersioning,
    GetBucketTagging,
    PutBucketTagging,
    DeleteBucketTagging,
    ListObjects,
    ListObjectsV2,
    ListObjectVersions,
    ListMultipartUploads,
    DeleteObjects,
    PutObject,
    CopyObject,
    GetObject,
    GetObjectAttributes,
    HeadObject,
    DeleteObject,
    GetObjectTagging,
    PutObjectTagging,
    DeleteObjectTagging,
    CreateMultipartUpload,
    UploadPart,
    UploadPartCopy,
    CompleteMultipartUpload,
    AbortMultipartUpload,
    ListParts,
}

impl Operation {
    /// Its name in the API.
    pub fn name(self) -> String {
        format!("{self:?}")
    }
}

/// A request, taken apart.
pub struct Ask<'a> {
    /// As it came.
    pub request: &'a Request<Bytes>,
    /// What it asks for.
    pub operation: Operation,
    /// The bucket; empty for `ListBuckets`.
    pub bucket: String,
    /// The key; empty for operations on buckets.
    pub key: String,
    /// The caller's account.
    pub account: String,
    /// The region that the caller signed for.
    pub region: String,
    /// What chunk signatures build on.
    pub seed: Option<Seed>,
    query: Vec<(String, String)>,
}

impl<'a> Ask<'a> {
    /// Takes a request apart, path-style or with the bucket in the authority.
    ///
    /// # Errors
    /// The path is no text, or the operation is not there.
    pub fn new(request: &'a Request<Bytes>, authority: &str, account: &str, region: &str) -> Result<Ask<'a>, Error> {
        let bad = |_| Error::new(400, "InvalidURI", "Couldn't parse the specified URI.");
        let path = String::from_utf8(percent::decode(request.uri().path())).map_err(bad)?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key) = match virtual_bucket(authority) {
            Some(bucket) => (bucket, path),
            None => path.split_once('/').unwrap_or((path, "")),
        };
        if key.len() > 1024 {
            return Err(Error::new(400, "KeyTooLongError", "Your key is too long")
                .with("Size", &key.len().to_string())
                .with("MaxSizeAllowed", "1024"));
        }
        let query: Vec<_> = percent::pairs(request.uri().query().unwrap_or_default()).collect();
        let route =
            Route { method: request.method(), query: &query, is_copy: request.headers().contains_key(COPY_SOURCE) };
        let operation = match (bucket.is_empty(), key.is_empty()) {
            (true, _) => route.service(),
            (false, true) => route.bucket(),
            (false, false) => route.object(),
        };
        let operation = operation.ok_or_else(|| route.unknown())?;
        allow::check(operation, &query, request)?;
        Ok(Ask {
            request,
            operation,
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            account: account.to_owned(),
            region: region.to_owned(),
            seed: None,
            query,
        })
    }

    /// The same with the signature that chunks of the body build on.
    #[must_use]
    pub fn signed_with(mut self, seed: Seed) -> Ask<'a> {
        self.seed = Some(seed);
        self
    }

    /// What it is about: `bucket/key`.
    pub fn resource(&self) -> String {
        let slash = if self.key.is_empty() { "" } else { "/" };
        format!("{}{slash}{}", self.bucket, self.key)
    }

    /// A parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The text of a header. Presigned URLs may have those of S3's own in the query instead.
    pub fn header(&self, name: &str) -> Option<String> {
        let hoisted = || self.query.iter().find(|(key, _)| is_hoisted(key) && key.eq_ignore_ascii_case(name));
        signature::text(self.request, name).or_else(|| hoisted().map(|(_, value)| value.clone()))
    }

    /// The names of all headers, lower-case, also of those in the query.
    pub fn header_names(&self) -> Vec<String> {
        let hoisted = self.query.iter().map(|(key, _)| key).filter(|key| is_hoisted(key));
        let names = self.request.headers().keys().map(|name| name.as_str().to_owned());
        names.chain(hoisted.map(|key| key.to_ascii_lowercase())).collect()
    }

    /// Which version the request names.
    pub fn version(&self) -> Option<&str> {
        self.parameter("versionId")
    }
}

/// Whether a member of the query is a header of S3's own.
fn is_hoisted(key: &str) -> bool {
    key.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("x-amz-"))
}

/// Says where a copy comes from.
pub const COPY_SOURCE: &str = "x-amz-copy-source";

/// The bucket in `bucket.s3.region.amazonaws.com` or `bucket.localhost:port`.
fn virtual_bucket(authority: &str) -> Option<&str> {
    let host =
        authority.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(authority, |(host, _)| host);
    if host.starts_with("s3.") || host.starts_with("s3-") {
        return None;
    }
    let at = host.rfind(".s3.").or_else(|| host.rfind(".s3-").filter(|_| host.contains(".amazonaws.com")));
    at.map(|at| &host[..at]).or_else(|| host.strip_suffix(".localhost")).filter(|bucket| !bucket.is_empty())
}

struct Route<'a> {
    method: &'a Method,
    query: &'a [(String, String)],
    is_copy: bool,
}

impl Route<'_> {
    fn has(&self, name: &str) -> bool {
        self.query.iter().any(|(key, _)| key == name)
    }

    fn unknown(&self) -> Error {
        // What has no operation, but a subresource: one that is not there.
        if let Some((name, _)) = self.query.iter().find(|(name, value)| value.is_empty() && !name.starts_with("x-")) {
            return Error::not_implemented(name, None);
        }
        Error::new(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
            .with("Method", self.method.as_str())
            .with("ResourceType", "OBJECT")
    }

    fn service(&self) -> Option<Operation> {
        (self.method == Method::GET).then_some(Operation::ListBuckets)
    }

    fn bucket(&self) -> Option<Operation> {
        use Operation as O;
        let tagging = self.has("tagging");
        Some(match *self.method {
            Method::GET if self.has("location") => O::GetBucketLocation,
            Method::GET if self.has("versioning") => O::GetBucketVersioning,
            Method::GET if tagging => O::GetBucketTagging,
            Method::GET if self.has("versions") => O::ListObjectVersions,
            Method::GET if self.has("uploads") => O::ListMultipartUploads,
            Method::GET if self.query.iter().any(|(key, value)| key == "list-type" && value == "2") => O::ListObjectsV2,
            Method::GET => O::ListObjects,
            Method::PUT if self.has("versioning") => O::PutBucketVersioning,
            Method::PUT if tagging => O::PutBucketTagging,
            Method::PUT => O::CreateBucket,
            Method::HEAD => O::HeadBucket,
            Method::DELETE if tagging => O::DeleteBucketTagging,
            Method::DELETE => O::DeleteBucket,
            Method::POST if self.has("delete") => O::DeleteObjects,
            _ => return None,
        })
    }

    fn object(&self) -> Option<Operation> {
        use Operation as O;
        let (upload, tagging) = (self.has("uploadId"), self.has("tagging"));
        Some(match *self.method {
            Method::GET if upload => O::ListParts,
            Method::GET if tagging => O::GetObjectTagging,
            Method::GET if self.has("attributes") => O::GetObjectAttributes,
            Method::GET => O::GetObject,
            Method::HEAD => O::HeadObject,
            Method::PUT if upload && self.is_copy => O::UploadPartCopy,
            Method::PUT if upload => O::UploadPart,
            Method::PUT if tagging => O::PutObjectTagging,
            Method::PUT if self.is_copy => O::CopyObject,
            Method::PUT => O::PutObject,
            Method::POST if self.has("uploads") => O::CreateMultipartUpload,
            Method::POST if upload => O::CompleteMultipartUpload,
            Method::DELETE if upload => O::AbortMultipartUpload,
            Method::DELETE if tagging => O::DeleteObjectTagging,
            Method::DELETE => O::DeleteObject,
            _ => return None,
        })
    }
}
