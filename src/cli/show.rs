//! `shipit status`, `history`, `show`, `schema`: reading what is there.

use std::io::Write;

use futures_util::future::{join_all, try_join_all};

use super::args::{Output, ReadArgs, ShowArgs};
use super::around::Around;
use super::project::{Cloud, Project};
use super::{Ended, runs};
use crate::aws::{AwsError, Serving};
use crate::config::Need;
use crate::error::{Failure, Kind, Result};
use crate::event::record::Outcome;
use crate::model::function::FunctionRef;
use crate::model::lambda::Alias;
use crate::model::pipeline::Target;
use crate::model::{Format, Name, Revision, RunId};
use crate::plan::function::hex_of;
use crate::report::status::{AliasStatus, Driver, RunView, TargetStatus};
use crate::report::{HistoryRow, StatusView, ending, history_text, lines, status_text, words};
use crate::run::{LaneState, State};
use crate::store::head::{self, Head, RunSummary};
use crate::store::{StoreError, lock};
use clock::wall_now;

/// Runs that `history` shows.
const RUNS_SHOWN: usize = 20;

/// Targets and runs that are looked at at the same time.
const SIDE_BY_SIDE: usize = 16;

/// `shipit status`.
pub async fn status(args: &ReadArgs, around: &mut Around) -> Ended {
    let project = Project::open(&args.at, around, Need::Targets)?;
    let cloud = project.cloud(around, "shipit-status").await;
    let targets: Vec<(&Name, &Target)> = project.pipeline.targets.iter().collect();
    let looks = async {
        let mut found = Vec::new();
        for some in targets.chunks(SIDE_BY_SIDE) {
            found.extend(join_all(some.iter().map(|(name, target)| look(&cloud, name, target))).await);
        }
        Ok(found)
    };
    let ((head, _), (lock, run), found) =
        tokio::try_join!(head::read(&cloud.bucket, &cloud.keys), unfinished(&cloud), looks)?;
    let mut notes = Vec::new();
    let targets = found.into_iter().map(|found| target_status(found, &head, run.as_ref(), &mut notes)).collect();
    let driver = driver(&lock);
    let view = StatusView {
        v: Format::NOW,
        at: around.clock.now(),
        pipeline: project.pipeline.pipeline.clone(),
        environment: project.environment.clone(),
        targets,
        run: run.map(|run| RunView::of(&run.plan, &run.state, driver, &project.invocation)),
        notes,
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

/// The lock, and the unfinished run that it names.
async fn unfinished(cloud: &Cloud) -> std::result::Result<(lock::Lock, Option<runs::Loaded>), StoreError> {
    let lock = lock::read(&cloud.bucket, &cloud.keys).await?.lock;
    let run = match &lock.claim {
        Some(claim) => runs::load(&cloud.bucket, &cloud.keys, &claim.run).await?,
        None => None,
    };
    Ok((lock, run.filter(|run| !run.state.has_ended())))
}

/// The deployment that a lane of the unfinished run works with.
fn in_work(lane: &LaneState) -> Option<&String> {
    lane.redeployment.as_ref().or(lane.deployment.as_ref())
}

/// What AWS says of a target.
async fn look<'a>(cloud: &Cloud, name: &'a Name, target: &'a Target) -> Look<'a> {
    let found = match (&target.function, &target.fleet) {
        (Some(function), _) => look_at_function(cloud, function).await,
        (None, Some(fleet)) => {
            cloud.clients.serving(&fleet.application, &fleet.deployment_group).await.map(|serving| (serving, None))
        }
        (None, None) => Ok((Serving::default(), None)),
    };
    Look { name, function: target.function.as_ref(), found }
}

/// A target and what AWS says of it.
struct Look<'a> {
    name: &'a Name,
    function: Option<&'a FunctionRef>,
    found: std::result::Result<(Serving, Option<Alias>), AwsError>,
}

/// What is live on a target, called by its release where shipit brought it. What could not be seen becomes a note.
fn target_status(look: Look, head: &Head, run: Option<&runs::Loaded>, notes: &mut Vec<String>) -> TargetStatus {
    let Look { name, function, found } = look;
    let known = head.live.get(name);
    let (serving, alias) = match found {
        Ok(found) => found,
        Err(error) => {
            notes.push(format!("{name}: {error}"));
            let live =
                known.map(|live| format!("{} by the last run, which AWS could not be asked about", live.release));
            return TargetStatus { live, ..TargetStatus::of(name) };
        }
    };
    notes.extend(serving.remarks.iter().map(|remark| format!("{name}: {remark}")));
    let known = known.filter(|live| serving.revision.as_ref().is_some_and(|it| it.key == live.revision.key));
    let is_ours = |id: &String| run.is_some_and(|run| run.state.lanes.iter().filter_map(in_work).any(|it| it == id));
    let active = serving.active.filter(|active| !is_ours(&active.id));
    TargetStatus {
        live: known.map(|live| live.release.clone()).or_else(|| serving.revision.as_ref().map(Revision::label)),
        deployment: serving.deployment,
        since: known.map(|live| live.since),
        group: serving.scaling_groups.into_iter().next(),
        healthy: serving.healthy,
        active: active.map(|active| words::active(&active)),
        alias: function.map(|function| alias_status(name, function, alias, head, run)),
        ..TargetStatus::of(name)
    }
}

/// Where the alias of a target sends its callers. Who moved it is known by the revision id with which a run left it.
fn alias_status(
    name: &Name,
    function: &FunctionRef,
    alias: Option<Alias>,
    head: &Head,
    run: Option<&runs::Loaded>,
) -> AliasStatus {
    let FunctionRef { name: function, alias: called } = function.clone();
    let mut status = AliasStatus { function, alias: called, ..AliasStatus::default() };
    let Some(alias) = alias else { return status };
    let is_moved = |lane: &LaneState| lane.target == *name && lane.revision_ids.contains(&alias.revision_id);
    let mover = match run.filter(|run| run.state.lanes.iter().any(is_moved)) {
        Some(run) => Some((&run.state.run, run.state.started.as_ref().map(|(by, ..)| by))),
        None => head.mover(name, &alias.revision_id).map(|run| (&run.run, Some(&run.by))),
    };
    status.run = mover.map(|(run, _)| run.clone());
    status.by = mover.and_then(|(_, by)| by.cloned());
    (status.version, status.weights) = (Some(alias.version), alias.weights);
    status
}

/// Where an alias sends its callers, and the bundle of its version.
async fn look_at_function(
    cloud: &Cloud,
    function: &FunctionRef,
) -> std::result::Result<(Serving, Option<Alias>), AwsError> {
    let Some(alias) = cloud.clients.alias(function).await? else { return Ok((Serving::default(), None)) };
    let code = cloud.clients.code(&function.name, &alias.version).await?;
    let bundle = hex_of(&code.code_sha256).map(|sha256| Revision {
        bucket: cloud.bucket.name().to_owned(),
        key: cloud.keys.artifact(&sha256),
        version: None,
        etag: None,
    });
    Ok((Serving { revision: bundle, ..Serving::default() }, Some(alias)))
}

/// `shipit history`.
pub async fn history(args: &ReadArgs, around: &mut Around) -> Ended {
    let project = Project::open(&args.at, around, Need::Store)?;
    let cloud = project.cloud(around, "shipit-history").await;
    let known = head::read(&cloud.bucket, &cloud.keys).await?.0.runs;
    let ids = newest(&cloud).await?;
    let mut rows = Vec::new();
    for some in ids.chunks(SIDE_BY_SIDE) {
        let read = |id| history_row(&cloud, &known, id);
        rows.extend(try_join_all(some.iter().map(read)).await?.into_iter().flatten());
    }
    let text = match args.output {
        Output::Json => json(&rows)?,
        Output::Text | Output::Plain => history_text(&rows, around.clock.now(), around.out_style),
    };
    let _ = around.out.write_all(text.as_bytes());
    Ok(0)
}

/// A run in a row: from the head if that knows it, or else from its journal. A run that never began is none.
async fn history_row(
    cloud: &Cloud,
    known: &[RunSummary],
    id: &RunId,
) -> std::result::Result<Option<HistoryRow>, StoreError> {
    if let Some(summary) = known.iter().find(|run| run.run == *id) {
        return Ok(Some(row(summary)));
    }
    let run = runs::load(&cloud.bucket, &cloud.keys, id).await?;
    Ok(run.filter(|run| !run.envelopes.is_empty()).map(|run| HistoryRow::of(&run.plan, &run.state)))
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
