//! What operations read of a request's query and headers. Anything else could change the meaning of the request, and the
//! next subresource of S3 would be taken for a plain read or write; so it is refused.

use http::Request;

use super::Error;
use super::ask::Operation;

/// Members of any query: those of signatures, what SDKs say of themselves, and what access logs are told.
fn is_common(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    const SIGNATURES: [&str; 8] = [
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-signedheaders",
        "x-amz-signature",
        "x-amz-security-token",
        "x-amz-content-sha256",
    ];
    SIGNATURES.contains(&lower.as_str()) || (lower.starts_with("x-") && !lower.starts_with("x-amz-"))
}

/// The subresource and the parameters of an operation.
fn query(operation: Operation) -> &'static [&'static str] {
    use Operation as O;
    const READ: &[&str] = &[
        "partNumber",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
        "versionId",
    ];
    match operation {
        O::ListBuckets => &["bucket-region", "continuation-token", "max-buckets", "prefix"],
        O::CreateBucket | O::HeadBucket | O::DeleteBucket | O::PutObject | O::CopyObject => &[],
        O::GetBucketLocation => &["location"],
        O::GetBucketVersioning | O::PutBucketVersioning => &["versioning"],
        O::GetBucketTagging | O::PutBucketTagging | O::DeleteBucketTagging => &["tagging"],
        O::ListObjects => &["delimiter", "encoding-type", "list-type", "marker", "max-keys", "prefix"],
        O::ListObjectsV2 => &[
            "continuation-token",
            "delimiter",
            "encoding-type",
            "fetch-owner",
            "list-type",
            "max-keys",
            "prefix",
            "start-after",
        ],
        O::ListObjectVersions => {
            &["delimiter", "encoding-type", "key-marker", "max-keys", "prefix", "version-id-marker", "versions"]
        }
        O::ListMultipartUploads => {
            &["delimiter", "encoding-type", "key-marker", "max-uploads", "prefix", "upload-id-marker", "uploads"]
        }
        O::DeleteObjects => &["delete"],
        O::GetObject | O::HeadObject => READ,
        O::GetObjectAttributes => &["attributes", "versionId"],
        O::DeleteObject => &["versionId"],
        O::GetObjectTagging | O::PutObjectTagging | O::DeleteObjectTagging => &["tagging", "versionId"],
        O::CreateMultipartUpload => &["uploads"],
        O::UploadPart | O::UploadPartCopy => &["partNumber", "uploadId"],
        O::CompleteMultipartUpload | O::AbortMultipartUpload => &["uploadId"],
        O::ListParts => &["max-parts", "part-number-marker", "uploadId"],
    }
}

/// Headers of S3's own that are read, or that say nothing of what is asked for.
const HEADERS: &[&str] = &[
    "x-amz-acl",
    "x-amz-bucket-object-lock-enabled",
    "x-amz-bypass-governance-retention",
    "x-amz-checksum-algorithm",
    "x-amz-checksum-mode",
    "x-amz-checksum-type",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-expected-bucket-owner",
    "x-amz-if-match-last-modified-time",
    "x-amz-if-match-size",
    "x-amz-max-parts",
    "x-amz-metadata-directive",
    "x-amz-mp-object-size",
    "x-amz-object-attributes",
    "x-amz-object-ownership",
    "x-amz-optional-object-attributes",
    "x-amz-part-number-marker",
    "x-amz-request-payer",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-security-token",
    "x-amz-server-side-encryption",
    "x-amz-source-expected-bucket-owner",
    "x-amz-storage-class",
    "x-amz-tagging",
    "x-amz-tagging-directive",
    "x-amz-te",
    "x-amz-trailer",
    "x-amz-user-agent",
    "x-amz-website-redirect-location",
];

/// The same by how they begin; which of them are there, those who read them know.
const FAMILIES: &[&str] =
    &["x-amz-checksum-", "x-amz-copy-source", "x-amz-grant-", "x-amz-meta-", "x-amz-object-lock-"];

/// Refuses what an operation does not read.
///
/// # Errors
/// 501 `NotImplemented`, with the name.
pub fn check<T>(operation: Operation, pairs: &[(String, String)], request: &Request<T>) -> Result<(), Error> {
    let known = query(operation);
    if let Some((name, _)) = pairs
        .iter()
        .find(|(name, _)| !known.contains(&name.as_str()) && !is_common(name) && !is_header(&name.to_ascii_lowercase()))
    {
        let what = format!("{} does not read the query parameter {name} here", operation.name());
        return Err(Error::not_implemented(name, Some(&what)));
    }
    let headers = request.headers().keys().map(http::HeaderName::as_str);
    if let Some(name) = headers.filter(|name| name.starts_with("x-amz-")).find(|name| !is_header(name)) {
        return Err(Error::not_implemented(name, None));
    }
    Ok(())
}

fn is_header(name: &str) -> bool {
    HEADERS.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family))
}

/// Refuses what would be kept on AWS and is not here.
///
/// # Errors
/// As AWS says it of a bucket that was made without further settings, or 501.
pub fn check_settings(header: impl Fn(&str) -> Option<String>, names: &[&str]) -> Result<(), Error> {
    if let Some(name) = names.iter().find(|name| name.contains("server-side-encryption-customer")) {
        return Err(Error::not_implemented(name, None));
    }
    if names.iter().any(|name| name.starts_with("x-amz-object-lock-")) {
        return Err(Error::invalid_request("Bucket is missing Object Lock Configuration"));
    }
    if header("x-amz-bucket-object-lock-enabled").is_some_and(|on| on.eq_ignore_ascii_case("true")) {
        return Err(Error::not_implemented("x-amz-bucket-object-lock-enabled", None));
    }
    let is_public = header("x-amz-acl").is_some_and(|acl| acl != "private" && acl != "bucket-owner-full-control");
    if is_public || names.iter().any(|name| name.starts_with("x-amz-grant-")) {
        return Err(Error::new(400, "AccessControlListNotSupported", "The bucket does not allow ACLs"));
    }
    match header("x-amz-object-ownership") {
        Some(other) if other != "BucketOwnerEnforced" => Err(Error::not_implemented("x-amz-object-ownership", None)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(operation: Operation, query: &str, header: &str) -> Option<(u16, String)> {
        let pairs: Vec<_> = crate::wire::percent::pairs(query).collect();
        let mut request = Request::new(());
        if let Some((name, value)) = header.split_once(": ") {
            let name = http::HeaderName::try_from(name).unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        check(operation, &pairs, &request).err().map(|error| (error.status, error.details[0].1.clone()))
    }

    #[test]
    fn what_is_not_read_is_refused() {
        use Operation as O;
        let refused = |name: &str| Some((501, name.to_owned()));
        let table = [
            (O::PutObject, "annotation=a", "", refused("annotation")),
            (O::PutObject, "renameObject", "", refused("renameObject")),
            (O::PutObject, "x-id=PutObject", "", None),
            (O::PutObject, "versionId=1", "", refused("versionId")),
            (O::PutObject, "", "x-amz-write-offset-bytes: 3", refused("x-amz-write-offset-bytes")),
            (O::PutObject, "", "x-amz-checksum-sha256: AA==", None),
            (O::PutObject, "X-Amz-Signature=1&X-Amz-Date=2", "", None),
            (O::CreateBucket, "abac", "", refused("abac")),
            (O::CreateBucket, "", "x-amz-bucket-namespace: account-regional", refused("x-amz-bucket-namespace")),
            (O::GetObject, "annotations", "", refused("annotations")),
            (O::GetObject, "response-content-type=text/plain&versionId=1", "", None),
            (O::ListObjectsV2, "list-type=2&prefix=a", "", None),
            (O::ListObjects, "metadataTable", "", refused("metadataTable")),
            (O::DeleteObject, "annotation", "", refused("annotation")),
        ];
        for (operation, query, header, expected) in table {
            assert_eq!(said(operation, query, header), expected, "{operation:?} {query} {header}");
        }
    }
}
