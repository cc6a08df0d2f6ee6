//! `shipit rollback`: go back to a release that was live, as a new run.

use super::args::{RollbackArgs, RunArgs};
use super::around::Around;
use super::deploy::{Order, begin};
use super::drive::{Asked, drive, no_change};
use super::goal::{Aim, aim};
use super::meant::is_what_is_live;
use super::plan_file::PlanFile;
use super::project::Project;
use super::recover::recover;
use super::resume::claimed;
use super::{Ended, abort, claims, prepare, runs};
use crate::config::Need;
use crate::plan::Intent;
use crate::report::commands::quoted;
use crate::report::plan_text;

pub async fn run(args: &RollbackArgs, around: &mut Around) -> Ended {
    let file = args.plan.as_ref().map(|path| PlanFile::read(path, around, Intent::Rollback)).transpose()?;
    let at = file.as_ref().map_or_else(|| args.at.clone(), |file| file.at(&args.at, around));
    let project = Project::open(&at, around, Need::Targets)?;
    let cloud = project.cloud(around, "shipit-rollback").await;
    if let Some(run) = claimed(&cloud).await? {
        let is_unfinished =
            runs::load(&cloud.bucket, &cloud.keys, &run).await?.is_some_and(|run| !run.state.has_ended());
        if is_unfinished {
            let (meant, drive) = (args.meant.clone(), args.drive.clone());
            let args = RunArgs { at, meant, drive, record: false };
            return abort::run(&args, around).await;
        }
    }
    let caller = prepare::caller(&project, &cloud).await?;
    let claims = claims::read(&project, &cloud).await?;
    claims::are_free(&project, &cloud, &claims).await?;
    let by = caller.arn.clone();
    let planned = file.as_ref().map(|file| &file.plan.release.label);
    let to = args.to.as_ref().or(planned);
    let aimed = match Box::pin(aim(&project, &cloud, around, &claims, caller, to.map(String::as_str))).await? {
        Aim::Plan(aimed) => *aimed,
        Aim::Recover(way) => {
            is_what_is_live(&project, &args.meant, (&way.parent, &way.from))?;
            let asked = ("rollback", Asked::Back);
            return Box::pin(recover(&project, &cloud, around, &args.drive, (&way, claims, by), asked)).await;
        }
    };
    is_what_is_live(&project, &args.meant, (&aimed.parent, &aimed.back.from))?;
    let to = to.map(|to| format!(" --to {}", quoted(to))).unwrap_or_default();
    if let Some(file) = &file {
        file.is_still_true(&aimed.built.plan, &project.invocation.command(&format!("plan --rollback{to}")))?;
    }
    if aimed.built.plan.is_empty() {
        return Ok(no_change(around, "rollback", &aimed.built));
    }
    let text = plan_text(&aimed.built.plan, &aimed.built.notes, None, around.err_style);
    around.say_folded("the plan", &text);
    let (parent, back, wanted) = (Some(aimed.parent), Some(aimed.back), aimed.wanted);
    let typed = project.invocation.command(&format!("rollback{to}"));
    let (plan, stuck) = (aimed.built.plan, None);
    let order = Order { plan, by, why: "rollback", parent, back, wanted, claims, stuck, typed };
    let (lease, loaded) = Box::pin(begin(&project, &cloud, around, order)).await?;
    Box::pin(drive(&project, &cloud, around, &args.drive, lease, loaded, ("rollback", Asked::Forward))).await
}
