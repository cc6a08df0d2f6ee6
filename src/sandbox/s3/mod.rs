//! S3: an own layer over REST and XML.

use bytes::Bytes;

use super::world::World;

/// All buckets.
#[derive(Default)]
pub struct Store {}

/// Reads an object as a host with an instance profile would.
///
/// # Errors
/// The service's error code and message.
pub fn fetch(
    _world: &World,
    _bucket: &str,
    _key: &str,
    _version: Option<&str>,
) -> Result<Bytes, super::world::ApiError> {
    Err(super::world::ApiError::new("NoSuchBucket", "The specified bucket does not exist").status(404))
}
