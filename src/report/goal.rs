//! Where a rollback goes and why, or why it goes nowhere and what to type instead.

use super::commands::{Invocation, quoted};
use crate::error::{Failure, Kind};
use crate::event::record::Outcome;
use crate::model::{Name, Revision, RunId};
use crate::release::{Difference, Moved, No, Way, Why};

/// Why a rollback goes there, as a note beside its plan.
pub fn why(way: &Way) -> String {
    let made = way.made.as_ref().map(|run| format!(", which run {run} made live")).unwrap_or_default();
    let why = match way.why {
        Why::Before => format!("it is the last good one before {}", way.from),
        Why::Recorded => format!("run {} had found it, and did not get back to it", way.parent),
        Why::Named => "you named it".to_owned(),
    };
    format!("back to {}{made}: {why}", way.release)
}

/// What taking up the way back of a stuck run means.
pub fn recovering(way: &Way) -> String {
    format!(
        "plan: run {} goes on towards {}, which it had found and did not get back to: what it left is ended, and hosts and \
         calls are looked at until {} serves\n",
        way.parent, way.release, way.release
    )
}

/// Why a rollback goes nowhere.
pub fn refusal(no: &No, invocation: &Invocation) -> Failure {
    let history = invocation.command("history");
    let (what, help) = match no {
        No::NothingShipped => {
            ("no run has changed anything here yet, so there is nothing to go back to".into(), history)
        }
        No::NothingBefore { release } => (
            format!("nothing was live here before release {release}: there is no way back from a first release"),
            format!("ship another one\n{}", invocation.command("deploy")),
        ),
        No::TakenOut { release, by, options } => {
            let mean = to(invocation, options.iter().take(1));
            let next = match options.as_slice() {
                [_, next, ..] => format!("\nthe last good one before it is {next}\n{}", to(invocation, [next])),
                [] | [_] => String::new(),
            };
            (
                format!("release {release} was live before, but was taken back by run {by}"),
                format!("if you mean it\n{mean}{next}"),
            )
        }
        No::NotOurs { target, run, left, found, is_split, options } => (
            not_ours(target, run, (left.as_deref(), found.as_deref()), *is_split),
            format!("say which release you mean\n{}", to(invocation, options)),
        ),
        No::Ambiguous { label, runs } => (
            format!("{label} was the label of different bytes"),
            format!("say which by the run that made them live\n{}", to(invocation, runs.iter().map(RunId::as_str))),
        ),
        No::NeverLive { label, tried } => {
            let tried = tried.as_ref().map(|(run, how)| format!("; run {run} {}", ended(*how))).unwrap_or_default();
            (format!("no run has made release {label} live here{tried}"), history)
        }
        No::Incomplete { release, target } => (
            format!("release {release} had nothing on target {target}"),
            format!("name another one with --to, or ship one that has all of the pipeline's targets\n{history}"),
        ),
    };
    Failure::new(Kind::Preflight, format!("{what}; nothing was changed")).help(help)
}

/// A bundle that would be needed for the way back is gone.
pub fn gone(way: &Way, target: &Name, revision: &Revision, invocation: &Invocation) -> Failure {
    let (bucket, key, release) = (&revision.bucket, &revision.key, &way.release);
    let what =
        format!("the bundle of release {release} for {target} is gone: s3://{bucket}/{key}; nothing was changed");
    let help = format!(
        "restore the object if the bucket keeps versions, or name an earlier release with --to\n{}",
        invocation.command("history")
    );
    Failure::new(Kind::Preflight, what).help(help)
}

fn not_ours(target: &Name, run: &RunId, (left, found): (Option<&str>, Option<&str>), is_split: bool) -> String {
    let left = left.map_or_else(|| "did not ship there".to_owned(), |left| format!("left release {left}"));
    let found = match (found, is_split) {
        (Some(found), false) => format!("{found} is live"),
        (Some(found), true) => format!("{found} shares the calls with another version"),
        (None, _) => "nothing is".to_owned(),
    };
    format!(
        "what is live on {target} was not made live by the last run of this pipeline, {run}, which {left}: now {found}, \
         so which release was before it is not known"
    )
}

fn ended(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Succeeded) => "shipped it to some targets only",
        Some(Outcome::RolledBack) => "tried, and was rolled back",
        Some(Outcome::Held) => "tried, and was left as it is",
        Some(Outcome::Stuck) => "tried, and got stuck",
        Some(Outcome::Refused) => "was refused",
        None => "has not ended",
    }
}

fn to<T: AsRef<str>>(invocation: &Invocation, names: impl IntoIterator<Item = T>) -> String {
    let line = |name: T| invocation.command(&format!("rollback --to {}", quoted(name.as_ref())));
    names.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The world is not as the plan found it any more; `again` is the command that was typed.
pub fn stale(moved: &[Moved], again: &str) -> Failure {
    let mut what = "the plan is stale: meanwhile somebody else was there; nothing was changed".to_owned();
    for Moved { target, in_what } in moved {
        what.push_str(&format!("\n- {target}: {}", difference(in_what)));
    }
    Failure::new(Kind::Stale, what).help(format!("look at what is live now, then plan anew\n{again}"))
}

fn difference(of: &Difference) -> String {
    let or = |it: &Option<String>, none: &str| it.clone().unwrap_or_else(|| none.to_owned());
    let all = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    match of {
        Difference::Live { planned, found } => {
            format!("{} is live, the plan found {}", or(found, "nothing"), or(planned, "nothing"))
        }
        Difference::ScalingGroups { planned, found } => {
            format!("its Auto Scaling group is {}, the plan found {}", all(found), all(planned))
        }
        Difference::TargetGroups { planned, found } => {
            format!("its target groups are {}, the plan found {}", all(found), all(planned))
        }
        Difference::Active { deployment } => format!("deployment {deployment} is under way"),
        Difference::Alias { planned, found } => {
            format!("its alias is {}, the plan found {}", or(found, "not there"), or(planned, "none"))
        }
        Difference::Settings => "the settings of $LATEST are others than the plan found".to_owned(),
        Difference::Gone => "it is not there any more".to_owned(),
    }
}
