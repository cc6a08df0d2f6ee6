//! `shipit rollback`: go back to a release that was live, as a new run.

use super::args::{RollbackArgs, RunArgs};
use super::around::Around;
use super::deploy::{Order, begin};
use super::drive::{Asked, drive, no_change};
use super::goal::aim;
use super::meant::is_what_is_live;
use super::project::Project;
use super::resume::claimed;
use super::{Ended, abort, claims, prepare, runs};
use crate::config::Need;
use crate::report::plan_text;

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
    let by = caller.arn.clone();
    let aimed = Box::pin(aim(&project, &cloud, around, &claims, caller, args.to.as_deref())).await?;
    is_what_is_live(&project, &args.meant, (&aimed.parent, &aimed.back.from))?;
    if aimed.built.plan.is_empty() {
        return Ok(no_change(around, "rollback", &aimed.built));
    }
    let text = plan_text(&aimed.built.plan, &aimed.built.notes, None, around.err_style);
    around.say_folded("the plan", &text);
    let (parent, back, wanted) = (Some(aimed.parent), Some(aimed.back), aimed.wanted);
    let order = Order { plan: aimed.built.plan, by, why: "rollback", parent, back, wanted, claims };
    let (lease, loaded) = begin(&project, &cloud, around, order).await?;
    Box::pin(drive(&project, &cloud, around, &args.drive, lease, loaded, ("rollback", Asked::Forward))).await
}
