//! The state of a run: the fold of its records. Total: any record after any other gives a state, so that nothing that was
//! written can make a run unreadable.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::step::{StepState, StepStatus};
use super::view::Deaf;
use crate::event::record::{Back, Build, Cause, HostWait, Origin, Outcome, Record, Side, VerdictKind};
use crate::model::{ConditionId, Name, Revision, RunId};
use crate::plan::{Hold, Lane, Plan, StepId, What};

/// A run as its journal tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The run.
    pub run: RunId,
    /// Where it stands.
    pub status: RunStatus,
    /// One per lane of the plan, in its order.
    pub lanes: Vec<LaneState>,
    /// Where each target's bundle lies.
    pub revisions: BTreeMap<Name, Revision>,
    /// The token of the last driver.
    pub token: u64,
    /// Since when it drives.
    pub driven_since: Option<Timestamp>,
    /// Decisions that were taken up or ignored.
    pub decisions: Vec<String>,
    /// Why nothing is begun that is slow to take back, as long as nobody would be heard.
    pub deaf: Option<Deaf>,
    /// Why it goes back, once it does; the first cause counts.
    pub cause: Option<Cause>,
    /// The failure that waits for a person, if one does.
    pub held: Option<HeldFailure>,
    /// How many failures have waited for a person so far.
    pub holds: u32,
    /// When a person last accepted a failure, or was heard again: limits count from there.
    pub accepted: Option<Timestamp>,
    /// Who started it, why, when.
    pub started: Option<(String, String, Timestamp)>,
    /// The build that asked for it, if a CI system did.
    pub build: Option<Build>,
    /// What the release was made of.
    pub origin: Option<Origin>,
    /// The run it goes back from.
    pub parent: Option<RunId>,
    /// From which release and to which run, if it is a rollback.
    pub back: Option<Back>,
    /// When the last record was written.
    pub at: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// What was live at the end.
    pub live: BTreeMap<Name, String>,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStatus {
    /// Nobody has driven it yet.
    Planned,
    /// Forward.
    Running,
    /// Waits for a person's approval.
    Paused,
    /// Something failed, and a person decides what becomes of it.
    Held,
    /// Nobody drives it.
    Detached,
    /// Backward.
    RollingBack,
    /// Over.
    Ended(Outcome),
}

impl RunStatus {
    /// How the run ended, if it has.
    pub fn outcome(self) -> Option<Outcome> {
        match self {
            RunStatus::Ended(outcome) => Some(outcome),
            RunStatus::Planned
            | RunStatus::Running
            | RunStatus::Paused
            | RunStatus::Held
            | RunStatus::Detached
            | RunStatus::RollingBack => None,
        }
    }
}

/// A failure that waits for a person.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldFailure {
    /// The target.
    pub target: Name,
    /// The step.
    pub step: StepId,
    /// The condition that says no; without it the step itself failed.
    pub condition: Option<ConditionId>,
    /// Why.
    pub cause: Cause,
    /// Since when.
    pub since: Timestamp,
}

/// Where a lane stands.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneState {
    /// The target.
    pub target: Name,
    /// One per step of the plan, in its order.
    pub steps: Vec<StepState>,
    /// The way back, once it began for this lane.
    pub restore: Option<StepState>,
    /// The deployment of the `create` step, once it is known.
    pub deployment: Option<String>,
    /// The last deployment that redeploys the baseline, if one was made.
    pub redeployment: Option<String>,
    /// How many were made.
    pub redeployments: u32,
    /// The version of the `publish` step, once it is known.
    pub version: Option<String>,
    /// The revision ids that the alias got by this run, oldest first.
    pub revision_ids: Vec<String>,
    /// Who ended all waits that remain, if somebody did.
    pub promoted_by: Option<String>,
    /// The last verdict per condition.
    pub verdicts: BTreeMap<ConditionId, Told>,
    /// Conditions that failed and that a person accepted, and who: they count as passed.
    pub waived: BTreeMap<ConditionId, String>,
    /// Conditions that could not be told and that a person accepted, and who: they count as passed until they say no.
    pub accepted: BTreeMap<ConditionId, String>,
    /// Processes of an Auto Scaling group that CodeDeploy did not resume: its name, and theirs.
    pub processes_left: Option<(String, Vec<String>)>,
    /// Hosts that do not move on, as far as that was told.
    pub waits: BTreeSet<HostWait>,
}

/// The last verdict on a condition that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What it said.
    pub verdict: VerdictKind,
    /// Whether it was only reported.
    pub is_report_only: bool,
    /// The numbers.
    pub why: String,
}

impl State {
    /// The state before the first record.
    pub fn new(run: RunId, plan: &Plan) -> State {
        let lanes = plan
            .lanes()
            .map(|lane| LaneState {
                target: lane.target.clone(),
                steps: vec![StepState::default(); lane.steps.len()],
                restore: None,
                deployment: None,
                redeployment: None,
                redeployments: 0,
                version: None,
                revision_ids: Vec::new(),
                promoted_by: None,
                verdicts: BTreeMap::new(),
                waived: BTreeMap::new(),
                accepted: BTreeMap::new(),
                processes_left: None,
                waits: BTreeSet::new(),
            })
            .collect();
        State {
            run,
            status: RunStatus::Planned,
            lanes,
            revisions: BTreeMap::new(),
            token: 0,
            driven_since: None,
            decisions: Vec::new(),
            deaf: None,
            cause: None,
            held: None,
            holds: 0,
            accepted: None,
            started: None,
            build: None,
            origin: None,
            parent: None,
            back: None,
            at: None,
            ended: None,
            live: BTreeMap::new(),
        }
    }

    /// Adds one record. What stands after a run's end changes nothing.
    pub fn apply(&mut self, plan: &Plan, at: Timestamp, record: &Record) {
        if self.has_ended() {
            return;
        }
        self.at = Some(at);
        match record {
            Record::RunPlanned { .. } => self.planned(at, record),
            Record::DriverStarted { token, .. } => {
                self.listen(at, record);
                (self.token, self.driven_since) = (*token, Some(at));
                self.goes_on();
            }
            Record::Paused { .. } => self.status = RunStatus::Paused,
            // Whoever let go of a held run has left it to the same person.
            Record::Detached { .. } if self.held.is_some() => self.status = RunStatus::Held,
            Record::Detached { .. } => self.status = RunStatus::Detached,
            Record::DecisionAccepted { name, .. } | Record::DecisionIgnored { name, .. } => {
                self.decisions.push(name.clone());
            }
            Record::Deaf { .. } | Record::HearsAgain => self.listen(at, record),
            Record::Held { target, step, condition, cause } => {
                let (target, step, condition) = (target.clone(), step.clone(), condition.clone());
                self.hold(HeldFailure { target, step, condition, cause: cause.clone(), since: at });
            }
            Record::FailureAccepted { by, .. } => self.accept(at, by),
            Record::RollBackBegan { cause, targets } => self.go_back(at, cause, targets),
            Record::RunEnded { outcome, live } => {
                (self.status, self.held) = (RunStatus::Ended(*outcome), None);
                (self.ended, self.live) = (Some(at), live.clone());
            }
            Record::DeploymentSeen { target, .. }
            | Record::VersionSeen { target, .. }
            | Record::AliasMoved { target, .. }
            | Record::PromotedFully { target, .. }
            | Record::ConditionAccepted { target, .. }
            | Record::ProcessesLeft { target, .. } => self.on_lane(target, |lane| lane.take_in(record)),
            Record::Judged { target, condition, verdict, report_only, why } => self.on_lane(target, |lane| {
                let told = Told { verdict: *verdict, is_report_only: *report_only, why: why.clone() };
                lane.verdicts.insert(condition.clone(), told);
            }),
            Record::Restored { target, note } => self.on_step(plan, target, None, |step| step.end(at, Ok(note))),
            Record::RestoreFailed { target, cause } => {
                self.on_step(plan, target, None, |step| step.end(at, Err(cause)));
            }
            Record::StepDone { target, step, note } => {
                self.on_lane(target, LaneState::decided);
                self.on_step(plan, target, Some(step), |step| step.end(at, Ok(note)));
            }
            Record::StepFailed { target, step, cause } => {
                self.on_step(plan, target, Some(step), |step| step.end(at, Err(cause)));
            }
            Record::StepStarted { target, step } => self.on_step(plan, target, Some(step), |step| step.begin(at)),
            Record::CallBegan { target, step, attempt, call } => {
                self.on_step(plan, target, Some(step), |step| step.call_began(at, *attempt, call));
            }
            Record::CallEnded { target, step, trouble, .. } => {
                self.on_step(plan, target, Some(step), |step| step.call_ended(at, trouble.as_ref()));
            }
            Record::CallLost { target, step, why, .. } => {
                self.on_step(plan, target, Some(step), |step| step.lost = Some(why.clone()));
            }
            Record::Watched { target, step, seconds } => {
                self.on_step(plan, target, Some(step), |step| step.watched = *seconds);
            }
        }
    }

    fn planned(&mut self, at: Timestamp, record: &Record) {
        let Record::RunPlanned { by, why, parent, back, revisions, build, origin, .. } = record else { return };
        self.origin.clone_from(origin);
        self.started = Some((by.clone(), why.clone(), at));
        self.parent.clone_from(parent);
        self.back = back.as_deref().cloned();
        self.build.clone_from(build);
        self.revisions.clone_from(revisions);
    }

    fn go_back(&mut self, at: Timestamp, cause: &Cause, targets: &[Name]) {
        self.status = RunStatus::RollingBack;
        self.held = None;
        self.cause.get_or_insert_with(|| cause.clone());
        for lane in self.lanes.iter_mut().filter(|lane| targets.contains(&lane.target)) {
            let restore = StepState { status: StepStatus::Started, started: Some(at), ..StepState::default() };
            lane.restore.get_or_insert(restore);
        }
    }

    fn hold(&mut self, failure: HeldFailure) {
        self.held = Some(failure);
        self.status = RunStatus::Held;
        self.holds = self.holds.saturating_add(1);
    }

    /// A step that waited to hear has its whole limit from where somebody is heard again.
    fn listen(&mut self, at: Timestamp, record: &Record) {
        if let Record::Deaf { why, needs, .. } = record {
            self.deaf = Some(Deaf { since: at, why: why.clone(), needs: needs.clone() });
        } else if self.deaf.take().is_some() {
            self.accepted = Some(at);
        }
    }

    /// A person accepts the failure at which the run is held.
    fn accept(&mut self, at: Timestamp, by: &str) {
        let Some(held) = self.held.take() else { return };
        self.accepted = Some(at);
        self.status = if self.is_going_back() { RunStatus::RollingBack } else { RunStatus::Running };
        if let Some(condition) = held.condition {
            self.on_lane(&held.target, |lane| {
                lane.waived.insert(condition, by.to_owned());
            });
        }
    }

    /// Somebody drives: what waited or was let go of is under way again.
    fn goes_on(&mut self) {
        if matches!(self.status, RunStatus::Planned | RunStatus::Detached | RunStatus::Paused) {
            self.status = if self.held.is_some() {
                RunStatus::Held
            } else if self.is_going_back() {
                RunStatus::RollingBack
            } else {
                RunStatus::Running
            };
        }
    }

    fn on_lane(&mut self, target: &Name, change: impl FnOnce(&mut LaneState)) {
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.target == *target) {
            change(lane);
        }
    }

    /// Changes a step, or without a step the way back.
    fn on_step(&mut self, plan: &Plan, target: &Name, step: Option<&StepId>, change: impl FnOnce(&mut StepState)) {
        self.on_lane(target, |lane| {
            if let Some(step) = lane.step_mut(plan, step) {
                change(step);
            }
        });
    }

    /// Whether it is over.
    pub fn has_ended(&self) -> bool {
        self.status.outcome().is_some()
    }

    /// Whether nothing more is begun forward.
    pub fn is_stopped(&self) -> bool {
        self.is_going_back() || self.held.is_some()
    }

    /// Whether it goes back; nothing turns it forward again.
    pub fn is_going_back(&self) -> bool {
        self.cause.is_some()
    }

    /// Why it goes back, or what it is held at.
    pub fn trouble(&self) -> Option<&Cause> {
        self.cause.as_ref().or_else(|| self.held.as_ref().map(|held| &held.cause))
    }

    /// The lane of a target.
    pub fn lane(&self, target: &Name) -> Option<&LaneState> {
        self.lanes.iter().find(|lane| lane.target == *target)
    }
}

impl LaneState {
    /// What was made by the run, and what a person decided for all waits.
    fn take_in(&mut self, record: &Record) {
        if let Record::DeploymentSeen { step, deployment, waits, .. } = record {
            self.waits.extend(waits.iter().cloned());
            if step.0 != "restore" {
                self.deployment = Some(deployment.clone());
            } else if self.redeployment.as_ref() != Some(deployment) {
                self.redeployment = Some(deployment.clone());
                self.redeployments = self.redeployments.saturating_add(1);
            }
        } else if let Record::VersionSeen { version, .. } = record {
            self.version = Some(version.clone());
        } else if let Record::AliasMoved { revision_id, .. } = record {
            self.revision_ids.push(revision_id.clone());
        } else if let Record::PromotedFully { by, .. } = record {
            self.promoted_by = Some(by.clone());
        } else if let Record::ConditionAccepted { condition, by, .. } = record {
            self.accepted.insert(condition.clone(), by.clone());
        } else if let Record::ProcessesLeft { group, processes, .. } = record {
            self.processes_left = (!processes.is_empty()).then(|| (group.clone(), processes.clone()));
        }
    }

    /// What nobody could tell was decided with the step that is done; it is asked anew.
    fn decided(&mut self) {
        self.verdicts.retain(|_, told| told.verdict != VerdictKind::Undecided);
    }

    /// What a person has to decide: a condition that could not be told for as long as the pipeline allows. Nothing else is
    /// recorded as undecided.
    pub fn asks(&self) -> Option<(&ConditionId, &Told)> {
        let mut open = self.verdicts.iter().filter(|(_, told)| told.verdict == VerdictKind::Undecided);
        open.next().filter(|_| self.restore.is_none())
    }

    /// The step under way: the first that is not done.
    pub fn cursor(&self) -> Option<usize> {
        self.steps.iter().position(|step| step.status != StepStatus::Done)
    }

    /// The step that has begun and not ended, or else the next.
    pub fn active(&self) -> Option<usize> {
        self.steps.iter().position(|step| step.status == StepStatus::Started).or_else(|| self.cursor())
    }

    /// Whether the lane waits for later stages or is past that: what is watched in it is over, and blue is still there.
    pub fn is_past_its_watch(&self, lane: &Lane) -> bool {
        let later = lane.steps.iter().position(|step| step.what == What::Hold(Hold::Later));
        match (later, self.cursor()) {
            (_, None) => true,
            (Some(later), Some(cursor)) => cursor >= later,
            (None, Some(_)) => false,
        }
    }

    /// Whether anything of the lane has begun, so that a rollback has to look at it.
    pub fn is_touched(&self) -> bool {
        self.steps.iter().any(|step| step.status != StepStatus::Pending)
    }

    /// Whether somebody else holds it now, so that nothing is overwritten.
    pub fn is_foreign(&self) -> bool {
        let causes = self.steps.iter().chain(&self.restore).filter_map(|step| step.cause.as_ref());
        causes.into_iter().any(|cause| cause.side == Side::Foreign)
    }

    /// Whether the way back has ended well.
    pub fn is_restored(&self) -> bool {
        self.restore.as_ref().is_some_and(|restore| restore.status == StepStatus::Done)
    }

    fn step_mut(&mut self, plan: &Plan, id: Option<&StepId>) -> Option<&mut StepState> {
        match id {
            None => self.restore.as_mut(),
            Some(id) if id.0 == "restore" => self.restore.as_mut(),
            Some(id) => {
                let place = plan.lane(&self.target)?.place(id)?;
                self.steps.get_mut(place)
            }
        }
    }
}
