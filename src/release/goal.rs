//! Where a rollback goes: by what the runs' journals tell, and by what AWS shows now.

use std::collections::BTreeMap;

use super::line::{Bundles, Line, Standing, Stood, label_of, same};
use super::past::{Left, PastRun};
use crate::event::record::Outcome;
use crate::model::{Name, Revision, RunId};

/// What AWS shows on a target now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// What serves; none if nothing was ever deployed.
    pub stood: Option<Stood>,
    /// Whether a second version gets a share of the calls.
    pub is_split: bool,
}

/// Where a rollback goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// There.
    Go(Way),
    /// To what the last run had found: it got stuck on its way there. What it left has to be looked at host by host.
    Recover(Way),
    /// Nowhere: this serves.
    Serves(Way),
}

/// The way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The label of what will serve.
    pub release: String,
    /// Its bundles, by target.
    pub bundles: BTreeMap<Name, Revision>,
    /// The run that had made it live, if one is known.
    pub made: Option<RunId>,
    /// The label of what serves now.
    pub from: String,
    /// The run that it goes back from: it left what is live, or left that open.
    pub parent: RunId,
    /// Why there.
    pub why: Why,
}

/// Why a rollback goes where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was live before what is live now.
    Before,
    /// The last run had found it, and left open what serves.
    Recorded,
    /// A person named it.
    Named,
}

/// Why a rollback goes nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum No {
    /// No run has changed anything here.
    NothingShipped,
    /// What is live is the first.
    NothingBefore {
        /// What is live.
        release: String,
    },
    /// What was live before was taken out of service since.
    TakenOut {
        /// Its label.
        release: String,
        /// The run that took it out.
        by: RunId,
        /// It and the next one before it that was not, by which they can be named.
        options: Vec<String>,
    },
    /// What is live was not made live by the last run: which release was before it is not known.
    NotOurs {
        /// The target.
        target: Name,
        /// The last run.
        run: RunId,
        /// What that left.
        left: Option<String>,
        /// What is there now.
        found: Option<String>,
        /// Whether a second version gets a share of the calls.
        is_split: bool,
        /// What the last run left and what was before that, by which they can be named.
        options: Vec<String>,
    },
    /// Several releases had this label.
    Ambiguous {
        /// The label.
        label: String,
        /// The runs that made them live, by which they can be named; the newest first.
        runs: Vec<RunId>,
    },
    /// No run has made it live.
    NeverLive {
        /// What was asked for.
        label: String,
        /// The last run that tried, and how that ended.
        tried: Option<(RunId, Option<Outcome>)>,
    },
    /// It had not all targets of the pipeline.
    Incomplete {
        /// Its label.
        release: String,
        /// The target that it had nothing on.
        target: Name,
    },
}

/// Where a rollback goes. `past` are the runs that changed anything, the oldest first; `live` has every target of the
/// pipeline; `to` is a label or a run's id.
///
/// # Errors
/// Why it goes nowhere.
pub fn goal(past: &[PastRun], live: &BTreeMap<Name, Live>, to: Option<&str>) -> Result<Goal, No> {
    let past: Vec<PastRun> = past.iter().filter_map(|run| within(run, live)).collect();
    let line = Line::of(&past);
    let now = Now::of(live);
    match to {
        Some(to) => named(&line, &past, &now, to),
        None => nearest(&line, &now),
    }
}

/// A run as far as it is about these targets.
fn within(run: &PastRun, live: &BTreeMap<Name, Live>) -> Option<PastRun> {
    let mut run = run.clone();
    run.targets.retain(|name, _| live.contains_key(name));
    (!run.targets.is_empty()).then_some(run)
}

/// What is there now.
struct Now<'a> {
    live: &'a BTreeMap<Name, Live>,
    bundles: Bundles,
    is_split: bool,
}

impl Now<'_> {
    fn of(live: &BTreeMap<Name, Live>) -> Now<'_> {
        let bundles = live.iter().filter_map(|(name, live)| Some((name.clone(), live.stood.clone()?))).collect();
        Now { live, bundles, is_split: live.values().any(|live| live.is_split) }
    }

    fn serves(&self, wanted: &Bundles) -> bool {
        !self.is_split && same(&self.bundles, wanted)
    }
}

/// What was good before what is live now.
fn nearest(line: &Line, now: &Now) -> Result<Goal, No> {
    let (Some(last), Some(top)) = (line.last, line.top()) else { return Err(No::NothingShipped) };
    let below = || line.stack.iter().rev().skip(1).filter(|it| !same(&it.bundles, &top.bundles));
    let stranger = |name: &Name, left: Option<&Stood>| No::NotOurs {
        target: name.clone(),
        run: last.run.clone(),
        left: left.map(|left| left.label.clone()),
        found: now.live.get(name).and_then(|live| live.stood.as_ref()).map(|stood| stood.label.clone()),
        is_split: now.live.get(name).is_some_and(|live| live.is_split),
        options: std::iter::once(top).chain(below().next()).map(|it| by_name(line, it)).collect(),
    };
    let is_unsure = is_unsure(last);
    let may_be_split = is_unsure && last.outcome != Some(Outcome::Held);
    for (name, live) in now.live {
        let target = last.targets.get(name).filter(|target| target.left == Left::Unknown);
        let left = top.bundles.get(name);
        let is = |stood: Option<&Stood>| match (stood, &live.stood) {
            (Some(stood), Some(live)) => stood.is(&live.revision),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        // Where the last run could not tell, it is one of the two.
        let is_known = is(left) || target.is_some_and(|target| is(Some(&target.shipped)));
        if !is_known || (live.is_split && !may_be_split) {
            return Err(stranger(name, left));
        }
    }
    if is_unsure && top.bundles.is_empty() {
        return Err(No::NothingBefore { release: last.release.clone() });
    }
    if is_unsure {
        return match (way(line, now, top, Why::Recorded)?, last.outcome) {
            (Goal::Go(way) | Goal::Serves(way) | Goal::Recover(way), Some(Outcome::Stuck) | None) => {
                Ok(Goal::Recover(way))
            }
            (found, Some(Outcome::Held | Outcome::RolledBack | Outcome::Succeeded | Outcome::Refused)) => Ok(found),
        };
    }
    let Some(goal) = below().next() else {
        return Err(No::NothingBefore { release: label_of(&now.bundles) });
    };
    if let Some(by) = line.taken_by(&goal.bundles) {
        let next = below().find(|it| line.taken_by(&it.bundles).is_none());
        let options = std::iter::once(goal).chain(next).map(|it| by_name(line, it)).collect();
        return Err(No::TakenOut { release: label_of(&goal.bundles), by: by.clone(), options });
    }
    way(line, now, goal, Why::Before)
}

/// A release that a person named.
fn named(line: &Line, past: &[PastRun], now: &Now, to: &str) -> Result<Goal, No> {
    let is_it = |it: &&Standing| label_of(&it.bundles) == to || it.made.as_ref().is_some_and(|run| run.as_str() == to);
    let mut found: Vec<&Standing> = Vec::new();
    for standing in line.all.iter().rev().filter(is_it) {
        match found.iter_mut().find(|known| same(&known.bundles, &standing.bundles)) {
            // Whoever made it first knows as much of it.
            Some(known) if known.made.is_none() => *known = standing,
            Some(_) => {}
            None => found.push(standing),
        }
    }
    match found.as_slice() {
        [] => {
            let tried = past.iter().rev().find(|run| run.release == to || run.run.as_str() == to);
            let tried = tried.map(|run| (run.run.clone(), run.outcome));
            Err(No::NeverLive { label: to.to_owned(), tried })
        }
        [one] if is_recovered(line, one) => nearest(line, now),
        [one] => way(line, now, one, Why::Named),
        several => {
            let runs = several.iter().filter_map(|it| it.made.clone()).collect();
            Err(No::Ambiguous { label: to.to_owned(), runs })
        }
    }
}

/// Whether the last run left open what serves.
fn is_unsure(run: &PastRun) -> bool {
    run.targets.values().any(|target| target.left == Left::Unknown)
}

/// Whether this is what the last run had found and did not get back to.
fn is_recovered(line: &Line, named: &Standing) -> bool {
    let is_open = line.last.is_some_and(|last| is_unsure(last) && last.outcome != Some(Outcome::Held));
    is_open && line.top().is_some_and(|top| same(&top.bundles, &named.bundles))
}

fn way(line: &Line, now: &Now, goal: &Standing, why: Why) -> Result<Goal, No> {
    let release = label_of(&goal.bundles);
    if let Some(target) = now.live.keys().find(|target| !goal.bundles.contains_key(*target)) {
        // What had nothing before has no way back; what only this release lacks may be another's.
        return Err(match (goal.bundles.is_empty(), why) {
            (true, Why::Before | Why::Recorded) => No::NothingBefore { release: label_of(&now.bundles) },
            (true | false, Why::Before | Why::Recorded | Why::Named) => {
                No::Incomplete { release, target: target.clone() }
            }
        });
    }
    let left = line.top().and_then(|top| top.made.clone()).filter(|_| why != Why::Recorded);
    let Some(parent) = left.or_else(|| line.last.map(|last| last.run.clone())) else { return Err(No::NothingShipped) };
    let bundles = goal.bundles.iter().map(|(name, stood)| (name.clone(), stood.revision.clone())).collect();
    let (made, from) = (goal.made.clone(), label_of(&now.bundles));
    let way = Way { release, bundles, made, from, parent, why };
    Ok(if now.serves(&goal.bundles) { Goal::Serves(way) } else { Goal::Go(way) })
}

/// What a person types to get exactly this: its label, or the run that made it live where others had the label, too.
fn by_name(line: &Line, standing: &Standing) -> String {
    let label = label_of(&standing.bundles);
    let others = line.all.iter().any(|it| label_of(&it.bundles) == label && !same(&it.bundles, &standing.bundles));
    match &standing.made {
        Some(run) if others => run.to_string(),
        Some(_) | None => label,
    }
}

#[cfg(test)]
mod tests;
