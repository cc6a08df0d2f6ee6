//! `shipit resume`: drive an unfinished run on.

use std::io::Write;
use std::time::Duration;

use super::args::ResumeArgs;
use super::around::Around;
use super::drive::{Asked, drive};
use super::meant::{Meant, meant, told};
use super::project::{Cloud, Project};
use super::{Ended, runs};
use crate::config::Need;
use crate::error::{Failure, Kind, Result};
use crate::model::RunId;
use crate::store::Lease;
use crate::store::lease::{LAPSE, Taking, take_over};
use crate::store::lock;

pub async fn run(args: &ResumeArgs, around: &mut Around) -> Ended {
    let project = Project::open(&args.at, around, Need::Store)?;
    let cloud = project.cloud(around, "shipit-resume").await;
    let asked = ("resume", if args.if_abandoned { Asked::Watchdog } else { Asked::Forward });
    let run = match meant(&project, &cloud, &args.meant, asked.0).await? {
        Meant::UnderWay(run) => run.state.run,
        Meant::Over(run) => return Ok(told(&project, around, &run, asked)),
        Meant::Nothing => {
            let _ = writeln!(around.err, "no run is unfinished in {}", project.environment);
            return Ok(0);
        }
    };
    match take(&cloud, around, &run, LAPSE + Duration::from_secs(10)).await? {
        Taken::Ours(lease) => {
            let (lease, loaded) = super::deploy::first_entry(&cloud, around, lease, load(&cloud, &run).await?).await?;
            Box::pin(drive(&project, &cloud, around, &args.drive, lease, loaded, asked)).await
        }
        Taken::Over => Ok(told(&project, around, &load(&cloud, &run).await?, asked)),
        Taken::Driven(who) if args.if_abandoned => {
            let _ = writeln!(around.err, "{run} is driven by {who}; nothing to do");
            Ok(0)
        }
        Taken::Driven(who) => Err(driven(&project, &run, &who)),
    }
}

/// How taking a run over went.
pub enum Taken {
    /// It is ours.
    Ours(Box<Lease>),
    /// Somebody drives it.
    Driven(String),
    /// It ended meanwhile.
    Over,
}

/// The unfinished run of the environment.
///
/// # Errors
/// What the store says.
pub async fn claimed(cloud: &Cloud) -> Result<Option<RunId>> {
    Ok(lock::read(&cloud.bucket, &cloud.keys).await?.lock.claim.map(|claim| claim.run))
}

/// Takes the lease of a run, watching a holder that may be gone for as long as `patience`.
///
/// # Errors
/// What the store says.
pub async fn take(cloud: &Cloud, around: &Around, run: &RunId, patience: Duration) -> Result<Taken> {
    Ok(match take_over(&cloud.bucket, &cloud.keys, run, &around.holder, patience).await? {
        Taking::Taken(lease) => Taken::Ours(lease),
        Taking::Driven(held) => Taken::Driven(held.holder.who),
        Taking::Claimed(..) | Taking::Unclaimed => Taken::Over,
    })
}

/// Reads a run that must be there.
///
/// # Errors
/// What the store says.
pub async fn load(cloud: &Cloud, run: &RunId) -> Result<runs::Loaded> {
    let loaded = runs::load(&cloud.bucket, &cloud.keys, run).await?;
    loaded.ok_or_else(|| runs::planless(run))
}

fn driven(project: &Project, run: &RunId, who: &str) -> Failure {
    Failure::new(Kind::Busy, format!("{who} drives {run}")).help(format!(
        "watch it with `{}`; stop it with `{}`",
        project.invocation.command("status"),
        project.invocation.command("abort")
    ))
}
