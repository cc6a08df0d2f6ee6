//! The last block of a command about a run: what it came to, where users' traffic is, what changed, what to type next. A
//! run that failed leads with the cause.

use super::commands::Invocation;
use super::layout::Page;
use super::style::{Mark, Style};
use super::suggestions::suggestions;
use super::traffic::{Serving, calls, first_traffic, serving, until};
use super::words::{self, between, clock, date, short};
use crate::event::record::{Cause, Outcome, VerdictKind};
use crate::plan::{Action, Hold, Intent, Lane, Plan, Step, What};
use crate::run::function::has_uploaded;
use crate::run::{LaneState, RunStatus, State, StepStatus};

/// Targets that a sentence names before it counts the rest.
const NAMED: usize = 6;

/// Details that are shown; `show` has all.
const DETAILS: usize = 60;

/// Lines of advice, and links, that are shown.
const ADVICE: usize = 6;
const LINKS: usize = 2;

/// The last block. `is_driven` says that another process has taken the run over and drives it on.
pub fn ending(plan: &Plan, state: &State, invocation: &Invocation, is_driven: bool, style: Style) -> String {
    let mut page = Page::new(style);
    let (mark, title) = if is_driven && !state.has_ended() {
        (Mark::Paused, format!("run {} is driven on by another process", state.run))
    } else {
        title(plan, state)
    };
    page.heading(mark.tint(), &format!("{} {title}", mark.symbol()));
    if is_bad(state.status) {
        for place in failed_at(plan, state) {
            page.field("where", &place);
        }
    } else if !state.has_ended() {
        per_lane(&mut page, "step", plan, state, under_way);
    }
    per_lane(&mut page, "traffic", plan, state, |lane, lane_state, _| traffic(plan, lane, lane_state));
    per_lane(&mut page, "restored", plan, state, |lane, lane_state, _| left(lane, lane_state));
    per_lane(&mut page, "changed", plan, state, |lane, lane_state, state| changed(plan, lane, lane_state, state));
    if is_bad(state.status) {
        advice(&mut page, plan, state);
    }
    page.commands("next", &suggestions(plan, state, invocation, is_driven));
    if is_bad(state.status) {
        details(&mut page, state);
    }
    page.finish()
}

/// What to look at, and where AWS shows it.
fn advice(page: &mut Page, plan: &Plan, state: &State) {
    let causes = stuck_on(state).into_iter().chain(state.trouble());
    let mut lines: Vec<&String> = causes.flat_map(|cause| &cause.help).collect();
    lines.dedup();
    for (place, line) in lines.into_iter().take(ADVICE).enumerate() {
        page.note(if place == 0 { "help" } else { "" }, line);
    }
    let mut label = "link";
    for (lane, lane_state) in
        plan.lanes().zip(&state.lanes).filter(|(_, lane_state)| has_failed(lane_state)).take(LINKS)
    {
        let id = lane_state.redeployment.as_ref().or(lane_state.deployment.as_ref());
        let Some((id, site)) = id.zip(plan.sites.get(lane.site)) else { continue };
        page.field(label, &console(&site.region, id));
        label = "";
    }
}

/// A deployment in AWS's console, which has other addresses in China and for the US government.
fn console(region: &str, deployment: &str) -> String {
    let domain = match region {
        region if region.starts_with("cn-") => "amazonaws.cn",
        region if region.starts_with("us-gov-") => "amazonaws-us-gov.com",
        _ => "aws.amazon.com",
    };
    format!("https://{region}.console.{domain}/codesuite/codedeploy/deployments/{deployment}?region={region}")
}

fn has_failed(lane: &LaneState) -> bool {
    let steps = lane.steps.iter().chain(&lane.restore);
    steps.map(|step| step.status).any(|status| status == StepStatus::Failed)
}

fn is_bad(status: RunStatus) -> bool {
    match status {
        RunStatus::Planned
        | RunStatus::Running
        | RunStatus::Paused
        | RunStatus::Detached
        | RunStatus::Ended(Outcome::Succeeded) => false,
        RunStatus::Held
        | RunStatus::RollingBack
        | RunStatus::Ended(Outcome::RolledBack | Outcome::Held | Outcome::Stuck | Outcome::Refused) => true,
    }
}

fn title(plan: &Plan, state: &State) -> (Mark, String) {
    let (run, label) = (&state.run, &plan.release.label);
    let cause = state.trouble().map_or("no cause was recorded", |cause| cause.what.as_str());
    let took = match (&state.started, state.ended) {
        (Some((.., began)), Some(ended)) => format!(" after {}", short(between(*began, ended))),
        _ => String::new(),
    };
    match state.status {
        RunStatus::Ended(Outcome::Succeeded) => {
            let back = if plan.intent == Intent::Rollback { "again " } else { "" };
            let environment = &plan.environment;
            (Mark::Done, format!("succeeded{took}: release {label} is {back}live in {environment}"))
        }
        RunStatus::Ended(Outcome::RolledBack) => (Mark::Back, format!("rolled back{took}: {cause}")),
        RunStatus::Ended(Outcome::Held) => (Mark::Failed, format!("held, left as it is{took}: {cause}")),
        RunStatus::Ended(Outcome::Refused) => (Mark::Failed, format!("refused, nothing was changed: {cause}")),
        RunStatus::Ended(Outcome::Stuck) => (
            Mark::Failed,
            format!("stuck{took}, a person must act: {}", stuck_on(state).map_or(cause, |failed| failed.what.as_str())),
        ),
        RunStatus::Paused => match open_until(plan, state) {
            Some(until) => (Mark::Paused, format!("paused: run {run} waits for a person until {}", date(until))),
            None => (Mark::Paused, format!("paused: run {run} waits for a person")),
        },
        RunStatus::Held => (Mark::Paused, format!("held: run {run} waits for a person to decide: {cause}")),
        RunStatus::Detached => (Mark::Paused, format!("detached: run {run} is not finished, and nobody drives it")),
        RunStatus::RollingBack => (Mark::Back, format!("rolling back, not finished: {cause}")),
        RunStatus::Running => (Mark::Begun, format!("run {run} is under way")),
        RunStatus::Planned => (Mark::Begun, format!("run {run} is planned, and nobody has driven it yet")),
    }
}

/// Why the way back failed.
pub(super) fn stuck_on(state: &State) -> Option<&Cause> {
    let restores = state.lanes.iter().filter_map(|lane| lane.restore.as_ref());
    let failed = restores.filter(|restore| restore.status == StepStatus::Failed);
    failed.filter_map(|restore| restore.cause.as_ref()).find(|cause| !cause.what.is_empty())
}

/// When the approval that is waited for runs out.
pub fn open_until(plan: &Plan, state: &State) -> Option<jiff::Timestamp> {
    let mut open = plan.lanes().zip(&state.lanes).filter_map(|(lane, lane_state)| {
        let place = lane_state.cursor()?;
        let (step, step_state) = (lane.steps.get(place)?, lane_state.steps.get(place)?);
        match &step.what {
            What::Hold(Hold::Approval { within }) => step_state.started?.checked_add(within.duration()).ok(),
            What::Hold(Hold::Bake { .. } | Hold::Later) | What::Act(_) => None,
        }
    });
    open.next()
}

/// `web, bake, deployment d-…: a condition that shipit watches`.
pub(super) fn failed_at(plan: &Plan, state: &State) -> Vec<String> {
    let side = state.trouble().map(|cause| format!(": {}", words::side(cause.side))).unwrap_or_default();
    let lead = state.trouble().map_or("", |cause| cause.what.as_str());
    let mut places = Vec::new();
    for (lane, lane_state) in plan.lanes().zip(&state.lanes) {
        let failed = lane_state.steps.iter().position(|step| step.status == StepStatus::Failed);
        let verdict =
            lane_state.verdicts.values().any(|told| told.verdict == VerdictKind::Fail && !told.is_report_only);
        let cursor = lane_state.active().filter(|_| verdict);
        let Some(place) = failed.or(cursor) else { continue };
        let (Some(step), Some(step_state)) = (lane.steps.get(place), lane_state.steps.get(place)) else { continue };
        let deployment = lane_state.deployment.as_ref().map(|id| format!(", deployment {id}")).unwrap_or_default();
        let side = state.cause.as_ref().map(|cause| format!(": {}", words::side_of(step, cause.side)));
        let is_other = failed.is_some() && !step_state.note.is_empty() && step_state.note != lead;
        let why = if is_other { format!(": {}", step_state.note) } else { side.unwrap_or_default() };
        places.push(format!("{}, step {}{deployment}{why}", lane.target, step.id));
    }
    if places.is_empty() && !side.is_empty() {
        let touched = plan.lanes().zip(&state.lanes).find(|(_, lane_state)| lane_state.is_touched());
        places.extend(touched.and_then(|(lane, lane_state)| {
            let step = lane_state.active().and_then(|place| lane.steps.get(place))?;
            Some(format!("{}, step {}{side}", lane.target, step.id))
        }));
    }
    places.truncate(NAMED);
    places
}

/// `bake since 09:41:16Z`.
fn under_way(lane: &Lane, lane_state: &LaneState, _: &State) -> Option<String> {
    let since = |began: Option<jiff::Timestamp>| match began {
        Some(began) => format!("since {}", clock(began)),
        None => "has not begun".to_owned(),
    };
    if let Some(restore) = &lane_state.restore {
        return (restore.status != StepStatus::Done).then(|| format!("restore {}", since(restore.started)));
    }
    let place = lane_state.active()?;
    Some(format!("{} {}", lane.steps.get(place)?.id, since(lane_state.steps.get(place)?.started)))
}

/// Where users' traffic is, and whether they met the new release.
pub fn traffic(plan: &Plan, lane: &Lane, state: &LaneState) -> Option<String> {
    let new = &plan.release.label;
    let old = lane.live().unwrap_or_else(|| "what was there before".to_owned());
    if lane.steps.is_empty() {
        return None;
    }
    if let Some(on) = lane.function() {
        return Some(calls(plan, lane, on, state));
    }
    Some(match (serving(lane, state), first_traffic(lane, state)) {
        (Serving::Blue, None) => format!("{old} serves all of it; {new} never got any"),
        (Serving::Blue, Some(from)) => {
            format!("{old} serves all of it again; {new} had some from {}{}", clock(from), until(state))
        }
        (Serving::Moving, _) => format!("on its way from {old} to {new}: both may answer"),
        (Serving::Green, _) => format!("{new} serves all of it"),
        (Serving::Returning, _) => format!("on its way back from {new} to {old}: both may answer"),
        (Serving::Unsure, _) => format!("not known: {old}, {new} or nobody may answer"),
    })
}

fn changed(plan: &Plan, lane: &Lane, lane_state: &LaneState, state: &State) -> Option<String> {
    if state.status != RunStatus::Ended(Outcome::Succeeded) || lane.steps.is_empty() {
        return None;
    }
    let old = lane.live().unwrap_or_else(|| "nothing".to_owned());
    let releases = format!("{old} → {}", plan.release.label);
    let is_replaced = |step: &Step| step.what == What::Act(Action::Finish);
    match (&lane_state.deployment, lane.fleet()) {
        (Some(id), Some(fleet)) if lane.steps.iter().any(is_replaced) => {
            let (blue, green) = (&fleet.baseline.scaling_group.name, fleet.green_group(id));
            Some(format!("{releases}; Auto Scaling group {blue} → {green}"))
        }
        (Some(_) | None, _) => {
            match lane.function().map(|on| (on, lane_state.version.as_ref().or(on.version.as_ref()))) {
                Some((on, Some(version))) => {
                    let before = on.baseline.version.as_ref().map_or("none".to_owned(), |it| format!("version {it}"));
                    Some(format!("{releases}; alias {} {before} → version {version}", on.function.alias))
                }
                Some((_, None)) | None => Some(releases),
            }
        }
    }
}

/// What is left of the new release in a function that was taken back.
fn left(lane: &Lane, state: &LaneState) -> Option<String> {
    let restore = lane.function().and(state.restore.as_ref())?;
    (restore.status == StepStatus::Done && has_uploaded(lane, state)).then(|| restore.note.clone())
}

/// One field per sentence, with all the targets that it holds for.
fn per_lane(
    page: &mut Page,
    label: &str,
    plan: &Plan,
    state: &State,
    say: impl Fn(&Lane, &LaneState, &State) -> Option<String>,
) {
    let mut sentences: Vec<(String, Vec<&str>)> = Vec::new();
    for (lane, lane_state) in plan.lanes().zip(&state.lanes) {
        let Some(sentence) = say(lane, lane_state, state) else { continue };
        match sentences.iter_mut().find(|(same, _)| *same == sentence) {
            Some((_, targets)) => targets.push(lane.target.as_str()),
            None => sentences.push((sentence, vec![lane.target.as_str()])),
        }
    }
    let left_out = sentences.len().saturating_sub(NAMED);
    for (place, (sentence, targets)) in sentences.iter().take(NAMED).enumerate() {
        let more = targets.len().saturating_sub(NAMED);
        let named = targets[..targets.len() - more].join(", ");
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        page.field(if place == 0 { label } else { "" }, &format!("{named}{more}: {sentence}"));
    }
    if left_out > 0 {
        page.field("", &format!("and {left_out} more"));
    }
}

fn details(page: &mut Page, state: &State) {
    let Some(Cause { what, details, .. }) = state.trouble() else { return };
    let is_stuck = state.status == RunStatus::Ended(Outcome::Stuck);
    let way_back = stuck_on(state).filter(|_| is_stuck).map(|cause| cause.details.as_slice()).unwrap_or_default();
    if details.is_empty() && !is_stuck {
        return;
    }
    page.blank();
    page.details(way_back.iter().take(DETAILS));
    if is_stuck {
        page.field("before", &format!("it went back because: {what}"));
    }
    page.details(details.iter().take(DETAILS));
    if details.len() > DETAILS {
        page.verbatim(2, &format!("… {} more lines", details.len() - DETAILS));
    }
}
