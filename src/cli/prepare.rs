//! From a pipeline to a plan: bundles, one read-only sweep, and the decision whether it can be done.

use std::collections::BTreeMap;
use std::path::Path;

use futures_util::future::try_join_all;

use super::args::ReleaseArgs;
use super::around::Around;
use super::project::{Cloud, Project};
use crate::artifact::appspec;
use crate::artifact::bundle::{self, Bundle};
use crate::config::Problems;
use crate::error::{Failure, Kind, Result};
use crate::model::observed::{Caller, Fleet, Probe};
use crate::model::pipeline::Target;
use crate::model::revision::BundleRef;
use crate::model::{Name, Release, Revision};
use crate::plan::Intent;
use crate::plan::build::{Built, Input, build};
use crate::probe::Prober;
use crate::report::refused;
use crate::store::head::{self, Head};

/// What will be live: the release, and the bundle of every target.
pub struct Wanted {
    /// The release.
    pub release: Release,
    /// Forward or back.
    pub intent: Intent,
    /// By target.
    pub revisions: BTreeMap<Name, Revision>,
}

/// Bundles all artifacts that a target names.
///
/// # Errors
/// Everything that cannot be shipped.
pub fn bundles(project: &Project, args: &ReleaseArgs, directory: &Path) -> Result<BTreeMap<Name, Bundle>> {
    let extra = extra_files(args, directory)?;
    let mut bundles = BTreeMap::new();
    for target in project.pipeline.targets.values() {
        let name = &target.artifact;
        if bundles.contains_key(name) {
            continue;
        }
        let Some(artifact) = project.pipeline.artifacts.get(name) else { continue };
        let path = directory.join(&artifact.path);
        let made = if path.is_dir() { bundle::from_dir(&path, &extra)? } else { bundle::from_path(&path)? };
        appspec(&made, &artifact.path)?;
        bundles.insert(name.clone(), made);
    }
    Ok(bundles)
}

/// Checks the AppSpec of an artifact's bundle.
///
/// # Errors
/// Every rule that it breaks.
pub fn appspec(bundle: &Bundle, path: &str) -> std::result::Result<appspec::AppSpec, Problems> {
    appspec::check(bundle, &format!("{}/appspec.yml", path.trim_end_matches('/')))
}

fn extra_files(args: &ReleaseArgs, directory: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let read = |word: &String| {
        let (name, path) = word
            .split_once('=')
            .ok_or_else(|| Failure::new(Kind::Usage, format!("`--add-file {word}` is not NAME=PATH")))?;
        let bytes = std::fs::read(directory.join(path))
            .map_err(|error| Failure::new(Kind::Usage, format!("{path} cannot be read: {error}")))?;
        Ok((name.to_owned(), bytes))
    };
    args.add_files.iter().map(read).collect()
}

/// The release that bundles make, and where they will lie.
pub fn wanted(project: &Project, cloud: &Cloud, args: &ReleaseArgs, bundles: &BTreeMap<Name, Bundle>) -> Wanted {
    let refs: Vec<BundleRef> = bundles
        .iter()
        .map(|(name, bundle)| BundleRef {
            artifact: name.to_string(),
            sha256: bundle.sha256.clone(),
            size: bundle.size,
        })
        .collect();
    let label = args.release.clone().unwrap_or_else(|| {
        let hashes: Vec<&str> = refs.iter().map(|it| it.sha256.get(..8).unwrap_or(&it.sha256)).collect();
        hashes.join("-")
    });
    let revision = |target: &Target| {
        let sha256 = bundles.get(&target.artifact).map_or("", |bundle| &bundle.sha256);
        let key = cloud.keys.artifact(sha256);
        Revision { bucket: project.pipeline.store.bucket.clone(), key, version: None, etag: None }
    };
    let revisions = project.pipeline.targets.iter().map(|(name, target)| (name.clone(), revision(target))).collect();
    Wanted { release: Release { label, bundles: refs }, intent: Intent::Deploy, revisions }
}

/// Who calls; it must be the environment's account.
///
/// # Errors
/// No credentials, or another account's.
pub async fn caller(project: &Project, cloud: &Cloud) -> Result<Caller> {
    let caller = cloud.clients.caller().await?;
    if caller.account != project.place.account {
        let (is, wanted) = (&caller.account, &project.place.account);
        return Err(Failure::new(
            Kind::Preflight,
            format!("these are credentials of account {is}, but {} is in account {wanted}", project.environment),
        )
        .help(format!(
            "use credentials of account {wanted}, or set `role:` of the environment (you are {})",
            caller.arn
        )));
    }
    Ok(caller)
}

/// Looks once at everything and makes the plan.
///
/// # Errors
/// Everything that stands in the way, and nothing was changed.
pub async fn plan(project: &Project, cloud: &Cloud, around: &Around, wanted: &Wanted, caller: Caller) -> Result<Built> {
    let head = head::read(&cloud.bucket, &cloud.keys).await?.0;
    let prober = Prober::new(around.http.clone());
    let targets = &project.pipeline.targets;
    let found =
        try_join_all(targets.iter().map(|(name, target)| observe(cloud, &prober, &head, name, target, wanted.intent)))
            .await?;
    let input = Input {
        pipeline: &project.pipeline,
        environment: &project.environment,
        intent: wanted.intent,
        release: wanted.release.clone(),
        revisions: wanted.revisions.clone(),
        observed: found.into_iter().collect(),
        past: head.past(),
        caller,
        region: project.place.region.clone(),
    };
    build(&input).map_err(|refusals| refused(&refusals))
}

async fn observe(
    cloud: &Cloud,
    prober: &Prober,
    head: &Head,
    name: &Name,
    target: &Target,
    intent: Intent,
) -> Result<(Name, Fleet)> {
    let mut fleet = cloud.clients.observe_fleet(&target.fleet, &target.health.alarms).await?;
    let is_same = |one: &Revision, other: &Revision| one.key == other.key && one.bucket == other.bucket;
    if let (Some(baseline), Some(live)) = (&mut fleet.baseline, head.live.get(name))
        && is_same(&live.revision, &baseline.revision)
    {
        baseline.release = Some(live.release.clone());
    }
    let origin = crate::plan::fleet::origin(&fleet);
    if let (Some(origin), Intent::Deploy) = (origin, intent) {
        for condition in &target.health.http {
            let trouble = prober.ask(&origin, &condition.path, condition.within.duration()).await;
            let trouble = trouble.err().map(|trouble| trouble.to_string());
            fleet.probes.push(Probe { path: condition.path.clone(), trouble });
        }
    }
    Ok((name.clone(), fleet))
}
