//! `shipit rehearse`: a whole deployment in a world made for the pipeline.

use std::io::Write;

use super::args::{Output, RehearseArgs, Where};
use super::around::Around;
use super::project::Project;
use super::{Ended, from};
use crate::config::Need;
use crate::error::{Failure, Kind, Result};
use crate::rehearsal::traffic::CANDIDATE;
use crate::rehearsal::{Rehearsal, rehearse};

/// What a shell calls a Ctrl-C.
const INTERRUPTED: u8 = 130;

pub async fn run(args: &RehearseArgs, around: &mut Around) -> Ended {
    let project = Project::open_release(&args.at, around, Need::All, Some(CANDIDATE))?;
    from::is_the_way_in(&project, args.from.as_deref(), "rehearse")?;
    let mut rehearsal = of(args, around, project)?;
    if let Some(from) = &args.from {
        let there = Where { environment: Some(from.clone()), ..args.at.clone() };
        let there = Project::open_release(&there, around, Need::All, Some(CANDIDATE))?;
        from::is_another(&rehearsal.environment, from)?;
        // What goes wrong on the way goes wrong in the last environment; what is wrong with the release comes along.
        rehearsal.from = Some(Box::new(Rehearsal { faults: Vec::new(), ..of(args, around, there)? }));
    }
    // Whoever interrupts waits until the world is gone.
    around.lets_go(None);
    let mut err = around.err.clone();
    let mut say = move |line: &str| {
        let _ = writeln!(err, "{line}");
    };
    let Some(document) = rehearse(&rehearsal, &mut say, &mut around.interrupt).await? else {
        // The first line break ends what the driver's live lines left.
        let _ = writeln!(around.err, "\ninterrupted; the world and everything in it are gone");
        return Ok(INTERRUPTED);
    };
    let text = match args.output {
        Output::Text | Output::Plain => document.text(around.out_style),
        Output::Json => serde_json::to_string_pretty(&document)
            .map(|text| text + "\n")
            .map_err(|error| Failure::new(Kind::Unexpected, "cannot be written as JSON").because(error))?,
    };
    let _ = around.out.write_all(text.as_bytes());
    Ok(document.exit_code)
}

fn of(args: &RehearseArgs, around: &Around, project: Project) -> Result<Rehearsal> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::new(Kind::Unexpected, "shipit does not find itself").because(error))?;
    Ok(Rehearsal {
        pipeline: project.pipeline,
        environment: project.environment,
        typed: project.typed,
        variables: project.variables,
        directory: around.directory.clone(),
        program,
        instances: args.instances,
        speed: args.speed,
        rate: args.rate,
        faults: args.faults.clone(),
        shows_driver: args.output != Output::Json,
        style: around.err_style,
        from: None,
    })
}
