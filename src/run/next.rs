//! What to do now: a pure function of the plan, the state, what was seen, what people decided, and the time.

mod back;
mod deaf;
mod hear;
mod held;
mod holds;
mod limits;

use jiff::{SignedDuration, Timestamp};

use super::explain::condition_failed;
use super::function::moved_behind_our_back;
use super::judge::{Judged, Judging, Verdict};
use super::rolling::processes_left;
use super::settle::{Advance, Call, Known, settle};
use super::state::{LaneState, RunStatus, State};
use super::step::{StepState, StepStatus};
use super::view::View;
use super::waits::{in_short, news, waits};
use crate::event::decision::Decision;
use crate::event::record::{Cause, Outcome, Record, Side};
use crate::event::{Doing, Progress};
use crate::model::Name;
use crate::model::condition::Condition;
use crate::plan::{Action, Hold, Lane, Plan, RollbackScope, Step, StepId, Wave, What};
pub use deaf::deaf_for_too_long;
pub use hear::wishes;
use limits::{ended_behind_our_back, over_limit};

/// What to do now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turn {
    /// To be durable before anything else happens.
    pub records: Vec<Record>,
    /// Calls to make then, at most one per lane; each is announced by a `CallBegan` among the records.
    pub calls: Vec<PlannedCall>,
    /// What the screen shows meanwhile.
    pub progress: Vec<Progress>,
    /// Whether the driver has nothing more to do.
    pub stop: Option<Stop>,
    /// The next moment at which time alone changes something.
    pub wake: Option<Timestamp>,
}

/// A call and where it belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedCall {
    /// The place of the lane.
    pub lane: usize,
    /// The step.
    pub step: StepId,
    /// Counts the calls of the step.
    pub attempt: u32,
    /// How many calls of the step in a row failed before this one.
    pub failures: u32,
    /// What to call.
    pub call: Call,
}

/// Why the driver stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The run is over.
    Ended(Outcome),
    /// It waits for a person.
    Paused,
    /// Something failed, and a person decides what becomes of it.
    Held,
}

/// Decides.
pub fn next(plan: &Plan, state: &State, view: &View, decisions: &[Decision], now: Timestamp) -> Turn {
    let mut turn = Deciding { plan, state: state.clone(), view, now, out: Turn::default() };
    if let RunStatus::Ended(outcome) = state.status {
        turn.out.stop = Some(Stop::Ended(outcome));
        return turn.out;
    }
    turn.hear(decisions);
    turn.hear_again();
    if !turn.state.is_stopped() {
        turn.forward();
    }
    if turn.state.is_going_back() {
        turn.back();
    } else if turn.state.held.is_some() {
        turn.hold();
    }
    turn.out
}

struct Deciding<'a> {
    plan: &'a Plan,
    state: State,
    view: &'a View,
    now: Timestamp,
    out: Turn,
}

impl<'a> Deciding<'a> {
    fn emit(&mut self, record: Record) {
        self.state.apply(self.plan, self.now, &record);
        self.out.records.push(record);
    }

    fn wake(&mut self, at: Option<Timestamp>) {
        self.out.wake = match (self.out.wake, at) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }

    fn forward(&mut self) {
        let plan = self.plan;
        let mut offset = 0;
        for wave in &plan.waves {
            let places = offset..offset + wave.lanes.len();
            offset = places.end;
            self.advance_wave(wave, places.clone());
            if self.state.is_stopped() {
                return;
            }
            let is_on = |(lane, state): (&Lane, &LaneState)| state.cursor().is_some() && !state.is_past_its_watch(lane);
            if wave.lanes.iter().zip(&self.state.lanes[places.clone()]).any(is_on) {
                self.pause_if_all_wait(&wave.lanes, places);
                return;
            }
        }
        // Fleets of earlier stages still let blue go.
        if self.state.lanes.iter().all(|lane| lane.cursor().is_none()) {
            self.end(Outcome::Succeeded);
        }
    }

    /// Judges every lane before it moves one: when one fails, nothing more is begun on the others.
    fn advance_wave(&mut self, wave: &Wave, places: std::ops::Range<usize>) {
        for (lane, place) in wave.lanes.iter().zip(places.clone()) {
            self.judge_watches(lane, place);
            if self.state.is_stopped() {
                return;
            }
        }
        for (lane, place) in wave.lanes.iter().zip(places) {
            self.advance_lane(lane, place);
            if self.state.is_stopped() {
                return;
            }
        }
    }

    /// Moves one lane on as far as it goes without waiting.
    fn advance_lane(&mut self, lane: &Lane, place: usize) {
        while !self.state.is_stopped() {
            let Some(cursor) = self.state.lanes[place].cursor() else { return };
            let step = &lane.steps[cursor];
            let status = self.state.lanes[place].steps[cursor].status;
            match status {
                StepStatus::Pending if self.waits_to_hear(lane, place, cursor) => return,
                StepStatus::Pending => {
                    self.emit(Record::StepStarted { target: lane.target.clone(), step: step.id.clone() });
                }
                StepStatus::Failed => {
                    let step_state = &self.state.lanes[place].steps[cursor];
                    let unknown = || Cause::new(Side::CodeDeploy, step_state.note.clone());
                    let cause = step_state.cause.clone().unwrap_or_else(unknown);
                    self.fail(lane, step, cause);
                }
                StepStatus::Started | StepStatus::Done => {
                    let advance = self.advance_step(lane, place, step, cursor);
                    if matches!(advance, Advance::Call(_)) && self.waits_to_hear(lane, place, cursor) {
                        return;
                    }
                    let is_waiting = matches!(advance, Advance::Wait(..) | Advance::Call(_));
                    self.carry_out(lane, place, step, advance);
                    if is_waiting {
                        return;
                    }
                }
            }
        }
    }

    fn advance_step(&mut self, lane: &Lane, place: usize, step: &Step, cursor: usize) -> Advance {
        let (lane_state, view) = (&self.state.lanes[place], &self.view.lanes[place]);
        if let Some(advance) = ended_behind_our_back(lane, step, lane_state, view, self.now) {
            return advance;
        }
        if let (What::Hold(_), Some(cause)) = (&step.what, moved_behind_our_back(lane, lane_state, view)) {
            return Advance::Broken(cause);
        }
        let advance = match &step.what {
            What::Act(action) => {
                let step = &lane_state.steps[cursor];
                settle(action, lane, Known { state: lane_state, step, view, now: self.now })
            }
            What::Hold(Hold::Later) => self.later(place, lane, cursor),
            What::Hold(_) if lane_state.promoted_by.is_some() => self.promoted(lane, place),
            What::Hold(Hold::Approval { within }) => self.approval(place, cursor, *within),
            What::Hold(Hold::Bake { watched }) => self.bake(lane, place, cursor, *watched),
        };
        let (lane_state, view) = (&self.state.lanes[place], &self.view.lanes[place]);
        match advance {
            Advance::Done(_) | Advance::Broken(_) => advance,
            // That it waits to hear says nothing against the step.
            Advance::Call(_) if self.unheard(lane, place, cursor).is_some() => advance,
            Advance::Wait(..) | Advance::Call(_) => {
                let since = (self.state.driven_since, self.state.accepted);
                over_limit(lane, step, lane_state, since, view, self.now).unwrap_or(advance)
            }
        }
    }

    /// Turns what a step needs into records, a call, or a line on the screen.
    fn carry_out(&mut self, lane: &Lane, place: usize, step: &Step, advance: Advance) {
        let (target, id) = (lane.target.clone(), step.id.clone());
        match advance {
            Advance::Done(note) => {
                if step.what == What::Act(Action::Roll) {
                    self.tell_processes_left(lane, place);
                }
                self.emit(Record::StepDone { target, step: id, note });
            }
            Advance::Broken(cause) => self.fail(lane, step, cause),
            Advance::Wait(why, count) => {
                let why = self.tell_waits(lane, place, why);
                self.show(lane, place, &id, Doing::Waiting(why), count);
            }
            Advance::Call(call) => self.call(lane, place, &id, call),
        }
        let started = self.step_state(place, &step.id).and_then(|state| state.started);
        let limit = SignedDuration::try_from(step.limit.duration()).unwrap_or(SignedDuration::MAX);
        self.wake(started.and_then(|started| started.checked_add(limit).ok()));
    }

    /// Says which processes CodeDeploy has left suspended.
    fn tell_processes_left(&mut self, lane: &Lane, place: usize) {
        let left = processes_left(lane, &self.view.lanes[place]);
        let known = self.state.lanes[place].processes_left.clone().map_or_else(Vec::new, |(_, known)| known);
        if let Some((group, processes)) = left.filter(|(_, left)| *left != known) {
            self.emit(Record::ProcessesLeft { target: lane.target.clone(), group, processes });
        }
    }

    /// Says which hosts do not move on: at length once, in short as long as it lasts.
    fn tell_waits(&mut self, lane: &Lane, place: usize, why: String) -> String {
        let found = waits(lane, &self.view.lanes[place], self.now);
        let state = &self.state.lanes[place];
        let told = news(&found, &state.waits);
        let made = [("create", &state.deployment), ("restore", &state.redeployment)];
        let made = made.into_iter().find_map(|(step, made)| Some((StepId::from(step), made.clone()?)));
        if let Some((step, deployment)) = made.filter(|_| !told.is_empty()) {
            self.emit(Record::DeploymentSeen { target: lane.target.clone(), step, deployment, waits: told });
        }
        in_short(&found).map_or(why.clone(), |short| format!("{why}; {short}"))
    }

    fn call(&mut self, lane: &Lane, place: usize, step: &StepId, call: Call) {
        if self.is_calling(place) {
            return self.show(lane, place, step, Doing::Calling(call.kind()), None);
        }
        let state = self.step_state(place, step).cloned().unwrap_or_default();
        if let Some((what, times, at)) = &state.trouble {
            let wait = SignedDuration::from_secs(1 << (*times).min(6));
            if let Some(again) = at.checked_add(wait).ok().filter(|again| *again > self.now) {
                self.wake(Some(again));
                let why = format!("{what}; trying again soon");
                return self.show(lane, place, step, Doing::Waiting(why), None);
            }
        }
        let attempt = state.attempt.saturating_add(1);
        let failures = state.trouble.map_or(0, |(_, times, _)| times);
        let kind = call.kind();
        self.emit(Record::CallBegan { target: lane.target.clone(), step: step.clone(), attempt, call: kind });
        self.out.calls.push(PlannedCall { lane: place, step: step.clone(), attempt, failures, call });
    }

    /// Whether a call of this lane is under way or was just decided on.
    fn is_calling(&self, place: usize) -> bool {
        self.view.lanes[place].is_calling || self.out.calls.iter().any(|planned| planned.lane == place)
    }

    fn show(&mut self, lane: &Lane, place: usize, step: &StepId, doing: Doing, count: Option<(usize, usize)>) {
        let since = self.step_state(place, step).and_then(|state| state.started).unwrap_or(self.now);
        self.out.progress.push(Progress { target: lane.target.clone(), step: step.clone(), since, doing, count });
    }

    fn step_state(&self, place: usize, step: &StepId) -> Option<&StepState> {
        let lane = &self.state.lanes[place];
        if step.0 == "restore" {
            return lane.restore.as_ref();
        }
        let cursor = self.plan.lane(&lane.target)?.place(step)?;
        lane.steps.get(cursor)
    }

    /// Judges what is watched; a verdict is recorded when it is news, and a failing one sends the run back.
    fn judge_watches(&mut self, lane: &Lane, place: usize) {
        let mut failed = None;
        let state = self.state.lanes[place].clone();
        let judged = self.judging(lane, place, &state).all();
        let watched: Vec<&Condition> = judged.iter().map(|it| it.condition).collect();
        for judged in judged {
            let (id, kind) = (judged.condition.id(), judged.verdict.kind());
            let Judged { condition, verdict, is_report_only, is_for_a_person } = judged;
            let known = self.state.lanes[place].verdicts.get(&id).map(|told| told.verdict);
            let is_said = is_for_a_person || !matches!(verdict, Verdict::Undecided(_));
            if known != Some(kind) && is_said {
                let (target, condition, why) = (lane.target.clone(), id.clone(), verdict.why().to_owned());
                self.emit(Record::Judged { target, condition, verdict: kind, report_only: is_report_only, why });
            }
            if let (Verdict::Fail(why), false) = (verdict, is_report_only) {
                let view = &self.view.lanes[place];
                let cause = condition_failed(condition, &why, (lane, &watched), view, self.now);
                failed.get_or_insert((id, cause));
            }
        }
        if let Some((condition, cause)) = failed {
            match self.state.lanes[place].cursor().map(|cursor| &lane.steps[cursor]) {
                Some(step) if self.is_to_hold(&cause) => self.emit(Record::Held {
                    target: lane.target.clone(),
                    step: step.id.clone(),
                    condition: Some(condition),
                    cause,
                }),
                Some(step) => self.fail(lane, step, cause),
                None => self.roll_back(cause),
            }
        }
    }

    fn judging<'b>(&self, lane: &'b Lane, place: usize, state: &'b LaneState) -> Judging<'b>
    where
        'a: 'b,
    {
        let (driven_since, view) = (self.state.driven_since, &self.view.lanes[place]);
        Judging { lane, state, driven_since, view, now: self.now }
    }

    fn fail(&mut self, lane: &Lane, step: &Step, cause: Cause) {
        let is_known =
            self.step_state(self.place(lane), &step.id).is_some_and(|state| state.status == StepStatus::Failed);
        if !is_known {
            let (target, step) = (lane.target.clone(), step.id.clone());
            self.emit(Record::StepFailed { target, step, cause: cause.clone() });
        }
        if self.is_to_hold(&cause) {
            let (target, step) = (lane.target.clone(), step.id.clone());
            self.emit(Record::Held { target, step, condition: None, cause });
        } else {
            self.roll_back(cause);
        }
    }

    /// How many lanes are in the stages that are all done.
    fn finished_lanes(&self) -> usize {
        let mut finished = 0;
        for wave in &self.plan.waves {
            let next = finished + wave.lanes.len();
            if self.state.lanes[finished..next].iter().any(|lane| lane.cursor().is_some()) {
                break;
            }
            finished = next;
        }
        finished
    }

    fn place(&self, lane: &Lane) -> usize {
        self.plan.lanes().position(|other| other.target == lane.target).unwrap_or(0)
    }

    fn roll_back(&mut self, cause: Cause) {
        let targets = self.taken_back(&cause);
        self.emit(Record::RollBackBegan { cause, targets });
    }

    /// The targets that a failure takes back.
    fn taken_back(&self, cause: &Cause) -> Vec<Name> {
        let kept = match (self.plan.rollback, cause.side) {
            (RollbackScope::Run, _) | (RollbackScope::Stage, Side::Person) => 0,
            (RollbackScope::Stage, _) => self.finished_lanes(),
        };
        let touched = self.state.lanes.iter().skip(kept).filter(|lane| lane.is_touched() && !lane.is_foreign());
        touched.map(|lane| lane.target.clone()).collect()
    }
}
