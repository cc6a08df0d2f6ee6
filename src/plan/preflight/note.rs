//! What a person should know though nothing stands in the way.

use super::fix::quoted;
use super::{Subject, rolling};
use crate::model::observed::ScalingGroup;
use crate::plan::conditions::is_ignored;
use crate::plan::timing::{Pace, floor, limit};
use crate::plan::{Intent, fleet};

/// One line each, beginning with the target.
pub(in crate::plan) fn notes(subject: &Subject, group: &ScalingGroup) -> Vec<String> {
    let mut notes = Vec::new();
    if subject.intent == Intent::Deploy {
        notes.extend(about_conditions(subject));
        notes.extend(about_hooks(subject));
    }
    notes.extend(about_the_fleet(subject, group));
    notes.extend(subject.fleet.remarks.iter().cloned());
    notes.into_iter().map(|note| format!("{}: {note}", subject.name)).collect()
}

fn about_conditions(subject: &Subject) -> Vec<String> {
    let mut notes = Vec::new();
    let health = &subject.target.health;
    let has_others = !health.alarms.is_empty() || !health.http.is_empty() || !health.commands.is_empty();
    if health.targets.is_none() && !has_others && health.metrics.is_empty() {
        notes.push("no condition is watched while the new release bakes".to_owned());
    }
    let group = &subject.fleet.group;
    let is_watched = |name: &String| health.alarms.iter().any(|alarm| alarm.name == *name);
    let own = group.alarms.iter().filter(|name| group.alarms_enabled && !is_watched(name));
    let unheeded: Vec<&str> = own.map(String::as_str).collect();
    if !subject.target.on_failure.is_rollback() && !unheeded.is_empty() {
        let names = unheeded.join(", ");
        notes.push(format!(
            "with `on_failure: hold` CodeDeploy does not heed its group's alarms; nobody watches {names} unless \
             `health.alarms` names them"
        ));
    }
    for alarm in subject.alarms() {
        if alarm.state == "INSUFFICIENT_DATA" {
            notes.push(format!("alarm {} has no data now, which counts as not red", alarm.name));
        }
        if health.alarms.iter().any(|wanted| is_ignored(wanted, alarm)) {
            let listed = subject.fleet.group.alarms_enabled && subject.fleet.group.alarms.contains(&alarm.name);
            let own = "; CodeDeploy gets a list of alarms without it, which needs codedeploy:UpdateDeploymentGroup";
            let own = if listed { own } else { "" };
            notes.push(format!(
                "alarm {} is red already, and ignored until it has been something else{own}",
                alarm.name
            ));
        }
        if alarm.window.is_none() && health.alarms.iter().any(|wanted| wanted.name == alarm.name) {
            notes.push(format!(
                "how long alarm {} takes to turn red is not known; the bake may be too short for it",
                alarm.name
            ));
        }
    }
    notes
}

/// Scripts that may take longer than a step usually would: the step waits for them.
fn about_hooks(subject: &Subject) -> Option<String> {
    let (pace, hooks) = (Pace::of(subject.fleet, None), subject.hooks);
    let installs = (pace.installs(hooks), limit(pace.create().expected), hooks.install, "create");
    let moves = (pace.moves(hooks), limit(pace.reroute().expected), hooks.traffic, "reroute");
    let long = [installs, moves].into_iter().filter(|(allowed, usual, ..)| allowed > usual);
    let long: Vec<String> =
        long.map(|(allowed, _, hooks, step)| format!("{hooks} on each host, so {step} may take {allowed}")).collect();
    let hint = "a script without a `timeout` has an hour";
    (!long.is_empty()).then(|| format!("the AppSpec lets scripts take {}; {hint}", long.join(", and ")))
}

fn about_the_fleet(subject: &Subject, group: &ScalingGroup) -> Vec<String> {
    let mut notes = Vec::new();
    let (fleet, name) = (subject.fleet, &group.name);
    let is_rolling = subject.rolling.is_some();
    let (healthy, serving) =
        (fleet::healthy(fleet, group).len(), group.instances.iter().filter(|it| it.is_in_service()).count());
    if fleet.baseline.is_none() {
        let when = if is_rolling { "" } else { "once blue is gone " };
        notes.push(format!("nothing was deployed to {} yet: {when}there is no way back", subject.group_name()));
    }
    if fleet.serves_nobody() && !fleet.target_groups.is_empty() {
        notes.push("nobody is served yet: `targets` and `http` are judged from the bake on".to_owned());
    } else if healthy < serving && !fleet.target_groups.is_empty() {
        notes.push(format!("only {healthy} of {serving} instances in service are healthy in their target groups now"));
    }
    if let Some(floor) =
        fleet.min_healthy.as_ref().and_then(|min| floor(serving, min)).filter(|floor| !is_rolling && *floor >= serving)
    {
        let config = &fleet.group.config;
        notes.push(format!(
            "{config} wants {floor} hosts healthy at any time, and there are {serving}: CodeDeploy may refuse"
        ));
    }
    if is_rolling {
        notes.extend(rolling::notes(subject, group));
    }
    if !group.hooks.is_empty() && !is_rolling {
        let hooks = group.hooks.join(", ");
        notes.push(format!(
            "lifecycle hooks of `{name}` that CodeDeploy may not copy: {hooks}; the run stops before traffic then"
        ));
    }
    if !group.suspended.is_empty() && !is_rolling {
        notes.push(format!("processes suspended in `{name}` are not in the copy: {}", group.suspended.join(", ")));
    }
    for leftover in &fleet.leftovers {
        notes.push(format!(
            "`{leftover}` was left over by an earlier deployment and still runs; if nobody needs it: \
             aws autoscaling delete-auto-scaling-group --region {} --auto-scaling-group-name {} --force-delete",
            quoted(&subject.environment.region),
            quoted(leftover)
        ));
    }
    notes
}
