//! Tags of groups.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::input::{self, invalid};
use super::super::world::{ApiError, Reply, Scope, World};
use super::nouns::Group;

/// Values by key, and whether new instances get them.
type Tags = BTreeMap<String, (String, bool)>;

/// The tags of an input.
pub(super) fn read(input: &Doc) -> Result<Tags, ApiError> {
    let mut tags = Tags::new();
    for tag in input.list("Tags") {
        let value = tag.text("Value").unwrap_or_default().to_owned();
        tags.insert(input::required(tag, "Key")?.to_owned(), (value, tag.bool("PropagateAtLaunch").unwrap_or(false)));
    }
    Ok(tags)
}

/// The tags of a group as they are shown.
pub(super) fn docs(group: &Group) -> Vec<Doc> {
    let tag = |(key, (value, propagate)): (&String, &(String, bool))| {
        doc! {
            "ResourceId" => &group.name,
            "ResourceType" => "auto-scaling-group",
            "Key" => key,
            "Value" => value,
            "PropagateAtLaunch" => *propagate,
        }
    };
    group.tags.iter().map(tag).collect()
}

/// Adds tags, or replaces those of the same key. Instances that run keep theirs.
pub(super) fn create_or_update(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    each_group(world, scope, input, |group, tag| {
        let value = tag.text("Value").unwrap_or_default().to_owned();
        let key = tag.text("Key").unwrap_or_default().to_owned();
        group.tags.insert(key, (value, tag.bool("PropagateAtLaunch").unwrap_or(false)));
    })
}

/// Removes tags by key.
pub(super) fn delete(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    each_group(world, scope, input, |group, tag| {
        group.tags.remove(tag.text("Key").unwrap_or_default());
    })
}

fn each_group(world: &Arc<World>, scope: &Scope, input: &Doc, change: impl Fn(&mut Group, &Doc)) -> Reply {
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).autoscaling;
    for tag in input.list("Tags") {
        input::required(tag, "Key")?;
        let name = tag.text("ResourceId").ok_or_else(|| invalid("The resource of a tag must be specified"))?;
        store.group(name)?;
    }
    for tag in input.list("Tags") {
        change(store.group(tag.text("ResourceId").unwrap_or_default())?, tag);
    }
    Ok(Doc::Null)
}

/// Describes the tags of all groups that the filters (`auto-scaling-group`, `key`, `value`, `propagate-at-launch`) let pass.
pub(super) fn describe(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let members = [
        ("auto-scaling-group", "ResourceId"),
        ("key", "Key"),
        ("value", "Value"),
        ("propagate-at-launch", "PropagateAtLaunch"),
    ];
    let mut wanted = Vec::new();
    for filter in input.list("Filters") {
        let name = filter.text("Name").unwrap_or_default();
        let member = members.iter().find(|(known, _)| *known == name);
        let (_, member) = member.ok_or_else(|| invalid(format!("Invalid filter name '{name}'")))?;
        wanted.push((*member, filter.texts("Values")));
    }
    let mut state = world.lock();
    let all = state.site(&scope.site).autoscaling.groups.values().flat_map(docs);
    let fits = |tag: &Doc| {
        wanted.iter().all(|(member, values)| match tag.get(member) {
            Doc::Bool(yes) => values.contains(&yes.to_string()),
            value => values.iter().any(|wanted| *value == Doc::from(wanted)),
        })
    };
    let size = input::page_size(input, "MaxRecords", 50, 100)?;
    let (docs, next) = input::page(all.filter(fits).collect(), input.text("NextToken"), size)?;
    Ok(doc! { "Tags" => docs, "NextToken" => next })
}
