//! Instances that a deployment group names by tags.

use super::super::super::doc::{Doc, doc};
use super::work::{End, Work};

/// Running instances with the tags of the group: one of `ec2TagFilters`, or one of each list of `ec2TagSet`.
pub(super) fn instances(work: &Work) -> Result<Vec<String>, End> {
    let settings = work.group(|group| group.settings.clone())?;
    let sets: Vec<&[Doc]> = match settings.list("ec2TagFilters") {
        [] => match settings.get("ec2TagSet").get("ec2TagSetList") {
            Doc::List(sets) => {
                sets.iter().map(|set| if let Doc::List(any) = set { any.as_slice() } else { &[] }).collect()
            }
            _ => Vec::new(),
        },
        any => vec![any],
    };
    if sets.is_empty() {
        return Ok(Vec::new());
    }
    let known = work.call("ec2", "DescribeInstances", &doc! {})?;
    let running = |it: &&Doc| it.get("instanceState").text("name") == Some("running");
    let all = known.list("reservationSet").iter().flat_map(|it| it.list("instancesSet"));
    let meant = all.filter(running).filter(|it| sets.iter().all(|any| any.iter().any(|filter| has(it, filter))));
    Ok(meant.filter_map(|it| it.text("instanceId").map(str::to_owned)).collect())
}

fn has(instance: &Doc, filter: &Doc) -> bool {
    let same = |tag: &Doc, own: &str, asked: &str| tag.text(own) == filter.text(asked);
    instance.list("tagSet").iter().any(|tag| match filter.text("Type") {
        Some("KEY_ONLY") => same(tag, "key", "Key"),
        Some("VALUE_ONLY") => same(tag, "value", "Value"),
        _ => same(tag, "key", "Key") && same(tag, "value", "Value"),
    })
}
