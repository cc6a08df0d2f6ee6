//! Scheduled actions: at a time, or again and again, a group gets other sizes.

use std::sync::Arc;

use jiff::Timestamp;

use super::super::doc::{Doc, doc};
use super::super::input::{self, invalid};
use super::super::later::Later;
use super::super::world::{ApiError, Reply, Scope, World};
use super::cron::Cron;
use super::nouns::Group;
use super::{Place, activities, groups, processes};

/// Creates a scheduled action or replaces it. Times are UTC; other time zones are refused.
pub(super) fn put(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let group = input::required(input, "AutoScalingGroupName")?;
    let name = input::required(input, "ScheduledActionName")?;
    if input.text("TimeZone").is_some_and(|zone| !["UTC", "Etc/UTC"].contains(&zone)) {
        return Err(invalid("the sandbox's scheduled actions know the time zone UTC only"));
    }
    let start = input.time("StartTime").or_else(|| input.time("Time"));
    let sizes =
        [input::whole(input, "MinSize")?, input::whole(input, "MaxSize")?, input::whole(input, "DesiredCapacity")?];
    if sizes.iter().all(Option::is_none) {
        return Err(invalid("At least one of MinSize, MaxSize and DesiredCapacity must be specified"));
    }
    if start.is_none() && input.text("Recurrence").is_none() {
        return Err(invalid("Either a start time or a recurrence must be specified"));
    }
    let now = world.now();
    let mut state = world.lock();
    let uuid = state.uuid();
    let (region, account) = (&scope.site.region, &scope.site.account);
    let arn = format!(
        "arn:aws:autoscaling:{region}:{account}:scheduledUpdateGroupAction:{uuid}:autoScalingGroupName/{group}:scheduledActionName/{name}"
    );
    let group = state.site(&scope.site).autoscaling.group(group)?;
    let mut action = doc! {
        "AutoScalingGroupName" => &group.name,
        "ScheduledActionName" => name,
        "ScheduledActionARN" => &arn,
        "StartTime" => start,
        "Time" => start,
        "EndTime" => input.time("EndTime"),
        "Recurrence" => input.text("Recurrence"),
        "MinSize" => sizes[0],
        "MaxSize" => sizes[1],
        "DesiredCapacity" => sizes[2],
    };
    let next = next_time(&action, now)?.ok_or_else(|| invalid("Given start time is in the past"))?;
    action.set("StartTime", next);
    action.set("Time", next);
    group.schedules.insert(name.to_owned(), action);
    tokio::spawn(follow(Later::of(world), group.place(&scope.site), name.to_owned(), arn));
    Ok(Doc::Null)
}

/// Describes the scheduled actions of a group or of all.
pub(super) fn describe(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let (group, names) = (input.text("AutoScalingGroupName"), input.texts("ScheduledActionNames"));
    let mut state = world.lock();
    let groups = state.site(&scope.site).autoscaling.groups.values();
    let chosen = groups
        .filter(|each| group.is_none_or(|group| each.name == group))
        .flat_map(|each| each.schedules.iter())
        .filter(|(name, _)| names.is_empty() || names.contains(name))
        .map(|(_, action)| action.clone());
    let size = input::page_size(input, "MaxRecords", 50, 100)?;
    let (docs, next) = input::page(chosen.collect(), input.text("NextToken"), size)?;
    Ok(doc! { "ScheduledUpdateGroupActions" => docs, "NextToken" => next })
}

/// Deletes a scheduled action.
pub(super) fn delete(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let group = input::required(input, "AutoScalingGroupName")?;
    let name = input::required(input, "ScheduledActionName")?;
    let mut state = world.lock();
    let schedules = &mut state.site(&scope.site).autoscaling.group(group)?.schedules;
    schedules
        .remove(name)
        .map(|_| Doc::Null)
        .ok_or_else(|| invalid(format!("Scheduled action name not found - {name}")))
}

/// When an action is due next; nothing if it will not be.
fn next_time(action: &Doc, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
    let start = action.time("StartTime").filter(|start| *start > now);
    let next = match (action.text("Recurrence"), start) {
        (_, Some(start)) => Some(start),
        (None, None) => None,
        (Some(recurrence), None) => {
            let cron: Cron =
                recurrence.parse().map_err(|why| invalid(format!("Invalid recurrence '{recurrence}': {why}")))?;
            cron.after(now)
        }
    };
    Ok(next.filter(|next| action.time("EndTime").is_none_or(|end| *next <= end)))
}

async fn follow(later: Later, place: Place, name: String, arn: String) {
    loop {
        let Some(world) = later.world() else { return };
        let own = |group: &mut Group| {
            group.schedules.get(&name).filter(|one| one.text("ScheduledActionARN") == Some(&arn)).cloned()
        };
        let due = place.group(&mut world.lock()).and_then(own).and_then(|action| action.time("StartTime"));
        let Some(due) = due else { return };
        drop(world);
        let Some(world) = later.sleep_until(due).await else { return };
        let now = world.now();
        let mut state = world.lock();
        let Some(group) = place.group(&mut state) else { return };
        let Some(mut action) = own(group) else { return };
        if !group.deleting && !group.is_suspended(processes::SCHEDULED_ACTIONS) {
            apply(group, &action, now);
        }
        match next_time(&action, now) {
            Ok(Some(next)) => {
                action.set("StartTime", next);
                action.set("Time", next);
                group.schedules.insert(name.clone(), action);
            }
            _ => {
                group.schedules.remove(&name);
                return;
            }
        }
    }
}

fn apply(group: &mut Group, action: &Doc, now: Timestamp) {
    let min = action.int("MinSize").unwrap_or(group.min);
    let max = action.int("MaxSize").unwrap_or(group.max);
    let before = group.desired;
    let desired = action.int("DesiredCapacity").unwrap_or_else(|| before.min(max).max(min));
    if groups::check_bounds(min, max, desired).is_err() {
        return;
    }
    (group.min, group.max, group.desired) = (min, max, desired);
    if desired != before {
        let name = action.text("ScheduledActionName").unwrap_or_default();
        let text =
            format!("the scheduled action {name} executed, changing the desired capacity from {before} to {desired}.");
        group.request = Some(activities::at(now, &text));
    }
    group.wake.notify_one();
}
