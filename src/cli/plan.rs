//! `shipit plan`.

use std::collections::BTreeMap;

use super::args::{PlanArgs, PlanOutput};
use super::around::Around;
use super::ended::CHANGES;
use super::files::replace;
use super::goal::{Aim, aim};
use super::project::Project;
use super::{Ended, claims, from, prepare};
use crate::config::Need;
use crate::error::{Failure, Kind, Result};
use crate::plan::build::Built;
use crate::release::Way;
use crate::report::goal::recovering;
use crate::report::{ResultDocument, plan_markdown, plan_text};

pub async fn run(args: &PlanArgs, around: &mut Around) -> Ended {
    let (project, built) = if args.rollback {
        match Box::pin(back(args, around)).await? {
            (project, Aim::Plan(aimed)) => (project, aimed.built),
            (_, Aim::Recover(way)) => return recovers(args, around, &way),
        }
    } else {
        Box::pin(forward(args, around)).await?
    };
    show(args, around, &project, &built)
}

/// What `deploy` would do.
async fn forward(args: &PlanArgs, around: &mut Around) -> Result<(Project, Built)> {
    let (project, source) = from::open(&args.at, &args.release, around, "plan").await?;
    let bundles = match &source {
        Some(_) => BTreeMap::new(),
        None => prepare::bundles(&project, &args.release, around)?,
    };
    let cloud = project.cloud(around, "shipit-plan").await;
    let caller = prepare::caller(&project, &cloud).await?;
    let wanted = from::wanted(&project, &cloud, around, &args.release, &bundles, source.as_ref())?;
    let claims = claims::read(&project, &cloud).await?;
    let mut built = prepare::plan(&project, &cloud, around, &wanted, &claims, caller).await?;
    built.notes.extend(claims::notes(&claims));
    Ok((project, built))
}

/// What `rollback` would do.
async fn back(args: &PlanArgs, around: &mut Around) -> Result<(Project, Aim)> {
    let project = Project::open(&args.at, around, Need::Targets)?;
    let cloud = project.cloud(around, "shipit-plan").await;
    let caller = prepare::caller(&project, &cloud).await?;
    claims::is_idle(&project, &cloud).await?;
    let claims = claims::read(&project, &cloud).await?;
    let mut aimed = aim(&project, &cloud, around, &claims, caller, args.to.as_deref()).await?;
    if let Aim::Plan(aimed) = &mut aimed {
        aimed.built.notes.extend(claims::notes(&claims));
    }
    Ok((project, aimed))
}

/// `rollback` would take up the way back of a run that got stuck; what is left to do there is seen when it is done.
fn recovers(args: &PlanArgs, around: &mut Around, way: &Way) -> Ended {
    let text = match args.output {
        PlanOutput::Json => format!("{}\n", serde_json::json!({ "recovers": way.parent, "release": way.release })),
        PlanOutput::Text | PlanOutput::Plain | PlanOutput::Markdown => recovering(way),
    };
    let code = if args.detailed_exitcode { CHANGES } else { 0 };
    let document = ResultDocument::of_word("plan", "planned", code);
    Ok(around.end(&document, &text))
}

fn show(args: &PlanArgs, around: &mut Around, project: &Project, built: &Built) -> Ended {
    let json = to_json(&built.plan)?;
    if let Some(path) = &args.out {
        replace(&around.directory.join(path), &json)
            .map_err(|error| Failure::new(Kind::Usage, format!("{} cannot be written: {error}", path.display())))?;
    }
    let text = match args.output {
        PlanOutput::Json => json,
        PlanOutput::Text | PlanOutput::Plain => {
            plan_text(&built.plan, &built.notes, Some(&project.invocation), around.out_style)
        }
        PlanOutput::Markdown => plan_markdown(&built.plan, &built.notes, Some(&project.invocation)),
    };
    let code = if args.detailed_exitcode && !built.plan.is_empty() { CHANGES } else { 0 };
    let document = ResultDocument::of_plan("plan", &built.plan, code);
    Ok(around.end_plan(&document, &text, (&built.plan, &built.notes, &project.invocation)))
}

/// The bytes of a plan: what is stored, shown and hashed.
pub fn to_json(plan: &crate::plan::Plan) -> Result<String> {
    let json = serde_json::to_string_pretty(plan);
    json.map(|json| json + "\n")
        .map_err(|error| Failure::new(Kind::Unexpected, "the plan cannot be written").because(error))
}
