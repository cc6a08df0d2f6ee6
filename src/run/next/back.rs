//! The way back: every touched lane is restored, then the run is over.

use super::limits::way_back_over_limit;
use super::{Deciding, Stop};
use crate::event::record::{Outcome, Record, Side};
use crate::plan::Lane;
use crate::run::restore::restore;
use crate::run::settle::Advance;
use crate::run::state::StepStatus;

impl Deciding<'_> {
    pub(super) fn back(&mut self) {
        self.out.progress.clear();
        let lanes: Vec<&Lane> = self.plan.lanes().collect();
        for (place, lane) in lanes.iter().enumerate() {
            let Some(step_state) = self.state.lanes[place].restore.clone() else { continue };
            if step_state.status != StepStatus::Started {
                continue;
            }
            let step = lane.restore();
            let advance = restore(lane, &self.state.lanes[place], &step_state, &self.view.lanes[place], self.now);
            let over = way_back_over_limit(&step, step_state.started, self.state.driven_since, self.now);
            let advance = match (advance, over) {
                (Advance::Wait(..) | Advance::Call(_), Some(over)) => over,
                (Advance::Done(_), _) if self.is_calling(place) => {
                    Advance::Wait("a call is still under way".to_owned(), None)
                }
                (advance, _) => advance,
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

    pub(super) fn end(&mut self, outcome: Outcome) {
        let name = |lane: &Lane| match outcome {
            Outcome::Succeeded => self.plan.release.label.clone(),
            Outcome::RolledBack | Outcome::Refused => lane.live().unwrap_or_else(|| "nothing".to_owned()),
            Outcome::Held | Outcome::Stuck => "unknown".to_owned(),
        };
        let live = self.plan.lanes().map(|lane| (lane.target.clone(), name(lane))).collect();
        self.emit(Record::RunEnded { outcome, live });
        self.out.stop = Some(Stop::Ended(outcome));
    }
}
