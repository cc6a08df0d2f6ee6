//! What can be typed.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use super::outlets::Asked;
use crate::model::{RunId, label};
use crate::rehearsal::Fault;

/// Puts new releases into production on AWS without anyone noticing.
#[derive(Debug, Parser)]
#[command(name = "shipit", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check pipelines, artifacts and AppSpecs without asking AWS anything
    Validate(ValidateArgs),
    /// Show what a deploy would do, against the live state; changes nothing
    Plan(PlanArgs),
    /// Plan and run: put a new release into production
    Deploy(DeployArgs),
    /// End the present wait or approval of the unfinished run, and drive on if nobody does
    Promote(PromoteArgs),
    /// Stop the unfinished run and go back to the old release
    Abort(RunArgs),
    /// Go back to the last good release as a new run; during a run this means abort
    Rollback(RollbackArgs),
    /// Drive an unfinished run on
    Resume(ResumeArgs),
    /// What is live and what is under way
    Status(StatusArgs),
    /// Past runs
    History(ReadArgs),
    /// One run, replayed
    Show(ShowArgs),
    /// Check what lies in the store, object by object
    Fsck(FsckArgs),
    /// The JSON Schema of a pipeline
    Schema,
    /// Ship the pipeline in an AWS on this machine, under traffic
    Rehearse(RehearseArgs),
    /// The embedded AWS
    #[command(subcommand)]
    Sandbox(SandboxCommand),
}

impl Command {
    /// What a command whose result is a document wants to be told, and where.
    pub(super) fn asked(&self) -> Option<Asked> {
        let (command, drive) = match self {
            Command::Deploy(args) => ("deploy", &args.drive),
            Command::Promote(args) => ("promote", &args.run.drive),
            Command::Abort(args) => ("abort", &args.drive),
            Command::Rollback(args) => ("rollback", &args.drive),
            Command::Resume(args) => ("resume", &args.drive),
            Command::Plan(args) => {
                let result_file = args.result_file.clone();
                return Some(Asked { command: "plan".to_owned(), result_file, ..Asked::default() });
            }
            _ => return None,
        };
        Some(Asked {
            command: command.to_owned(),
            output: drive.output,
            result_file: drive.result_file.clone(),
            junit: drive.junit.clone(),
            events: drive.events.clone(),
        })
    }
}

/// Which pipeline and where.
#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Where {
    /// A pipeline file, or NAME for pipelines/NAME.yml; may be left out if there is only one
    pub pipeline: Option<String>,
    /// The environment; may be left out if there is only one
    #[arg(short, long, value_name = "ENV")]
    pub environment: Option<String>,
}

/// The form of what is printed on standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For people, without live lines and colours.
    Plain,
}

/// The same for a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PlanOutput {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For people, without live lines and colours.
    Plain,
    /// For a comment on a pull request.
    Markdown,
}

/// `validate`.
#[derive(Debug, ClapArgs)]
pub struct ValidateArgs {
    /// Pipeline files or names; all in pipelines/ if none is given
    pub pipelines: Vec<String>,
    /// The form of standard output; json is for editors
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// What is shipped.
#[derive(Clone, Debug, Default, ClapArgs)]
pub struct ReleaseArgs {
    /// What people will call the release; the start of the bundles' hash if it is left out
    #[arg(long, value_name = "LABEL", value_parser = label)]
    pub release: Option<String>,
    /// Ship exactly the release that succeeded and is live in another environment, instead of building one
    #[arg(long, value_name = "ENV", conflicts_with_all = ["release", "add_files"])]
    pub from: Option<String>,
    /// Ship even what is older than what is live
    #[arg(long)]
    pub allow_older: bool,
    /// Ship a release whose condition or script failed here before; the reason goes on record
    #[arg(long, value_name = "REASON", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub again: Option<String>,
    /// Files to add to every bundle or to one artifact's, as [ARTIFACT:]NAME=PATH
    #[arg(long = "add-file", value_name = "[ARTIFACT:]NAME=PATH", hide = true)]
    pub add_files: Vec<String>,
}

/// `plan`.
#[derive(Debug, ClapArgs)]
pub struct PlanArgs {
    /// Which pipeline and where.
    #[command(flatten)]
    pub at: Where,
    /// What is shipped.
    #[command(flatten)]
    pub release: ReleaseArgs,
    /// Show what `rollback` would do
    #[arg(long, conflicts_with_all = ["release", "from", "allow_older", "again", "add_files"])]
    pub rollback: bool,
    /// The release, or the run that made it live, to which `rollback --to` would go back
    #[arg(long, value_name = "RELEASE", requires = "rollback")]
    pub to: Option<String>,
    /// Exit with 3 if the plan changes something
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Write the plan as JSON to a file, for `deploy --plan`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write the result as JSON to a file, however the command ends
    #[arg(long, value_name = "FILE")]
    pub result_file: Option<PathBuf>,
    /// The form of standard output
    #[arg(short, long, value_enum, default_value_t)]
    pub output: PlanOutput,
}

/// How a run is driven and told.
#[derive(Clone, Debug, Default, ClapArgs)]
pub struct DriveArgs {
    /// The form of standard output
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
    /// Write every record of the run to a file, a JSON object per line
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Write the result as JSON to a file, however the command ends
    #[arg(long, value_name = "FILE")]
    pub result_file: Option<PathBuf>,
    /// Write the steps and conditions as test cases, for the page that a CI system makes of JUnit XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

/// `deploy`.
#[derive(Debug, ClapArgs)]
pub struct DeployArgs {
    /// Which pipeline and where.
    #[command(flatten)]
    pub at: Where,
    /// What is shipped.
    #[command(flatten)]
    pub release: ReleaseArgs,
    /// How the run is driven and told.
    #[command(flatten)]
    pub drive: DriveArgs,
    /// Run the plan of this file, which says what is shipped and where, and refuse if the world has moved since
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// End with 0 when an approval of the plan is reached
    #[arg(long)]
    pub until_approval: bool,
}

/// Which run is meant, so that what is said about one never reaches another; without either it is the one under way.
#[derive(Clone, Debug, Default, ClapArgs)]
pub struct MeantArgs {
    /// Only if it is about this run; anything else is left alone (11)
    #[arg(long, value_name = "ID", value_parser = run_id)]
    pub run: Option<RunId>,
    /// Only if it is about this release; anything else is left alone (11)
    #[arg(long, value_name = "LABEL", value_parser = label)]
    pub release: Option<String>,
}

/// `promote`, `abort`.
#[derive(Debug, ClapArgs)]
pub struct RunArgs {
    /// Which pipeline and where.
    #[command(flatten)]
    pub at: Where,
    /// Which run.
    #[command(flatten)]
    pub meant: MeantArgs,
    /// How the run is driven and told.
    #[command(flatten)]
    pub drive: DriveArgs,
    /// Only leave the decision; do not drive
    #[arg(long)]
    pub record: bool,
}

/// `promote`.
#[derive(Debug, ClapArgs)]
pub struct PromoteArgs {
    /// Which run, and how it is driven and told.
    #[command(flatten)]
    pub run: RunArgs,
    /// End all waits that remain, each once what is watched is judged
    #[arg(long)]
    pub full: bool,
}

/// `rollback`.
#[derive(Debug, ClapArgs)]
pub struct RollbackArgs {
    /// Which pipeline and where.
    #[command(flatten)]
    pub at: Where,
    /// Which run, or release, is taken back.
    #[command(flatten)]
    pub meant: MeantArgs,
    /// How the run is driven and told.
    #[command(flatten)]
    pub drive: DriveArgs,
    /// The release to go back to, or the run that made it live; the last good one before the live one if it is left out
    #[arg(long, value_name = "RELEASE", value_parser = label)]
    pub to: Option<String>,
    /// Run the plan of this file, as `plan --rollback` has written it, and refuse if the world has moved since
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
}

/// `resume`.
#[derive(Debug, ClapArgs)]
pub struct ResumeArgs {
    /// Which pipeline and where.
    #[command(flatten)]
    pub at: Where,
    /// Which run.
    #[command(flatten)]
    pub meant: MeantArgs,
    /// How the run is driven and told.
    #[command(flatten)]
    pub drive: DriveArgs,
    /// Do nothing if there is no unfinished run, or if somebody drives it
    #[arg(long)]
    pub if_abandoned: bool,
}

/// `status`.
#[derive(Debug, ClapArgs)]
pub struct StatusArgs {
    /// Which pipeline and where; all of them, a line each, if several could be meant.
    #[command(flatten)]
    pub at: Where,
    /// The form of standard output
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
    /// Show the run under way until it ends; Ctrl-C ends the view, never the run
    #[arg(short, long)]
    pub watch: bool,
}

/// `history`.
#[derive(Debug, ClapArgs)]
pub struct ReadArgs {
    /// Which pipeline and where.
    #[command(flatten)]
    pub at: Where,
    /// The form of standard output
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// `show`.
#[derive(Debug, ClapArgs)]
pub struct ShowArgs {
    /// The run; `shipit history` lists them
    pub run: String,
    /// Which pipeline and where.
    #[command(flatten)]
    pub at: Where,
    /// The form of standard output
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// `fsck`.
#[derive(Debug, ClapArgs)]
pub struct FsckArgs {
    /// Which pipeline and where.
    #[command(flatten)]
    pub at: Where,
    /// Put right what can be: the head, what runs that are over left behind, uploads that were never completed
    #[arg(long)]
    pub repair: bool,
    /// The form of standard output
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// `rehearse`.
#[derive(Debug, ClapArgs)]
pub struct RehearseArgs {
    /// Which pipeline and where.
    #[command(flatten)]
    pub at: Where,
    /// Ship to another environment first, and from there to this one; both in one world
    #[arg(long, value_name = "ENV")]
    pub from: Option<String>,
    /// Instances per fleet
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=50))]
    pub instances: u16,
    /// World seconds per second; chosen so that it takes about 45 s if it is left out
    #[arg(long, value_name = "N", value_parser = speed)]
    pub speed: Option<f64>,
    /// Requests per second; 20 if it is left out, more if a function's share has to be told from few of them
    #[arg(long, value_name = "RPS", value_parser = rate)]
    pub rate: Option<f64>,
    /// What goes wrong; may be given several times.
    ///
    /// In the new release: broken-release, sick-release=PERCENT, dead-release, failing-hook=EVENT, slow-release=SECONDS,
    /// init-failure; of one target: TARGET:broken-release and so on.
    /// To its hosts: lost-instance=installing|ready|live. On shipit's line: throttle=PERCENT, api-errors=PERCENT.
    /// To shipit itself: kill-driver.
    #[arg(long = "fault", value_name = "FAULT")]
    pub faults: Vec<Fault>,
    /// Runs the pipeline's commands, here and for real: they are told SHIPIT_REHEARSAL=1 and must reach nothing that counts
    #[arg(long)]
    pub run_commands: bool,
    /// Starts hosts even if this machine can confine them by nothing: their hooks then run with your rights, and what they
    /// delete or stop is yours
    #[arg(long)]
    pub unconfined_hosts: bool,
    /// The form of standard output
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// The embedded AWS.
#[derive(Debug, Subcommand)]
pub enum SandboxCommand {
    /// Serve it on a port until Ctrl-C, and print the environment that a client needs
    Serve(ServeArgs),
}

/// `sandbox serve`.
#[derive(Debug, ClapArgs)]
pub struct ServeArgs {
    /// The port on 127.0.0.1; any free one if it is 0
    #[arg(long, value_name = "PORT", default_value_t = 4566)]
    pub port: u16,
    /// World seconds per second
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
    /// Where its hosts live; a directory of its own that is removed at the end if it is left out
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Starts hosts even if this machine can confine them by nothing: their hooks then run with your rights, and what they
    /// delete or stop is yours
    #[arg(long)]
    pub unconfined_hosts: bool,
}

/// Beyond this, hooks and health checks that take their real time look like hours.
const SPEED_MAX: f64 = 1000.0;
/// More than this is no rehearsal but a load test.
const RATE_MAX: f64 = 1000.0;

/// Scripts fill these in from variables, and one that is not set must not mean "any".
fn run_id(typed: &str) -> Result<RunId, String> {
    if typed.is_empty() { Err("it is empty; is its variable not set?".to_owned()) } else { RunId::parse(typed) }
}

fn speed(typed: &str) -> Result<f64, String> {
    within(typed, 0.1, SPEED_MAX)
}

fn rate(typed: &str) -> Result<f64, String> {
    within(typed, 0.1, RATE_MAX)
}

fn within(typed: &str, least: f64, most: f64) -> Result<f64, String> {
    let number = typed.parse::<f64>().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("not a number from {least} to {most}"))
}
