//! `history`: past runs as a table.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::layout::{Page, Row, Table};
use super::style::{Style, Tint};
use super::words::{self, between, short};
use crate::event::record::{Back, Build, Outcome};
use crate::model::{Period, RunId, harmless};
use crate::plan::{Intent, Plan};
use crate::run::{RunStatus, State};

/// Characters of a cause that the table shows; `show` has all.
const CAUSE: usize = 150;

/// One run; a list of them is the document of `--output json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryRow {
    /// The run.
    pub run: RunId,
    /// `deploy` or `rollback`.
    pub what: String,
    /// What was to be live.
    pub release: String,
    /// Where it stands or how it ended: `succeeded`, `rolled_back`, `running`; `unreadable` if nobody can tell.
    pub status: String,
    /// When it was planned.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Who asked for it.
    pub by: Option<String>,
    /// Why it went back or failed.
    pub cause: Option<String>,
    /// The run it goes back from.
    pub parent: Option<RunId>,
    /// From which release and to which run, if it is a rollback.
    pub back: Option<Back>,
    /// The build that asked for it, if a CI system did.
    pub build: Option<Build>,
    /// Whether the checkout held changes that were not in the commit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dirty: bool,
}

impl HistoryRow {
    /// A run of which nothing but its id can be understood, and why.
    pub fn unreadable(run: &RunId, why: String) -> HistoryRow {
        HistoryRow {
            run: run.clone(),
            what: String::new(),
            release: String::new(),
            status: "unreadable".to_owned(),
            started: None,
            ended: None,
            by: None,
            cause: Some(why),
            parent: None,
            back: None,
            build: None,
            dirty: false,
        }
    }

    /// A run in one row.
    pub fn of(plan: &Plan, state: &State) -> HistoryRow {
        HistoryRow {
            run: state.run.clone(),
            what: words::intent(plan.intent).to_owned(),
            release: plan.release.label.clone(),
            status: words::key(state.status),
            started: state.started.as_ref().map(|(.., at)| *at),
            ended: state.ended,
            by: state.started.as_ref().map(|(by, ..)| by.clone()),
            cause: state.cause.as_ref().map(|cause| cause.what.clone()),
            parent: state.parent.clone(),
            back: state.back.clone(),
            build: state.build.clone(),
            dirty: state.origin.as_ref().is_some_and(|origin| origin.dirty),
        }
    }
}

/// Runs as text, in the order given; newest first is what people expect.
pub fn history_text(rows: &[HistoryRow], now: Timestamp, style: Style) -> String {
    let mut page = Page::new(style);
    if rows.is_empty() {
        page.heading(Tint::Quiet, "no run yet");
        return page.finish();
    }
    let mut table = Table { headers: vec!["run", "began", "release", "outcome", "took", "by"], rows: Vec::new() };
    for row in rows {
        let ago = |at: Timestamp| format!("{} ago", short(between(at, now)));
        let back = if row.what == words::intent(Intent::Rollback) { "back to " } else { "" };
        let took = row.started.zip(row.ended).map(|(from, to)| short(between(from, to)));
        table.rows.push(Row::Cells(vec![
            row.run.to_string(),
            row.started.map(ago).unwrap_or_default(),
            format!("{back}{}", row.release),
            row.status.replace('_', " "),
            took.unwrap_or_default(),
            row.build.as_ref().and_then(|build| build.actor.clone()).or(row.by.as_deref().map(who)).unwrap_or_default(),
        ]));
        let parent = row.parent.as_ref().map(|run| words::after(run, row.back.as_ref()));
        let cause = row.cause.as_ref().map(|cause| harmless(cause, CAUSE));
        let build = row.build.as_ref().map(words::build).filter(|build| !build.is_empty());
        let dirty = row.dirty.then(|| "uncommitted changes".to_owned());
        let why: Vec<String> = cause.into_iter().chain(parent).chain(build).chain(dirty).collect();
        if !why.is_empty() {
            table.rows.push(Row::Remark(why.join("; ")));
        }
    }
    page.table(&table);
    page.blank();
    page.field("total", &summary(rows));
    page.finish()
}

/// Who, without the account: `kim` of `arn:aws:iam::111122223333:user/kim`.
fn who(arn: &str) -> String {
    match arn.strip_prefix("arn:").and_then(|rest| rest.split_once('/')) {
        Some((_, name)) => name.to_owned(),
        None => arn.to_owned(),
    }
}

/// How often what came of runs, and how long the successful ones took: the line under the table.
pub fn summary(rows: &[HistoryRow]) -> String {
    let is = |row: &&HistoryRow, outcome| row.status == words::key(RunStatus::Ended(outcome));
    let succeeded: Vec<&HistoryRow> = rows.iter().filter(|row| is(row, Outcome::Succeeded)).collect();
    let mut took: Vec<Period> = succeeded.iter().filter_map(|row| Some(between(row.started?, row.ended?))).collect();
    took.sort();
    let median = took.get(took.len() / 2).map(|period| format!(", half of them within {}", short(*period)));
    format!("{} of {} succeeded{}", succeeded.len(), rows.len(), median.unwrap_or_default())
}
