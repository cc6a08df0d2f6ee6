//! The command line: one file per command. Load, observe, plan, print or drive, say how it ended.
//!
//! Commands are functions over [`Around`], everything they get from outside, so that a test can run them in-process
//! against a sandbox exactly as `main` does against AWS.

mod abort;
mod args;
mod around;
mod ci;
mod claims;
mod clock;
mod credentials;
mod deploy;
mod drive;
mod ended;
mod facts;
mod files;
#[cfg(test)]
mod formats;
mod from;
mod fsck;
mod goal;
mod look;
mod meant;
mod order;
mod outlets;
mod plan;
mod plan_file;
mod prepare;
mod process;
mod project;
mod promote;
mod recover;
mod rehearse;
mod resume;
mod rollback;
mod runs;
mod sandbox;
mod show;
mod status;
mod validate;
mod watch;
mod watchman;

use std::io::Write;

use clap::Parser;

pub use args::{Args, Command, SandboxCommand};
pub use around::{Around, Sink};
pub use ci::{Ci, System};
pub use outlets::Outlets;
pub use process::main;

use crate::error::{Failure, Kind};
use crate::report::{Invocation, failure_text};

/// How a command ended when nothing failed on the way: the exit code.
pub type Ended = Result<u8, Failure>;

/// Parses a command line and runs it; gives the exit code.
pub async fn run(words: &[String], around: &mut Around) -> u8 {
    let args = match Args::try_parse_from(words) {
        Ok(args) => args,
        Err(error) => return say_usage(&error, words, around),
    };
    if let Some(asked) = args.command.asked()
        && let Err(failure) = around.outlets.open(asked, &around.directory)
    {
        say_failure(&failure, around);
        return failure.kind.exit_code();
    }
    // Boxed: a command's future is large, and threads of tests and workers have small stacks.
    match Box::pin(dispatch(args, around)).await {
        Ok(code) => around.end_quietly(code),
        Err(failure) => around.end_failed(&failure),
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
        Command::Status(args) => status::run(&args, around).await,
        Command::History(args) => show::history(&args, around).await,
        Command::Show(args) => show::run(&args, around).await,
        Command::Fsck(args) => fsck::run(&args, around).await,
        Command::Schema => show::schema(around),
        Command::Rehearse(args) => rehearse::run(&args, around).await,
        Command::Sandbox(SandboxCommand::Serve(args)) => sandbox::serve(&args, around).await,
    }
}

fn say_usage(error: &clap::Error, words: &[String], around: &mut Around) -> u8 {
    let text = error.to_string();
    if !error.use_stderr() {
        let _ = around.out.write_all(text.as_bytes());
        return 0;
    }
    let _ = around.err.write_all(text.as_bytes());
    let first = text.lines().next().unwrap_or_default();
    let failure = Failure::new(Kind::Usage, first.strip_prefix("error: ").unwrap_or(first)).help("shipit --help");
    around.end_unparsed(words, &failure)
}

fn say_failure(failure: &Failure, around: &mut Around) {
    let text = failure_text(failure, around.err_style);
    let _ = around.err.write_all(text.as_bytes());
    if let Some(workflow) = &around.workflow {
        match ended::placed(&failure.message) {
            Some((file, line, column, what)) => {
                workflow.error("shipit", Some((&in_workspace(file, around), line, column)), what);
            }
            None => workflow.error("shipit", None, &failure.message),
        }
    }
}

/// A file as the CI system calls it: from the workspace's root on.
fn in_workspace(file: &str, around: &Around) -> String {
    let path = around.directory.join(file);
    let root = around.ci.workspace.as_ref().unwrap_or(&around.directory);
    path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned()
}

/// The words by which this command's pipeline is named in the commands that are shown.
fn invocation(pipeline: &str, environment: &str) -> Invocation {
    Invocation::new(pipeline, environment)
}
