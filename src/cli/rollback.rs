//! `shipit rollback`: go back to a release that was live, as a new run.

use std::collections::BTreeMap;

use super::args::{RollbackArgs, RunArgs};
use super::around::Around;
use super::deploy::{Order, begin};
use super::drive::{Asked, drive, no_change};
use super::meant::is_what_is_live;
use super::prepare::{self, Wanted};
use super::project::{Cloud, Project};
use super::resume::claimed;
use super::{Ended, abort, claims, runs};
use crate::config::Need;
use crate::error::{Failure, Kind, Result};
use crate::event::record::{Back, Outcome};
use crate::model::observed::Baseline;
use crate::model::{Name, Release, Revision, RunId};
use crate::plan::Intent;
use crate::plan::function::hex_of;
use crate::plan::{Lane, On, OnFunction};
use crate::report::plan_text;
use crate::run::RunStatus;
use crate::store::head::{self, RunSummary};

pub async fn run(args: &RollbackArgs, around: &mut Around) -> Ended {
    let project = Project::open(&args.at, around, Need::Targets)?;
    let cloud = project.cloud(around, "shipit-rollback").await;
    if let Some(run) = claimed(&cloud).await? {
        let is_unfinished =
            runs::load(&cloud.bucket, &cloud.keys, &run).await?.is_some_and(|run| !run.state.has_ended());
        if is_unfinished {
            let (at, meant, drive) = (args.at.clone(), args.meant.clone(), args.drive.clone());
            let args = RunArgs { at, meant, drive, record: false };
            return abort::run(&args, around).await;
        }
    }
    let caller = prepare::caller(&project, &cloud).await?;
    let claims = claims::read(&project, &cloud).await?;
    claims::are_free(&project, &cloud, &claims).await?;
    let Goal { wanted, parent, back } = goal(&project, &cloud, args.to.as_deref()).await?;
    is_what_is_live(&project, &args.meant, (&parent, &back.from))?;
    let by = caller.arn.clone();
    let built = Box::pin(prepare::plan(&project, &cloud, around, &wanted, &claims, caller)).await?;
    if built.plan.is_empty() {
        return Ok(no_change(around, "rollback", &built));
    }
    let text = plan_text(&built.plan, &built.notes, None, around.err_style);
    around.say_folded("the plan", &text);
    let order = Order { plan: built.plan, by, why: "rollback", parent: Some(parent), back: Some(back), wanted, claims };
    let (lease, loaded) = begin(&project, &cloud, around, order).await?;
    Box::pin(drive(&project, &cloud, around, &args.drive, lease, loaded, ("rollback", Asked::Forward))).await
}

/// Where a rollback goes.
struct Goal {
    wanted: Wanted,
    /// The last run that succeeded.
    parent: RunId,
    back: Back,
}

/// What to go back to: the release that was live before the last run that succeeded, or a named one.
async fn goal(project: &Project, cloud: &Cloud, to: Option<&str>) -> Result<Goal> {
    let past = Past::of(cloud).await?;
    let nothing = |what: String| Failure::new(Kind::Preflight, what).help(project.invocation.command("history"));
    let Some((last, place)) = past.next(cloud, 0, None).await? else {
        return Err(nothing("no run has succeeded here yet, so there is nothing to go back to".to_owned()));
    };
    let (parent, from) = (last.state.run.clone(), last.plan.release.label.clone());
    let (label, revisions, source) = match to {
        Some(to) => {
            let Some((run, _)) = past.next(cloud, 0, Some(to)).await? else {
                return Err(nothing(format!("no run ever made release {to} live here")));
            };
            (to.to_owned(), of_run(&run), Some(run))
        }
        None => {
            let (label, revisions) = before_run(&last)?;
            let made = past.next(cloud, place + 1, Some(&label)).await?.map(|(run, _)| run);
            let made = made.filter(|run| holds(&of_run(run), &revisions));
            (label, revisions, made)
        }
    };
    is_complete(project, &revisions)?;
    let origin = source.as_ref().and_then(|run| run.state.origin.clone());
    let release = Release { label, bundles: Vec::new(), from: None };
    let wanted = Wanted { release, intent: Intent::Rollback, revisions, origin, ..Wanted::default() };
    Ok(Goal { wanted, parent, back: Back { from, to: source.map(|run| run.state.run) } })
}

/// The runs of an environment, the newest first, with what the head tells of them.
struct Past(Vec<(RunId, Option<RunSummary>)>);

impl Past {
    async fn of(cloud: &Cloud) -> Result<Past> {
        let known = head::read(&cloud.bucket, &cloud.keys).await?.0.runs;
        let mut runs: Vec<(RunId, Option<RunSummary>)> = match known.is_empty() {
            false => known.into_iter().map(|run| (run.run.clone(), Some(run))).collect(),
            true => {
                let names = cloud.bucket.folders(&cloud.keys.runs()).await?;
                names.iter().filter_map(|name| RunId::parse(name).ok()).map(|id| (id, None)).collect()
            }
        };
        runs.sort_unstable_by(|(one, _), (other, _)| other.cmp(one));
        Ok(Past(runs))
    }

    /// The first run from a place on that succeeded, with this release if one is named; and its place.
    async fn next(&self, cloud: &Cloud, from: usize, label: Option<&str>) -> Result<Option<(runs::Loaded, usize)>> {
        let is_label = |release: &str| label.is_none_or(|label| label == release);
        for (place, (id, summary)) in self.0.iter().enumerate().skip(from) {
            let may_be =
                summary.as_ref().is_none_or(|run| run.outcome == Some(Outcome::Succeeded) && is_label(&run.release));
            if !may_be {
                continue;
            }
            let Some(run) = runs::load(&cloud.bucket, &cloud.keys, id).await? else { continue };
            if run.state.status == RunStatus::Ended(Outcome::Succeeded) && is_label(&run.plan.release.label) {
                return Ok(Some((run, place)));
            }
        }
        Ok(None)
    }
}

/// Whether these bundles are among those.
fn holds(those: &BTreeMap<Name, Revision>, these: &BTreeMap<Name, Revision>) -> bool {
    these.iter().all(|(target, revision)| those.get(target).is_some_and(|it| it.key == revision.key))
}

fn of_run(run: &runs::Loaded) -> BTreeMap<Name, Revision> {
    let revision = |lane: &crate::plan::Lane| run.state.revisions.get(&lane.target).unwrap_or(&lane.revision).clone();
    run.plan.lanes().map(|lane| (lane.target.clone(), revision(lane))).collect()
}

/// What was live before a run, by its own plan.
fn before_run(run: &runs::Loaded) -> Result<(String, BTreeMap<Name, Revision>)> {
    let mut labels = Vec::new();
    let mut revisions = BTreeMap::new();
    for lane in run.plan.lanes() {
        let live = match &lane.on {
            On::Fleet(fleet) => fleet.baseline.live.clone(),
            On::Function(on) => function_baseline(on, lane),
        };
        let Some(live) = live else {
            return Err(Failure::new(
                Kind::Preflight,
                format!("nothing was live on {} before run {}", lane.target, run.state.run),
            )
            .help("there is no way back from a first release; ship another one"));
        };
        let label = live.release.clone().or_else(|| live.revision.sha256().map(|hash| hash[..8].to_owned()));
        labels.push(label.unwrap_or_else(|| live.deployment.clone()));
        revisions.insert(lane.target.clone(), live.revision.clone());
    }
    labels.dedup();
    Ok((labels.join("-"), revisions))
}

/// The version that was live, as a bundle: by that it is found among the versions, or shipped again.
fn function_baseline(on: &OnFunction, lane: &Lane) -> Option<Baseline> {
    let version = on.baseline.version.clone()?;
    let sha256 = hex_of(&on.baseline.code_sha256)?;
    let key = lane.revision.key.replace(lane.revision.sha256()?, &sha256);
    let kept = on.baseline.bundle.clone();
    let revision = kept.unwrap_or_else(|| Revision { key, version: None, etag: None, ..lane.revision.clone() });
    Some(Baseline { release: on.baseline.release.clone(), revision, deployment: version, bundle_exists: true })
}

fn is_complete(project: &Project, revisions: &BTreeMap<Name, Revision>) -> Result<()> {
    match project.pipeline.targets.keys().find(|target| !revisions.contains_key(*target)) {
        None => Ok(()),
        Some(target) => Err(Failure::new(Kind::Preflight, format!("that release had no target {target}"))
            .help("ship a release that has all of the pipeline's targets, or choose another with --to")),
    }
}
