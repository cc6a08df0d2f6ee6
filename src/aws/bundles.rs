//! Whether a bundle is still there.

use super::Clients;
use super::error::{Call, Result, failed};
use crate::model::Revision;

const HEAD: Call = ("s3", "HeadObject");

impl Clients {
    /// Whether a bundle, in its pinned version if it has one, still lies in its bucket.
    ///
    /// # Errors
    /// The call's. S3 says `Denied` instead of `NotFound` to whoever may not list the bucket.
    pub async fn bundle_exists(&self, revision: &Revision) -> Result<bool> {
        let call = self.s3.head_object().bucket(&revision.bucket).key(&revision.key);
        match call.set_version_id(revision.version.clone()).send().await.map_err(failed(HEAD)) {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }
}
