//! `status` of several pipelines and environments: a line for each.

use serde::Serialize;

use super::{StatusView, TargetStatus};
use crate::report::layout::{Page, Row as TableRow, Table};
use crate::report::style::Style;
use crate::report::words::{self, between, short};
use crate::run::RunStatus;

/// Characters of the last column, however narrow the screen is.
const LEAST: usize = 20;

/// A pipeline in one of its environments; a list of them is the document of `--output json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The pipeline, as it is typed.
    pub pipeline: String,
    /// The environment; none if the pipeline's file could not be read.
    pub environment: Option<String>,
    /// What was seen.
    pub status: Option<StatusView>,
    /// Why nothing was.
    pub error: Option<String>,
}

/// One line per pipeline and environment. What is under way, or wrong, takes what room is left.
pub fn overview_text(rows: &[Row], style: Style) -> String {
    let headers = vec!["pipeline", "environment", "live", "healthy", "run"];
    let mut lines: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let widest =
        |column: usize| lines.iter().filter_map(|cells| cells.get(column)).map(|cell| cell.chars().count()).max();
    let taken: usize = (0..4).map(|column| widest(column).unwrap_or(0).max(headers[column].len()) + 2).sum();
    let room = style.width.saturating_sub(taken + 2).max(LEAST);
    for last in lines.iter_mut().filter_map(|cells| cells.last_mut()) {
        *last = crate::model::harmless(last, room);
    }
    let table = Table { headers, rows: lines.into_iter().map(TableRow::Cells).collect() };
    let mut page = Page::new(style);
    page.table(&table);
    page.finish()
}

fn cells(row: &Row) -> Vec<String> {
    let environment = row.environment.clone().unwrap_or_default();
    let (live, healthy, run) = match (&row.status, &row.error) {
        (Some(view), _) => (live(view), healthy(view), run(view)),
        (None, error) => (String::new(), String::new(), error.clone().unwrap_or_default()),
    };
    vec![row.pipeline.clone(), environment, live, healthy, run]
}

/// The release that all targets serve, or what each does.
fn live(view: &StatusView) -> String {
    let of = |target: &TargetStatus| match (&target.live, target.parts.as_slice()) {
        (Some(live), _) => live.clone(),
        (None, []) => "not known".to_owned(),
        (None, parts) => {
            let shares = parts.iter().filter(|it| it.part.share.hundredths() > 0);
            let shares: Vec<String> = shares.map(|it| format!("{} {}", it.release, it.part.share)).collect();
            if shares.is_empty() { "nobody serves".to_owned() } else { shares.join(" + ") }
        }
    };
    let all: Vec<String> = view.targets.iter().map(of).collect();
    match all.as_slice() {
        [first, rest @ ..] if rest.iter().all(|other| other == first) => first.clone(),
        _ => view
            .targets
            .iter()
            .zip(&all)
            .map(|(target, live)| format!("{}: {live}", target.target))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// Healthy hosts of all targets, each counted by the fleet that serves most.
fn healthy(view: &StatusView) -> String {
    let counts = view.targets.iter().filter_map(|target| target.healthy);
    let (some, all) = counts.fold((0, 0), |(some, all), (healthy, of)| (some + healthy, all + of));
    if all == 0 { String::new() } else { format!("{some}/{all}") }
}

/// The unfinished run and whom it waits for, or how the last one ended if that was bad.
fn run(view: &StatusView) -> String {
    if let Some(unread) = &view.unread {
        return format!("{} cannot be read", unread.run);
    }
    if let Some(run) = &view.run {
        let is_driven = run.driver.as_ref().is_some_and(super::Driver::is_alive);
        let is_waiting = [RunStatus::Paused, RunStatus::Held].iter().any(|it| words::key(*it) == run.status);
        let who = match (is_waiting, is_driven) {
            (true, _) => ", waits for a person",
            (false, true) => "",
            (false, false) => ", nobody drives",
        };
        let age = run.started.map(|at| format!(" {}", short(between(at, view.at)))).unwrap_or_default();
        return format!("{} {}{age}{who}", run.release, run.status.replace('_', " "));
    }
    match &view.last {
        Some(last) => {
            let ago = last.ended.map(|at| format!(" {} ago", short(between(at, view.at)))).unwrap_or_default();
            format!("{} {}{ago}", last.release, last.status.replace('_', " "))
        }
        None => String::new(),
    }
}
