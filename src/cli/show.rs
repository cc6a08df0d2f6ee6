//! `shipit status`, `history`, `show`, `schema`: reading what is there.

use std::io::Write;

use futures_util::future::join_all;

use super::args::{Output, ReadArgs, ShowArgs};
use super::around::Around;
use super::project::{Cloud, Project};
use super::{Ended, runs};
use crate::error::{Failure, Kind, Result};
use crate::event::record::Outcome;
use crate::model::pipeline::Target;
use crate::model::{Name, Revision, RunId};
use crate::report::status::{Driver, RunView, TargetStatus};
use crate::report::{HistoryRow, StatusView, ending, history_text, lines, status_text};
use crate::run::State;
use crate::store::head::{self, Head, RunSummary};
use crate::store::lock;
use crate::time::wall_now;

/// Runs that `history` shows.
const RUNS_SHOWN: usize = 20;

/// `shipit status`.
pub async fn status(args: &ReadArgs, around: &mut Around) -> Ended {
    let project = Project::open(&args.at, around)?;
    let cloud = project.cloud(around, "shipit-status").await;
    let (head, seen) =
        tokio::try_join!(head::read(&cloud.bucket, &cloud.keys), lock::read(&cloud.bucket, &cloud.keys))?;
    let found =
        join_all(project.pipeline.targets.iter().map(|(name, target)| live(&cloud, &head.0, name, target))).await;
    let (targets, notes): (Vec<TargetStatus>, Vec<Option<String>>) = found.into_iter().unzip();
    let driver = driver(&seen.lock);
    let run = match &seen.lock.claim {
        Some(claim) => runs::load(&cloud.bucket, &cloud.keys, &claim.run).await?.filter(|run| !run.state.has_ended()),
        None => None,
    };
    let view = StatusView {
        v: 0,
        at: around.clock.now(),
        pipeline: project.pipeline.pipeline.clone(),
        environment: project.environment.clone(),
        targets,
        run: run.map(|run| RunView::of(&run.plan, &run.state, driver, &project.invocation)),
        notes: notes.into_iter().flatten().collect(),
    };
    let text = match args.output {
        Output::Json => json(&view)?,
        Output::Text | Output::Plain => status_text(&view, around.out_style),
    };
    let _ = around.out.write_all(text.as_bytes());
    Ok(0)
}

/// Who holds the lease, unless that process is certainly gone.
fn driver(lock: &lock::Lock) -> Option<Driver> {
    let held = lock.lease.as_ref().filter(|held| !held.holder.is_surely_gone())?;
    let seen_seconds_ago = u64::try_from(wall_now().duration_since(held.beat).as_secs()).unwrap_or(0);
    Some(Driver { holder: held.holder.who.clone(), seen_seconds_ago })
}

/// What AWS says is live on a target, called by its release where shipit brought it.
async fn live(cloud: &Cloud, head: &Head, name: &Name, target: &Target) -> (TargetStatus, Option<String>) {
    let known = head.live.get(name);
    let mut status = TargetStatus {
        target: name.clone(),
        live: None,
        deployment: None,
        since: None,
        group: None,
        healthy: None,
        active: None,
    };
    let fleet = &target.fleet;
    match cloud.clients.live(&fleet.application, &fleet.deployment_group).await {
        Err(error) => {
            status.live = known.map(|live| live.release.clone());
            (status, Some(format!("{name}: {error}")))
        }
        Ok((groups, last)) => {
            status.group = groups.into_iter().next();
            let (deployment, revision) = last.unzip();
            let revision = revision.flatten();
            let known = known.filter(|live| revision.as_ref().is_some_and(|it| it.key == live.revision.key));
            status.since = known.map(|live| live.since);
            status.live = known.map(|live| live.release.clone()).or_else(|| revision.as_ref().map(Revision::label));
            status.deployment = deployment;
            (status, None)
        }
    }
}

/// `shipit history`.
pub async fn history(args: &ReadArgs, around: &mut Around) -> Ended {
    let project = Project::open(&args.at, around)?;
    let cloud = project.cloud(around, "shipit-history").await;
    let known = head::read(&cloud.bucket, &cloud.keys).await?.0.runs;
    let mut rows = Vec::new();
    for id in newest(&cloud).await? {
        match known.iter().find(|run| run.run == id) {
            Some(summary) => rows.push(row(summary)),
            None => {
                let run = runs::load(&cloud.bucket, &cloud.keys, &id).await?;
                rows.extend(
                    run.filter(|run| !run.envelopes.is_empty()).map(|run| HistoryRow::of(&run.plan, &run.state)),
                );
            }
        }
    }
    let text = match args.output {
        Output::Json => json(&rows)?,
        Output::Text | Output::Plain => history_text(&rows, around.clock.now(), around.out_style),
    };
    let _ = around.out.write_all(text.as_bytes());
    Ok(0)
}

async fn newest(cloud: &Cloud) -> Result<Vec<RunId>> {
    let names = cloud.bucket.folders(&cloud.keys.runs()).await?;
    let mut ids: Vec<RunId> = names.iter().filter_map(|name| RunId::parse(name).ok()).collect();
    ids.sort_unstable_by(|one, other| other.cmp(one));
    ids.truncate(RUNS_SHOWN);
    Ok(ids)
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
        parent: None,
        build: run.build.clone(),
    }
}

/// `shipit show`: the journal, through the same lines as the live log.
pub async fn run(args: &ShowArgs, around: &mut Around) -> Ended {
    let id = RunId::parse(&args.run).map_err(|why| Failure::new(Kind::Usage, why))?;
    let project = Project::open(&args.at, around)?;
    let cloud = project.cloud(around, "shipit-show").await;
    let Some(run) = runs::load(&cloud.bucket, &cloud.keys, &id).await? else {
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

fn json(value: &impl serde::Serialize) -> Result<String> {
    let json = serde_json::to_string_pretty(value);
    json.map(|json| json + "\n")
        .map_err(|error| Failure::new(Kind::Unexpected, "cannot be written as JSON").because(error))
}
