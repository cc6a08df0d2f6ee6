//! Which run a command is about: what names its run or its release never reaches another one.

use super::args::MeantArgs;
use super::around::Around;
use super::drive::{Asked, exit_code};
use super::project::{Cloud, Project};
use super::resume::{claimed, load};
use super::runs::{self, Loaded};
use crate::engine::Driven;
use crate::error::{Failure, Kind, Result};
use crate::event::record::Outcome;
use crate::model::{RunId, harmless};
use crate::report::{ResultDocument, words};
use crate::run::{RunStatus, State};
use crate::store::head;

/// Runs that are looked through for a release.
const RUNS: usize = 50;

/// Most of a cause that is told again.
pub const CAUSE: usize = 300;

/// What a command is about.
pub enum Meant {
    /// The run under way.
    UnderWay(Box<Loaded>),
    /// A run that was named and is over.
    Over(Box<Loaded>),
    /// Nothing was named, and nothing is under way.
    Nothing,
}

/// Finds the run that is meant. `verb` is the command's.
///
/// # Errors
/// Something else is under way than what was named, or no such run ever began; what the store says.
pub async fn meant(project: &Project, cloud: &Cloud, args: &MeantArgs, verb: &str) -> Result<Meant> {
    let mut under_way = claimed_run(cloud).await?;
    if verb != "resume" {
        // Whoever resumes finishes what a killed driver left undone after the last record.
        under_way = under_way.filter(|run| !run.state.has_ended());
    }
    let is_named = args.run.is_some() || args.release.is_some();
    match under_way {
        Some(run) if fits(args, &run) => return Ok(Meant::UnderWay(run)),
        None if !is_named => return Ok(Meant::Nothing),
        Some(_) | None => {}
    }
    let named = match &args.run {
        Some(run) => runs::load(&cloud.bucket, &cloud.keys, run).await?,
        None => newest(cloud, args.release.as_deref().unwrap_or_default()).await?,
    };
    match named {
        Some(run) if run.state.has_ended() && fits(args, &run) => Ok(Meant::Over(Box::new(run))),
        named => {
            let what = not_there(project, args, named.as_ref());
            Err(elsewhere(project, &what, under_way.as_deref(), verb))
        }
    }
}

/// The run that owns the environment.
async fn claimed_run(cloud: &Cloud) -> Result<Option<Box<Loaded>>> {
    let Some(run) = claimed(cloud).await? else { return Ok(None) };
    Ok(Some(Box::new(load(cloud, &run).await?)))
}

fn fits(args: &MeantArgs, run: &Loaded) -> bool {
    args.run.as_ref().is_none_or(|id| *id == run.state.run)
        && args.release.as_ref().is_none_or(|label| *label == run.plan.release.label)
}

/// The last run that ships a release.
async fn newest(cloud: &Cloud, release: &str) -> Result<Option<Loaded>> {
    let known = head::read(&cloud.bucket, &cloud.keys).await?.0.runs;
    let names = cloud.bucket.folders(&cloud.keys.runs()).await?;
    let mut ids: Vec<RunId> = names.iter().filter_map(|name| RunId::parse(name).ok()).collect();
    ids.sort_unstable_by(|one, other| other.cmp(one));
    for id in ids.into_iter().take(RUNS) {
        if known.iter().any(|run| run.run == id && run.release != release) {
            continue;
        }
        let run = runs::load(&cloud.bucket, &cloud.keys, &id).await?;
        if let Some(run) = run.filter(|run| run.plan.release.label == release && !run.envelopes.is_empty()) {
            return Ok(Some(run));
        }
    }
    Ok(None)
}

/// Why what was named is not what a command can be about.
fn not_there(project: &Project, args: &MeantArgs, named: Option<&Loaded>) -> String {
    match (named, &args.run, &args.release) {
        (Some(run), Some(_), Some(label)) if run.plan.release.label != *label => {
            format!("{} does not ship release {label}", known_as(run))
        }
        (Some(run), _, _) => format!("{} never began", known_as(run)),
        (None, Some(run), _) => format!("there is no run {run} in {}", project.environment),
        (None, None, Some(label)) => format!("no run of release {label} began in {}", project.environment),
        (None, None, None) => "no run is meant".to_owned(),
    }
}

/// Something else is there than what was meant, and nothing was changed: what is there, and how that is reached.
pub fn elsewhere(project: &Project, what: &str, under_way: Option<&Loaded>, verb: &str) -> Failure {
    let (environment, invocation) = (&project.environment, &project.invocation);
    let Some(run) = under_way else {
        let what = format!("{what}; nothing is under way in {environment}, and nothing was changed");
        return Failure::new(Kind::Busy, what).help(invocation.command("history"));
    };
    let who = run.state.started.as_ref().map(|(by, why, at)| format!(", {why} by {by} since {}", words::date(*at)));
    let what = format!(
        "{what}; under way in {environment} is {}{}: {}; nothing was changed",
        known_as(run),
        who.unwrap_or_default(),
        words::status(run.state.status)
    );
    Failure::new(Kind::Busy, what).help(format!(
        "{}\n{}   # if that run is meant",
        invocation.command("status"),
        invocation.command(&format!("{verb} --run {}", run.state.run)),
    ))
}

/// What a rollback would take back is what was named, if anything was.
///
/// # Errors
/// Something else is live.
pub fn is_what_is_live(project: &Project, args: &MeantArgs, (run, release): (&RunId, &str)) -> Result<()> {
    let is_it = args.run.as_ref().is_none_or(|named| named == run)
        && args.release.as_ref().is_none_or(|named| named == release);
    if is_it {
        return Ok(());
    }
    let named =
        [args.run.as_ref().map(|run| format!("run {run}")), args.release.clone().map(|it| format!("release {it}"))];
    let named = named.into_iter().flatten().collect::<Vec<_>>().join(" of ");
    let what = format!("{named} is not what is live: that is what run {run} (release {release}) made live");
    Err(elsewhere(project, &what, None, "rollback"))
}

/// `run 20261121-093406-kfzw (release two)`.
pub fn known_as(run: &Loaded) -> String {
    format!("run {} (release {})", run.state.run, run.plan.release.label)
}

/// How a run ended: `run … (release two) rolled back at …: why`.
fn ended(run: &Loaded) -> String {
    let at = run.state.ended.map(|at| format!(" at {}", words::date(at))).unwrap_or_default();
    let cause = run.state.cause.as_ref().map(|cause| format!(": {}", harmless(&cause.what, CAUSE)));
    let how = match run.state.status.outcome() {
        Some(Outcome::Succeeded) => "has succeeded",
        Some(Outcome::RolledBack) => "was rolled back",
        Some(Outcome::Held) => "ended held",
        Some(Outcome::Stuck) => "ended stuck",
        Some(Outcome::Refused) => "was refused",
        None => "is not over",
    };
    format!("{} {how}{at}{}", known_as(run), cause.unwrap_or_default())
}

/// A command about a run that is over. If that ended as the command wants it, all is well; a decision comes too late
/// otherwise.
///
/// # Errors
/// Too late.
pub async fn over(
    project: &Project,
    cloud: &Cloud,
    around: &mut Around,
    run: &Loaded,
    (verb, asked): (&str, Asked),
) -> Result<u8> {
    let code = code_of(&run.state, asked);
    if code == 0 {
        let text = format!("{}; nothing was changed\n", ended(run));
        return Ok(around.end(&document(run, verb, code), &text));
    }
    let under_way = claimed_run(cloud).await?.filter(|run| !run.state.has_ended());
    let what = format!("{}: too late to {verb}", ended(run));
    let failure = elsewhere(project, &what, under_way.as_deref(), verb);
    if asked != Asked::Back || run.state.status.outcome() != Some(Outcome::Succeeded) {
        return Err(failure);
    }
    let rollback = project.invocation.command(&format!("rollback --run {}", run.state.run));
    let help = failure.help.clone().unwrap_or_default();
    Err(failure.help(format!("{help}\n{rollback}   # takes it back, as long as it is what is live")))
}

/// A command that only wants to know how a run ended: the same exit code as for whoever drove it.
pub fn told(project: &Project, around: &mut Around, run: &Loaded, (verb, asked): (&str, Asked)) -> u8 {
    let code = code_of(&run.state, asked);
    let mut document = document(run, verb, code);
    let text = format!("{}\n", ended(run));
    if let Some(error) = document.error.as_mut().filter(|error| error.help.is_none()) {
        error.help = Some(project.invocation.show(&run.state.run));
    }
    around.end(&document, &text)
}

fn code_of(state: &State, asked: Asked) -> u8 {
    match state.status {
        RunStatus::Ended(outcome) => exit_code(&Driven::Ended(outcome), asked, state),
        _ => Kind::NotFinished.exit_code(),
    }
}

fn document(run: &Loaded, verb: &str, code: u8) -> ResultDocument {
    ResultDocument::of_run(verb, &run.plan, &run.state, code, Some(run.journal.head().to_owned()))
}
