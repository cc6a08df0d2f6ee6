//! Code as it is given: in the request, or as an object in S3.

use std::io::Cursor;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use zip::ZipArchive;

use super::super::doc::Doc;
use super::super::s3;
use super::super::world::{ApiError, Scope, World};
use super::errors;
use super::model::Behaviour;

/// The largest archive in a request.
const ZIPPED: usize = 52_428_800;
/// The most that an archive may unpack to.
pub(super) const UNZIPPED: u64 = 262_144_000;

/// A bundle.
pub struct Code {
    /// The archive.
    pub zip: Bytes,
    /// Its SHA-256 as base64.
    pub sha256: String,
    /// What it says about itself as a model, once it was asked.
    pub(super) behaviour: OnceLock<Result<Behaviour, String>>,
    /// How many invocations it answered as a model.
    pub(super) answered: AtomicU64,
}

impl Code {
    /// Checks an archive.
    fn new(zip: Bytes) -> Result<Code, ApiError> {
        let broken =
            || errors::invalid("Could not unzip uploaded file. Please check your file, then try to upload again.");
        let mut archive = ZipArchive::new(Cursor::new(&zip[..])).map_err(|_| broken())?;
        let mut size = 0_u64;
        for at in 0..archive.len() {
            size = size.saturating_add(archive.by_index_raw(at).map_err(|_| broken())?.size());
        }
        if size >= UNZIPPED {
            return Err(errors::invalid(format!("Unzipped size must be smaller than {UNZIPPED} bytes")));
        }
        let sha256 = STANDARD.encode(Sha256::digest(&zip));
        Ok(Code { zip, sha256, behaviour: OnceLock::new(), answered: AtomicU64::new(0) })
    }
}

/// Reads the code that an input names: `ZipFile`, or `S3Bucket` and `S3Key`.
pub(super) fn read(world: &World, scope: &Scope, input: &Doc) -> Result<Arc<Code>, ApiError> {
    let object = (input.text("S3Bucket"), input.text("S3Key"));
    let zip = match (input.text("ZipFile"), object) {
        (Some(_), (Some(_), _) | (_, Some(_))) => {
            let message = "Please do not provide other FunctionCode parameters when providing a ZipFile.";
            return Err(errors::invalid(message));
        }
        (Some(text), (None, None)) => {
            let zip = STANDARD.decode(text).map_err(|_| ApiError::new("SerializationException", ""))?;
            if zip.len() >= ZIPPED {
                return Err(errors::too_large(format!("Zipped size must be smaller than {ZIPPED} bytes")));
            }
            Bytes::from(zip)
        }
        (None, (Some(bucket), Some(key))) => object_of(world, scope, bucket, key, input.text("S3ObjectVersion"))?,
        (None, _) if !input.get("ImageUri").is_null() => {
            return Err(errors::invalid("the sandbox's functions are zip archives, not images"));
        }
        (None, _) => return Err(errors::invalid("Please provide a source for function code.")),
    };
    Code::new(zip).map(Arc::new)
}

/// An object in a bucket of the same region, read as the service may.
fn object_of(world: &World, scope: &Scope, bucket: &str, key: &str, version: Option<&str>) -> Result<Bytes, ApiError> {
    let failed = |code: &str, message: &str| {
        errors::invalid(format!("Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}"))
    };
    let (zip, _) = s3::fetch(world, &scope.site.account, (bucket, key, version))
        .map_err(|error| failed(&error.code, &error.message))?;
    let region = world.lock().s3.region(bucket);
    match region.filter(|region| *region != scope.site.region) {
        Some(region) => {
            let why = format!("The bucket is in this region: {region}. Please use this region to retry the request");
            Err(failed("PermanentRedirect", &why))
        }
        None => Ok(zip),
    }
}
