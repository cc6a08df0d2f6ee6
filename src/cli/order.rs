//! Whether a release may go where another one is live: not an older one, and not one that failed there before.

use std::path::Path;

use super::facts::{Ancestry, ancestry};
use super::prepare::Wanted;
use crate::event::record::{Origin, Outcome};
use crate::model::harmless;
use crate::plan::preflight::Refusal;
use crate::store::head::{Live, RunSummary, digests};

/// Most of a cause that is told again.
const CAUSE: usize = 300;

/// What stands in the way, and what a person should know.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// What stands in the way.
    pub refused: Vec<Refusal>,
    /// One line each.
    pub notes: Vec<String>,
}

/// Compares a release with what is live, and with what was tried here before.
pub fn order(wanted: &Wanted, live: &[&Live], runs: &[RunSummary], directory: &Path) -> Order {
    let mut order = Order::default();
    failed_before(wanted, runs, &mut order);
    other_bytes(wanted, runs, &mut order);
    if let Some(made) = wanted.origin.as_ref().filter(|origin| origin.dirty).and_then(Origin::told) {
        order.notes.push(format!("this is made of {made}: that commit alone does not make these bytes"));
    }
    let mut known: Vec<(&str, &Origin)> = Vec::new();
    for live in live {
        let origin = live.origin.as_ref();
        if let Some(origin) = origin.filter(|origin| !known.contains(&(live.release.as_str(), *origin))) {
            known.push((&live.release, origin));
        }
    }
    let nothing = Origin::default();
    let ours = wanted.origin.as_ref().unwrap_or(&nothing);
    for (release, theirs) in known {
        older(wanted, ours, (release, theirs), directory, &mut order);
    }
    order
}

/// What is known to be older than what is live.
fn older(wanted: &Wanted, ours: &Origin, (release, theirs): (&str, &Origin), directory: &Path, order: &mut Order) {
    let mut refuse = |what: String| {
        if wanted.allow_older {
            order.notes.push(format!("{what}; allowed by --allow-older"));
        } else if order.refused.iter().all(|refusal| refusal.what != what) {
            let fix = format!(
                "deploy what is newer; to go back on purpose there is `shipit rollback`; to ship it all the same type\n{}",
                wanted.anyway.0
            );
            order.refused.push(Refusal::of_run(what).fix(fix));
        }
    };
    let (mut is_known, mut is_shallow) = (false, false);
    if let (Some((job, number)), Some((their_job, their_number))) = (ours.build(), theirs.build())
        && job == their_job
    {
        is_known = true;
        if number < their_number {
            let what =
                format!("build {number} of {job} is older than build {their_number}, which made the live {release}");
            return refuse(what);
        }
    }
    if let (Some(commit), Some(their_commit)) = (&ours.commit, &theirs.commit) {
        match ancestry(directory, commit, their_commit) {
            Ancestry::Older => {
                let (commit, theirs) = (short(commit), short(their_commit));
                refuse(format!("commit {commit} is older than {theirs}, of which the live {release} was made"));
                return;
            }
            Ancestry::NotOlder => is_known = true,
            Ancestry::Unknown => {}
            Ancestry::Shallow => is_shallow = true,
        }
    }
    if !is_known {
        let made = [theirs.told(), ours.told()].map(|told| told.unwrap_or_else(|| "what nobody recorded".to_owned()));
        let [theirs, ours] = made;
        let why = if is_shallow { "; this checkout is shallow, `git fetch --unshallow` would tell" } else { "" };
        order.notes.push(format!(
            "whether this is older than the live {release} is not known: that was made of {theirs}, this of {ours}{why}"
        ));
    }
}

fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

/// A label names one set of bytes: who says `--to LABEL` later must get what was meant.
fn other_bytes(wanted: &Wanted, runs: &[RunSummary], order: &mut Order) {
    let (label, digests) = (&wanted.release.label, digests(&wanted.release.bundles));
    // What never came to stay is tried again under its name, also where a build makes other bytes of the same sources.
    let is_gone = |run: &&RunSummary| matches!(run.outcome, Some(Outcome::RolledBack | Outcome::Refused));
    let mut used = runs.iter().filter(|run| run.release == *label && !run.digests.is_empty() && !is_gone(run));
    let Some(run) = used.find(|run| !digests.is_empty() && run.digests != digests) else { return };
    let what = format!("release {label} is other bytes already, those of run {}", run.run);
    let fix =
        "ship this under another --release; a label names one set of bytes, so that `rollback --to` is never ambiguous";
    order.refused.push(Refusal::of_run(what).fix(fix));
}

/// A release whose condition or script said no here is not tried again without a reason.
fn failed_before(wanted: &Wanted, runs: &[RunSummary], order: &mut Order) {
    let digests = digests(&wanted.release.bundles);
    // Newest first; what went live since counts.
    let same = runs.iter().filter(|run| !digests.is_empty() && run.digests == digests);
    let tried = same.take_while(|run| run.outcome != Some(Outcome::Succeeded)).find(|run| run.is_to_blame);
    let Some(run) = tried else { return };
    let cause = harmless(run.cause.as_deref().unwrap_or_default(), CAUSE);
    let what = format!("this release failed here before, in run {}: {cause}", run.run);
    match &wanted.again {
        Some(why) => order.notes.push(format!("{what}; tried again: {why}")),
        None => {
            let fix = format!(
                "deploy a release that mends it; if the cause was another one say which, it goes on record\n{}",
                wanted.anyway.1
            );
            order.refused.push(Refusal::of_run(what).fix(fix));
        }
    }
}
