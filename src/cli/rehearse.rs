//! `shipit rehearse`: a whole deployment in a world made for the pipeline.

use std::io::Write;

use super::args::{Output, RehearseArgs, Where};
use super::around::Around;
use super::project::Project;
use super::{Ended, from};
use crate::config::Need;
use crate::error::{Failure, Kind, Result};
use crate::model::command::label;
use crate::model::function::Invoke;
use crate::model::task::Task;
use crate::model::{Name, Pipeline};
use crate::rehearsal::traffic::CANDIDATE;
use crate::rehearsal::{Rehearsal, rehearse};
use crate::report::layout::wrap;
use ::sandbox::hosts::confine::Allowed;

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
    let (mut err, style) = (around.err.clone(), around.err_style);
    let mut say = move |text: &str| {
        for line in text.split('\n') {
            let is_long = style.wraps && line.chars().count() > style.width;
            let lines = if is_long { wrap(line, style.width, 0, 2) } else { vec![line.to_owned()] };
            let _ = writeln!(err, "{}", lines.join("\n"));
        }
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
    can_be_rehearsed(&project.pipeline, args.run_commands)?;
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
        allowed: if args.unconfined_hosts { Allowed::Anything } else { Allowed::Confined },
    })
}

/// A rehearsed world has no other functions, and what a command does it does for real.
fn can_be_rehearsed(pipeline: &Pipeline, runs_commands: bool) -> Result<()> {
    for (name, target) in &pipeline.targets {
        for task in target.before_traffic.iter().chain(&target.after) {
            match task {
                Task::Command(command) if !runs_commands => return Err(for_real(name, &command.run)),
                Task::Invoke(Invoke { function: Some(function), .. }) => {
                    let what =
                        format!("target `{name}` calls function {function}, which a rehearsed world does not have");
                    return Err(Failure::new(Kind::Usage, what).help("take it out, in an environment for rehearsals"));
                }
                Task::Command(_) | Task::Invoke(_) | Task::Http(_) => {}
            }
        }
        if let (Some(command), false) = (target.health.commands.first(), runs_commands) {
            return Err(for_real(name, &command.run));
        }
    }
    Ok(())
}

fn for_real(target: &Name, run: &[String]) -> Failure {
    let what = format!("target `{target}` has a {}, which a rehearsal would run for real", label(run));
    let help = "`--run-commands` runs it, with SHIPIT_REHEARSAL=1 in its environment";
    Failure::new(Kind::Usage, what).help(help)
}
