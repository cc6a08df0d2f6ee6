//! `shipit history`, `show`, `schema`: reading what is there.

use std::io::Write;

use futures_util::future::join_all;

use super::args::{Output, ReadArgs, ShowArgs};
use super::around::Around;
use super::look::{SIDE_BY_SIDE, driver, newest};
use super::project::{Cloud, Project};
use super::{Ended, prepare, runs};
use crate::config::Need;
use crate::error::{Failure, Kind, Result};
use crate::event::record::Outcome;
use crate::model::RunId;
use crate::report::{HistoryRow, ending, history_text, lines};
use crate::run::State;
use crate::store::head::{self, RunSummary};
use crate::store::{StoreError, lock};

/// Runs that `history` shows.
const RUNS_SHOWN: usize = 20;

type StoreResult<T> = std::result::Result<T, StoreError>;

/// `shipit history`.
pub async fn history(args: &ReadArgs, around: &mut Around) -> Ended {
    let project = Project::open(&args.at, around, Need::Store)?;
    let cloud = project.cloud(around, "shipit-history").await;
    let read = async { tokio::join!(head::read(&cloud.bucket, &cloud.keys), newest(&cloud, RUNS_SHOWN)) };
    let (caller, (head, ids)) = tokio::join!(prepare::caller(&project, &cloud), read);
    caller?;
    let known = match head {
        // The journals have it all.
        Err(error) if error.object().is_some() => Vec::new(),
        head => head?.0.runs,
    };
    let ids = ids?;
    let mut rows = Vec::new();
    for some in ids.chunks(SIDE_BY_SIDE) {
        let read = some.iter().map(|id| history_row(&cloud, &known, id));
        for row in join_all(read).await {
            rows.extend(row?);
        }
    }
    let text = match args.output {
        Output::Json => json(&rows)?,
        Output::Text | Output::Plain => history_text(&rows, around.clock.now(), around.out_style),
    };
    let _ = around.out.write_all(text.as_bytes());
    Ok(0)
}

/// A run in a row: from the head if that knows it, or else from its journal. A run that never began is none; one that cannot
/// be understood is a row that says so.
async fn history_row(cloud: &Cloud, known: &[RunSummary], id: &RunId) -> StoreResult<Option<HistoryRow>> {
    if let Some(summary) = known.iter().find(|run| run.run == *id) {
        return Ok(Some(row(summary)));
    }
    match runs::load(&cloud.bucket, &cloud.keys, id).await {
        Ok(run) => Ok(run.filter(|run| !run.envelopes.is_empty()).map(|run| HistoryRow::of(&run.plan, &run.state))),
        Err(error) if error.object().is_some() => Ok(Some(HistoryRow::unreadable(id, error.to_string()))),
        Err(error) => Err(error),
    }
}

fn row(run: &RunSummary) -> HistoryRow {
    let status = match run.outcome {
        Some(Outcome::Succeeded) => "succeeded",
        Some(Outcome::RolledBack) => "rolled_back",
        Some(Outcome::Held) => "held",
        Some(Outcome::Stuck) => "stuck",
        Some(Outcome::Refused) => "refused",
        None => "running",
    };
    HistoryRow {
        run: run.run.clone(),
        what: run.why.clone(),
        release: run.release.clone(),
        status: status.to_owned(),
        started: Some(run.started),
        ended: run.ended,
        by: Some(run.by.clone()),
        cause: run.cause.clone(),
        parent: run.parent.clone(),
        back: run.back.clone(),
        build: run.build.clone(),
        dirty: run.dirty,
    }
}

/// `shipit show`: the journal, through the same lines as the live log.
pub async fn run(args: &ShowArgs, around: &mut Around) -> Ended {
    let id = RunId::parse(&args.run).map_err(|why| Failure::new(Kind::Usage, why))?;
    let project = Project::open(&args.at, around, Need::Store)?;
    let cloud = project.cloud(around, "shipit-show").await;
    let (caller, run) = tokio::join!(prepare::caller(&project, &cloud), runs::load(&cloud.bucket, &cloud.keys, &id));
    caller?;
    let Some(run) = run? else {
        return Err(Failure::new(Kind::Usage, format!("there is no run {id} in {}", project.environment))
            .help(project.invocation.command("history")));
    };
    if args.output == Output::Json {
        let text = json(&run.envelopes)?;
        let _ = around.out.write_all(text.as_bytes());
        return Ok(0);
    }
    let mut state = State::new(id, &run.plan);
    for envelope in &run.envelopes {
        for line in lines(&run.plan, &state, envelope) {
            let _ = writeln!(around.out, "{}", line.render(&around.out_style));
        }
        state.apply(&run.plan, envelope.at, &envelope.record);
    }
    if args.output == Output::Text {
        let lock = lock::read(&cloud.bucket, &cloud.keys).await?.lock;
        let is_ours = lock.claim.as_ref().is_some_and(|claim| claim.run == run.state.run);
        let is_driven = is_ours && driver(&lock).is_some_and(|driver| driver.is_alive());
        let text = ending(&run.plan, &run.state, &project.invocation, is_driven, around.out_style);
        let _ = around.out.write_all(text.as_bytes());
    }
    Ok(0)
}

/// `shipit schema`.
pub fn schema(around: &mut Around) -> Ended {
    let text = json(&crate::config::schema())?;
    let _ = around.out.write_all(text.as_bytes());
    Ok(0)
}

pub fn json(value: &impl serde::Serialize) -> Result<String> {
    let json = serde_json::to_string_pretty(value);
    json.map(|json| json + "\n")
        .map_err(|error| Failure::new(Kind::Unexpected, "cannot be written as JSON").because(error))
}
