//! `shipit abort`: stop the unfinished run and go back.

use super::args::RunArgs;
use super::around::Around;
use super::drive::Asked;
use super::project::Project;
use super::promote::decide;
use super::resume::claimed;
use super::{Ended, prepare};
use crate::config::Need;
use crate::error::{Failure, Kind};
use crate::event::decision::Wish;

pub async fn run(args: &RunArgs, around: &mut Around) -> Ended {
    let project = Project::open(&args.at, around, Need::Store)?;
    let cloud = project.cloud(around, "shipit-abort").await;
    let caller = prepare::caller(&project, &cloud).await?;
    let Some(run) = claimed(&cloud).await? else {
        return Err(Failure::new(Kind::Preflight, format!("no run is unfinished in {}", project.environment))
            .help(format!("to go back from a finished run: {}", project.invocation.command("rollback"))));
    };
    decide(&project, &cloud, around, args, &run, &[Wish::Abort], &caller.arn, ("abort", Asked::Back)).await
}
