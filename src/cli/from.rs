//! `--from`: the release that is live in another environment, and nothing else.

use std::collections::BTreeMap;

use super::args::{ReleaseArgs, Where};
use super::around::Around;
use super::prepare::{self, Wanted};
use super::project::{Cloud, Project};
use super::{claims, facts, runs};
use crate::artifact::Bundle;
use crate::config::Need;
use crate::error::{Failure, Kind, Result};
use crate::event::record::{Origin, Outcome};
use crate::model::revision::{BundleRef, Promoted};
use crate::model::{Name, Release, Revision, RunId, harmless};
use crate::plan::Intent;
use crate::plan::build::Observed;
use crate::plan::function::hex_of;
use crate::report::commands::quoted;
use crate::run::RunStatus;
use crate::store::{Bucket, copy};

/// The longest reason that is recorded.
const REASON: usize = 500;

/// A release that is live in another environment.
pub struct Source {
    /// What it is there.
    pub release: Release,
    /// What it was made of, if that was recorded.
    pub origin: Option<Origin>,
    /// Where its bundles lie, by artifact.
    places: BTreeMap<String, Revision>,
    /// How they are read there.
    bucket: Bucket,
}

/// The pipeline, and the source of the release if it is to come from another environment.
///
/// # Errors
/// Every problem of the file; whatever keeps the release from being promoted.
pub async fn open(at: &Where, args: &ReleaseArgs, around: &Around, verb: &str) -> Result<(Project, Option<Source>)> {
    let project = Project::open(at, around, Need::Store)?;
    is_the_way_in(
        &project,
        args.from.as_deref(),
        &typed(verb, &ReleaseArgs { release: None, from: None, ..args.clone() }),
    )?;
    let Some(from) = &args.from else {
        return Ok((Project::open_release(at, around, Need::All, args.release.as_deref())?, None));
    };
    is_another(&project.environment, from)?;
    let there = Where { environment: Some(from.clone()), ..at.clone() };
    let there = Project::open(&there, around, Need::Targets)?;
    let cloud = there.cloud(around, "shipit-promote").await;
    prepare::caller(&there, &cloud).await?;
    let source = Source::look(&there, &cloud).await?;
    let (label, origin) = (&source.release.label, source.origin.as_ref());
    Ok((Project::open_made(at, around, Need::Targets, label, origin)?, Some(source)))
}

/// What will be live: the bundles, or what the source has; with what was asked for beside it.
///
/// # Errors
/// The environment ships something else than the source.
pub fn wanted(
    project: &Project,
    cloud: &Cloud,
    around: &Around,
    args: &ReleaseArgs,
    bundles: &BTreeMap<Name, Bundle>,
    source: Option<&Source>,
) -> Result<Wanted> {
    let wanted = match source {
        Some(source) => source.wanted(project, cloud)?,
        None => Wanted {
            origin: facts::origin(around, project.pipeline.artifacts.values().map(|it| it.path.as_str())),
            ..prepare::wanted(project, cloud, args, bundles)
        },
    };
    let again = args.again.as_ref().map(|why| harmless(why, REASON));
    let command = |args: &ReleaseArgs| project.invocation.command(&typed("deploy", args));
    let failed = args.again.clone().or_else(|| Some("why".to_owned()));
    let anyway = (
        command(&ReleaseArgs { allow_older: true, ..args.clone() }),
        command(&ReleaseArgs { again: failed, ..args.clone() }),
    );
    Ok(Wanted { allow_older: args.allow_older, again, anyway, ..wanted })
}

/// A command about a release, as it was typed and with everything that it needs to mean the same again.
pub fn typed(verb: &str, args: &ReleaseArgs) -> String {
    let mut line = verb.to_owned();
    let mut add = |name: &str, value: Option<&String>| {
        line.extend(value.map(|value| format!(" --{name} {}", quoted(value))));
    };
    add("release", args.release.as_ref());
    add("from", args.from.as_ref());
    add("again", args.again.as_ref());
    args.add_files.iter().for_each(|file| add("add-file", Some(file)));
    if args.allow_older {
        line.push_str(" --allow-older");
    }
    line
}

/// A release comes from another environment.
///
/// # Errors
/// It is the same one.
pub fn is_another(here: &Name, from: &str) -> Result<()> {
    if here.as_str() != from {
        return Ok(());
    }
    Err(Failure::new(Kind::Usage, format!("{from} cannot get a release from itself"))
        .help("name another environment after --from"))
}

/// Releases come into an environment by the way that the pipeline says.
///
/// # Errors
/// What to type instead.
pub fn is_the_way_in(project: &Project, from: Option<&str>, verb: &str) -> Result<()> {
    let Some(after) = &project.place.after else { return Ok(()) };
    if from == Some(after.as_str()) {
        return Ok(());
    }
    let here = &project.environment;
    let what = match from {
        None => format!("{here} takes only releases that are live in {after}"),
        Some(from) => format!("{here} takes only releases that are live in {after}, not in {from}"),
    };
    let line = format!("{} --from {after}", project.invocation.command(verb));
    Err(Failure::new(Kind::Preflight, what).help(format!("once it is live in {after}, type\n{line}")))
}

impl Source {
    async fn look(project: &Project, cloud: &Cloud) -> Result<Source> {
        let here = &project.environment;
        let run = last_run(project, cloud).await?;
        let mut places: BTreeMap<String, (String, Revision)> = BTreeMap::new();
        for (name, target, observed) in prepare::observe(&project.pipeline, cloud).await? {
            let wanted = run.state.revisions.get(name).ok_or_else(|| {
                refuse(project, format!("target {name} of {here} was not part of its last run, {}", run.state.run))
            })?;
            let sha256 = wanted.sha256().ok_or_else(|| {
                refuse(project, format!("what is live on {name} in {here} was not shipped as an artifact"))
            })?;
            is_live(project, name, wanted, &observed)?;
            let artifact = target.artifact.to_string();
            let known = places.insert(artifact.clone(), (sha256.to_owned(), wanted.clone()));
            if known.is_some_and(|(other, _)| other != sha256) {
                return Err(refuse(project, format!("two bundles of artifact {artifact} are live in {here}")));
            }
        }
        let mut bundles = Vec::new();
        let mut found = BTreeMap::new();
        for (artifact, (sha256, wanted)) in places {
            let bucket = Bucket::new(cloud.clients.s3().clone(), &wanted.bucket);
            let Some((revision, size)) = copy::look(&bucket, &wanted.key, &sha256).await? else {
                let place = format!("s3://{}/{}", wanted.bucket, wanted.key);
                return Err(refuse(project, format!("artifact {artifact} of the live release is gone: {place}")));
            };
            bundles.push(BundleRef { artifact: artifact.clone(), sha256, size });
            found.insert(artifact, revision);
        }
        let from = Promoted { environment: here.clone(), run: run.state.run.clone() };
        let release = Release { label: run.plan.release.label.clone(), bundles, from: Some(from) };
        Ok(Source { release, origin: run.state.origin.clone(), places: found, bucket: cloud.bucket.clone() })
    }

    /// What will be live, as it will lie in the other environment's store; both ship the same artifacts.
    ///
    /// # Errors
    /// They do not.
    pub fn wanted(&self, project: &Project, cloud: &Cloud) -> Result<Wanted> {
        let here = &project.environment;
        let from = self.release.from.as_ref().map(|from| from.environment.to_string()).unwrap_or_default();
        let ours: Vec<&str> = project.pipeline.shipped().map(|(name, _)| name.as_str()).collect();
        let theirs: Vec<&str> = self.release.bundles.iter().map(|bundle| bundle.artifact.as_str()).collect();
        let lacking =
            |names: &[&str], of: &[&str]| names.iter().find(|name| !of.contains(name)).map(ToString::to_string);
        let differs = match (lacking(&ours, &theirs), lacking(&theirs, &ours)) {
            (Some(artifact), _) => Some(format!("{here} ships artifact {artifact}, {from} does not")),
            (None, Some(artifact)) => Some(format!("{from} ships artifact {artifact}, {here} does not")),
            (None, None) => None,
        };
        if let Some(differs) = differs {
            return Err(Failure::new(Kind::Preflight, format!("{differs}: that would be another release"))
                .help("let the targets of both environments name the same artifacts"));
        }
        let mut revisions = BTreeMap::new();
        for (name, target) in &project.pipeline.targets {
            let bundle = self.release.bundles.iter().find(|bundle| bundle.artifact == target.artifact.as_str());
            let sha256 = bundle.map_or("", |bundle| &bundle.sha256);
            revisions.insert(
                name.clone(),
                Revision {
                    bucket: project.pipeline.store.bucket.clone(),
                    key: cloud.keys.artifact(sha256),
                    version: None,
                    etag: None,
                },
            );
        }
        Ok(Wanted {
            release: self.release.clone(),
            intent: Intent::Deploy,
            revisions,
            origin: self.origin.clone(),
            ..Wanted::default()
        })
    }

    /// Copies the bundles into an environment's store; gives where each artifact lies there.
    ///
    /// # Errors
    /// What S3 says on either side; bytes that are not the bundle's.
    pub async fn copy(&self, cloud: &Cloud) -> Result<BTreeMap<String, Revision>> {
        let mut copied = BTreeMap::new();
        for bundle in &self.release.bundles {
            let Some(place) = self.places.get(&bundle.artifact) else { continue };
            let from = Bucket::new(self.bucket.client().clone(), &place.bucket);
            let what = (bundle.sha256.as_str(), bundle.size);
            let revision = copy::copy(&from, place, what, &cloud.bucket, &cloud.keys).await?;
            copied.insert(bundle.artifact.clone(), revision);
        }
        Ok(copied)
    }
}

/// The last run that changed anything; it must have succeeded, and there must be none under way.
async fn last_run(project: &Project, cloud: &Cloud) -> Result<runs::Loaded> {
    let here = &project.environment;
    claims::is_idle(project, cloud).await?;
    let names = cloud.bucket.folders(&cloud.keys.runs()).await?;
    let mut ids: Vec<RunId> = names.iter().filter_map(|name| RunId::parse(name).ok()).collect();
    ids.sort_unstable_by(|one, other| other.cmp(one));
    for id in ids {
        let Some(run) = runs::load(&cloud.bucket, &cloud.keys, &id).await? else { continue };
        let how = match run.state.status {
            // Runs that never began, or changed nothing.
            _ if run.envelopes.is_empty() => continue,
            RunStatus::Ended(Outcome::Refused) => continue,
            RunStatus::Ended(Outcome::Succeeded) => return Ok(run),
            RunStatus::Ended(Outcome::RolledBack) => "was rolled back",
            RunStatus::Ended(Outcome::Held) => "was held",
            RunStatus::Ended(Outcome::Stuck) => "is stuck",
            RunStatus::Planned
            | RunStatus::Running
            | RunStatus::Paused
            | RunStatus::Held
            | RunStatus::Detached
            | RunStatus::RollingBack => "is not finished",
        };
        let cause = run.state.cause.as_ref().map(|cause| format!(": {}", cause.what)).unwrap_or_default();
        return Err(refuse(project, format!("the last run in {here}, {id}, {how}{cause}")));
    }
    Err(refuse(project, format!("nothing was ever shipped to {here}")))
}

/// What a run has made live is what is live now.
fn is_live(project: &Project, name: &Name, wanted: &Revision, observed: &Observed) -> Result<()> {
    let drifted = |what: String| refuse(project, format!("{name} in {} has drifted: {what}", project.environment));
    let label = wanted.label();
    match observed {
        Observed::Fleet(fleet) => match &fleet.baseline {
            Some(live) if live.revision.key == wanted.key && live.revision.bucket == wanted.bucket => Ok(()),
            Some(live) => {
                Err(drifted(format!("its last run made {label} live, but now it is {}", live.revision.label())))
            }
            None => Err(drifted(format!("its last run made {label} live, but now nothing is"))),
        },
        Observed::Function(function) => {
            let live = function.live.as_ref().and_then(|live| hex_of(&live.code_sha256));
            let is_shared = function.alias.as_ref().is_some_and(|alias| !alias.is_all_on(&alias.version));
            if is_shared {
                return Err(drifted("its alias shares calls between two versions".to_owned()));
            }
            if live.as_deref() == wanted.sha256() {
                return Ok(());
            }
            Err(drifted(format!("its last run made {label} live, but now another version is")))
        }
    }
}

fn refuse(project: &Project, what: String) -> Failure {
    let help = format!(
        "only a release that succeeded and is live can be promoted\n{}\n{}",
        project.invocation.command("status"),
        project.invocation.command("deploy")
    );
    Failure::new(Kind::Preflight, what).help(help)
}
