//! Applications: names under which groups and revisions live.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::doc::{Doc, doc};
use super::super::world::{ApiError, Reply, Site, World};
use super::Store;
use super::errors::{error, no_application};
use super::groups::Group;
use super::paging;
use super::revisions::Registered;
use super::tags;

/// An application.
#[derive(Debug)]
pub struct Application {
    /// A UUID.
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// Its deployment groups by name.
    pub groups: BTreeMap<String, Group>,
    /// The revisions that were registered or deployed.
    pub revisions: Vec<Registered>,
    /// Key and value.
    pub tags: BTreeMap<String, String>,
}

/// The application's name in a request, checked.
pub(super) fn name(input: &Doc) -> Result<&str, ApiError> {
    let name = input.text("applicationName").filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| error("ApplicationNameRequired", "The application name is required"))?;
    if !super::is_name(name) {
        return Err(error("InvalidApplicationName", "The application name is not valid"));
    }
    Ok(name)
}

impl Store {
    /// The application that a request names.
    pub(super) fn application(&mut self, input: &Doc) -> Result<&mut Application, ApiError> {
        let name = name(input)?;
        self.applications.get_mut(name).ok_or_else(|| no_application(name))
    }
}

pub(super) fn create(world: &World, site: &Site, input: &Doc) -> Reply {
    let name = name(input)?;
    super::server_only(input)?;
    let tags = tags::read(input.list("tags"))?;
    let mut state = world.lock();
    let id = state.uuid();
    let applications = &mut state.site(site).codedeploy.applications;
    if applications.contains_key(name) {
        return Err(error("ApplicationAlreadyExists", format!("Application already exists: {name}")));
    }
    let created = world.now();
    let application = Application { id: id.clone(), created, groups: BTreeMap::new(), revisions: Vec::new(), tags };
    applications.insert(name.to_owned(), application);
    Ok(doc! { "applicationId" => id })
}

pub(super) fn get(world: &World, site: &Site, input: &Doc) -> Reply {
    let mut state = world.lock();
    let application = state.site(site).codedeploy.application(input)?;
    Ok(doc! { "application" => doc! {
        "applicationId" => &application.id, "applicationName" => name(input)?, "createTime" => application.created,
        "linkedToGitHub" => false, "computePlatform" => "Server",
    } })
}

pub(super) fn list(world: &World, site: &Site, input: &Doc) -> Reply {
    let names = world.lock().site(site).codedeploy.applications.keys().cloned().collect();
    paging::page("applications", names, input)
}

/// Deletes the groups too, silently: their hooks stay on the Auto Scaling groups, as they do in the real service.
pub(super) fn delete(world: &World, site: &Site, input: &Doc) -> Reply {
    let name = name(input)?;
    world.lock().site(site).codedeploy.applications.remove(name);
    Ok(Doc::Null)
}
