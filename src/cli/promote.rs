//! `shipit promote`: end the present wait, and drive on if nobody does.

use std::io::Write;
use std::time::Duration;

use super::args::{PromoteArgs, RunArgs};
use super::around::Around;
use super::drive::{Asked, drive};
use super::meant::{CAUSE, Meant, known_as, meant, over};
use super::project::{Cloud, Project};
use super::resume::{Taken, load, take};
use super::{Ended, prepare, runs};
use crate::config::Need;
use crate::error::{Failure, Kind, Result};
use crate::event::decision::Wish;
use crate::event::record::Record;
use crate::model::{RunId, harmless};
use crate::plan::{Hold, What};
use crate::report::ResultDocument;
use crate::run::held::acceptance;
use crate::run::{HeldFailure, StepStatus};
use crate::store::decisions;

/// How long a living driver is watched for life before it is left to take the decision up.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a decision may take to be taken up by another driver (wire time).
const TAKEN_UP: Duration = Duration::from_secs(90);

pub async fn run(args: &PromoteArgs, around: &mut Around) -> Ended {
    let (args, full) = (&args.run, args.full);
    let project = Project::open(&args.at, around, Need::Store)?;
    let cloud = project.cloud(around, "shipit-promote").await;
    let caller = prepare::caller(&project, &cloud).await?;
    let asked = ("promote", Asked::Forward);
    let run = match meant(&project, &cloud, &args.meant, asked.0).await? {
        Meant::UnderWay(run) => run,
        Meant::Over(run) => return over(&project, &cloud, around, &run, asked).await,
        Meant::Nothing => {
            return Err(Failure::new(Kind::Preflight, format!("no run is unfinished in {}", project.environment))
                .help(project.invocation.command("history")));
        }
    };
    let nothing = |why: String| {
        let what = format!("{} {why}; nothing to promote", known_as(&run));
        Err(Failure::new(Kind::Preflight, what).help(project.invocation.command("status")))
    };
    if let Some(cause) = &run.state.cause {
        return nothing(format!("goes back: {}", harmless(&cause.what, CAUSE)));
    }
    let wishes = match &run.state.held {
        Some(held) => vec![accept(&project, &run, held)?],
        None => waits(&run, full),
    };
    if wishes.is_empty() {
        return nothing("does not wait for anybody now".to_owned());
    }
    decide(&project, &cloud, around, args, *run, (&wishes, &caller.arn), asked).await
}

/// The failure at which the run is held is accepted, if that can be.
fn accept(project: &Project, run: &runs::Loaded, held: &HeldFailure) -> Result<Wish> {
    let cannot = |why: String| {
        let what = format!("{} of {} cannot be accepted: {why}", held.step, held.target);
        Failure::new(Kind::Preflight, what).help(format!("to go back: {}", project.invocation.command("abort")))
    };
    acceptance(&run.plan, &run.state, held).map_err(cannot)?;
    Ok(Wish::Accept { target: held.target.clone(), step: held.step.clone(), number: run.state.holds })
}

/// The waits that are on: approvals first, else bakes.
fn waits(run: &runs::Loaded, full: bool) -> Vec<Wish> {
    let mut approvals = Vec::new();
    let mut bakes = Vec::new();
    for (lane, state) in run.plan.lanes().zip(&run.state.lanes) {
        let Some(place) = state.cursor().filter(|place| state.steps[*place].status == StepStatus::Started) else {
            continue;
        };
        let wish = Wish::Promote { target: lane.target.clone(), step: lane.steps[place].id.clone(), full };
        match &lane.steps[place].what {
            What::Hold(Hold::Approval { .. }) => approvals.push(wish),
            What::Hold(Hold::Bake { .. }) => bakes.push(wish),
            What::Act(_) | What::Hold(Hold::Later) => {}
        }
    }
    if approvals.is_empty() { bakes } else { approvals }
}

/// Leaves decisions, then drives on if nobody does, or waits until whoever does has taken them up.
///
/// # Errors
/// The store cannot be used.
pub async fn decide(
    project: &Project,
    cloud: &Cloud,
    around: &mut Around,
    args: &RunArgs,
    run: runs::Loaded,
    (wishes, by): (&[Wish], &str),
    asked: (&str, Asked),
) -> Ended {
    let id = run.state.run.clone();
    let mut names = Vec::new();
    for wish in wishes {
        let name = decisions::name_of(wish);
        let said = if run.state.decisions.contains(&name) {
            "was taken up before"
        } else if decisions::leave(&cloud.bucket, &cloud.keys, &id, wish, by, around.clock.now()).await? {
            "recorded"
        } else {
            "was recorded before"
        };
        let _ = writeln!(around.err, "{name} {said}");
        names.push(name);
    }
    let recorded = ResultDocument {
        decisions: names.clone(),
        ..ResultDocument::of_run(asked.0, &run.plan, &run.state, 0, Some(run.journal.head().to_owned())).of("recorded")
    };
    if args.record {
        let run = load(cloud, &id).await?;
        if run.state.has_ended() && !names.iter().all(|name| run.state.decisions.contains(name)) {
            return over(project, cloud, around, &run, asked).await;
        }
        return Ok(around.end(&recorded, &format!("{}\n", names.join("\n"))));
    }
    match take(cloud, around, &id, PATIENCE).await? {
        Taken::Ours(lease) => {
            let (lease, loaded) =
                Box::pin(super::deploy::first_entry(project, cloud, around, lease, load(cloud, &id).await?)).await?;
            Box::pin(drive(project, cloud, around, &args.drive, lease, loaded, asked)).await
        }
        Taken::Over => over(project, cloud, around, &load(cloud, &id).await?, asked).await,
        Taken::Driven(who) => {
            let _ = writeln!(around.err, "{who} drives {id}; waiting until it has heard");
            heard(cloud, around, &id, &names).await?;
            Ok(around.end(&recorded, ""))
        }
    }
}

/// A run that goes back already is not told to once more; if nobody drives it, it is driven on.
///
/// # Errors
/// The store cannot be used.
pub async fn goes_back(
    project: &Project,
    cloud: &Cloud,
    around: &mut Around,
    args: &RunArgs,
    run: runs::Loaded,
    asked: (&str, Asked),
) -> Ended {
    let why = run.state.cause.as_ref().map(|cause| harmless(&cause.what, CAUSE)).unwrap_or_default();
    let _ = writeln!(around.err, "{} goes back already: {why}", known_as(&run));
    let document = ResultDocument::of_run(asked.0, &run.plan, &run.state, 0, Some(run.journal.head().to_owned()));
    if args.record {
        return Ok(around.end(&document, ""));
    }
    let id = run.state.run.clone();
    match take(cloud, around, &id, PATIENCE).await? {
        Taken::Ours(lease) => {
            let loaded = load(cloud, &id).await?;
            Box::pin(drive(project, cloud, around, &args.drive, *lease, loaded, asked)).await
        }
        Taken::Over => over(project, cloud, around, &load(cloud, &id).await?, asked).await,
        Taken::Driven(who) => {
            let _ = writeln!(around.err, "{who} drives it");
            Ok(around.end(&document, ""))
        }
    }
}

/// Follows the journal until the decisions are in it.
async fn heard(cloud: &Cloud, around: &mut Around, run: &RunId, names: &[String]) -> Result<()> {
    let began = tokio::time::Instant::now();
    loop {
        let loaded = load(cloud, run).await?;
        if names.iter().all(|name| loaded.state.decisions.contains(name)) {
            return answer(around, &loaded, names);
        }
        if loaded.state.has_ended() {
            return Err(Failure::new(Kind::Unexpected, format!("{run} ended before the decision was heard"))
                .help(format!("shipit show {run}")));
        }
        if began.elapsed() > TAKEN_UP {
            return Err(Failure::new(Kind::NotFinished, format!("the driver of {run} has not heard the decision yet"))
                .help("it stays recorded; `shipit resume` drives on if the driver is gone"));
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

fn answer(around: &mut Around, run: &runs::Loaded, names: &[String]) -> Result<()> {
    for envelope in &run.envelopes {
        match &envelope.record {
            Record::DecisionAccepted { name, .. } if names.contains(name) => {
                let _ = writeln!(around.err, "{name} was taken up at {}", envelope.at.strftime("%H:%M:%SZ"));
            }
            Record::DecisionIgnored { name, why } if names.contains(name) => {
                return Err(Failure::new(Kind::Preflight, format!("{name} had no effect: {why}"))
                    .help("`shipit status` says where the run is now"));
            }
            _ => {}
        }
    }
    Ok(())
}
