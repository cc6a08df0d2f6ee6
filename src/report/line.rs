//! What is said of a record: no line or a few, as a pure function of plan, state and record. So a replay of the journal
//! says what the live log said.

use jiff::Timestamp;

use super::called;
use super::commands::resume_processes;
use super::layout::wrap;
use super::style::{Mark, Style};
use super::words;
use crate::event::record::{Build, Cause, Envelope, Outcome, Record, Side, VerdictKind};
use crate::model::{Name, Period, harmless};
use crate::plan::{Action, Intent, Plan, Step, StepId, What};
use crate::run::{LaneState, State, StepState, StepStatus};

/// Where further lines of a text begin: under its place.
const UNDER: usize = 13;

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// World time.
    pub at: Timestamp,
    /// What it is about, at a glance.
    pub mark: Mark,
    /// Target and step, or nothing if it is about the whole run.
    pub place: String,
    /// What is said.
    pub text: String,
}

impl Line {
    /// `09:34:06Z  ✓ web create  green is ready (4m10s)`. On a screen it is broken between words, with further lines under
    /// the first one's place.
    pub fn render(&self, style: &Style) -> String {
        if !style.wraps {
            return format!("{}{}", self.start(style), style.text(&self.text));
        }
        let start = self.start(&Style { colour: false, ..*style });
        let lines = wrap(&style.text(&self.text), style.width, start.chars().count(), UNDER);
        let first = lines.first().map_or("", |line| line.trim_start());
        let rest = lines.iter().skip(1).map(|line| format!("\n{line}"));
        format!("{}{first}{}", self.start(style), rest.collect::<String>())
    }

    fn start(&self, style: &Style) -> String {
        let at = style.paint(super::style::Tint::Quiet, &words::clock(self.at));
        let gap = if self.place.is_empty() { "" } else { "  " };
        format!("{at}  {} {}{gap}", style.mark(self.mark), style.text(&self.place))
    }
}

/// What is said of a record; `before` is the state without it.
pub fn lines(plan: &Plan, before: &State, envelope: &Envelope) -> Vec<Line> {
    let said = said(plan, before, envelope).into_iter().chain(waiting(plan, before, envelope));
    said.map(|(mark, place, text)| Line { at: envelope.at, mark, place, text }).collect()
}

/// What is said of a failure that waits for a person.
const HELD: &str = "held: nothing goes on and nothing goes back until a person decides";

type Said = Option<(Mark, String, String)>;

fn said(plan: &Plan, before: &State, envelope: &Envelope) -> Said {
    let at = envelope.at;
    match &envelope.record {
        Record::RunPlanned { .. } => planned(plan, envelope),
        Record::DriverStarted { holder, .. } => {
            // Tokens grow with every run of the environment; another driver of this run has one before it.
            let on = if before.token == 0 { "" } else { " on" };
            whole(Mark::Fact, format!("driven{on} by {holder}"))
        }
        Record::DecisionAccepted { name, by } => whole(Mark::Fact, format!("decision {name} by {by} is taken up")),
        Record::DecisionIgnored { name, why } => whole(Mark::Fact, format!("decision {name} has no effect: {why}")),
        Record::Deaf { target, step, why, needs } => here(Mark::Trouble, target, step, deaf(why, needs.as_deref())),
        Record::HearsAgain => whole(Mark::Fact, "what people decide is heard again".to_owned()),
        Record::RollBackBegan { cause, targets } => whole(Mark::Back, back(plan, before, cause, targets)),
        Record::Detached { why } => whole(Mark::Paused, format!("detached: {why}; any machine can resume the run")),
        Record::RunEnded { outcome, live } => whole(outcome_mark(*outcome), ended(before, at, *outcome, live)),
        Record::StepStarted { target, step } => {
            here(Mark::Begun, target, step, begun(plan, target, step, find(plan, before, target, step)))
        }
        Record::CallEnded { target, step, trouble, .. } => {
            let (mark, text) = answered(find(plan, before, target, step), trouble.as_deref())?;
            here(mark, target, step, text)
        }
        Record::CallLost { target, step, why, .. } => here(Mark::Trouble, target, step, unseen(why)),
        Record::DeploymentSeen { target, step, deployment, .. } => is_news(before, target, step, deployment)
            .then(|| here(Mark::Fact, target, step, format!("deployment {deployment}")))?,
        Record::StepDone { target, step, note } => {
            here(Mark::Done, target, step, done(note, find(plan, before, target, step), at))
        }
        Record::StepFailed { target, step, cause } => {
            here(Mark::Failed, target, step, failed(plan, target, step, cause))
        }
        Record::Judged { target, condition, verdict, report_only, why } => {
            let condition = called::condition(plan.lane(target), condition);
            let text = format!("{condition} {}: {why}", called::says(*verdict, *report_only));
            Some((mark(*verdict, *report_only), target.to_string(), text))
        }
        Record::ConditionAccepted { target, condition, by } => {
            let condition = called::condition(plan.lane(target), condition);
            let text = format!("{by} goes on without a verdict of {condition}; it passes until it says no");
            Some((Mark::Fact, target.to_string(), text))
        }
        Record::ProcessesLeft { target, group, processes } => Some(left(plan, target, group, processes)),
        Record::Paused { target, step, until } => {
            let until = words::date(*until);
            here(Mark::Paused, target, step, format!("waits for a person to promote; after {until} it rolls back"))
        }
        Record::Held { target, step, .. } => here(Mark::Paused, target, step, HELD.to_owned()),
        Record::FailureAccepted { target, step, by } => {
            here(Mark::Fact, target, step, format!("{by} accepts the failure"))
        }
        Record::Restored { target, note } => {
            let restore = before.lane(target).and_then(|lane| lane.restore.as_ref());
            here(Mark::Done, target, &StepId::from("restore"), done(note, restore, at))
        }
        Record::RestoreFailed { target, cause } => {
            here(Mark::Failed, target, &StepId::from("restore"), format!("failed: {}", cause.what))
        }
        Record::PromotedFully { target, by } => {
            Some((Mark::Fact, target.to_string(), format!("{by} ends all waits that remain, each once it is judged")))
        }
        Record::VersionSeen { target, version } => {
            Some((Mark::Fact, target.to_string(), format!("version {version} is published")))
        }
        // Said by what comes of them: the step's begin, a deployment's id, trouble, the end; a bake's by heartbeats.
        Record::CallBegan { .. } | Record::Watched { .. } | Record::AliasMoved { .. } => None,
    }
}

fn failed(plan: &Plan, target: &Name, step: &StepId, cause: &Cause) -> String {
    let planned = plan.lane(target).and_then(|lane| lane.step(step));
    let side = planned.map_or(words::side(cause.side), |planned| words::side_of(planned, cause.side));
    format!("failed: {} ({side})", cause.what)
}

/// Whether a deployment was not known to be this step's.
fn is_news(before: &State, target: &Name, step: &StepId, deployment: &String) -> bool {
    let known = |lane: &LaneState| match step.0.as_str() {
        "restore" => lane.redeployment.clone(),
        _ => lane.deployment.clone(),
    };
    before.lane(target).is_some_and(|lane| known(lane).as_ref() != Some(deployment))
}

fn unseen(why: &str) -> String {
    format!("its end was not seen: {why}")
}

/// Processes that CodeDeploy left suspended, or that they are resumed by now.
fn left(plan: &Plan, target: &Name, group: &str, processes: &[String]) -> (Mark, String, String) {
    if processes.is_empty() {
        return (Mark::Fact, target.to_string(), "all that CodeDeploy had suspended is resumed".to_owned());
    }
    let command = resume_processes(plan.region(target), group, processes);
    let text = format!("CodeDeploy did not resume {} of {group}: {command}", processes.join(", "));
    (Mark::Trouble, target.to_string(), text)
}

/// What is said of hosts that do not move on.
fn waiting(plan: &Plan, before: &State, envelope: &Envelope) -> Vec<(Mark, String, String)> {
    let Record::DeploymentSeen { target, step, waits, .. } = &envelope.record else { return Vec::new() };
    let step = if before.is_going_back() { &StepId::from("restore") } else { step };
    let texts = super::waits::told(plan.lane(target), waits, before.is_going_back(), envelope.at);
    texts.into_iter().filter_map(|text| here(Mark::Trouble, target, step, text)).collect()
}

fn mark(verdict: VerdictKind, is_report_only: bool) -> Mark {
    match verdict {
        VerdictKind::Pass => Mark::Done,
        VerdictKind::Fail if !is_report_only => Mark::Failed,
        VerdictKind::Fail | VerdictKind::Undecided => Mark::Fact,
    }
}

fn back(plan: &Plan, before: &State, cause: &Cause, targets: &[Name]) -> String {
    let targets: Vec<&str> = targets.iter().map(Name::as_str).collect();
    let gap = if targets.is_empty() { "nothing to restore" } else { "rolling back " };
    format!("{gap}{}: {}", targets.join(", "), why_back(plan, before, cause))
}

fn whole(mark: Mark, text: String) -> Said {
    Some((mark, String::new(), text))
}

fn here(mark: Mark, target: &Name, step: &StepId, text: String) -> Said {
    Some((mark, format!("{target} {step}"), text))
}

fn find<'a>(plan: &Plan, before: &'a State, target: &Name, step: &StepId) -> Option<&'a StepState> {
    let lane = before.lane(target)?;
    if step.0 == "restore" {
        return lane.restore.as_ref();
    }
    lane.steps.get(plan.lane(target)?.place(step)?)
}

/// Nobody is heard, so a step is not begun.
fn deaf(why: &str, needs: Option<&str>) -> String {
    let needs = needs.map(|needs| format!("; it needs {needs}")).unwrap_or_default();
    format!("does not begin: what people decide cannot be heard: {}{needs}", harmless(why, 300))
}

/// What is to be done, and who asked for it.
fn planned(plan: &Plan, envelope: &Envelope) -> Said {
    let Record::RunPlanned { by, parent, back, build, again, origin, .. } = &envelope.record else { return None };
    let again = again.as_ref().map(|why| format!(", again: {}", harmless(why, 200))).unwrap_or_default();
    let after = parent.as_ref().map(|run| format!(", {}", words::after(run, back.as_deref()))).unwrap_or_default();
    let from = build.as_ref().map(from_build).unwrap_or_default();
    let is_dirty = origin.as_ref().is_some_and(|origin| origin.dirty);
    let dirty = if is_dirty { ", with uncommitted changes" } else { "" };
    let intent = intent(plan);
    whole(Mark::Fact, format!("run {}: {intent}{dirty}, asked for by {by}{from}{after}{again}", envelope.run))
}

/// ` in acme/shop deploy #57, commit 0123456789ab, started by kim, https://…`.
fn from_build(build: &Build) -> String {
    let actor = build.actor.as_ref().map(|actor| format!("started by {actor}"));
    let parts: Vec<String> = [words::build(build)].into_iter().chain(actor).chain(build.url.clone()).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { String::new() } else { format!(" in {}", parts.join(", ")) }
}

/// `deploys release r2 of storefront to production`.
fn intent(plan: &Plan) -> String {
    let (label, pipeline, environment) = (&plan.release.label, &plan.pipeline, &plan.environment);
    match plan.intent {
        Intent::Deploy => {
            let from = plan.release.from.as_ref().map(|from| format!(" from {}", from.environment)).unwrap_or_default();
            format!("release {label} of {pipeline} goes{from} to {environment}")
        }
        Intent::Rollback => format!("{pipeline} in {environment} goes back to release {label}"),
    }
}

/// A step that just failed has said why already.
fn why_back(plan: &Plan, before: &State, cause: &Cause) -> String {
    for (lane, lane_state) in plan.lanes().zip(&before.lanes) {
        let said = |step: &StepState| step.status == StepStatus::Failed && step.cause.as_ref() == Some(cause);
        if let Some(step) = lane_state.steps.iter().position(said).and_then(|place| lane.steps.get(place)) {
            return format!("{} of {} failed", step.id, lane.target);
        }
    }
    match cause.side {
        Side::Person => cause.what.clone(),
        Side::Condition
        | Side::CodeDeploy
        | Side::Limit
        | Side::Refused
        | Side::Busy
        | Side::Lambda
        | Side::Foreign
        | Side::Unseen => {
            format!("{} ({})", cause.what, words::side(cause.side))
        }
    }
}

fn begun(plan: &Plan, target: &Name, id: &StepId, before: Option<&StepState>) -> String {
    if before.is_some_and(|step| step.status != StepStatus::Pending) {
        return "begins again".to_owned();
    }
    let Some(lane) = plan.lane(target) else { return "begins".to_owned() };
    let Some(step) = lane.step(id) else { return "begins".to_owned() };
    let does = words::does(lane, step);
    if matches!(step.what, What::Hold(_)) { does } else { format!("{does} ({})", lengths(step)) }
}

/// `usually 6m, at most 30m`.
fn lengths(step: &Step) -> String {
    let limit = words::short(step.limit);
    if step.expected < Period::seconds(1) || step.what == What::Act(Action::Compare) {
        format!("at most {limit}")
    } else {
        format!("usually {}, at most {limit}", words::short(step.expected))
    }
}

/// Trouble with calls is said when it begins or changes, and when it is over; not for each of a thousand throttles.
fn answered(before: Option<&StepState>, trouble: Option<&str>) -> Option<(Mark, String)> {
    let earlier = before.and_then(|step| step.trouble.as_ref());
    let call =
        before.and_then(|step| step.last_call.as_ref()).map_or("the call".to_owned(), |(call, _)| called::call(call));
    match (earlier, trouble) {
        (None, None) => None,
        (Some((_, count, _)), None) => {
            let times = if *count == 1 { "once".to_owned() } else { format!("{count} times") };
            Some((Mark::Fact, format!("{call} went through after it had failed {times}")))
        }
        (Some((same, ..)), Some(now)) if same == now => None,
        (_, Some(now)) => Some((Mark::Trouble, format!("{call}: {now}; it is tried again"))),
    }
}

fn done(note: &str, before: Option<&StepState>, at: Timestamp) -> String {
    let note = if note.is_empty() { "done" } else { note };
    match before.and_then(|step| step.started) {
        Some(began) => format!("{note} ({})", words::short(words::between(began, at))),
        None => note.to_owned(),
    }
}

fn outcome_mark(outcome: Outcome) -> Mark {
    match outcome {
        Outcome::Succeeded => Mark::Done,
        Outcome::RolledBack => Mark::Back,
        Outcome::Held | Outcome::Stuck | Outcome::Refused => Mark::Failed,
    }
}

fn ended(before: &State, at: Timestamp, outcome: Outcome, live: &std::collections::BTreeMap<Name, String>) -> String {
    let live: Vec<String> = live.iter().map(|(target, what)| format!("{target} {what}")).collect();
    let took = before.started.as_ref().map(|(.., began)| words::short(words::between(*began, at)));
    let took = took.map(|took| format!(" after {took}")).unwrap_or_default();
    let live = if live.is_empty() { String::new() } else { format!("; live: {}", live.join(", ")) };
    format!("{}{took}{live}", words::outcome(outcome))
}
