//! `shipit validate`: offline.

use std::io::Write;

use super::Ended;
use super::args::{ValidateArgs, Where};
use super::around::Around;
use super::prepare;
use super::project::{Project, find, pipelines};
use crate::artifact::{self, Report};
use crate::error::{Failure, Kind};

pub fn run(args: &ValidateArgs, around: &mut Around) -> Ended {
    let names = if args.pipelines.is_empty() { pipelines(&around.directory) } else { args.pipelines.clone() };
    if names.is_empty() {
        return Err(Failure::new(Kind::Usage, "there is no pipeline: pipelines/ holds no .yml file"));
    }
    let mut code = 0;
    for name in names {
        if let Err(failure) = check(&name, around) {
            super::say_failure(&failure, around);
            code = failure.kind.exit_code();
        } else {
            let _ = writeln!(around.out, "{name}: ok");
        }
    }
    Ok(code)
}

fn check(name: &str, around: &mut Around) -> Result<(), Failure> {
    let (path, _) = find(Some(name), &around.directory)?;
    let pipeline = crate::config::load(&path)?;
    let environment = pipeline.environments.keys().next().map(ToString::to_string);
    let at = Where { pipeline: Some(name.to_owned()), environment };
    let project = Project::open(&at, around)?;
    let mut report = Report::default();
    for (_, artifact) in prepare::shipped(&project.pipeline) {
        report.extend(artifact::check(artifact, &around.directory, &[]));
    }
    let _ = around.err.write_all(report.warnings_text().as_bytes());
    report.into_result()
}
