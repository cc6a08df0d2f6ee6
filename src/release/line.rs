//! What stood in an environment one after the other, as the runs' own plans and ends tell it, and what of it was taken out.

use std::collections::BTreeMap;

use super::past::{Left, PastRun, PastTarget};
use crate::event::record::Outcome;
use crate::model::{Name, Revision, RunId};
use crate::plan::Intent;

/// A bundle that was live on a target, and what people called it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stood {
    /// The label of its release, or what else it is called.
    pub label: String,
    /// The bundle.
    pub revision: Revision,
}

impl Stood {
    /// Whether this is that bundle: by its content, or else by its place.
    pub fn is(&self, other: &Revision) -> bool {
        let ours = &self.revision;
        if let (Some(one), Some(other)) = (ours.sha256(), other.sha256()) {
            return one == other;
        }
        let agree = |one: &Option<String>, other: &Option<String>| one.is_none() || other.is_none() || one == other;
        let is_place = ours.bucket == other.bucket && ours.key == other.key;
        is_place && agree(&ours.version, &other.version) && agree(&ours.etag, &other.etag)
    }
}

/// What stands on each target; one that is not there has nothing.
pub type Bundles = BTreeMap<Name, Stood>;

/// Whether the same stands on every target.
pub fn same(one: &Bundles, other: &Bundles) -> bool {
    one.len() == other.len()
        && one.iter().all(|(target, stood)| other.get(target).is_some_and(|it| stood.is(&it.revision)))
}

/// What people call all of it together.
pub fn label_of(bundles: &Bundles) -> String {
    let mut labels: Vec<&str> = Vec::new();
    for stood in bundles.values() {
        if !labels.contains(&stood.label.as_str()) {
            labels.push(&stood.label);
        }
    }
    labels.join("-")
}

/// What stood at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// On each target.
    pub bundles: Bundles,
    /// The run that made it so; none if that was somebody else, or an older run than those that were read.
    pub made: Option<RunId>,
}

/// What stood in an environment one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line<'a> {
    /// The good ones, the last of them as the last run left it. What a rollback left is not there any more.
    pub stack: Vec<Standing>,
    /// Everything that ever stood.
    pub all: Vec<Standing>,
    /// What was taken out, and by which run; what came back on purpose is not.
    pub taken: Vec<(Bundles, RunId)>,
    /// The last run that changed anything.
    pub last: Option<&'a PastRun>,
}

impl<'a> Line<'a> {
    /// The line that these runs make, the oldest first.
    pub fn of(past: &'a [PastRun]) -> Line<'a> {
        let mut line = Line::default();
        for run in past {
            line.take_in(run);
        }
        line
    }

    /// What the last run left, as far as it could tell.
    pub fn top(&self) -> Option<&Standing> {
        self.stack.last()
    }

    /// By which run something was taken out.
    pub fn taken_by(&self, bundles: &Bundles) -> Option<&RunId> {
        let overlaps = |taken: &Bundles| {
            taken.iter().all(|(target, stood)| bundles.get(target).is_some_and(|it| stood.is(&it.revision)))
        };
        self.taken.iter().rev().find(|(taken, _)| !taken.is_empty() && overlaps(taken)).map(|(_, run)| run)
    }

    fn take_in(&mut self, run: &'a PastRun) {
        self.see_before(run);
        let before = self.top().map(|top| top.bundles.clone()).unwrap_or_default();
        let mut after = before.clone();
        let kept = run.targets.iter().filter(|(_, target)| target.left == Left::Shipped);
        after.extend(kept.map(|(name, target)| (name.clone(), target.shipped.clone())));
        let is_good = run.outcome == Some(Outcome::Succeeded);
        if !same(&before, &after) || is_good {
            self.taken.retain(|(taken, _)| !same(taken, &after));
            self.stand(after, run, &before);
        }
        match run.intent {
            Intent::Rollback if is_good => self.taken.push((before, run.run.clone())),
            // A way back that failed may be tried again; one that a person stopped was not wanted.
            Intent::Rollback if !run.is_stopped_by_person => {}
            Intent::Deploy | Intent::Rollback => {
                let is_out = |target: &PastTarget| target.is_touched && target.left != Left::Shipped;
                let out = run.targets.iter().filter(|(_, target)| is_out(target));
                let out: Bundles = out.map(|(name, target)| (name.clone(), target.shipped.clone())).collect();
                if !out.is_empty() {
                    self.taken.push((out, run.run.clone()));
                }
            }
        }
        self.last = Some(run);
    }

    /// What stood before a run, as its plan found it, where that is not what the run before had left: somebody else was there.
    fn see_before(&mut self, run: &PastRun) {
        let found = run.targets.iter().filter_map(|(name, target)| Some((name.clone(), target.before.clone()?)));
        let found: Bundles = found.collect();
        let Some(top) = self.stack.last_mut() else {
            self.push(Standing { bundles: found, made: None });
            return;
        };
        let mut is_as_left = true;
        let mut bundles = top.bundles.clone();
        for name in run.targets.keys() {
            match (top.bundles.get(name), found.get(name)) {
                (Some(left), Some(found)) if left.is(&found.revision) => {}
                // A target that the runs before did not have stood there all the time.
                (None, Some(found)) => {
                    top.bundles.insert(name.clone(), found.clone());
                    bundles.insert(name.clone(), found.clone());
                }
                (Some(_), Some(found)) => {
                    is_as_left = false;
                    bundles.insert(name.clone(), found.clone());
                }
                (Some(_), None) => {
                    is_as_left = false;
                    bundles.remove(name);
                }
                (None, None) => {}
            }
        }
        if !is_as_left {
            let ends_so = |last: &&PastRun| {
                last.targets
                    .iter()
                    .all(|(name, it)| found.get(name).is_some_and(|found| it.shipped.is(&found.revision)))
            };
            // The last run could not tell how it ended, and had made it so.
            let made = self.last.filter(ends_so).map(|last| last.run.clone());
            self.push(Standing { bundles, made });
        }
    }

    /// From here on this stands.
    fn stand(&mut self, after: Bundles, run: &PastRun, before: &Bundles) {
        let standing = Standing { bundles: after, made: Some(run.run.clone()) };
        if same(before, &standing.bundles) {
            // The same bytes again, under another label perhaps.
            self.stack.pop();
        } else if run.intent == Intent::Rollback {
            let below = self.stack.len().saturating_sub(1);
            if let Some(place) = self.stack[..below].iter().rposition(|it| same(&it.bundles, &standing.bundles)) {
                self.stack.truncate(place);
            }
        }
        self.push(standing);
    }

    fn push(&mut self, standing: Standing) {
        self.all.push(standing.clone());
        self.stack.push(standing);
    }
}
