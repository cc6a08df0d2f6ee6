//! Waits: for a person, or for time that was watched.

use jiff::{SignedDuration, Timestamp};

use super::{Deciding, Stop};
use crate::event::record::Record;
use crate::model::Period;
use crate::model::facts::Status;
use crate::plan::{Hold, Lane, What};
use crate::run::judge::{Verdict, judge};
use crate::run::settle::Advance;
use crate::run::state::StepState;
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
        if !is_watched && deployment.is_some_and(|it| it.status == Status::Succeeded) {
            return Advance::Done("blue is gone already".to_owned());
        }
        let count = (usize::try_from(seconds).unwrap_or(0), usize::try_from(watched.as_seconds()).unwrap_or(0));
        let why = self.why_it_bakes(lane, place);
        let every = (watched.as_seconds() / 5).max(60);
        if seconds >= recorded + every {
            let (target, step) = (lane.target.clone(), step.id.clone());
            self.emit(Record::Watched { target, step, seconds });
        }
        let left = i64::try_from(watched.as_seconds() - seconds).unwrap_or(i64::MAX);
        self.wake(self.now.checked_add(SignedDuration::from_secs(left)).ok());
        Advance::Wait(why, Some(count))
    }

    fn why_it_bakes(&self, lane: &Lane, place: usize) -> String {
        let view = &self.view.lanes[place];
        let mut watched = active_watches(lane, &self.state.lanes[place]).peekable();
        let well =
            if watched.peek().is_some() { "seconds watched, nothing failed" } else { "seconds that blue is kept" };
        let mut conditions = watched.flat_map(|watch| &watch.conditions);
        let undecided = conditions.find_map(|it| match judge(it, lane, view, self.now) {
            Verdict::Undecided(why) => Some(format!("not counting: {}: {why}", it.label())),
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
            // Not before it was seen that the deployment still waits, too.
            let deployment = state.deployment.as_ref().and_then(|id| self.view.lanes[place].deployment(id));
            if self.view.lanes[place].is_calling || deployment.is_none_or(|deployment| deployment.status.has_ended()) {
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

fn time_left(state: &StepState, within: Period, now: Timestamp) -> Period {
    let age = state.started.map_or(0, |started| now.duration_since(started).as_secs());
    Period::seconds(within.as_seconds().saturating_sub(u64::try_from(age).unwrap_or(0)))
}
