//! `--junit FILE`: the command, each step and each condition as a test case, for the page that a CI system makes of them.

use std::fmt::Write;

use jiff::Timestamp;

use super::called;
use super::result::ResultDocument;
use super::words::between;
use crate::event::record::{Cause, Side, VerdictKind};
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
    let mut cases = Vec::new();
    if let Some((plan, state)) = run {
        for (lane, lane_state) in plan.lanes().zip(&state.lanes) {
            let class = format!("{suite}.{}", lane.target);
            cases.extend(of_lane(&class, lane, lane_state, state));
        }
    }
    let failed = cases.iter().find(|case| matches!(case.verdict, Verdict::Failed { .. }));
    let command = of_command(document, &suite, failed);
    cases.insert(0, command);
    text(&suite, &cases)
}

/// What the command itself came to; nothing of AWS has to fail for it to fail. What a step or a condition of the run says
/// already is told there and counted once, and the times of the steps are the command's.
fn of_command(document: &ResultDocument, suite: &str, failed: Option<&Case>) -> Case {
    let failed_by_itself = || {
        let error = document.error.clone().unwrap_or_default();
        let message = if error.message.is_empty() { document.outcome.replace('_', " ") } else { error.message };
        let is_error = ["unexpected", "credentials", "interrupted"].contains(&error.kind.as_str());
        let help = error.help.iter().flat_map(|help| help.lines()).map(str::to_owned);
        let details = error.details.iter().cloned().chain(help).collect();
        Verdict::Failed { is_error, kind: document.outcome.clone(), message, details }
    };
    // An exit code of 3 says that a plan changes something.
    let is_good = matches!(document.exit_code, 0 | 3);
    // The run's own trouble is of the kind that the run came to; anything else befell this command.
    let is_of_run = document.error.as_ref().is_some_and(|error| error.kind == document.outcome);
    let verdict = match failed {
        _ if is_good => Verdict::Passed,
        Some(case) if is_of_run => {
            let outcome = document.outcome.replace('_', " ");
            Verdict::Skipped(format!("{outcome}: the failure is told at {} of {}", case.name, case.class))
        }
        Some(_) | None => failed_by_itself(),
    };
    Case { class: format!("{suite}.run"), name: document.command.clone(), seconds: 0, verdict }
}

fn of_lane(class: &str, lane: &Lane, state: &LaneState, run: &State) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let is_no = |told: &Told| told.verdict == VerdictKind::Fail && !told.is_report_only;
    let no = state.verdicts.iter().find(|(_, told)| is_no(told)).map(|(id, _)| id);
    let says_no = no.map(|id| called::condition(Some(lane), id));
    let is_over = run.has_ended();
    let restore = state.restore.as_ref();
    let until = restore.and_then(|restore| restore.started).or(run.ended).or(run.at);
    for (step, step_state) in lane.steps.iter().zip(&state.steps) {
        cases.push(of_step(class, &step.id.0, step_state, (until, is_over), says_no.as_deref()));
    }
    cases.extend(restore.map(|restore| of_step(class, "restore", restore, (run.ended.or(run.at), is_over), None)));
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
                details: run.trouble().filter(|_| no == Some(&id)).map(more).unwrap_or_default(),
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

/// What is known besides, and what to do about it.
fn more(cause: &Cause) -> Vec<String> {
    cause.details.iter().chain(&cause.help).cloned().collect()
}

/// A step, which lasted no longer than `until`; `no` is the condition of its target that said no, if one did: that broke the
/// step off, and fails for itself.
fn of_step(
    class: &str,
    name: &str,
    state: &StepState,
    (until, is_over): (Option<Timestamp>, bool),
    no: Option<&str>,
) -> Case {
    let ended = state.ended.or(until);
    let seconds = state.started.zip(ended).map_or(0, |(from, to)| between(from, to).as_seconds());
    let is_judged = state.cause.as_ref().is_some_and(|cause| cause.side == Side::Condition);
    let verdict = match state.status {
        StepStatus::Done => Verdict::Passed,
        StepStatus::Pending => Verdict::Skipped("was not reached".to_owned()),
        StepStatus::Started if is_over => Verdict::Skipped("was broken off".to_owned()),
        StepStatus::Started => Verdict::Skipped("was under way".to_owned()),
        StepStatus::Failed => match (&state.cause, no.filter(|_| is_judged)) {
            (_, Some(condition)) => Verdict::Skipped(format!("was broken off: {condition} said no")),
            (cause, None) => Verdict::Failed {
                is_error: false,
                kind: "step".to_owned(),
                message: cause.as_ref().map_or_else(|| state.note.clone(), |cause| cause.what.clone()),
                details: cause.as_ref().map(more).unwrap_or_default(),
            },
        },
    };
    Case { class: class.to_owned(), name: name.to_owned(), seconds, verdict }
}

fn text(suite: &str, cases: &[Case]) -> String {
    let count = |is: fn(&Verdict) -> bool| cases.iter().filter(|case| is(&case.verdict)).count();
    let failures = count(|verdict| matches!(verdict, Verdict::Failed { is_error: false, .. }));
    let errors = count(|verdict| matches!(verdict, Verdict::Failed { is_error: true, .. }));
    let skipped = count(|verdict| matches!(verdict, Verdict::Skipped(_)));
    let (tests, suite) = (cases.len(), escaped(suite));
    // Readers add up what the cases say, whatever a suite says of itself.
    let seconds: u64 = cases.iter().map(|case| case.seconds).sum();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let counts = format!(
        "tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\" time=\"{seconds}\""
    );
    // Writing to a text cannot fail.
    let _ = writeln!(text, "<testsuites name=\"shipit\" {counts}>\n<testsuite name=\"{suite}\" {counts}>");
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
    text.push_str("</testsuite>\n</testsuites>\n");
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
