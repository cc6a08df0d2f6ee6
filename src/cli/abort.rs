//! `shipit abort`: stop the unfinished run and go back.

use super::args::RunArgs;
use super::around::Around;
use super::drive::Asked;
use super::goal::left_open;
use super::meant::{Meant, meant, over};
use super::project::Project;
use super::promote::{decide, goes_back};
use super::{Ended, prepare};
use crate::config::Need;
use crate::error::{Failure, Kind};
use crate::event::decision::Wish;

pub async fn run(args: &RunArgs, around: &mut Around) -> Ended {
    let project = Project::open(&args.at, around, Need::Store)?;
    let cloud = project.cloud(around, "shipit-abort").await;
    let caller = prepare::caller(&project, &cloud).await?;
    let asked = ("abort", Asked::Back);
    let run = match meant(&project, &cloud, &args.meant, asked.0).await? {
        Meant::UnderWay(run) => run,
        Meant::Over(run) => return over(&project, &cloud, around, &run, asked).await,
        Meant::Nothing => {
            if let Some(run) = left_open(&cloud).await? {
                let what = format!("no run is unfinished in {}: run {run} got stuck", project.environment);
                let help = format!("to go on with its way back:\n{}", project.invocation.command("resume"));
                return Err(Failure::new(Kind::Preflight, what).help(help));
            }
            return Err(Failure::new(Kind::Preflight, format!("no run is unfinished in {}", project.environment))
                .help(format!("to go back from a finished run: {}", project.invocation.command("rollback"))));
        }
    };
    if run.state.is_going_back() {
        return goes_back(&project, &cloud, around, args, *run, asked).await;
    }
    decide(&project, &cloud, around, args, *run, (&[Wish::Abort], &caller.arn), asked).await
}
