//! The command line: one file per command. Load, observe, plan, print or drive, say how it ended.
//!
//! Commands are functions over [`Around`], everything they get from outside, so that a test can run them in-process
//! against a sandbox exactly as `main` does against AWS.

mod abort;
mod args;
mod around;
mod deploy;
mod drive;
mod facts;
mod plan;
mod prepare;
mod process;
mod project;
mod promote;
mod rehearse;
mod resume;
mod rollback;
mod runs;
mod sandbox;
mod show;
mod validate;

use std::io::Write;

use clap::Parser;

pub use args::{Args, Command, SandboxCommand};
use args::{DriveArgs, Output};
pub use around::{Around, Sink};
pub use process::main;

use crate::error::{Failure, Kind};
use crate::report::{Invocation, ResultDocument, failure_text};

/// How a command ended when nothing failed on the way: the exit code.
pub type Ended = Result<u8, Failure>;

/// Parses a command line and runs it; gives the exit code.
pub async fn run(words: &[String], around: &mut Around) -> u8 {
    let args = match Args::try_parse_from(words) {
        Ok(args) => args,
        Err(error) => return say_usage(&error, around),
    };
    let document = args.command.document();
    // Boxed: a command's future is large, and threads of tests and workers have small stacks.
    match Box::pin(dispatch(args, around)).await {
        Ok(code) => code,
        Err(failure) => {
            say_failure(&failure, around);
            if let Some((command, drive)) = document {
                document_failure(command, &drive, &failure, around);
            }
            failure.kind.exit_code()
        }
    }
}

/// The result as a document, on this exit path, too.
fn document_failure(command: &str, drive: &DriveArgs, failure: &Failure, around: &mut Around) {
    let text = ResultDocument::of_failure(command, failure).text();
    if drive.output == Output::Json {
        let _ = around.out.write_all(text.as_bytes());
    }
    if let Some(path) = &drive.result_file
        && let Err(error) = std::fs::write(around.directory.join(path), text)
    {
        let _ = writeln!(around.err, "{} cannot be written: {error}", path.display());
    }
}

async fn dispatch(args: Args, around: &mut Around) -> Ended {
    match args.command {
        Command::Validate(args) => validate::run(&args, around),
        Command::Plan(args) => plan::run(&args, around).await,
        Command::Deploy(args) => deploy::run(&args, around).await,
        Command::Promote(args) => promote::run(&args, around).await,
        Command::Abort(args) => abort::run(&args, around).await,
        Command::Rollback(args) => rollback::run(&args, around).await,
        Command::Resume(args) => resume::run(&args, around).await,
        Command::Status(args) => show::status(&args, around).await,
        Command::History(args) => show::history(&args, around).await,
        Command::Show(args) => show::run(&args, around).await,
        Command::Schema => show::schema(around),
        Command::Rehearse(args) => rehearse::run(&args, around).await,
        Command::Sandbox(SandboxCommand::Serve(args)) => sandbox::serve(&args, around).await,
    }
}

fn say_usage(error: &clap::Error, around: &mut Around) -> u8 {
    let text = error.to_string();
    if error.use_stderr() {
        let _ = around.err.write_all(text.as_bytes());
        Kind::Usage.exit_code()
    } else {
        let _ = around.out.write_all(text.as_bytes());
        0
    }
}

fn say_failure(failure: &Failure, around: &mut Around) {
    let text = failure_text(failure, around.err_style);
    let _ = around.err.write_all(text.as_bytes());
}

/// The words by which this command's pipeline is named in the commands that are shown.
fn invocation(pipeline: &str, environment: &str) -> Invocation {
    Invocation::new(pipeline, environment)
}
