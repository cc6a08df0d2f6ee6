//! Driving a run from the command line: reporters, the lease guard, and how the command ends.

use std::sync::Arc;

use super::args::{DriveArgs, Output};
use super::around::Around;
use super::credentials;
use super::project::{Cloud, Project};
use super::runs::Loaded;
use crate::engine::{Driven, Driver, Site};
use crate::error::{Kind, Result};
use crate::event::record::{Outcome, Record, Side};
use crate::model::harmless;
use crate::plan::build::Built;
use crate::probe::Prober;
use crate::report::result::ErrorDocument;
use crate::report::suggestions::suggestions;
use crate::report::{Events, GitHub, Plain, Reporter, Reporters, ResultDocument, Terminal, ending, plan_text};
use crate::run::State;
use crate::store::Lease;

/// What a command was asked for; the exit code speaks of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A new release live, or a finished run.
    Forward,
    /// The same, but an approval is a good end.
    UntilApproval,
    /// That nobody has abandoned the run; one that waits for a person is not.
    Watchdog,
    /// The old release back.
    Back,
}

/// Drives on and ends the command.
///
/// # Errors
/// The store cannot be used.
pub async fn drive(
    project: &Project,
    cloud: &Cloud,
    around: &mut Around,
    args: &DriveArgs,
    lease: Lease,
    run: Loaded,
    (command, asked): (&str, Asked),
) -> Result<u8> {
    let guard = lease.guard();
    let session = format!("shipit-{}", run.state.run);
    let mut sites = Vec::new();
    for site in &run.plan.sites {
        let guard = guard.clone();
        let shared: crate::aws::SharedGuard = Arc::new(move || guard.check());
        let clients = cloud.aws.at(&site.region, site.role.as_deref(), &session, Some(shared)).await;
        sites.push(Site { clients });
    }
    let mut reporters = reporters(args, around);
    introduce(&mut reporters, &run);
    around.outlets.drive(Arc::clone(&run.plan), run.state.clone(), project.invocation.clone());
    let reporters = reporters.with(around.outlets.clone());
    let driver = Driver {
        plan: Arc::clone(&run.plan),
        state: run.state,
        sites,
        prober: Prober::new(around.http.clone()),
        directory: around.directory.clone(),
        bucket: cloud.bucket.clone(),
        keys: cloud.keys.clone(),
        journal: run.journal,
        lease,
        clock: around.clock,
        reporters,
        pace: around.pace,
        interrupt: around.interrupt.clone(),
        holder: around.holder.who.clone(),
    };
    around.lets_go(Some(project.invocation.command("resume")));
    let (driven, mut state, head) = Box::pin(driver.drive()).await;
    let driven = driven?;
    if let Driven::Detached(why) | Driven::LockedOut(why) = &driven {
        // Whether or not that could still be written.
        let record = Record::Detached { why: why.clone() };
        state.apply(&run.plan, around.clock.now(), &record);
    }
    let code = exit_code(&driven, asked, &state);
    let is_driven = matches!(driven, Driven::Fenced);
    let mut result = ResultDocument::of_run(command, &run.plan, &state, code, Some(head));
    let renewal = matches!(driven, Driven::LockedOut(_)).then(|| credentials::renewal(around.ci.system, &around.env));
    if code != 0 {
        let next: Vec<String> = suggestions(&run.plan, &state, &project.invocation, is_driven)
            .into_iter()
            .map(|next| format!("{}   # {}", next.command, next.does))
            .collect();
        let error = result.error.get_or_insert_with(|| unfinished(&driven, &state));
        // What to look at comes before what to type.
        let advice = error.help.take().or_else(|| renewal.clone());
        error.help = Some(advice.into_iter().chain(next).collect::<Vec<String>>().join("\n"));
    }
    let reason = match (&driven, &renewal) {
        (Driven::LockedOut(why), Some(renewal)) => {
            let whose = credentials::whose(project.place.role.as_deref(), &around.env);
            format!("{whose} do not work any more: {}\n  help: {renewal}\n\n", harmless(why, 500))
        }
        _ => String::new(),
    };
    let text = reason + &ending(&run.plan, &state, &project.invocation, is_driven, around.out_style);
    Ok(around.end(&result, &text))
}

/// Why a command whose run goes on without it did not do what it was asked for.
fn unfinished(driven: &Driven, state: &State) -> ErrorDocument {
    let run = &state.run;
    let message = match driven {
        Driven::Paused | Driven::Held => format!("run {run} waits for a person"),
        Driven::Detached(why) => format!("run {run} is not finished, and nobody drives it: {why}"),
        Driven::LockedOut(why) => {
            format!("credentials do not work any more: {why}; run {run} is not finished, and nobody drives it")
        }
        Driven::Fenced => format!("run {run} is driven on by another process"),
        Driven::Ended(_) => format!("run {run} ended otherwise than it was asked to"),
    };
    ErrorDocument { kind: "not_finished".to_owned(), message, ..ErrorDocument::default() }
}

/// A run that nobody has driven yet: what its first records say stands above all else, as in a replay.
fn introduce(reporters: &mut Reporters, run: &Loaded) {
    let mut before = State::new(run.state.run.clone(), &run.plan);
    for envelope in run.envelopes.iter().filter(|_| run.state.token == 0) {
        reporters.on(&run.plan, &before, envelope);
        before.apply(&run.plan, envelope.at, &envelope.record);
    }
}

/// Who is told, and where.
fn reporters(args: &DriveArgs, around: &Around) -> Reporters {
    let mut reporters = Reporters::default();
    let err = Box::new(around.err.clone());
    if around.is_live && args.output != Output::Plain {
        reporters = reporters.with(Terminal::stderr(around.err_style));
    } else {
        let log = Plain::new(err, around.err_style);
        reporters = match &around.workflow {
            Some(workflow) => reporters.with(GitHub::new(log, workflow.clone())),
            None => reporters.with(log),
        };
    }
    match around.outlets.events() {
        Some(file) => reporters.with(Events::new(Box::new(file))),
        None => reporters,
    }
}

/// Ends a command for which nothing had to change.
pub fn no_change(around: &mut Around, command: &str, built: &Built) -> u8 {
    let result = ResultDocument::of_plan(command, &built.plan, 0);
    let text = plan_text(&built.plan, &built.notes, None, around.out_style);
    around.end(&result, &text)
}

/// The exit code: about what this command was asked for.
pub fn exit_code(driven: &Driven, asked: Asked, state: &State) -> u8 {
    let kind = match driven {
        Driven::Ended(Outcome::Succeeded) if asked == Asked::Back => Kind::Unexpected,
        Driven::Ended(Outcome::Succeeded) => return 0,
        Driven::Ended(Outcome::RolledBack) if asked == Asked::Back => return 0,
        Driven::Ended(Outcome::RolledBack) => Kind::RolledBack,
        Driven::Ended(Outcome::Held) => Kind::Held,
        Driven::Ended(Outcome::Stuck) => Kind::Stuck,
        Driven::Ended(Outcome::Refused) => match state.cause.as_ref().map(|cause| cause.side) {
            Some(Side::Busy) => Kind::Busy,
            Some(
                Side::Condition
                | Side::CodeDeploy
                | Side::Person
                | Side::Limit
                | Side::Refused
                | Side::Lambda
                | Side::Foreign
                | Side::Unseen,
            )
            | None => Kind::Preflight,
        },
        Driven::Paused if matches!(asked, Asked::UntilApproval | Asked::Watchdog) => return 0,
        // Nor is a held run abandoned.
        Driven::Held if asked == Asked::Watchdog => return 0,
        Driven::Held => Kind::Held,
        Driven::Paused | Driven::Detached(_) | Driven::LockedOut(_) | Driven::Fenced => Kind::NotFinished,
    };
    kind.exit_code()
}
