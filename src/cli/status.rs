//! `shipit status`: what is live and what is under way, of one pipeline in one environment or of all.

use std::io::Write;

use futures_util::{StreamExt, stream};

use super::args::{Output, StatusArgs, Where};
use super::around::Around;
use super::look::Look;
use super::project::{self, Project};
use super::show::json;
use super::{Ended, watch};
use crate::config::Need;
use crate::error::{Failure, Kind, Result};
use crate::probe::Prober;
use crate::report::status::{Row, overview_text};
use crate::report::{StatusView, status_text};

/// Pipelines and environments that are looked at side by side.
const AT_ONCE: usize = 8;

pub async fn run(args: &StatusArgs, around: &mut Around) -> Ended {
    let all = places(&args.at, around);
    if args.watch {
        if args.output == Output::Json {
            return Err(Failure::new(Kind::Usage, "`--watch` is for people")
                .help("for programs: shipit status --output json, or shipit deploy --events FILE"));
        }
        return watch::run(args, around).await;
    }
    if all.len() > 1 {
        return overview(args, around, all).await;
    }
    let view = look(&args.at, around).await?;
    let text = match args.output {
        Output::Json => json(&view)?,
        Output::Text | Output::Plain => status_text(&view, around.out_style),
    };
    let _ = around.out.write_all(text.as_bytes());
    Ok(0)
}

async fn look(at: &Where, around: &Around) -> Result<StatusView> {
    let project = Project::open(at, around, Need::Targets)?;
    let cloud = project.cloud(around, "shipit-status").await;
    let look = Look::at(&project, &cloud, &Prober::new(around.http.clone()), around.clock.now()).await?;
    Ok(look.told(&project, around.clock.now()))
}

/// What could be meant: pipelines with their environments, as far as they were not named. A file that cannot be read
/// counts with none.
fn places(at: &Where, around: &Around) -> Vec<(String, Option<String>)> {
    let names = match &at.pipeline {
        Some(typed) => vec![typed.clone()],
        None => project::pipelines(&around.directory),
    };
    let mut places = Vec::new();
    for name in names {
        let file = project::find(Some(&name), &around.directory)
            .and_then(|(path, _)| Ok(project::read(&path, &around.directory)?));
        match (file, &at.environment) {
            (_, Some(environment)) => places.push((name, Some(environment.clone()))),
            (Err(_), None) => places.push((name, None)),
            (Ok(file), None) => {
                places.extend(file.environments().iter().map(|it| (name.clone(), Some((*it).to_owned()))));
            }
        }
    }
    places
}

/// A line for each; one that cannot be looked at costs its line.
async fn overview(args: &StatusArgs, around: &mut Around, places: Vec<(String, Option<String>)>) -> Ended {
    let shared = &*around;
    let look = |(pipeline, environment): (String, Option<String>)| async move {
        let at = Where { pipeline: Some(pipeline.clone()), environment: environment.clone() };
        let (status, error) = match Box::pin(look(&at, shared)).await {
            Ok(view) => (Some(view), None),
            Err(failure) => (None, Some(failure.message)),
        };
        Row { pipeline, environment, status, error }
    };
    let mut rows: Vec<Row> = stream::iter(places).map(look).buffered(AT_ONCE).collect().await;
    // With `-e`, a pipeline that has no such environment is not meant.
    if let Some(environment) = &args.at.environment {
        rows.retain(|row| row.status.is_some() || has_environment(row, environment, around));
    }
    let text = match args.output {
        Output::Json => json(&rows)?,
        Output::Text | Output::Plain => overview_text(&rows, around.out_style),
    };
    let _ = around.out.write_all(text.as_bytes());
    Ok(0)
}

fn has_environment(row: &Row, environment: &str, around: &Around) -> bool {
    let file = project::find(Some(&row.pipeline), &around.directory)
        .and_then(|(path, _)| Ok(project::read(&path, &around.directory)?));
    file.map_or(true, |file| file.environments().contains(&environment))
}
