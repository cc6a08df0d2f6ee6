//! Revisions: where a bundle lies. Bookkeeping only; whether the object exists shows when an instance fetches it.

use jiff::Timestamp;

use super::super::doc::{Doc, doc};
use super::super::world::{ApiError, Reply, Site, World};
use super::errors::{error, unsupported};

/// A revision that an application knows.
#[derive(Clone, Debug)]
pub struct Registered {
    /// `revisionLocation` as it was given.
    pub location: Doc,
    /// What was said about it.
    pub description: Option<String>,
    /// When it was first seen.
    pub registered: Timestamp,
    /// When it was first and last deployed.
    pub used: Option<(Timestamp, Timestamp)>,
}

/// The revision of a request, checked.
///
/// # Errors
/// It is absent or incomplete, or of a kind other than S3.
pub fn read(input: &Doc) -> Result<Doc, ApiError> {
    let revision = input.get("revision");
    if revision.is_null() {
        return Err(error("RevisionRequired", "The revision is required"));
    }
    let bad = |message: &str| error("InvalidRevision", message);
    match revision.text("revisionType") {
        Some("S3") => {}
        Some("GitHub") => return Err(unsupported("InvalidRevision", "A GitHub revision")),
        _ => return Err(bad("The revision type is not valid for the Server compute platform")),
    }
    let place = revision.get("s3Location");
    if place.text("bucket").is_none_or(str::is_empty) || place.text("key").is_none_or(str::is_empty) {
        return Err(bad("The S3 location needs a bucket and a key"));
    }
    match place.text("bundleType") {
        Some("zip") => Ok(revision.clone()),
        Some(other @ ("tar" | "tgz")) => Err(unsupported("InvalidRevision", &format!("The bundle type {other}"))),
        _ => Err(bad("The bundle type must be tar, tgz or zip")),
    }
}

/// Two locations name the same bytes.
pub fn same(one: &Doc, other: &Doc) -> bool {
    ["bucket", "key", "version", "eTag"]
        .iter()
        .all(|name| one.get("s3Location").text(name) == other.get("s3Location").text(name))
}

/// Notes a revision; what is known already only gets its use noted.
pub(super) fn note(
    known: &mut Vec<Registered>,
    location: &Doc,
    description: Option<String>,
    used: bool,
    now: Timestamp,
) {
    let at = known.iter().position(|revision| same(&revision.location, location)).unwrap_or_else(|| {
        known.push(Registered { location: location.clone(), description: None, registered: now, used: None });
        known.len() - 1
    });
    let revision = &mut known[at];
    if description.is_some() {
        revision.description = description;
    }
    if used {
        revision.used = Some((revision.used.map_or(now, |(first, _)| first), now));
    }
}

pub(super) fn register(world: &World, site: &Site, input: &Doc) -> Reply {
    let location = read(input)?;
    super::check_description(input)?;
    let now = world.now();
    let mut state = world.lock();
    let application = state.site(site).codedeploy.application(input)?;
    note(&mut application.revisions, &location, input.text("description").map(str::to_owned), false, now);
    Ok(Doc::Null)
}

pub(super) fn get(world: &World, site: &Site, input: &Doc) -> Reply {
    let location = read(input)?;
    let mut state = world.lock();
    let application = state.site(site).codedeploy.application(input)?;
    let revision = application.revisions.iter().find(|revision| same(&revision.location, &location));
    let revision = revision.ok_or_else(|| error("RevisionDoesNotExist", "The revision is not registered"))?;
    let mut groups = Vec::new();
    for (name, group) in &application.groups {
        if group.target_revision.as_ref().is_some_and(|target| same(target, &location)) {
            groups.push(name.clone());
        }
    }
    Ok(doc! {
        "applicationName" => input.text("applicationName"),
        "revision" => revision.location.clone(),
        "revisionInfo" => doc! {
            "description" => revision.description.clone(), "deploymentGroups" => groups,
            "registerTime" => revision.registered, "firstUsedTime" => revision.used.map(|(first, _)| first),
            "lastUsedTime" => revision.used.map(|(_, last)| last),
        },
    })
}
