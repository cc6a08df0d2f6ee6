//! `shipit plan`.

use std::collections::BTreeMap;

use super::args::{PlanArgs, PlanOutput};
use super::around::Around;
use super::ended::CHANGES;
use super::{Ended, claims, from, prepare};
use crate::error::{Failure, Kind};
use crate::report::{ResultDocument, plan_markdown, plan_text};

pub async fn run(args: &PlanArgs, around: &mut Around) -> Ended {
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
    let json = to_json(&built.plan)?;
    if let Some(path) = &args.out {
        std::fs::write(around.directory.join(path), &json)
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
pub fn to_json(plan: &crate::plan::Plan) -> Result<String, Failure> {
    let json = serde_json::to_string_pretty(plan);
    json.map(|json| json + "\n")
        .map_err(|error| Failure::new(Kind::Unexpected, "the plan cannot be written").because(error))
}
