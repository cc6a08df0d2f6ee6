//! The way back: every touched lane is restored, then the run is over.

use super::limits::way_back_over_limit;
use super::{Deciding, Stop};
use crate::event::record::{Cause, Outcome, Record, Side};
use crate::plan::Lane;
use crate::run::restore::restore;
use crate::run::settle::{Advance, Known};
use crate::run::state::LaneState;
use crate::run::step::{StepState, StepStatus};

impl Deciding<'_> {
    pub(super) fn back(&mut self) {
        self.out.progress.clear();
        let lanes: Vec<&Lane> = self.plan.lanes().collect();
        // The last stage first; the lanes of one side by side.
        let mut places = lanes.len()..lanes.len();
        for wave in self.plan.waves.iter().rev() {
            places = places.start - wave.lanes.len()..places.start;
            self.restore_wave(&lanes, places.clone());
            let mut here = self.state.lanes[places.clone()].iter().filter_map(|lane| lane.restore.as_ref());
            if here.any(|restore| restore.status == StepStatus::Started) {
                return;
            }
        }
        self.end_back();
    }

    /// Every lane is attempted, whatever becomes of the others.
    fn restore_wave(&mut self, lanes: &[&Lane], places: std::ops::Range<usize>) {
        let later = self.state.lanes[places.end..].iter().filter_map(|lane| lane.restore.as_ref()?.ended).max();
        for place in places {
            let lane = lanes[place];
            let Some(step_state) = self.state.lanes[place].restore.clone() else { continue };
            if step_state.status != StepStatus::Started {
                continue;
            }
            let step = lane.restore();
            let (state, view) = (&self.state.lanes[place], &self.view.lanes[place]);
            let advance = restore(lane, Known { state, step: &step_state, view, now: self.now });
            let over = way_back_over_limit(&step, step_state.started.max(later), self.state.driven_since, self.now);
            let advance = match (advance, over) {
                (Advance::Wait(..) | Advance::Call(_), Some(over)) => over,
                (Advance::Done(_), _) if self.is_calling(place) => {
                    Advance::Wait("a call is still under way".to_owned(), None)
                }
                (advance, _) => advance,
            };
            let target = lane.target.clone();
            match advance {
                Advance::Done(note) => {
                    self.tell_processes_left(lane, place);
                    self.emit(Record::Restored { target, note });
                }
                Advance::Broken(cause) => self.emit(Record::RestoreFailed { target, cause }),
                Advance::Wait(..) | Advance::Call(_) => self.carry_out(lane, place, &step, advance),
            }
        }
    }

    fn end_back(&mut self) {
        let has_failed = |lane: &LaneState| lane.restore.as_ref().is_some_and(|it| it.status == StepStatus::Failed);
        let is_stuck = self.state.lanes.iter().any(|lane| has_failed(lane) && !lane.is_foreign());
        let is_held = self.state.lanes.iter().any(LaneState::is_foreign);
        let is_refused = self.state.cause.as_ref().is_some_and(|cause| self.is_refused(cause));
        self.end(match (is_stuck, is_held, is_refused) {
            (true, _, _) => Outcome::Stuck,
            (false, true, _) => Outcome::Held,
            (false, false, true) => Outcome::Refused,
            (false, false, false) => Outcome::RolledBack,
        });
    }

    /// Whether something stood in the way before anything was changed.
    pub(super) fn is_refused(&self, cause: &Cause) -> bool {
        let is_untouched = |lane: &LaneState| {
            let is_done = |step: &StepState| step.status == StepStatus::Done;
            lane.deployment.is_none() && lane.version.is_none() && !lane.steps.iter().any(is_done)
        };
        matches!(cause.side, Side::Busy | Side::Refused) && self.state.lanes.iter().all(is_untouched)
    }

    pub(super) fn end(&mut self, outcome: Outcome) {
        let before = |lane: &Lane| lane.live().unwrap_or_else(|| "nothing".to_owned());
        let is_kept = |state: &LaneState| state.restore.is_none() && state.cursor().is_none();
        let name = |(lane, state): (&Lane, &LaneState)| match outcome {
            Outcome::Succeeded => self.plan.release.label.clone(),
            Outcome::RolledBack | Outcome::Held | Outcome::Stuck if is_kept(state) && !lane.steps.is_empty() => {
                self.plan.release.label.clone()
            }
            Outcome::RolledBack | Outcome::Refused => before(lane),
            Outcome::Held | Outcome::Stuck if state.is_restored() && self.plan.lanes().count() > 1 => before(lane),
            Outcome::Held | Outcome::Stuck => "unknown".to_owned(),
        };
        let lanes = self.plan.lanes().zip(&self.state.lanes);
        let live = lanes.map(|(lane, state)| (lane.target.clone(), name((lane, state)))).collect();
        self.emit(Record::RunEnded { outcome, live });
        self.out.stop = Some(Stop::Ended(outcome));
    }
}
