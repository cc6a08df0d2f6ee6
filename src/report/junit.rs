//! `--junit FILE`: the command, each step and each condition as a test case, for the page that a CI system makes of them.

use std::fmt::Write;

use jiff::Timestamp;

use super::called;
use super::result::ResultDocument;
use super::words::between;
use crate::event::record::{Cause, VerdictKind};
use crate::model::condition::Condition;
use crate::model::{ConditionId, harmless};
use crate::plan::{Lane, Plan};
use crate::run::judge::conditions;
use crate::run::{LaneState, State, StepState, StepStatus, Told};

/// Lines of details that a case carries.
const DETAILS: usize = 200;
/// Characters of a line.
const LINE: usize = 1000;

/// One test case.
struct Case {
    class: String,
    name: String,
    seconds: u64,
    verdict: Verdict,
}

enum Verdict {
    Passed,
    Failed { is_error: bool, kind: String, message: String, details: Vec<String> },
    Skipped(String),
}

/// The report of a command; `run` is the run that it was about, if it came to one.
pub fn junit(document: &ResultDocument, run: Option<(&Plan, &State)>) -> String {
    let suite = match (&document.pipeline, &document.environment) {
        (Some(pipeline), Some(environment)) => format!("shipit.{pipeline}-{environment}"),
        _ => "shipit".to_owned(),
    };
    let mut cases = vec![of_command(document, &suite, run.map_or(0, |(_, state)| seconds(state)))];
    if let Some((plan, state)) = run {
        for (lane, lane_state) in plan.lanes().zip(&state.lanes) {
            let class = format!("{suite}.{}", lane.target);
            cases.extend(of_lane(&class, lane, lane_state, state.has_ended()));
        }
    }
    text(&suite, &cases)
}

fn seconds(state: &State) -> u64 {
    let ended = state.ended.or(state.at);
    state.started.as_ref().zip(ended).map_or(0, |((.., began), ended)| between(*began, ended).as_seconds())
}

/// What the command itself came to; nothing of AWS has to fail for it to fail.
fn of_command(document: &ResultDocument, suite: &str, seconds: u64) -> Case {
    let failed = || {
        let error = document.error.clone().unwrap_or_default();
        let message = if error.message.is_empty() { document.outcome.replace('_', " ") } else { error.message };
        let is_error = ["unexpected", "credentials", "interrupted"].contains(&error.kind.as_str());
        let help = error.help.iter().flat_map(|help| help.lines()).map(str::to_owned);
        let details = error.details.iter().cloned().chain(help).collect();
        Verdict::Failed { is_error, kind: document.outcome.clone(), message, details }
    };
    // An exit code of 3 says that a plan changes something.
    let is_good = matches!(document.exit_code, 0 | 3);
    let verdict = if is_good { Verdict::Passed } else { failed() };
    Case { class: format!("{suite}.run"), name: document.command.clone(), seconds, verdict }
}

fn of_lane(class: &str, lane: &Lane, state: &LaneState, is_over: bool) -> Vec<Case> {
    let mut cases: Vec<Case> = lane
        .steps
        .iter()
        .zip(&state.steps)
        .map(|(step, step_state)| of_step(class, step.id.0.clone(), step_state, is_over))
        .collect();
    cases.extend(state.restore.as_ref().map(|restore| of_step(class, "restore".to_owned(), restore, is_over)));
    let mut ids: Vec<ConditionId> = Vec::new();
    for id in conditions(lane).map(Condition::id).chain(state.verdicts.keys().cloned()) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    for id in ids {
        let verdict = match state.verdicts.get(&id) {
            None => Verdict::Skipped("was not judged".to_owned()),
            Some(Told { verdict: VerdictKind::Pass, .. }) => Verdict::Passed,
            Some(Told { verdict: VerdictKind::Fail, is_report_only: false, why }) => Verdict::Failed {
                is_error: false,
                kind: "condition".to_owned(),
                message: why.clone(),
                details: Vec::new(),
            },
            Some(Told { verdict, is_report_only, why }) => {
                Verdict::Skipped(format!("{}: {why}", called::verdict(*verdict, *is_report_only)))
            }
        };
        let name = called::condition(Some(lane), &id);
        cases.push(Case { class: class.to_owned(), name, seconds: 0, verdict });
    }
    cases
}

fn of_step(class: &str, name: String, state: &StepState, is_over: bool) -> Case {
    let took = |from: Timestamp, to: Timestamp| between(from, to).as_seconds();
    let seconds = state.started.zip(state.ended).map_or(0, |(from, to)| took(from, to));
    let verdict = match state.status {
        StepStatus::Done => Verdict::Passed,
        StepStatus::Pending => Verdict::Skipped("was not reached".to_owned()),
        StepStatus::Started if is_over => Verdict::Skipped("was broken off".to_owned()),
        StepStatus::Started => Verdict::Skipped("was under way".to_owned()),
        StepStatus::Failed => {
            let (what, details) = match &state.cause {
                Some(Cause { what, details, .. }) => (what.clone(), details.clone()),
                None => (state.note.clone(), Vec::new()),
            };
            Verdict::Failed { is_error: false, kind: "step".to_owned(), message: what, details }
        }
    };
    Case { class: class.to_owned(), name, seconds, verdict }
}

fn text(suite: &str, cases: &[Case]) -> String {
    let count = |is: fn(&Verdict) -> bool| cases.iter().filter(|case| is(&case.verdict)).count();
    let failures = count(|verdict| matches!(verdict, Verdict::Failed { is_error: false, .. }));
    let errors = count(|verdict| matches!(verdict, Verdict::Failed { is_error: true, .. }));
    let skipped = count(|verdict| matches!(verdict, Verdict::Skipped(_)));
    let (tests, suite) = (cases.len(), escaped(suite));
    let seconds = cases.first().map_or(0, |case| case.seconds);
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let counts = format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\"");
    // Writing to a text cannot fail.
    let _ = writeln!(text, "<testsuite name=\"{suite}\" {counts} time=\"{seconds}\">");
    for Case { class, name, seconds, verdict } in cases {
        let head =
            format!("  <testcase classname=\"{}\" name=\"{}\" time=\"{seconds}\"", escaped(class), escaped(name));
        let _ = match verdict {
            Verdict::Passed => writeln!(text, "{head}/>"),
            Verdict::Skipped(why) => writeln!(text, "{head}><skipped message=\"{}\"/></testcase>", escaped(why)),
            Verdict::Failed { is_error, kind, message, details } => {
                let tag = if *is_error { "error" } else { "failure" };
                let lines: Vec<String> = details.iter().take(DETAILS).map(|line| escaped(line)).collect();
                let (kind, message, lines) = (escaped(kind), escaped(message), lines.join("\n"));
                writeln!(text, "{head}><{tag} type=\"{kind}\" message=\"{message}\">{lines}</{tag}></testcase>")
            }
        };
    }
    text.push_str("</testsuite>\n");
    text
}

/// One line as text or attribute of XML 1.0, which has no place for some characters.
fn escaped(line: &str) -> String {
    let mut safe = String::new();
    for letter in harmless(line, LINE).chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => safe.push('?'),
            other => safe.push(other),
        }
    }
    safe
}
