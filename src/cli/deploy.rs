//! `shipit deploy`: plan and run.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::args::DeployArgs;
use super::around::Around;
use super::drive::{Asked, drive, no_change};
use super::prepare;
use super::project::{Cloud, Project};
use super::{Ended, claims, runs};
use crate::config::Need;
use crate::error::{Failure, Kind, Result};
use crate::event::record::Record;
use crate::model::{Name, Revision, RunId};
use crate::plan::Plan;
use crate::report::plan_text;
use crate::store::journal::{Append, hex};
use crate::store::lease::{Taking, claim};
use crate::store::lock::{self, Claim};
use crate::store::{Journal, Lease, upload};

pub async fn run(args: &DeployArgs, around: &mut Around) -> Ended {
    let project = Project::open_release(&args.at, around, Need::All, args.release.release.as_deref())?;
    let bundles = prepare::bundles(&project, &args.release, around)?;
    let cloud = project.cloud(around, "shipit-deploy").await;
    let caller = prepare::caller(&project, &cloud).await?;
    let claims = claims::read(&project, &cloud).await?;
    claims::are_free(&project, &cloud, &claims).await?;
    let mut wanted = prepare::wanted(&project, &cloud, &args.release, &bundles);
    let by = caller.arn.clone();
    let built = Box::pin(prepare::plan(&project, &cloud, around, &wanted, &claims, caller)).await?;
    if let Some(path) = &args.plan {
        is_still_true(&built.plan, &around.directory.join(path))?;
    }
    if built.plan.is_empty() {
        return Ok(no_change(around, "deploy", &built));
    }
    let text = plan_text(&built.plan, &built.notes, None, around.err_style);
    around.say_folded("the plan", &text);
    for (artifact, bundle) in &bundles {
        let revision = upload::put(&cloud.bucket, &cloud.keys, bundle).await?;
        for (name, _) in project.pipeline.targets.iter().filter(|(_, target)| target.artifact == *artifact) {
            wanted.revisions.insert(name.clone(), revision.clone());
        }
    }
    let asked = if args.until_approval { Asked::UntilApproval } else { Asked::Forward };
    let order = Order { plan: built.plan, by, why: "deploy", parent: None, revisions: wanted.revisions };
    let (lease, loaded) = begin(&project, &cloud, around, order).await?;
    Box::pin(drive(&project, &cloud, around, &args.drive, lease, loaded, ("deploy", asked))).await
}

/// A run that is about to exist.
pub struct Order {
    /// What it will do.
    pub plan: Plan,
    /// Who asked.
    pub by: String,
    /// In a word.
    pub why: &'static str,
    /// The run it goes back from.
    pub parent: Option<RunId>,
    /// Where each target's bundle lies.
    pub revisions: BTreeMap<Name, Revision>,
}

/// Stores the plan, claims the environment and the targets, writes the first entry: harmless at every point where it may break off.
///
/// # Errors
/// The environment or a target belongs to another run; the store cannot be used.
pub async fn begin(project: &Project, cloud: &Cloud, around: &Around, order: Order) -> Result<(Lease, runs::Loaded)> {
    let now = around.clock.now();
    let run = RunId::new(now, fastrand::u32(..));
    let json = super::plan::to_json(&order.plan)?;
    let digest = hex(&<sha2::Sha256 as sha2::Digest>::digest(json.as_bytes()));
    cloud.bucket.put_if_absent(&cloud.keys.plan(&run), Bytes::from(json)).await?;
    around.lets_go(Some(project.invocation.command("resume")));
    let wish = Claim {
        run: run.clone(),
        since: now,
        by: order.by.clone(),
        why: order.why.to_owned(),
        build: around.ci.build.clone(),
    };
    let mut lease = match claim(&cloud.bucket, &cloud.keys, &wish, &around.holder).await? {
        Taking::Taken(lease) => *lease,
        Taking::Claimed(other, held) => return Err(claims::busy(project, &other, held.as_ref())),
        Taking::Driven(held) => return Err(claims::busy(project, &wish, Some(&held))),
        Taking::Unclaimed => {
            let what = "the claim vanished while it was made; nothing was changed";
            return Err(Failure::new(Kind::Unexpected, what).help("run the same command again"));
        }
    };
    if let Err(failure) = claims::take(cloud, &order.plan, &wish, &order.revisions, &mut lease).await {
        lease.release(true).await?;
        return Err(failure);
    }
    let (mut journal, _) = Journal::open(&cloud.bucket, &cloud.keys, &run).await?;
    let first = Record::RunPlanned {
        by: order.by,
        why: order.why.to_owned(),
        parent: order.parent,
        revisions: order.revisions,
        plan: digest,
        build: around.ci.build.clone(),
    };
    match journal.append(now, lease.token(), std::slice::from_ref(&first)).await? {
        Append::Done(_) => {}
        Append::Fenced => return Err(runs::taken_over(&run)),
    }
    let loaded = runs::load(&cloud.bucket, &cloud.keys, &run).await?;
    let loaded = loaded.ok_or_else(|| runs::planless(&run))?;
    Ok((lease, loaded))
}

/// Takes the targets and writes the first entry of a run whose driver was killed between the claim and that. Its bundles
/// were up before.
///
/// # Errors
/// A bundle is gone, or a target belongs to another run by now; the store cannot be used.
pub async fn first_entry(
    cloud: &Cloud,
    around: &Around,
    mut lease: Box<Lease>,
    run: runs::Loaded,
) -> Result<(Lease, runs::Loaded)> {
    if !run.envelopes.is_empty() {
        return Ok((*lease, run));
    }
    let id = run.state.run.clone();
    let mut revisions = BTreeMap::new();
    for lane in run.plan.lanes() {
        let bundle = run.plan.release.bundles.iter().find(|bundle| Some(&*bundle.sha256) == lane.revision.sha256());
        let found = match bundle {
            Some(bundle) => upload::find(&cloud.bucket, &lane.revision.key, &bundle.sha256, bundle.size).await?,
            None => Some(lane.revision.clone()),
        };
        let found = found.ok_or_else(|| {
            let what = format!("the bundle of {} is gone from the store: {}", lane.target, lane.revision.key);
            Failure::new(Kind::Unexpected, what).help("`shipit abort` ends this run; then deploy again")
        })?;
        revisions.insert(lane.target.clone(), found);
    }
    let claim = lock::read(&cloud.bucket, &cloud.keys).await?.lock.claim;
    let Some(claim) = claim.filter(|claim| claim.run == id) else {
        return Err(runs::taken_over(&id));
    };
    if let Err(failure) = claims::take(cloud, &run.plan, &claim, &revisions, &mut lease).await {
        // Nothing was changed: the run never comes to be.
        lease.release(true).await?;
        return Err(failure);
    }
    let Claim { by, why, build, .. } = claim;
    let json = super::plan::to_json(&run.plan)?;
    let plan = hex(&<sha2::Sha256 as sha2::Digest>::digest(json.as_bytes()));
    let first = Record::RunPlanned { by, why, parent: None, revisions, plan, build };
    let mut journal = run.journal;
    match journal.append(around.clock.now(), lease.token(), std::slice::from_ref(&first)).await? {
        Append::Done(_) => Ok((*lease, super::resume::load(cloud, &id).await?)),
        Append::Fenced => Err(runs::taken_over(&id)),
    }
}

fn is_still_true(plan: &Plan, path: &std::path::Path) -> Result<()> {
    let stored = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(Kind::Usage, format!("{} cannot be read: {error}", path.display())))?;
    if stored == super::plan::to_json(plan)? {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Stale,
        format!("the plan of {} is stale: the world, the pipeline or the artifacts changed", path.display()),
    )
    .help("look at the new plan with `shipit plan`, then deploy that"))
}
