//! The summary of a CI step, as Markdown: what a command came to, on the page that people look at first. Under 64 KiB,
//! whatever a run was; of what does not fit, details go first.

use super::commands::{Invocation, Suggestion};
use super::ending::traffic;
use super::markdown::{longest_run, plain};
use super::plan_text::plan_markdown;
use super::result::ResultDocument;
use super::suggestions::suggestions;
use super::words::{between, clock, short};
use crate::model::harmless;
use crate::plan::Plan;
use crate::run::{State, StepState, StepStatus};

/// Bytes of a summary. GitHub takes 1 MiB per step and drops the whole of what is larger.
pub const MOST: usize = 64 * 1024;
/// Bytes of the table of steps.
const STEPS: usize = 24 * 1024;
/// Bytes of any other part but the details.
const PART: usize = 8 * 1024;
/// Targets that the facts name.
const SHOWN: usize = 8;
/// Characters of a cell.
const CELL: usize = 300;
/// Bytes that fences, headings and remarks around the details need at most.
const RESERVE: usize = 2 * 1024;

/// A command about a run.
pub fn run_summary(document: &ResultDocument, plan: &Plan, state: &State, invocation: &Invocation) -> String {
    let mut text = heading(document);
    let mut facts = facts(document);
    for (lane, lane_state) in plan.lanes().zip(&state.lanes).take(SHOWN) {
        let said = traffic(plan, lane, lane_state);
        let label = if lane.function().is_some() { "calls" } else { "traffic" };
        facts.extend(said.map(|said| (format!("{label} of {}", lane.target), escaped(&said))));
    }
    if let Some((by, _, at)) = &state.started {
        let actor = state.build.as_ref().and_then(|build| build.actor.clone());
        let who = actor.map_or_else(|| by.clone(), |actor| format!("{actor} ({by})"));
        facts.push(("asked for".to_owned(), escaped(&format!("by {who} at {}", clock(*at)))));
    }
    text.push_str(&two_columns(&facts));
    text.push_str(&steps(plan, state));
    let help = state.cause.as_ref().map(|cause| cause.help.as_slice()).unwrap_or_default();
    if !help.is_empty() {
        text.push_str(&fenced(help.iter().map(String::as_str), "text", PART));
    }
    text.push_str(&commands(&suggestions(plan, state, invocation, false)));
    with_details(text, document)
}

/// A command that came to no run.
pub fn command_summary(document: &ResultDocument) -> String {
    let mut text = heading(document);
    text.push_str(&two_columns(&facts(document)));
    if let Some(help) = document.error.as_ref().and_then(|error| error.help.as_ref()) {
        text.push_str(&fenced(help.lines(), "", PART));
    }
    with_details(text, document)
}

/// A plan that was only made.
pub fn plan_summary(document: &ResultDocument, plan: &Plan, notes: &[String], invocation: &Invocation) -> String {
    let text = plan_markdown(plan, notes, Some(invocation));
    if text.len() <= MOST { text } else { heading(document) }
}

/// `### shipit deploy storefront -e production: rolled back`, and the cause.
fn heading(document: &ResultDocument) -> String {
    let at = match (&document.pipeline, &document.environment) {
        (Some(pipeline), Some(environment)) => format!(" {pipeline} in {environment}"),
        _ => String::new(),
    };
    let title = format!("shipit {}{at}: {}", document.command, document.outcome.replace('_', " "));
    let mut text = format!("### {}\n\n", escaped(&title));
    if let Some(error) = &document.error {
        let first = error.message.lines().next().unwrap_or_default();
        text.push_str(&format!("**{}**\n\n", escaped(first)));
        let rest: Vec<&str> = error.message.lines().skip(1).collect();
        if !rest.is_empty() {
            text.push_str(&fenced(rest.into_iter(), "", PART));
        }
    }
    text
}

/// Names, and values that are Markdown already.
fn facts(document: &ResultDocument) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let mut add = |name: &str, value: Option<String>| facts.extend(value.map(|value| (name.to_owned(), value)));
    add("run", document.run.as_ref().map(|run| code(run)));
    let before =
        document.previous_release.as_ref().map(|it| format!(", before it {}", escaped(it))).unwrap_or_default();
    add("release", document.release.as_ref().map(|release| format!("{}{before}", escaped(release))));
    let of_target = |(target, ids): (&String, &Vec<String>)| {
        let ids: Vec<String> = ids.iter().map(|id| code(id)).collect();
        format!("{} {}", escaped(target), ids.join(", "))
    };
    let deployments: Vec<String> = document.deployments.iter().take(SHOWN).map(of_target).collect();
    add("deployments", (!deployments.is_empty()).then(|| deployments.join("; ")));
    add("exit code", (document.exit_code != 0).then(|| document.exit_code.to_string()));
    add("journal's hash", document.head_hash.as_ref().map(|hash| code(hash)));
    facts
}

fn two_columns(facts: &[(String, String)]) -> String {
    if facts.is_empty() {
        return String::new();
    }
    let mut text = String::from("| | |\n|---|---|\n");
    for (name, value) in facts {
        text.push_str(&format!("| {} | {value} |\n", escaped(name)));
    }
    text.push('\n');
    text
}

fn steps(plan: &Plan, state: &State) -> String {
    let mut text = String::from("| target | step | | took | |\n|---|---|---|---|---|\n");
    let restore = |lane: &crate::run::LaneState| lane.restore.clone().map(|restore| ("restore".to_owned(), restore));
    let mut left_out = 0;
    for (lane, lane_state) in plan.lanes().zip(&state.lanes) {
        let steps = lane.steps.iter().map(|step| step.id.0.clone()).zip(lane_state.steps.iter().cloned());
        for (id, step) in steps.chain(restore(lane_state)) {
            let row = row(lane.target.as_str(), &id, &step, state.has_ended());
            if text.len() + row.len() > STEPS {
                left_out += 1;
            } else {
                text.push_str(&row);
            }
        }
    }
    let more =
        if left_out > 0 { format!("\n{left_out} more steps: `shipit show {}`\n", state.run) } else { String::new() };
    format!("{text}{more}\n")
}

fn row(target: &str, id: &str, step: &StepState, is_over: bool) -> String {
    let status = match step.status {
        StepStatus::Pending => "not reached",
        StepStatus::Started if is_over => "broken off",
        StepStatus::Started => "under way",
        StepStatus::Done => "done",
        StepStatus::Failed => "**failed**",
    };
    let took = step.started.zip(step.ended).map(|(from, to)| short(between(from, to))).unwrap_or_default();
    format!("| {} | {} | {status} | {took} | {} |\n", escaped(target), escaped(id), escaped(&step.note))
}

fn commands(next: &[Suggestion]) -> String {
    let lines: Vec<String> = next.iter().map(|it| format!("{}   # {}", it.command, it.does)).collect();
    if lines.is_empty() { String::new() } else { fenced(lines.iter().map(String::as_str), "console", PART) }
}

fn with_details(mut text: String, document: &ResultDocument) -> String {
    let details = document.error.as_ref().map(|error| error.details.as_slice()).unwrap_or_default();
    if !details.is_empty() {
        let most = MOST.saturating_sub(text.len() + RESERVE);
        text.push_str(&fenced(details.iter().map(String::as_str), "text", most));
    }
    // Only names and reasons that are markup through and through can get here; the heading is bounded.
    if text.len() > MOST { heading(document) } else { text }
}

/// Lines as they are, harmless, in a fence that nothing in them can close; at most so many bytes of them.
fn fenced<'a>(lines: impl Iterator<Item = &'a str>, language: &str, most: usize) -> String {
    let mut body = String::new();
    for line in lines {
        let line = harmless(line, 1000);
        if body.len() + line.len() + 1 > most {
            body.push_str("…\n");
            break;
        }
        body.push_str(&line);
        body.push('\n');
    }
    let fence = "`".repeat(longest_run(&body).max(2) + 1);
    format!("{fence}{language}\n{body}{fence}\n\n")
}

/// An id, to be copied.
fn code(id: &str) -> String {
    let plain: String = harmless(id, CELL).chars().filter(|letter| !matches!(letter, '`' | '|' | '\\')).collect();
    format!("`{plain}`")
}

/// A text as one line of Markdown, short enough for a cell.
fn escaped(text: &str) -> String {
    plain(&harmless(text, CELL))
}
