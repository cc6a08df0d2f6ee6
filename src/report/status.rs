//! `status`: what is live, what is under way, who waits for what since when.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::called;
use super::commands::{Invocation, Suggestion};
use super::ending::{open_until, traffic};
use super::layout::Page;
use super::style::{Style, Tint};
use super::suggestions::suggestions;
use super::words::{self, between, clock, date, short};
use crate::model::lambda::Alias;
use crate::model::{Format, Name, Percent, Period, RunId};
use crate::plan::{Intent, Plan};
use crate::run::{RunStatus, State, StepStatus};

/// Targets and lanes that the text shows; JSON has all.
const SHOWN: usize = 20;

/// Everything that `status` says; as JSON it is the document of `--output json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatusView {
    /// The format's version.
    pub v: Format,
    /// World time of the look.
    pub at: Timestamp,
    /// The pipeline's name.
    pub pipeline: Name,
    /// The environment.
    pub environment: Name,
    /// What is live, per target.
    pub targets: Vec<TargetStatus>,
    /// The unfinished run, if there is one.
    pub run: Option<RunView>,
    /// What could not be seen, and other things worth knowing.
    pub notes: Vec<String>,
}

/// What is live on a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetStatus {
    /// The target.
    pub target: Name,
    /// The release or bundle that serves, as far as can be seen.
    pub live: Option<String>,
    /// The deployment that brought it.
    pub deployment: Option<String>,
    /// Since when, if that is known.
    pub since: Option<Timestamp>,
    /// The Auto Scaling group.
    pub group: Option<String>,
    /// Healthy targets, of how many.
    pub healthy: Option<(usize, usize)>,
    /// A deployment under way that is not of the unfinished run: id, creator, status.
    pub active: Option<String>,
    /// The alias, if it is a function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<AliasStatus>,
}

/// Where a function's alias sends its callers, and who did that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AliasStatus {
    /// The function.
    pub function: String,
    /// The alias.
    pub alias: String,
    /// The version that gets what others do not get; none if there is no alias yet.
    pub version: Option<String>,
    /// Shares of other versions.
    pub weights: BTreeMap<String, Percent>,
    /// The run that left it so, if that is known: AWS itself does not say.
    pub run: Option<RunId>,
    /// Who asked for that run.
    pub by: Option<String>,
}

impl TargetStatus {
    /// A target of which nothing is known.
    pub fn of(target: &Name) -> TargetStatus {
        TargetStatus {
            target: target.clone(),
            live: None,
            deployment: None,
            since: None,
            group: None,
            healthy: None,
            active: None,
            alias: None,
        }
    }
}

/// An unfinished run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunView {
    /// The run.
    pub run: RunId,
    /// `deploy` or `rollback`.
    pub what: String,
    /// What will be live.
    pub release: String,
    /// Such as `running`, `paused`, `rolling_back`.
    pub status: String,
    /// When it was planned.
    pub started: Option<Timestamp>,
    /// Who asked for it.
    pub by: Option<String>,
    /// Why it goes back or is held, if it is.
    pub cause: Option<String>,
    /// Where its lanes are.
    pub lanes: Vec<LaneStatus>,
    /// Until when a person may promote, if one is waited for.
    pub open_until: Option<Timestamp>,
    /// Why nothing is begun that is slow to take back: what people decide cannot be heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deaf: Option<String>,
    /// Who drives it, if somebody does.
    pub driver: Option<Driver>,
    /// What makes sense now.
    pub next: Vec<Suggestion>,
}

/// Where a lane is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LaneStatus {
    /// The target.
    pub target: Name,
    /// The step under way, or the next.
    pub step: String,
    /// What it does or waits for.
    pub does: String,
    /// How long it should take, in seconds; nothing where a person is waited for.
    pub expected_s: Option<u64>,
    /// How long it may take, in seconds.
    pub limit_s: u64,
    /// The deployment that it works with.
    pub deployment: Option<String>,
    /// When it began, if it did.
    pub since: Option<Timestamp>,
    /// Where users' traffic is.
    pub traffic: Option<String>,
    /// What a person has to decide, because nothing else can tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asks: Option<String>,
}

/// Who drives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Driver {
    /// Who, where.
    pub holder: String,
    /// Seconds since the lease's last beat, by wall clocks.
    pub seen_seconds_ago: u64,
}

/// How long a driver may be silent before others may go on with its run.
const LEASE_SECONDS: u64 = 60;

impl Driver {
    /// Whether it was seen lately enough to be taken for alive.
    pub fn is_alive(&self) -> bool {
        self.seen_seconds_ago <= LEASE_SECONDS
    }
}

impl RunView {
    /// What the plan and the journal of an unfinished run tell.
    pub fn of(plan: &Plan, state: &State, driver: Option<Driver>, invocation: &Invocation) -> RunView {
        let lanes = plan.lanes().zip(&state.lanes).filter_map(|(lane, lane_state)| {
            let traffic = traffic(plan, lane, lane_state);
            let (step, since) = match &lane_state.restore {
                Some(restore) if restore.status == StepStatus::Done => return None,
                Some(restore) => (lane.restore(), restore.started),
                None => {
                    let place = lane_state.active()?;
                    (lane.steps.get(place)?.clone(), lane_state.steps.get(place)?.started)
                }
            };
            Some(LaneStatus {
                target: lane.target.clone(),
                does: words::does(lane, &step),
                expected_s: Some(step.expected.as_seconds()).filter(|seconds| *seconds > 0),
                limit_s: step.limit.as_seconds(),
                deployment: lane_state.redeployment.as_ref().or(lane_state.deployment.as_ref()).cloned(),
                step: step.id.to_string(),
                since,
                traffic,
                asks: called::asks(lane, lane_state),
            })
        });
        let mut next = suggestions(plan, state, invocation, driver.as_ref().is_some_and(Driver::is_alive));
        next.retain(|it| it.command != invocation.command("status"));
        RunView {
            run: state.run.clone(),
            what: words::intent(plan.intent).to_owned(),
            release: plan.release.label.clone(),
            status: words::key(state.status),
            started: state.started.as_ref().map(|(.., at)| *at),
            by: state.started.as_ref().map(|(by, ..)| by.clone()),
            cause: state.trouble().map(|cause| cause.what.clone()),
            lanes: lanes.collect(),
            deaf: state.deaf.as_ref().map(|deaf| {
                let needs = deaf.needs.as_ref().map(|needs| format!("; it needs {needs}")).unwrap_or_default();
                format!("{}{needs}", crate::model::harmless(&deaf.why, 300))
            }),
            open_until: open_until(plan, state).filter(|_| state.status == RunStatus::Paused),
            driver,
            next,
        }
    }
}

/// `status` as text.
pub fn status_text(view: &StatusView, style: Style) -> String {
    let mut page = Page::new(style);
    page.heading(Tint::Strong, &format!("{} in {} at {}", view.pipeline, view.environment, date(view.at)));
    for (place, target) in view.targets.iter().take(SHOWN).enumerate() {
        page.field(if place == 0 { "live" } else { "" }, &target_text(target, view.at));
    }
    left_out(&mut page, view.targets.len());
    match &view.run {
        None => page.field("run", "none is under way"),
        Some(run) => run_text(&mut page, run, view.at),
    }
    for note in &view.notes {
        page.note("note", note);
    }
    if let Some(run) = view.run.as_ref().filter(|run| !run.next.is_empty()) {
        page.commands("next", &run.next);
    }
    page.finish()
}

fn target_text(target: &TargetStatus, now: Timestamp) -> String {
    let is_new = target.group.is_some() || target.alias.is_some();
    let nothing = if is_new { "nothing deployed yet" } else { "not known" };
    let live = target.live.as_deref().unwrap_or(nothing);
    let group = target.group.as_ref().map(|group| format!(" on {group}")).unwrap_or_default();
    let since = target.since.map(|since| format!(" for {}", short(between(since, now)))).unwrap_or_default();
    let healthy = target.healthy.map(|(some, all)| format!(", {some} of {all} healthy")).unwrap_or_default();
    let active = target.active.as_ref().map(|active| format!("; under way: {active}")).unwrap_or_default();
    let alias = target.alias.as_ref().map(alias_text).unwrap_or_default();
    format!("{}: {live}{group}{since}{healthy}{alias}{active}", target.target)
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
    let what = if run.what == words::intent(Intent::Rollback) { "back to release" } else { "release" };
    page.field("run", &format!("{} {}: {what} {}{by}", run.run, run.status.replace('_', " "), run.release));
    if let Some(cause) = &run.cause {
        page.field("cause", cause);
    }
    for lane in run.lanes.iter().take(SHOWN) {
        let usual = lane.expected_s.map(|it| format!("usually {}, ", short(Period::seconds(it)))).unwrap_or_default();
        let lengths = format!("{usual}at most {}", short(Period::seconds(lane.limit_s)));
        let since = match lane.since {
            Some(since) => format!("for {} since {} ({lengths})", short(between(since, now)), clock(since)),
            None => "has not begun".to_owned(),
        };
        let deployment = lane.deployment.as_ref().map(|id| format!(", {id}")).unwrap_or_default();
        let step = format!("{}: {} {since}{deployment}: {}", lane.target, lane.step, lane.does);
        page.field("step", &step);
        if let Some(traffic) = &lane.traffic {
            page.field("traffic", &format!("{}: {traffic}", lane.target));
        }
        if let Some(asks) = &lane.asks {
            page.field("waits", &format!("{}: for a person, promote or abort: {asks}", lane.target));
        }
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
    match &run.driver {
        Some(driver) => {
            let ago = short(Period::seconds(driver.seen_seconds_ago));
            let gone = if driver.is_alive() { "" } else { "; nobody drives it now" };
            page.field("driver", &format!("{}, last seen {ago} ago{gone}", driver.holder));
        }
        None => page.field("driver", "nobody"),
    }
}

fn left_out(page: &mut Page, all: usize) {
    if all > SHOWN {
        page.field("", &format!("and {} more; --output json has all", all - SHOWN));
    }
}
