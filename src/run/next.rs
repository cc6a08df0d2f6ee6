//! What to do now: a pure function of the plan, the state, what was seen, what people decided, and the time.

use jiff::{SignedDuration, Timestamp};

use super::judge::{Verdict, judge};
use super::restore::restore;
use super::settle::{Advance, Call, settle, why_it_ended};
use super::state::{LaneState, RunStatus, State, StepState, StepStatus};
use super::view::{LaneView, View, active_watches};
use crate::event::Progress;
use crate::event::decision::{Decision, Wish};
use crate::event::record::{Cause, Outcome, Record, Side};
use crate::model::facts::Status;
use crate::model::{Name, Period};
use crate::plan::{Hold, Lane, Plan, Step, StepId, What};

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
}

/// Decides.
pub fn next(plan: &Plan, state: &State, view: &View, decisions: &[Decision], now: Timestamp) -> Turn {
    let mut turn = Deciding { plan, state: state.clone(), view, now, out: Turn::default() };
    if let RunStatus::Ended(outcome) = state.status {
        turn.out.stop = Some(Stop::Ended(outcome));
        return turn.out;
    }
    turn.hear(decisions);
    if turn.state.status != RunStatus::RollingBack {
        turn.forward();
    }
    if turn.state.status == RunStatus::RollingBack {
        turn.back();
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

impl Deciding<'_> {
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

    fn hear(&mut self, decisions: &[Decision]) {
        for decision in decisions {
            if self.state.decisions.contains(&decision.name) {
                continue;
            }
            let (name, by) = (decision.name.clone(), decision.by.clone());
            let going_back = self.state.status == RunStatus::RollingBack;
            match &decision.what {
                _ if going_back => self.emit(Record::DecisionIgnored { name, why: "the run is going back".to_owned() }),
                Wish::Abort => {
                    self.emit(Record::DecisionAccepted { name, by: by.clone() });
                    self.roll_back(Cause { side: Side::Person, what: format!("aborted by {by}"), details: Vec::new() });
                }
                Wish::Promote { target, step } => match self.promotable(target, step) {
                    Ok(()) => {
                        self.emit(Record::DecisionAccepted { name, by: by.clone() });
                        let note = format!("promoted by {by}");
                        self.emit(Record::StepDone { target: target.clone(), step: step.clone(), note });
                    }
                    Err(why) => self.emit(Record::DecisionIgnored { name, why }),
                },
            }
        }
    }

    fn promotable(&self, target: &Name, step: &StepId) -> Result<(), String> {
        let lane = self.plan.lane(target).ok_or_else(|| format!("there is no target {target}"))?;
        let place = lane.place(step).ok_or_else(|| format!("{target} has no step {step}"))?;
        let lane_state = self.state.lane(target).ok_or_else(|| format!("there is no target {target}"))?;
        match (lane_state.steps[place].status, &lane.steps[place].what) {
            (_, What::Act(_)) => Err(format!("{step} is not a wait")),
            (StepStatus::Started, What::Hold(_)) => Ok(()),
            (StepStatus::Pending, What::Hold(_)) => Err(format!("{step} has not begun")),
            (StepStatus::Done | StepStatus::Failed, What::Hold(_)) => Err(format!("{step} is over")),
        }
    }

    fn forward(&mut self) {
        let plan = self.plan;
        let mut offset = 0;
        for wave in &plan.waves {
            let places = offset..offset + wave.lanes.len();
            offset = places.end;
            let mut is_done = true;
            for (lane, place) in wave.lanes.iter().zip(places.clone()) {
                self.advance_lane(lane, place);
                if self.state.status == RunStatus::RollingBack {
                    return;
                }
                is_done &= self.state.lanes[place].cursor().is_none();
            }
            if !is_done {
                self.pause_if_all_wait(&wave.lanes, places);
                return;
            }
        }
        self.end(Outcome::Succeeded);
    }

    /// Moves one lane on as far as it goes without waiting.
    fn advance_lane(&mut self, lane: &Lane, place: usize) {
        self.judge_watches(lane, place);
        while self.state.status != RunStatus::RollingBack {
            let Some(cursor) = self.state.lanes[place].cursor() else { return };
            let step = &lane.steps[cursor];
            match self.state.lanes[place].steps[cursor].status {
                StepStatus::Pending => {
                    self.emit(Record::StepStarted { target: lane.target.clone(), step: step.id.clone() });
                }
                StepStatus::Failed => {
                    let what = self.state.lanes[place].steps[cursor].note.clone();
                    self.fail(lane, step, Cause { side: Side::CodeDeploy, what, details: Vec::new() });
                }
                StepStatus::Started | StepStatus::Done => {
                    let advance = self.advance_step(lane, place, step, cursor);
                    let began = self.out.calls.len() + self.out.progress.len();
                    self.carry_out(lane, place, step, advance);
                    if self.out.calls.len() + self.out.progress.len() > began {
                        return;
                    }
                }
            }
        }
    }

    fn advance_step(&mut self, lane: &Lane, place: usize, step: &Step, cursor: usize) -> Advance {
        let (lane_state, view) = (&self.state.lanes[place], &self.view.lanes[place]);
        let step_state = &lane_state.steps[cursor];
        if let Some(advance) = ended_behind_our_back(step, lane_state, view, self.now) {
            return advance;
        }
        if let Some(over) = over_limit(step, step_state, self.now) {
            return over;
        }
        match &step.what {
            What::Act(action) => settle(action, lane, lane_state, step_state, view, self.now),
            What::Hold(Hold::Approval { within }) => {
                let left = time_left(step_state, *within, self.now);
                Advance::Wait(format!("waits for approval, {left} left"), None)
            }
            What::Hold(Hold::Bake { watched }) => {
                let seconds = view.watched(&step.id).max(step_state.watched);
                if seconds >= watched.as_seconds() {
                    return Advance::Done(format!("{watched} watched"));
                }
                let count = (usize::try_from(seconds).unwrap_or(0), usize::try_from(watched.as_seconds()).unwrap_or(0));
                let why = self.why_it_bakes(lane, place);
                let every = (watched.as_seconds() / 10).max(60);
                if seconds >= step_state.watched + every {
                    let (target, step) = (lane.target.clone(), step.id.clone());
                    self.emit(Record::Watched { target, step, seconds });
                }
                let left = i64::try_from(watched.as_seconds() - seconds).unwrap_or(i64::MAX);
                self.wake(self.now.checked_add(SignedDuration::from_secs(left)).ok());
                Advance::Wait(why, Some(count))
            }
        }
    }

    fn why_it_bakes(&self, lane: &Lane, place: usize) -> String {
        let view = &self.view.lanes[place];
        let undecided = active_watches(lane, &self.state.lanes[place]).flat_map(|watch| &watch.conditions).find_map(
            |it| match judge(it, lane, view, self.now) {
                Verdict::Undecided(why) => Some(format!("not counting: {}: {why}", it.label())),
                Verdict::Pass(_) | Verdict::Fail(_) => None,
            },
        );
        let is_watched = active_watches(lane, &self.state.lanes[place]).next().is_some();
        let well = if is_watched { "seconds watched, nothing failed" } else { "seconds that blue is kept" };
        undecided.unwrap_or_else(|| well.to_owned())
    }

    /// Turns what a step needs into records, a call, or a line on the screen.
    fn carry_out(&mut self, lane: &Lane, place: usize, step: &Step, advance: Advance) {
        let (target, id) = (lane.target.clone(), step.id.clone());
        match advance {
            Advance::Done(note) => self.emit(Record::StepDone { target, step: id, note }),
            Advance::Broken(cause) => self.fail(lane, step, cause),
            Advance::Wait(why, count) => self.show(lane, place, &id, why, count),
            Advance::Call(call) => self.call(lane, place, &id, call),
        }
        let started = self.step_state(place, &step.id).and_then(|state| state.started);
        let limit = SignedDuration::try_from(step.limit.duration()).unwrap_or(SignedDuration::MAX);
        self.wake(started.and_then(|started| started.checked_add(limit).ok()));
    }

    fn call(&mut self, lane: &Lane, place: usize, step: &StepId, call: Call) {
        if self.view.lanes[place].is_calling {
            return self.show(lane, place, step, format!("calling: {}", call.label()), None);
        }
        let state = self.step_state(place, step).cloned().unwrap_or_default();
        if let Some((what, times, at)) = &state.trouble {
            let wait = SignedDuration::from_secs(1 << (*times).min(6));
            if let Some(again) = at.checked_add(wait).ok().filter(|again| *again > self.now) {
                self.wake(Some(again));
                return self.show(lane, place, step, format!("{what}; trying again soon"), None);
            }
        }
        let attempt = state.attempt + 1;
        let label = call.label();
        self.emit(Record::CallBegan { target: lane.target.clone(), step: step.clone(), attempt, call: label });
        self.out.calls.push(PlannedCall { lane: place, step: step.clone(), attempt, call });
    }

    fn show(&mut self, lane: &Lane, place: usize, step: &StepId, why: String, count: Option<(usize, usize)>) {
        let since = self.step_state(place, step).and_then(|state| state.started).unwrap_or(self.now);
        self.out.progress.push(Progress { target: lane.target.clone(), step: step.clone(), since, why, count });
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
        let conditions: Vec<_> =
            active_watches(lane, &self.state.lanes[place]).flat_map(|watch| watch.conditions.clone()).collect();
        for condition in conditions {
            let verdict = judge(&condition, lane, &self.view.lanes[place], self.now);
            let label = condition.label();
            let known = self.state.lanes[place].verdicts.get(&label).map(|(word, _)| word.clone());
            let is_news = known.as_deref() != Some(verdict.word()) && !matches!(verdict, Verdict::Undecided(_));
            if is_news {
                let (target, verdict_word) = (lane.target.clone(), verdict.word().to_owned());
                let why = verdict.why().to_owned();
                self.emit(Record::Judged { target, condition: label.clone(), verdict: verdict_word, why });
            }
            if let Verdict::Fail(why) = verdict {
                failed.get_or_insert(Cause {
                    side: Side::Condition,
                    what: format!("{label}: {why}"),
                    details: Vec::new(),
                });
            }
        }
        if let Some(cause) = failed {
            match self.state.lanes[place].cursor().map(|cursor| &lane.steps[cursor]) {
                Some(step) => self.fail(lane, step, cause),
                None => self.roll_back(cause),
            }
        }
    }

    fn fail(&mut self, lane: &Lane, step: &Step, cause: Cause) {
        let is_known =
            self.step_state(self.place(lane), &step.id).is_some_and(|state| state.status == StepStatus::Failed);
        if !is_known {
            let (target, step) = (lane.target.clone(), step.id.clone());
            self.emit(Record::StepFailed { target, step, cause: cause.clone() });
        }
        self.roll_back(cause);
    }

    fn place(&self, lane: &Lane) -> usize {
        self.plan.lanes().position(|other| other.target == lane.target).unwrap_or(0)
    }

    fn roll_back(&mut self, cause: Cause) {
        let targets =
            self.state.lanes.iter().filter(|lane| lane.is_touched()).map(|lane| lane.target.clone()).collect();
        self.emit(Record::RollBackBegan { cause, targets });
    }

    fn back(&mut self) {
        self.out.progress.clear();
        let lanes: Vec<&Lane> = self.plan.lanes().collect();
        for (place, lane) in lanes.iter().enumerate() {
            let Some(step_state) = self.state.lanes[place].restore.clone() else { continue };
            if step_state.status != StepStatus::Started {
                continue;
            }
            let step = lane.restore();
            let advance = match over_limit(&step, &step_state, self.now) {
                Some(over) => over,
                None => restore(lane, &self.state.lanes[place], &step_state, &self.view.lanes[place], self.now),
            };
            let target = lane.target.clone();
            match advance {
                Advance::Done(note) => self.emit(Record::Restored { target, note }),
                Advance::Broken(cause) => self.emit(Record::RestoreFailed { target, cause }),
                Advance::Wait(..) | Advance::Call(_) => self.carry_out(lane, place, &step, advance),
            }
        }
        let restores = || self.state.lanes.iter().filter_map(|lane| lane.restore.as_ref());
        if restores().any(|restore| restore.status == StepStatus::Started) {
            return;
        }
        let is_stuck = restores().any(|restore| restore.status == StepStatus::Failed);
        let is_refused = self.state.lanes.iter().all(|lane| lane.deployment.is_none())
            && self.state.cause.as_ref().is_some_and(|cause| matches!(cause.side, Side::Busy | Side::Refused));
        self.end(match (is_stuck, is_refused) {
            (true, _) => Outcome::Stuck,
            (false, true) => Outcome::Refused,
            (false, false) => Outcome::RolledBack,
        });
    }

    fn end(&mut self, outcome: Outcome) {
        let name = |lane: &Lane| {
            let baseline = lane.baseline.live.as_ref();
            let before = baseline.map(crate::model::observed::Baseline::label);
            match outcome {
                Outcome::Succeeded => self.plan.release.label.clone(),
                Outcome::RolledBack | Outcome::Refused => before.unwrap_or_else(|| "nothing".to_owned()),
                Outcome::Held | Outcome::Stuck => "unknown".to_owned(),
            }
        };
        let live = self.plan.lanes().map(|lane| (lane.target.clone(), name(lane))).collect();
        self.emit(Record::RunEnded { outcome, live });
        self.out.stop = Some(Stop::Ended(outcome));
    }

    /// When nothing is left to do but wait for people, the driver goes home; whoever promotes drives on.
    fn pause_if_all_wait(&mut self, lanes: &[Lane], places: std::ops::Range<usize>) {
        if !self.out.calls.is_empty() {
            return;
        }
        let mut waiting = None;
        for (lane, place) in lanes.iter().zip(places) {
            let state = &self.state.lanes[place];
            let Some(cursor) = state.cursor() else { continue };
            let What::Hold(Hold::Approval { within }) = &lane.steps[cursor].what else { return };
            // Not before it was seen that the deployment still waits, too.
            let deployment = state.deployment.as_ref().and_then(|id| self.view.lanes[place].deployment(id));
            if self.view.lanes[place].is_calling || deployment.is_none_or(|deployment| deployment.status.has_ended()) {
                return;
            }
            let within = SignedDuration::try_from(within.duration()).unwrap_or(SignedDuration::MAX);
            let until =
                state.steps[cursor].started.and_then(|started| started.checked_add(within).ok()).unwrap_or(self.now);
            waiting.get_or_insert((lane.target.clone(), lane.steps[cursor].id.clone(), until));
        }
        if let Some((target, step, until)) = waiting {
            self.emit(Record::Paused { target, step, until });
            self.out.stop = Some(Stop::Paused);
        }
    }
}

/// A deployment that is over while the plan still needs it: somebody or something stopped it.
fn ended_behind_our_back(step: &Step, state: &LaneState, view: &LaneView, now: Timestamp) -> Option<Advance> {
    let id = state.deployment.as_ref()?;
    let deployment = view.deployment(id)?;
    if !matches!(deployment.status, Status::Failed | Status::Stopped) {
        return None;
    }
    // The hosts say why; they are waited for, but not for ever.
    let since = view.ended.get(id).map_or(0, |at| now.duration_since(*at).as_secs());
    match view.targets.get(id) {
        Some(fact) if Some(&fact.at) >= view.ended.get(id) => {
            Some(Advance::Broken(super::explain::lead(why_it_ended(deployment), &fact.value)))
        }
        Some(_) | None if since >= 30 => Some(Advance::Broken(why_it_ended(deployment))),
        Some(_) | None => Some(Advance::Wait(format!("asking the hosts of {id} why {} ended", step.id), None)),
    }
}

fn over_limit(step: &Step, state: &StepState, now: Timestamp) -> Option<Advance> {
    let started = state.started?;
    let limit = match &step.what {
        What::Hold(Hold::Approval { within }) => *within,
        What::Act(_) | What::Hold(Hold::Bake { .. }) => step.limit,
    };
    if now.duration_since(started) < SignedDuration::try_from(limit.duration()).ok()? {
        return None;
    }
    let what = match &step.what {
        What::Hold(Hold::Approval { .. }) => format!("nobody approved {} within {limit}", step.id),
        What::Act(_) | What::Hold(Hold::Bake { .. }) => format!("{} took longer than {limit}", step.id),
    };
    Some(Advance::Broken(Cause { side: Side::Limit, what, details: Vec::new() }))
}

fn time_left(state: &StepState, within: Period, now: Timestamp) -> Period {
    let age = state.started.map_or(0, |started| now.duration_since(started).as_secs());
    Period::seconds(within.as_seconds().saturating_sub(u64::try_from(age).unwrap_or(0)))
}
