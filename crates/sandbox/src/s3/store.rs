//! Buckets and the versions of objects in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::Error;
use super::checksum::Checksum;
use super::multipart::Upload;

/// All buckets.
#[derive(Default)]
pub struct Store {
    /// By name; names are global.
    pub buckets: BTreeMap<String, Bucket>,
}

/// Whether old versions are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versioning {
    /// Never was.
    #[default]
    Off,
    /// Every write makes a version.
    Enabled,
    /// Writes replace the version `null`.
    Suspended,
}

/// A bucket.
pub struct Bucket {
    /// Whose it is.
    pub account: String,
    /// Where it is.
    pub region: String,
    /// World time.
    pub created: Timestamp,
    /// Whether old versions are kept.
    pub versioning: Versioning,
    /// Versions by key, oldest first; never an empty list.
    pub objects: BTreeMap<String, Vec<Version>>,
    /// Unfinished multipart uploads by id.
    pub uploads: BTreeMap<String, Upload>,
    /// The bucket's own tags.
    pub tags: Vec<(String, String)>,
}

/// One version of a key.
#[derive(Clone)]
pub struct Version {
    /// `null` if it was written without versioning.
    pub id: String,
    /// World time in whole seconds.
    pub modified: Timestamp,
    /// `None` for a delete marker.
    pub object: Option<Arc<Object>>,
}

/// What was stored.
#[derive(Clone, Debug, Default)]
pub struct Object {
    /// The content.
    pub body: Bytes,
    /// Without its quotes.
    pub etag: String,
    /// Content type and such, and `x-amz-meta-*`.
    pub headers: Vec<(String, String)>,
    /// The checksum that is shown.
    pub checksum: Option<Checksum>,
    /// Its tags.
    pub tags: Vec<(String, String)>,
    /// The sizes of its parts, if it was uploaded in parts.
    pub parts: Vec<usize>,
    /// The id of that upload.
    pub upload: Option<String>,
}

/// The id of what was written without versioning.
pub const NULL: &str = "null";

impl Store {
    /// A bucket.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn bucket(&mut self, name: &str) -> Result<&mut Bucket, Error> {
        self.buckets.get_mut(name).ok_or_else(|| Error::no_such_bucket(name))
    }

    /// The region of a bucket.
    pub fn region(&self, name: &str) -> Option<String> {
        self.buckets.get(name).map(|bucket| bucket.region.clone())
    }
}

impl Bucket {
    /// Nothing here lets another account in.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub fn check_owner(&self, account: &str) -> Result<(), Error> {
        if self.account == account { Ok(()) } else { Err(Error::new(403, "AccessDenied", "Access Denied")) }
    }

    /// The current object of a key; `None` if there is none or it is a delete marker.
    pub fn current(&self, key: &str) -> Option<&Arc<Object>> {
        self.objects.get(key)?.last()?.object.as_ref()
    }

    /// The current version, or the one of an id.
    ///
    /// # Errors
    /// As `GetObject` says it: no such key or version, or it is a delete marker.
    pub fn version(&self, key: &str, id: Option<&str>, method: &str) -> Result<(&Version, &Arc<Object>), Error> {
        let versions = self.objects.get(key).map_or(&[][..], Vec::as_slice);
        let Some(id) = id else {
            let version = versions.last().ok_or_else(|| Error::no_such_key(key))?;
            let marker = || {
                let error = Error::no_such_key(key).header("x-amz-delete-marker", "true");
                error.header("x-amz-version-id", &version.id)
            };
            return Ok((version, version.object.as_ref().ok_or_else(marker)?));
        };
        let version = self.find(key, id)?.ok_or_else(|| {
            let why = "The specified version does not exist.";
            Error::new(404, "NoSuchVersion", why).with("Key", key).with("VersionId", id)
        })?;
        let marker = || {
            Error::new(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
                .with("Method", method)
                .with("ResourceType", "DeleteMarker")
                .header("x-amz-delete-marker", "true")
                .header("x-amz-version-id", &version.id)
                .header("allow", "DELETE")
        };
        Ok((version, version.object.as_ref().ok_or_else(marker)?))
    }

    fn find(&self, key: &str, id: &str) -> Result<Option<&Version>, Error> {
        if id != NULL
            && (id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte)))
        {
            return Err(Error::invalid_argument("versionId", id, "Invalid version id specified"));
        }
        Ok(self.objects.get(key).and_then(|versions| versions.iter().find(|version| version.id == id)))
    }

    /// Stores an object under a fresh version id, if versions are kept. Returns the id that the answer names.
    pub fn put(&mut self, key: &str, fresh_id: &str, now: Timestamp, object: Object) -> Option<String> {
        self.touch(key, |upload| upload.is_rewritten = true);
        self.add(key, fresh_id, now, Some(Arc::new(object)))
    }

    fn add(&mut self, key: &str, fresh_id: &str, now: Timestamp, object: Option<Arc<Object>>) -> Option<String> {
        let versions = self.objects.entry(key.to_owned()).or_default();
        let id = match self.versioning {
            Versioning::Off => {
                versions.clear();
                NULL
            }
            Versioning::Suspended => {
                versions.retain(|version| version.id != NULL);
                NULL
            }
            Versioning::Enabled => fresh_id,
        };
        let modified = Timestamp::from_second(now.as_second()).unwrap_or(now);
        versions.push(Version { id: id.to_owned(), modified, object });
        (self.versioning != Versioning::Off).then(|| id.to_owned())
    }

    /// Deletes the current object: for good without versioning, else under a delete marker whose id is returned.
    pub fn delete(&mut self, key: &str, fresh_id: &str, now: Timestamp) -> Option<String> {
        self.touch(key, |upload| upload.is_deleted = true);
        if self.versioning == Versioning::Off {
            self.objects.remove(key);
            return None;
        }
        self.add(key, fresh_id, now, None)
    }

    /// Deletes one version for good. Says whether it was a delete marker.
    ///
    /// # Errors
    /// The id is malformed. One that does not exist is deleted already.
    pub fn delete_version(&mut self, key: &str, id: &str) -> Result<bool, Error> {
        let Some(is_marker) = self.find(key, id)?.map(|version| version.object.is_none()) else { return Ok(false) };
        self.touch(key, |upload| upload.is_deleted = true);
        let versions = self.objects.entry(key.to_owned()).or_default();
        versions.retain(|version| version.id != id);
        if versions.is_empty() {
            self.objects.remove(key);
        }
        Ok(is_marker)
    }

    /// Tells unfinished uploads of a key that something happened to it.
    fn touch(&mut self, key: &str, tell: impl Fn(&mut Upload)) {
        self.uploads.values_mut().filter(|upload| upload.key == key).for_each(tell);
    }
}
