//! Tags of applications and deployment groups.

use std::collections::BTreeMap;

use super::super::doc::{Doc, doc};
use super::super::world::{ApiError, Reply, Site, World};
use super::Store;
use super::errors::{error, no_application, no_group};

/// Tags as requests carry them.
pub(super) fn read(tags: &[Doc]) -> Result<BTreeMap<String, String>, ApiError> {
    let bad = |message: &str| error("InvalidTagsToAdd", message);
    let mut read = BTreeMap::new();
    for tag in tags {
        let key = tag.text("Key").filter(|key| !key.is_empty() && key.chars().count() <= 128);
        let key = key.ok_or_else(|| bad("A tag's key must have 1 to 128 characters"))?;
        read.insert(key.to_owned(), tag.text("Value").unwrap_or_default().to_owned());
    }
    if read.len() > 50 {
        return Err(bad("A resource can have at most 50 tags"));
    }
    Ok(read)
}

impl Store {
    /// The tags of the application or group that an ARN names.
    fn tags(&mut self, arn: &str) -> Result<&mut BTreeMap<String, String>, ApiError> {
        let parts: Vec<&str> = arn.splitn(7, ':').collect();
        let [_, _, "codedeploy", _, _, kind, name] = parts.as_slice() else {
            return Err(error("InvalidArn", "The specified ARN is not in a valid format"));
        };
        match *kind {
            "application" => {
                let application = self.applications.get_mut(*name);
                Ok(&mut application.ok_or_else(|| no_application(name))?.tags)
            }
            "deploymentgroup" => {
                let (application, group) = name.split_once('/').unwrap_or((name, ""));
                let application = self.applications.get_mut(application).ok_or_else(|| no_application(application))?;
                Ok(&mut application.groups.get_mut(group).ok_or_else(|| no_group(group))?.tags)
            }
            _ => Err(error("ArnNotSupported", "The specified ARN is not supported")),
        }
    }
}

fn arn(input: &Doc) -> Result<&str, ApiError> {
    input.text("ResourceArn").ok_or_else(|| error("ResourceArnRequired", "The ARN of a resource is required"))
}

pub(super) fn list(world: &World, site: &Site, input: &Doc) -> Reply {
    let mut state = world.lock();
    let tags = state.site(site).codedeploy.tags(arn(input)?)?;
    let tags: Vec<Doc> = tags.iter().map(|(key, value)| doc! { "Key" => key, "Value" => value }).collect();
    Ok(doc! { "Tags" => tags })
}

pub(super) fn add(world: &World, site: &Site, input: &Doc) -> Reply {
    let added = read(input.list("Tags"))?;
    if added.is_empty() {
        return Err(error("TagRequired", "A tag is required"));
    }
    world.lock().site(site).codedeploy.tags(arn(input)?)?.extend(added);
    Ok(doc! {})
}

pub(super) fn remove(world: &World, site: &Site, input: &Doc) -> Reply {
    let mut state = world.lock();
    let tags = state.site(site).codedeploy.tags(arn(input)?)?;
    for key in input.texts("TagKeys") {
        tags.remove(&key);
    }
    Ok(doc! {})
}
