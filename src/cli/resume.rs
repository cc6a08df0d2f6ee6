//! `shipit resume`: drive an unfinished run on.

use std::io::Write;
use std::time::Duration;

use tokio::time::Instant;

use super::args::ResumeArgs;
use super::around::Around;
use super::drive::{Asked, drive};
use super::goal::{Aim, aim, left_open};
use super::meant::{Meant, meant, told};
use super::project::{Cloud, Project};
use super::recover::recover;
use super::{Ended, claims, prepare, runs};
use crate::config::Need;
use crate::error::{Failure, Kind, Result};
use crate::model::RunId;
use crate::report::words;
use crate::store::Lease;
use crate::store::lease::{LAPSE, Taking, take_over, take_over_telling};
use crate::store::lock::{self, Held};

/// How long a run that another process drives is followed.
const BOUND: Duration = Duration::from_secs(10 * 60);

pub async fn run(args: &ResumeArgs, around: &mut Around) -> Ended {
    let project = Project::open(&args.at, around, Need::Store)?;
    let cloud = project.cloud(around, "shipit-resume").await;
    let asked = ("resume", if args.if_abandoned { Asked::Watchdog } else { Asked::Forward });
    let run = match meant(&project, &cloud, &args.meant, asked.0).await? {
        Meant::UnderWay(run) => *run,
        Meant::Over(run) => match take_up(args, &cloud, around, Some(&run.state.run)).await? {
            Some(code) => return Ok(code),
            None => return Ok(told(&project, around, &run, asked)),
        },
        Meant::Nothing => {
            if let Some(code) = take_up(args, &cloud, around, None).await? {
                return Ok(code);
            }
            let _ = writeln!(around.err, "no run is unfinished in {}", project.environment);
            return Ok(0);
        }
    };
    let id = run.state.run.clone();
    let began = Instant::now();
    let mut seen = run;
    loop {
        match watched(&cloud, around, &seen).await? {
            Taken::Ours(lease) => {
                let loaded = load(&cloud, &id).await?;
                let first = super::deploy::first_entry(&project, &cloud, around, lease, loaded);
                let (lease, loaded) = Box::pin(first).await?;
                return Box::pin(drive(&project, &cloud, around, &args.drive, lease, loaded, asked)).await;
            }
            Taken::Over => return Ok(told(&project, around, &load(&cloud, &id).await?, asked)),
            Taken::Driven(who) if args.if_abandoned => {
                let _ = writeln!(around.err, "{id} is driven by {who}; nothing to do");
                return Ok(0);
            }
            Taken::Driven(who) if began.elapsed() >= BOUND => return Err(driven(&project, &id, &who)),
            // It lives: it is followed to the run's end.
            Taken::Driven(_) => seen = load(&cloud, &id).await?,
        }
    }
}

/// Watches whoever drives a run for life, and says at once who that is.
async fn watched(cloud: &Cloud, around: &Around, run: &runs::Loaded) -> Result<Taken> {
    let (id, status) = (&run.state.run, words::status(run.state.status));
    let since = run.state.driven_since.map(|at| format!(" since {}", words::date(at))).unwrap_or_default();
    let mut err = around.err.clone();
    let tell = |held: &Held| {
        let (who, pid, minutes) = (&held.holder.who, held.holder.pid, BOUND.as_secs() / 60);
        let what = format!("{who} (process {pid}) drives {id}{since}, which is {status}");
        let _ = writeln!(err, "{what}; waiting for its end, at most {minutes} min in all");
    };
    let asked = (&around.holder, LAPSE + Duration::from_secs(10));
    Ok(taken(take_over_telling(&cloud.bucket, &cloud.keys, id, asked, tell).await?))
}

/// The last run got stuck, and nothing is under way since: its way back is taken up, by whoever is not just looking after
/// abandoned runs.
async fn take_up(args: &ResumeArgs, cloud: &Cloud, around: &mut Around, run: Option<&RunId>) -> Result<Option<u8>> {
    let left = if args.if_abandoned { None } else { left_open(cloud).await? };
    let Some(left) = left.filter(|left| run.is_none_or(|run| run == left)) else { return Ok(None) };
    let project = Project::open(&args.at, around, Need::Targets)?;
    let caller = prepare::caller(&project, cloud).await?;
    let claims = claims::read(&project, cloud).await?;
    claims::are_free(&project, cloud, &claims).await?;
    let by = caller.arn.clone();
    match Box::pin(aim(&project, cloud, around, &claims, caller, None)).await? {
        Aim::Recover(way) if way.parent == left => {
            let asked = ("resume", Asked::Forward);
            Box::pin(recover(&project, cloud, around, &args.drive, (&way, claims, by), asked)).await.map(Some)
        }
        Aim::Recover(_) | Aim::Plan(_) => Ok(None),
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
    Ok(taken(take_over(&cloud.bucket, &cloud.keys, run, &around.holder, patience).await?))
}

fn taken(taking: Taking) -> Taken {
    match taking {
        Taking::Taken(lease) => Taken::Ours(lease),
        Taking::Driven(held) => Taken::Driven(held.holder.who),
        Taking::Claimed(..) | Taking::Unclaimed => Taken::Over,
    }
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
        "{}   # watches it\n{}   # stops it\n{}   # once it is gone",
        project.invocation.command("status"),
        project.invocation.command("abort"),
        project.invocation.command("resume")
    ))
}
