//! What groups did, and why.

use std::sync::Arc;

use jiff::Timestamp;

use super::super::doc::{Doc, doc};
use super::super::input;
use super::super::later::after;
use super::super::world::{Reply, Scope, State, World};
use super::nouns::Activity;
use super::{Place, Store};

/// How long activities are remembered: six weeks, in seconds of world time.
const REMEMBERED: i64 = 6 * 7 * 86400;
/// How many are remembered at most.
const MOST: usize = 10_000;

/// A sentence of a cause: `At 2026-01-01T00:00:00Z <what>`.
pub(super) fn at(now: Timestamp, what: &str) -> String {
    format!("At {} {what}", seconds_of(now))
}

/// A moment without fractions of a second.
pub(super) fn seconds_of(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Begins an activity of a group and gives its id.
pub(super) fn begin(
    state: &mut State,
    place: &Place,
    now: Timestamp,
    description: String,
    cause: String,
    zone: &str,
) -> String {
    let id = state.uuid();
    let activities = &mut state.site(&place.site).autoscaling.activities;
    activities.retain(|old| old.ended.is_none_or(|ended| after(ended, REMEMBERED) > now));
    if activities.len() >= MOST {
        activities.remove(0);
    }
    activities.push(Activity {
        id: id.clone(),
        group: place.group.clone(),
        group_arn: place.arn.clone(),
        description,
        cause,
        started: now,
        ended: None,
        status: "InProgress",
        message: None,
        progress: 0,
        zone: zone.to_owned(),
    });
    id
}

/// Says how far an activity is.
pub(super) fn progress(state: &mut State, place: &Place, id: &str, status: &'static str, percent: i64) {
    if let Some(activity) = find(&mut state.site(&place.site).autoscaling, id) {
        (activity.status, activity.progress) = (status, percent);
    }
}

/// Ends an activity. What went wrong is said by its description, too.
pub(super) fn end(
    state: &mut State,
    place: &Place,
    id: &str,
    now: Timestamp,
    status: &'static str,
    message: Option<String>,
) {
    if let Some(activity) = find(&mut state.site(&place.site).autoscaling, id) {
        (activity.status, activity.progress) = (status, 100);
        if let Some(why) = &message {
            activity.description.push_str(&format!(".  Status Reason: {why}"));
        }
        (activity.ended, activity.message) = (Some(now), message);
    }
}

/// Describes an activity as it is now.
pub(super) fn shown(state: &mut State, place: &Place, id: &str) -> Doc {
    find(&mut state.site(&place.site).autoscaling, id).map_or(Doc::Null, |activity| activity_doc(activity))
}

/// Describes the activities of a group or of all, the newest first.
pub(super) fn describe(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let (group, ids) = (input.text("AutoScalingGroupName"), input.texts("ActivityIds"));
    let mut state = world.lock();
    let store = &state.site(&scope.site).autoscaling;
    let gone = input.bool("IncludeDeletedGroups") == Some(true);
    let chosen = store
        .activities
        .iter()
        .rev()
        .filter(|each| group.is_none_or(|group| each.group == group))
        .filter(|each| ids.is_empty() || ids.contains(&each.id))
        .filter(|each| gone || store.groups.get(&each.group).is_some_and(|group| group.arn == each.group_arn));
    let size = input::page_size(input, "MaxRecords", 100, 100)?;
    let (docs, next) = input::page(chosen.map(activity_doc).collect(), input.text("NextToken"), size)?;
    Ok(doc! { "Activities" => docs, "NextToken" => next })
}

fn find<'a>(store: &'a mut Store, id: &str) -> Option<&'a mut Activity> {
    store.activities.iter_mut().rev().find(|activity| activity.id == id)
}

fn activity_doc(activity: &Activity) -> Doc {
    doc! {
        "ActivityId" => &activity.id,
        "AutoScalingGroupName" => &activity.group,
        "AutoScalingGroupARN" => &activity.group_arn,
        "Description" => &activity.description,
        "Cause" => &activity.cause,
        "StartTime" => activity.started,
        "EndTime" => activity.ended,
        "StatusCode" => activity.status,
        "StatusMessage" => activity.message.as_ref(),
        "Progress" => activity.progress,
        "Details" => format!("{{\"Availability Zone\":\"{}\"}}", activity.zone),
    }
}
