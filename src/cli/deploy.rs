//! `shipit deploy`: plan and run.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::args::DeployArgs;
use super::around::Around;
use super::claims::{self, Claims};
use super::drive::{Asked, drive, no_change};
use super::plan_file::PlanFile;
use super::prepare::{self, Wanted};
use super::project::{Cloud, Project};
use super::{Ended, from, runs};
use crate::artifact::Bundle;
use crate::engine::start;
use crate::error::{Failure, Kind, Result};
use crate::event::record::{Back, Record};
use crate::model::{Name, Revision, RunId};
use crate::plan::{Intent, Plan};
use crate::report::goal::stale;
use crate::report::plan_text;
use crate::report::suggestions::verb;
use crate::store::journal::{Append, hex};
use crate::store::lease::{Taking, claim};
use crate::store::lock::{self, Claim};
use crate::store::{Journal, Lease, upload};

pub async fn run(args: &DeployArgs, around: &mut Around) -> Ended {
    let file = args.plan.as_ref().map(|path| PlanFile::read(path, around, Intent::Deploy)).transpose()?;
    let (at, release) = match &file {
        Some(file) => (file.at(&args.at, around), file.release(&args.release)),
        None => (args.at.clone(), args.release.clone()),
    };
    let (project, source) = from::open(&at, &release, around, "deploy").await?;
    let bundles = match &source {
        Some(_) => BTreeMap::new(),
        None => prepare::bundles(&project, &release, around)?,
    };
    let cloud = project.cloud(around, "shipit-deploy").await;
    let caller = prepare::caller(&project, &cloud).await?;
    let claims = claims::read(&project, &cloud).await?;
    claims::are_free(&project, &cloud, &claims).await?;
    let mut wanted = from::wanted(&project, &cloud, around, &release, &bundles, source.as_ref())?;
    let by = caller.arn.clone();
    let built = Box::pin(prepare::plan(&project, &cloud, around, &wanted, &claims, caller)).await?;
    let typed = |verb: &str| project.invocation.command(&from::typed(verb, &args.release));
    if let Some(file) = &file {
        file.is_still_true(&built.plan, &typed("plan"))?;
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
    let typed = typed("deploy");
    let order =
        Order { plan: built.plan, by, why: "deploy", parent: None, back: None, wanted, claims, stuck: None, typed };
    let (lease, loaded) = Box::pin(begin(&project, &cloud, around, order)).await?;
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
    /// The run that got stuck and whose way back it takes up, if it does that.
    pub stuck: Option<runs::Loaded>,
    /// The command that was typed, to be typed again.
    pub typed: String,
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
        recovers: order.stuck.is_some(),
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
    let mut first = vec![planned(wish, revisions, digest)];
    match Box::pin(still_true(cloud, &order.plan, order.stuck.as_ref(), &order.typed, &mut lease)).await {
        Ok(taken_up) => first.extend(taken_up),
        Err(failure) => return Err(never_began(cloud, &order.plan, &run, lease, failure).await?),
    }
    let (mut journal, _) = Journal::open(&cloud.bucket, &cloud.keys, &run).await?;
    match journal.append(now, lease.token(), &first).await? {
        Append::Done(_) => {}
        Append::Fenced => return Err(runs::taken_over(&run)),
    }
    let loaded = runs::load(&cloud.bucket, &cloud.keys, &run).await?;
    let loaded = loaded.ok_or_else(|| runs::planless(&run))?;
    Ok((lease, loaded))
}

/// What else stands in the first entry; the world must be as the plan found it, unless a stuck run is taken up.
///
/// # Errors
/// In what it differs; what AWS says.
async fn still_true(
    cloud: &Cloud,
    plan: &Plan,
    stuck: Option<&runs::Loaded>,
    typed: &str,
    lease: &mut Lease,
) -> Result<Vec<Record>> {
    if let Some(stuck) = stuck {
        return Ok(start::take_up(&cloud.clients, plan, &stuck.state).await?);
    }
    let moved = start::look_again(&cloud.clients, plan, lease).await.map_err(|trouble| match trouble {
        start::Trouble::Aws(error) => error.into_failure(),
        start::Trouble::Store(error) => error.into(),
    })?;
    if moved.is_empty() { Ok(Vec::new()) } else { Err(stale(&moved, typed)) }
}

/// Gives everything back that was taken for a run that never comes to be.
async fn never_began(cloud: &Cloud, plan: &Plan, run: &RunId, lease: Lease, failure: Failure) -> Result<Failure> {
    claims::give_back(cloud, plan, run).await?;
    lease.release(true).await?;
    Ok(failure)
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
    project: &Project,
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
    let stuck = match claim.parent.as_ref().filter(|_| claim.recovers) {
        Some(parent) => Some(super::resume::load(cloud, parent).await?),
        None => None,
    };
    let typed = project.invocation.command(&verb(&run.plan));
    let taken_up = match Box::pin(still_true(cloud, &run.plan, stuck.as_ref(), &typed, &mut lease)).await {
        Ok(taken_up) => taken_up,
        Err(failure) => return Err(never_began(cloud, &run.plan, &id, *lease, failure).await?),
    };
    let first: Vec<Record> = std::iter::once(planned(claim, revisions, run.digest)).chain(taken_up).collect();
    let mut journal = run.journal;
    match journal.append(around.clock.now(), lease.token(), &first).await? {
        Append::Done(_) => Ok((*lease, super::resume::load(cloud, &id).await?)),
        Append::Fenced => Err(runs::taken_over(&id)),
    }
}
