//! `status` as text.

use jiff::Timestamp;

use super::{AliasStatus, ConditionStatus, Driver, LaneStatus, LastRun, PartStatus, RunView, StatusView, TargetStatus};
use crate::event::VerdictKind;
use crate::model::lambda::Alias;
use crate::model::serving::{Hosts, Side};
use crate::model::{Percent, Period};
use crate::plan::Intent;
use crate::report::layout::Page;
use crate::report::style::{Mark, Style, Tint};
use crate::report::words::{self, between, clock, date, short};
use crate::run::RunStatus;

/// Targets and lanes that the text shows; JSON has all.
const SHOWN: usize = 20;

/// `status` as text.
pub fn status_text(view: &StatusView, style: Style) -> String {
    let mut page = Page::new(style);
    page.heading(Tint::Strong, &format!("{} in {} at {}", view.pipeline, view.environment, date(view.at)));
    let mut label = "live";
    for target in view.targets.iter().take(SHOWN) {
        for line in target_lines(target, view.at) {
            page.field(label, &line);
            label = "";
        }
    }
    left_out(&mut page, view.targets.len());
    match (&view.run, &view.unread, &view.last) {
        (Some(run), ..) => run_text(&mut page, run, view.at),
        (None, Some(unread), _) => page.field("run", &format!("{} cannot be read: {}", unread.run, unread.why)),
        (None, None, last) => {
            page.field("run", "none is under way");
            if let Some(last) = last {
                last_text(&mut page, last, view.at);
            }
        }
    }
    for note in &view.notes {
        page.note("note", note);
    }
    let of_last = view.last.as_ref().map(|last| &last.next);
    let next = view.run.as_ref().map(|run| &run.next).or(of_last).filter(|next| !next.is_empty());
    if let Some(next) = next {
        page.commands("next", next);
    }
    page.finish()
}

/// What is on a target: one line where one release serves alone, or a line for each.
pub(super) fn target_lines(target: &TargetStatus, now: Timestamp) -> Vec<String> {
    let active = target.active.as_ref().map(|active| format!("; under way: {active}")).unwrap_or_default();
    let name = &target.target;
    if let Some(alias) = &target.alias {
        let live = match target.parts.as_slice() {
            [] => "nothing deployed yet".to_owned(),
            [one] => one.release.clone(),
            several => several.iter().map(called).collect::<Vec<_>>().join(", "),
        };
        return vec![format!("{name}: {live}{}{}{active}", since(target, now), alias_text(alias))];
    }
    let mut lines: Vec<String> = match target.parts.as_slice() {
        [] => vec![format!("{name}: not known")],
        [one] => {
            let group = one.part.group.as_ref().map(|group| format!(" on {group}")).unwrap_or_default();
            let hosts = one.part.hosts.map(|hosts| format!(", {}", hosts_text(hosts))).unwrap_or_default();
            vec![format!("{name}: {}{group}{}{hosts}", one.release, since(target, now))]
        }
        several => several.iter().map(|part| format!("{name}: {}", part_text(part, target, now))).collect(),
    };
    if let Some(last) = lines.last_mut() {
        last.push_str(&active);
    }
    lines
}

fn since(target: &TargetStatus, now: Timestamp) -> String {
    target.since.map(|since| format!(" for {}", short(between(since, now)))).unwrap_or_default()
}

/// `r1 (version 41) 95%`.
fn called(part: &PartStatus) -> String {
    let version = part.part.version.as_ref().map(|version| format!(" (version {version})")).unwrap_or_default();
    format!("{}{version} {}", part.release, part.part.share)
}

/// `green r2 gets 67% of the traffic, 2 of 2 healthy, on CodeDeploy_…`.
pub(super) fn part_text(status: &PartStatus, target: &TargetStatus, now: Timestamp) -> String {
    let PartStatus { release, part } = status;
    let side = match part.side {
        Some(Side::Blue) => "blue ",
        Some(Side::Green) => "green ",
        None => "",
    };
    let gets = match part.share {
        Percent::ALL => format!("gets all of the traffic{}", since(target, now)),
        share if share == Percent::default() => "gets no traffic".to_owned(),
        share => format!("gets about {}% of the traffic", (share.hundredths() + 50) / 100),
    };
    let hosts = part.hosts.map(|hosts| format!(", {}", hosts_text(hosts))).unwrap_or_default();
    let group = part.group.as_ref().map(|group| format!(", on {group}")).unwrap_or_default();
    format!("{side}{release} {gets}{hosts}{group}")
}

/// `2 of 4 healthy, 2 draining`.
fn hosts_text(hosts: Hosts) -> String {
    let Hosts { all, healthy, unhealthy, draining, outside } = hosts;
    let aside = [(unhealthy, "not healthy"), (draining, "draining"), (outside, "not in the load balancer")];
    let mut parts = vec![format!("{healthy} of {all} healthy")];
    match aside.iter().find(|(count, _)| healthy == 0 && all > 0 && *count == all) {
        Some((_, what)) if all == 1 => parts = vec![format!("its host is {what}")],
        Some((_, what)) => parts = vec![format!("all {all} hosts {what}")],
        None => {
            parts.extend(aside.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")))
        }
    }
    parts.join(", ")
}

/// `, thumbnailer:live on version 41 with 5% on 42, moved by run … of kim`.
fn alias_text(status: &AliasStatus) -> String {
    let AliasStatus { function, alias, weights, .. } = status;
    let Some(version) = status.version.clone() else { return format!(", function {function} has no alias {alias}") };
    let route = Alias { version, weights: weights.clone(), ..Alias::default() }.route();
    let by = status.by.as_ref().map(|by| format!(" of {by}")).unwrap_or_default();
    let who = match &status.run {
        Some(run) => format!("moved by run {run}{by}"),
        None => "moved by no run that is known here".to_owned(),
    };
    format!(", {function}:{alias} on {route}, {who}")
}

fn run_text(page: &mut Page, run: &RunView, now: Timestamp) {
    let ago = run.started.map(|at| format!(" {} ago", short(between(at, now)))).unwrap_or_default();
    let by = run.by.as_ref().map(|by| format!(", asked for by {by}{ago}")).unwrap_or_default();
    let (status, release) = (run.status.replace('_', " "), shipped(&run.what, &run.release));
    page.field("run", &format!("{} {status}: {release}{by}", run.run));
    if let Some(cause) = &run.cause {
        page.field("cause", cause);
    }
    for lane in run.lanes.iter().take(SHOWN) {
        lane_text(page, lane, now);
    }
    left_out(page, run.lanes.len());
    if let Some(deaf) = &run.deaf {
        page.field("waits", &format!("to hear what people decide, before what is slow to take back: {deaf}"));
    }
    if let Some(until) = run.open_until {
        let left = short(between(now, until));
        page.field("waits", &format!("for a person to promote until {}, {left} left; then it rolls back", date(until)));
    }
    if run.status == words::key(RunStatus::Held) {
        page.field("waits", "for a person: nothing goes on and nothing goes back until one decides");
    }
    page.field("driver", &driver_text(run.driver.as_ref(), now));
}

fn lane_text(page: &mut Page, lane: &LaneStatus, now: Timestamp) {
    page.field("step", &format!("{}: {}", lane.target, step_text(lane, now)));
    if let Some(waits) = waits_text(lane) {
        page.field("waits", &format!("{}: {waits}", lane.target));
    }
    for (place, condition) in lane.conditions.iter().enumerate() {
        let label = if place == 0 { "watches" } else { "" };
        let text = condition_text(condition);
        page.field(label, &format!("{}: {} {text}", lane.target, said(condition.verdict).symbol()));
    }
    if let Some(asks) = &lane.asks {
        page.field("waits", &format!("{}: for a person, promote or abort: {asks}", lane.target));
    }
}

/// `bake for 2m since 09:41:16Z (usually 5m, at most 1h), d-…: 5m watched without a failure`.
fn step_text(lane: &LaneStatus, now: Timestamp) -> String {
    let usual = lane.expected_s.map(|it| format!("usually {}, ", short(Period::seconds(it)))).unwrap_or_default();
    let lengths = format!("{usual}at most {}", short(Period::seconds(lane.limit_s)));
    let since = match lane.since {
        Some(since) => format!("for {} since {} ({lengths})", short(between(since, now)), clock(since)),
        None => "has not begun".to_owned(),
    };
    let deployment = lane.deployment.as_ref().map(|id| format!(", {id}")).unwrap_or_default();
    format!("{} {since}{deployment}: {}", lane.step, lane.does)
}

/// `2 of 4 hosts have it`.
pub(super) fn waits_text(lane: &LaneStatus) -> Option<String> {
    let why = lane.why.as_ref()?;
    Some(lane.count.map_or_else(|| why.clone(), |(done, of)| format!("{done} of {of}: {why}")))
}

/// `alarm storefront-5xx: is OK`.
pub(super) fn condition_text(condition: &ConditionStatus) -> String {
    let only = if condition.is_report_only { " (decides nothing)" } else { "" };
    let word = match condition.verdict {
        VerdictKind::Pass => "passes",
        VerdictKind::Fail => "fails",
        VerdictKind::Undecided => "undecided",
    };
    format!("{} {word}: {}{only}", condition.condition, condition.why)
}

/// What marks a condition.
pub(super) fn said(said: VerdictKind) -> Mark {
    match said {
        VerdictKind::Pass => Mark::Done,
        VerdictKind::Fail => Mark::Failed,
        VerdictKind::Undecided => Mark::Still,
    }
}

/// `ci@runner-7 since 09:34:06Z, last seen 4s ago`.
pub(super) fn driver_text(driver: Option<&Driver>, now: Timestamp) -> String {
    let Some(driver) = driver else { return "nobody".to_owned() };
    let ago = short(Period::seconds(driver.seen_seconds_ago));
    let gone = if driver.is_alive() { "" } else { "; nobody drives it now" };
    let since =
        driver.since.map(|at| format!(" since {} ({})", clock(at), short(between(at, now)))).unwrap_or_default();
    format!("{}{since}, last seen {ago} ago{gone}", driver.holder)
}

/// `release r2`, `back to release r1`.
pub(super) fn shipped(what: &str, release: &str) -> String {
    let back = if what == words::intent(Intent::Rollback) { "back to " } else { "" };
    format!("{back}release {release}")
}

fn last_text(page: &mut Page, last: &LastRun, now: Timestamp) {
    let ago = last.ended.map(|at| format!(" {} ago ({})", short(between(at, now)), date(at))).unwrap_or_default();
    let by = last.by.as_ref().map(|by| format!(", asked for by {by}")).unwrap_or_default();
    let (status, release) = (last.status.replace('_', " "), shipped(&last.what, &last.release));
    page.field("last", &format!("{} {status}{ago}: {release}{by}", last.run));
    if let Some(cause) = &last.cause {
        page.field("cause", cause);
    }
    for (place, at) in last.at.iter().enumerate() {
        page.field(if place == 0 { "where" } else { "" }, at);
    }
    for (place, line) in last.help.iter().enumerate() {
        page.note(if place == 0 { "help" } else { "" }, line);
    }
}

fn left_out(page: &mut Page, all: usize) {
    if all > SHOWN {
        page.field("", &format!("and {} more; --output json has all", all - SHOWN));
    }
}
