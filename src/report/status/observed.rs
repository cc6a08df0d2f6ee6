//! What was observed, and the structure that is made of it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{AliasStatus, Driver, LastRun, PartStatus, RunView, StatusView, TargetStatus, Unread};
use crate::model::function::FunctionRef;
use crate::model::lambda::Alias;
use crate::model::serving::{FleetSeen, Part, versions};
use crate::model::{Format, Name, Percent, Revision, RunId};
use crate::plan::{On, Plan};
use crate::report::commands::Invocation;
use crate::report::words;
use crate::run::view::View;
use crate::run::{LaneState, State};

/// Everything that was observed of a pipeline in an environment.
pub struct Observed<'a> {
    /// World time of the look.
    pub at: Timestamp,
    /// The pipeline's name.
    pub pipeline: Name,
    /// The environment.
    pub environment: Name,
    /// How both are typed.
    pub invocation: &'a Invocation,
    /// What AWS says of the targets, in the pipeline's order.
    pub targets: Vec<Looked>,
    /// Releases that are known by their bundles; the first that fits names one.
    pub known: Vec<Known>,
    /// What shipit made live last, by target.
    pub made_live: BTreeMap<Name, Known>,
    /// Who left which alias how.
    pub movers: Vec<Mover>,
    /// The unfinished run.
    pub run: Option<RunSeen<'a>>,
    /// The last run, if it has ended.
    pub last: Option<RunSeen<'a>>,
    /// The run that is under way and could not be read.
    pub unread: Option<Unread>,
    /// Who drives the unfinished run.
    pub driver: Option<Driver>,
    /// What could not be seen, and other things worth knowing.
    pub notes: Vec<String>,
}

/// A run that was read, and what AWS shows of it.
#[derive(Clone, Copy)]
pub struct RunSeen<'a> {
    /// Its plan.
    pub plan: &'a Plan,
    /// Where it stands.
    pub state: &'a State,
    /// What was seen of its lanes, if anything was.
    pub view: Option<&'a View>,
}

/// A target and what AWS says of it, or why it did not.
#[derive(Clone, Debug)]
pub struct Looked {
    /// The target.
    pub target: Name,
    /// What was found.
    pub found: Result<Found, String>,
}

/// What AWS says of a target.
#[derive(Clone, Debug)]
pub enum Found {
    /// A fleet.
    Fleet(Box<FleetSeen>),
    /// A function.
    Function {
        /// Which, and by which alias it is called.
        of: FunctionRef,
        /// The alias, if there is one.
        alias: Option<Alias>,
        /// The bundles of its versions.
        bundles: BTreeMap<String, Revision>,
    },
}

/// A release that is known by its bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Where the bundle lies.
    pub key: String,
    /// What people call it.
    pub release: String,
    /// The run that ships or shipped it.
    pub run: Option<RunId>,
    /// Since when it is live, if it is known to be.
    pub since: Option<Timestamp>,
}

/// The run that left an alias with a revision id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mover {
    /// The target.
    pub target: Name,
    /// What Lambda calls that state of the alias.
    pub revision_id: String,
    /// The run.
    pub run: RunId,
    /// Who asked for it.
    pub by: Option<String>,
}

impl Known {
    /// What a run ships, and what was live before it.
    pub fn of_run(plan: &Plan, state: &State) -> Vec<Known> {
        let mut known = Vec::new();
        for lane in plan.lanes() {
            let revision = state.revisions.get(&lane.target).unwrap_or(&lane.revision);
            let (key, release, run) = (revision.key.clone(), plan.release.label.clone(), Some(state.run.clone()));
            known.push(Known { key, release, run, since: None });
            let before = match &lane.on {
                On::Fleet(fleet) => fleet.baseline.live.as_ref().map(|live| (&live.revision, live.release.clone())),
                On::Function(on) => on.baseline.bundle.as_ref().map(|bundle| (bundle, on.baseline.release.clone())),
            };
            if let Some((revision, Some(release))) = before {
                known.push(Known { key: revision.key.clone(), release, run: None, since: None });
            }
        }
        known
    }
}

impl Observed<'_> {
    /// Says it all.
    pub fn view(&self) -> StatusView {
        let mut notes = self.notes.clone();
        let targets = self.targets.iter().map(|looked| self.target(looked, &mut notes)).collect();
        let run = self.run.map(|run| RunView::of(run, self.driver.clone(), self.invocation, self.at));
        let last = self.last.filter(|_| run.is_none());
        StatusView {
            v: Format::NOW,
            at: self.at,
            pipeline: self.pipeline.clone(),
            environment: self.environment.clone(),
            targets,
            run,
            unread: self.unread.clone(),
            last: last.and_then(|last| LastRun::of(last, self.invocation)),
            notes,
        }
    }

    /// The release that a bundle is known as.
    fn known(&self, target: &Name, revision: &Revision) -> Option<&Known> {
        let mut known = self.made_live.get(target).into_iter().chain(&self.known);
        known.find(|known| known.key == revision.key)
    }

    fn named(&self, target: &Name, part: Part) -> PartStatus {
        let release = match &part.revision {
            Some(revision) => {
                let known = self.known(target, revision).map(|known| known.release.clone());
                known.unwrap_or_else(|| revision.label())
            }
            None if part.deployment.is_none() => "nothing that CodeDeploy knows".to_owned(),
            None => "something that came from no bucket".to_owned(),
        };
        PartStatus { release, part }
    }

    /// What could not be seen becomes a note, and nothing is said in its place.
    fn target(&self, looked: &Looked, notes: &mut Vec<String>) -> TargetStatus {
        let Looked { target, found } = looked;
        match found {
            Err(why) => {
                notes.push(format!("{target}: {why}"));
                if let Some(known) = self.made_live.get(target) {
                    notes.push(format!(
                        "{target}: the last run left {}; AWS could not be asked about it",
                        known.release
                    ));
                }
                TargetStatus::of(target)
            }
            Ok(Found::Fleet(seen)) => self.fleet(target, seen, notes),
            Ok(Found::Function { of, alias, bundles }) => self.function(target, of, alias.as_ref(), bundles),
        }
    }

    fn fleet(&self, target: &Name, seen: &FleetSeen, notes: &mut Vec<String>) -> TargetStatus {
        notes.extend(seen.remarks.iter().map(|remark| format!("{target}: {remark}")));
        if seen.is_open() {
            notes.push(format!(
                "{target}: no host is healthy, so the load balancer sends requests to all that are registered"
            ));
        }
        let is_ours = |id: &String| self.run.is_some_and(|run| run.state.lanes.iter().any(|lane| works_with(lane, id)));
        let active = seen.active.as_ref().filter(|active| !is_ours(&active.id));
        let parts: Vec<PartStatus> = seen.parts().into_iter().map(|part| self.named(target, part)).collect();
        let mut status = TargetStatus { active: active.map(words::active), ..TargetStatus::of(target) };
        if let [one] = parts.iter().filter(|it| it.part.share > Percent::default()).collect::<Vec<_>>().as_slice() {
            status.live = Some(one.release.clone()).filter(|_| one.part.deployment.is_some());
            status.deployment.clone_from(&one.part.deployment);
            status.group.clone_from(&one.part.group);
            self.origin(&mut status, &one.part, seen, notes);
        } else {
            status.group = seen.named.first().cloned();
        }
        // Blind to health, the last deployment that succeeded is all that is known.
        if seen.target_groups.is_none()
            && let Some(part) = parts.iter().find(|it| it.part.deployment == seen.last_successful)
        {
            notes.push(format!("{target}: the last deployment that succeeded brought {}", part.release));
        }
        status.healthy = healthy(&parts);
        status.parts = parts;
        status
    }

    /// Who brought what serves and since when, and whether that is what shipit left there.
    fn origin(&self, status: &mut TargetStatus, part: &Part, seen: &FleetSeen, notes: &mut Vec<String>) {
        let Some(revision) = &part.revision else { return };
        let left = self.made_live.get(&status.target);
        let deployment = part.deployment.as_ref().and_then(|id| seen.deployment(id));
        let created = deployment.and_then(|it| it.created);
        match left.filter(|left| left.key == revision.key) {
            Some(left) => (status.run, status.since) = (left.run.clone(), left.since.or(created)),
            None => {
                status.since = created;
                status.run = self.known(&status.target, revision).and_then(|known| known.run.clone());
            }
        }
        let is_moving = self.run.is_some_and(|run| run.state.lane(&status.target).is_some());
        if let (Some(left), Some(it)) = (left.filter(|left| left.key != revision.key && !is_moving), deployment) {
            let run = left.run.as_ref().map(|run| format!("run {run} left {}", left.release));
            let run = run.unwrap_or_else(|| format!("shipit left {}", left.release));
            let (id, who) = (&it.id, words::creator(&it.description, &it.creator));
            let when = it.created.map(|at| format!(" on {}", words::date(at))).unwrap_or_default();
            notes.push(format!("{}: {run} here; what serves now came by {id} of {who}{when}", status.target));
        }
        let copy =
            part.deployment.as_ref().map(|id| seen.scaling_groups.iter().find(|it| it.made_by.as_ref() == Some(id)));
        let is_replaced = seen.is_copied && status.run.is_some() && copy.is_some_and(|copy| copy.is_none());
        if let (true, Some(group), Some(id)) = (is_replaced, &part.group, &part.deployment) {
            notes.push(format!(
                "{}: {group} is not the Auto Scaling group that {id} made; somebody else has replaced it",
                status.target
            ));
        }
    }

    fn function(
        &self,
        target: &Name,
        of: &FunctionRef,
        alias: Option<&Alias>,
        bundles: &BTreeMap<String, Revision>,
    ) -> TargetStatus {
        let mut told = AliasStatus { function: of.name.clone(), alias: of.alias.clone(), ..AliasStatus::default() };
        let Some(alias) = alias else { return TargetStatus { alias: Some(told), ..TargetStatus::of(target) } };
        let is_moved = |lane: &LaneState| lane.target == *target && lane.revision_ids.contains(&alias.revision_id);
        let runs = self.run.into_iter().chain(self.last);
        let mover = runs.into_iter().find(|run| run.state.lanes.iter().any(is_moved));
        let by_run = mover.map(|it| (it.state.run.clone(), it.state.started.as_ref().map(|(by, ..)| by.clone())));
        let is_it = |mover: &&Mover| mover.target == *target && mover.revision_id == alias.revision_id;
        let by_head = || self.movers.iter().find(is_it).map(|mover| (mover.run.clone(), mover.by.clone()));
        if let Some((run, by)) = by_run.or_else(by_head) {
            (told.run, told.by) = (Some(run), by);
        }
        (told.version, told.weights) = (Some(alias.version.clone()), alias.weights.clone());
        let parts: Vec<PartStatus> = versions(alias)
            .into_iter()
            .map(|(version, share)| {
                let revision = bundles.get(&version).cloned();
                let known = revision.as_ref().and_then(|revision| self.known(target, revision));
                let release = known.map(|known| known.release.clone());
                let release = release.or_else(|| revision.as_ref().map(Revision::label));
                let release = release.unwrap_or_else(|| format!("version {version}"));
                PartStatus { release, part: Part { revision, version: Some(version), share, ..Part::default() } }
            })
            .collect();
        let alone = parts.first().filter(|first| first.part.share == Percent::ALL);
        let known = alone.and_then(|part| self.known(target, part.part.revision.as_ref()?));
        TargetStatus {
            live: alone.map(|part| part.release.clone()),
            run: told.run.clone(),
            since: known.and_then(|known| known.since),
            alias: Some(told),
            parts,
            ..TargetStatus::of(target)
        }
    }
}

/// Healthy hosts, of how many, of the one fleet that gets most of the traffic, whichever releases are on it.
fn healthy(parts: &[PartStatus]) -> Option<(usize, usize)> {
    let group = &parts.first()?.part.group;
    let hosts = parts.iter().filter(|it| it.part.group == *group).filter_map(|it| it.part.hosts);
    Some(hosts.fold((0, 0), |(some, all), hosts| (some + hosts.healthy, all + hosts.all)))
}

/// Whether a lane works with a deployment.
fn works_with(lane: &LaneState, id: &String) -> bool {
    lane.redeployment.as_ref() == Some(id) || lane.deployment.as_ref() == Some(id)
}
