//! Waits: for a person, or for time that was watched.

use jiff::{SignedDuration, Timestamp};

use super::{Deciding, Stop};
use crate::event::record::Record;
use crate::model::Period;
use crate::model::facts::Status;
use crate::plan::{Hold, Lane, On, What};
use crate::run::judge::Verdict;
use crate::run::settle::Advance;
use crate::run::state::LaneState;
use crate::run::step::StepState;
use crate::run::view::active_watches;

impl Deciding<'_> {
    /// Over when a person promotes, here or by moving the deployment on in the console.
    pub(super) fn approval(&self, place: usize, cursor: usize, within: Period) -> Advance {
        let lane_state = &self.state.lanes[place];
        let deployment = lane_state.deployment.as_ref().and_then(|id| self.view.lanes[place].deployment(id));
        match deployment.map(|it| (&it.id, &it.status)) {
            Some((id, Status::InProgress | Status::Succeeded)) => {
                Advance::Done(format!("{id} was moved on by somebody else"))
            }
            Some((_, Status::Created | Status::Queued | Status::Ready | Status::Failed | Status::Stopped))
            | Some((_, Status::Other(_)))
            | None => {
                let left = time_left(&lane_state.steps[cursor], within, self.now);
                Advance::Wait(format!("waits for approval, {left} left"), None)
            }
        }
    }

    /// A person has ended all waits: over as soon as everything is judged.
    pub(super) fn promoted(&self, lane: &Lane, place: usize) -> Advance {
        let state = &self.state.lanes[place];
        let by = state.promoted_by.as_deref().unwrap_or_default();
        let open = self.judging(lane, place, state).enforced();
        let open = open.iter().find(|it| matches!(it.verdict, Verdict::Undecided(_)) && !it.is_for_a_person);
        match open {
            Some(open) => {
                let why =
                    format!("promoted by {by}, once it is judged: {}: {}", open.condition.label(), open.verdict.why());
                Advance::Wait(why, None)
            }
            None => Advance::Done(format!("promoted by {by}")),
        }
    }

    /// Over when every later stage is past what is watched there; or when CodeDeploy keeps blue no longer.
    pub(super) fn later(&self, place: usize, lane: &Lane, cursor: usize) -> Advance {
        let mut later: Vec<&str> = Vec::new();
        let mut first = 0;
        for wave in &self.plan.waves {
            let lanes = wave.lanes.iter().zip(&self.state.lanes[first..]);
            if first > place && lanes.into_iter().any(|(lane, state)| !is_watched_out(lane, state)) {
                later.push(&wave.name);
            }
            first += wave.lanes.len();
        }
        let state = &self.state.lanes[place];
        let deployment = state.deployment.as_ref().and_then(|id| self.view.lanes[place].deployment(id));
        let limit = SignedDuration::try_from(lane.steps[cursor].limit.duration()).unwrap_or(SignedDuration::MAX);
        let age = state.steps[cursor].started.map_or(SignedDuration::ZERO, |started| self.now.duration_since(started));
        match later.as_slice() {
            [] => Advance::Done("the later stages are done".to_owned()),
            _ if deployment.is_some_and(|it| it.status == Status::Succeeded) => {
                Advance::Done("blue is gone already".to_owned())
            }
            _ if age >= limit => Advance::Done("CodeDeploy keeps blue no longer".to_owned()),
            later => Advance::Wait(format!("keeps blue until stage {} is watched out", later.join(", ")), None),
        }
    }

    /// Over when it was watched for long enough. Where nothing is watched it only keeps blue, and ends when blue does.
    pub(super) fn bake(&mut self, lane: &Lane, place: usize, cursor: usize, watched: Period) -> Advance {
        let step = &lane.steps[cursor];
        let recorded = self.state.lanes[place].steps[cursor].watched;
        let seconds = self.view.lanes[place].watched(&step.id).max(recorded);
        if seconds >= watched.as_seconds() {
            return Advance::Done(format!("{watched} watched"));
        }
        let is_watched = active_watches(lane, &self.state.lanes[place]).next().is_some();
        let lane_state = &self.state.lanes[place];
        let deployment = lane_state.deployment.as_ref().and_then(|id| self.view.lanes[place].deployment(id));
        let is_copied = lane.fleet().is_some_and(|fleet| fleet.rolling.is_none());
        if is_copied && !is_watched && deployment.is_some_and(|it| it.status == Status::Succeeded) {
            return Advance::Done("blue is gone already".to_owned());
        }
        let count = (usize::try_from(seconds).unwrap_or(0), usize::try_from(watched.as_seconds()).unwrap_or(0));
        let why = self.why_it_bakes(lane, place);
        let every = (watched.as_seconds() / 5).max(60);
        if seconds >= recorded + every {
            let (target, step) = (lane.target.clone(), step.id.clone());
            self.emit(Record::Watched { target, step, seconds });
        }
        let so_far =
            self.view.lanes[place].bake.as_ref().filter(|bake| bake.step == step.id).map_or(0.0, |it| it.seconds);
        let left = watched.as_seconds() as f64 - so_far.max(recorded as f64);
        let left = SignedDuration::try_from_secs_f64(left).unwrap_or(SignedDuration::MAX);
        self.wake(self.now.checked_add(left).ok());
        Advance::Wait(why, Some(count))
    }

    fn why_it_bakes(&self, lane: &Lane, place: usize) -> String {
        let state = &self.state.lanes[place];
        let well = match (active_watches(lane, state).next(), &lane.on) {
            (Some(_), _) => "seconds watched, nothing failed",
            (None, On::Fleet(fleet)) if fleet.rolling.is_none() => "seconds that blue is kept",
            (None, On::Fleet(_) | On::Function(_)) => "seconds; nothing is watched",
        };
        let judged = self.judging(lane, place, state).enforced();
        let undecided = judged.iter().find_map(|it| match &it.verdict {
            Verdict::Undecided(why) if it.is_for_a_person => {
                Some(format!("a person decides, promote or abort: {}: {why}", it.condition.label()))
            }
            Verdict::Undecided(why) => Some(format!("not counting: {}: {why}", it.condition.label())),
            Verdict::Pass(_) | Verdict::Fail(_) => None,
        });
        undecided.unwrap_or_else(|| well.to_owned())
    }

    /// When nothing is left to do but wait for people, the driver goes home; whoever promotes drives on.
    pub(super) fn pause_if_all_wait(&mut self, lanes: &[Lane], places: std::ops::Range<usize>) {
        if !self.out.calls.is_empty() {
            return;
        }
        let mut waiting: Option<(Timestamp, Record)> = None;
        for (lane, place) in lanes.iter().zip(places) {
            let state = &self.state.lanes[place];
            let Some(cursor) = state.cursor() else { continue };
            let What::Hold(Hold::Approval { within }) = &lane.steps[cursor].what else { return };
            // Somebody has to look while the new version gets calls.
            if active_watches(lane, state).next().is_some() {
                return;
            }
            // Not before it was seen that the deployment still waits, too.
            let deployment = state.deployment.as_ref().and_then(|id| self.view.lanes[place].deployment(id));
            let is_seen = match &lane.on {
                On::Fleet(_) => deployment.is_some_and(|deployment| !deployment.status.has_ended()),
                On::Function(_) => true,
            };
            if self.view.lanes[place].is_calling || !is_seen {
                return;
            }
            let within = SignedDuration::try_from(within.duration()).unwrap_or(SignedDuration::MAX);
            let until =
                state.steps[cursor].started.and_then(|started| started.checked_add(within).ok()).unwrap_or(self.now);
            // The first to expire takes all of them back.
            if waiting.as_ref().is_none_or(|(first, _)| until < *first) {
                let (target, step) = (lane.target.clone(), lane.steps[cursor].id.clone());
                waiting = Some((until, Record::Paused { target, step, until }));
            }
        }
        if let Some((_, paused)) = waiting {
            self.emit(paused);
            self.out.stop = Some(Stop::Paused);
        }
    }
}

/// Whether nothing is left in a lane that could still send the run back.
fn is_watched_out(lane: &Lane, state: &LaneState) -> bool {
    let rest = state.cursor().map_or(&[][..], |cursor| &lane.steps[cursor..]);
    !rest.iter().any(|step| step.what.sends_back())
}

fn time_left(state: &StepState, within: Period, now: Timestamp) -> Period {
    let age = state.started.map_or(0, |started| now.duration_since(started).as_secs());
    Period::seconds(within.as_seconds().saturating_sub(u64::try_from(age).unwrap_or(0)))
}
