//! `shipit deploy`: plan and run.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::args::DeployArgs;
use super::around::Around;
use super::claims::{self, Claims};
use super::drive::{Asked, drive, no_change};
use super::prepare::{self, Wanted};
use super::project::{Cloud, Project};
use super::{Ended, from, runs};
use crate::artifact::Bundle;
use crate::error::{Failure, Kind, Result};
use crate::event::record::{Back, Record};
use crate::model::{Name, Revision, RunId};
use crate::plan::Plan;
use crate::report::plan_text;
use crate::store::journal::{Append, hex};
use crate::store::lease::{Taking, claim};
use crate::store::lock::{self, Claim};
use crate::store::{Journal, Lease, upload};

pub async fn run(args: &DeployArgs, around: &mut Around) -> Ended {
    let (project, source) = from::open(&args.at, &args.release, around, "deploy").await?;
    let bundles = match &source {
        Some(_) => BTreeMap::new(),
        None => prepare::bundles(&project, &args.release, around)?,
    };
    let cloud = project.cloud(around, "shipit-deploy").await;
    let caller = prepare::caller(&project, &cloud).await?;
    let claims = claims::read(&project, &cloud).await?;
    claims::are_free(&project, &cloud, &claims).await?;
    let mut wanted = from::wanted(&project, &cloud, around, &args.release, &bundles, source.as_ref())?;
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
    let lying = match &source {
        Some(source) => source.copy(&cloud).await?,
        None => upload_all(&cloud, &bundles).await?,
    };
    for (name, target) in &project.pipeline.targets {
        wanted.revisions.extend(lying.get(target.artifact.as_str()).map(|place| (name.clone(), place.clone())));
    }
    let asked = if args.until_approval { Asked::UntilApproval } else { Asked::Forward };
    let order = Order { plan: built.plan, by, why: "deploy", parent: None, back: None, wanted, claims };
    let (lease, loaded) = begin(&project, &cloud, around, order).await?;
    Box::pin(drive(&project, &cloud, around, &args.drive, lease, loaded, ("deploy", asked))).await
}

/// Where each artifact lies after it was put there.
async fn upload_all(cloud: &Cloud, bundles: &BTreeMap<Name, Bundle>) -> Result<BTreeMap<String, Revision>> {
    let mut lying = BTreeMap::new();
    for (artifact, bundle) in bundles {
        lying.insert(artifact.to_string(), upload::put(&cloud.bucket, &cloud.keys, bundle).await?);
    }
    Ok(lying)
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
    /// From which release and to which run, if it is a rollback.
    pub back: Option<Back>,
    /// The claims of the targets, as they were looked at.
    pub claims: Claims,
    /// What will be live, with the place of each target's bundle.
    pub wanted: Wanted,
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
        parent: order.parent,
        back: order.back,
        origin: order.wanted.origin,
        again: order.wanted.again,
    };
    let revisions = order.wanted.revisions;
    let mut lease = match claim(&cloud.bucket, &cloud.keys, &wish, &around.holder).await? {
        Taking::Taken(lease) => *lease,
        Taking::Claimed(other, held) => return Err(claims::busy(project, &other, held.as_ref())),
        Taking::Driven(held) => return Err(claims::busy(project, &wish, Some(&held))),
        Taking::Unclaimed => {
            let what = "the claim vanished while it was made; nothing was changed";
            return Err(Failure::new(Kind::Unexpected, what).help("run the same command again"));
        }
    };
    if let Err(failure) = claims::take(cloud, &order.plan, &wish, &revisions, &order.claims, &mut lease).await {
        lease.release(true).await?;
        return Err(failure);
    }
    let (mut journal, _) = Journal::open(&cloud.bucket, &cloud.keys, &run).await?;
    let first = planned(wish, revisions, digest);
    match journal.append(now, lease.token(), std::slice::from_ref(&first)).await? {
        Append::Done(_) => {}
        Append::Fenced => return Err(runs::taken_over(&run)),
    }
    let loaded = runs::load(&cloud.bucket, &cloud.keys, &run).await?;
    let loaded = loaded.ok_or_else(|| runs::planless(&run))?;
    Ok((lease, loaded))
}

/// The first entry of a run.
fn planned(claim: Claim, revisions: BTreeMap<Name, Revision>, plan: String) -> Record {
    let Claim { by, why, parent, back, build, origin, again, .. } = claim;
    let back = back.map(Box::new);
    Record::RunPlanned { by, why, parent, back, revisions, plan, build, origin, again }
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
    if let Err(failure) = claims::take(cloud, &run.plan, &claim, &revisions, &Claims::new(), &mut lease).await {
        // Nothing was changed: the run never comes to be.
        lease.release(true).await?;
        return Err(failure);
    }
    let first = planned(claim, revisions, run.digest);
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
