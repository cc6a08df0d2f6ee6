//! A failure that waits for a person: nothing goes on and nothing goes back until one decides.

use super::{Deciding, Stop};
use crate::event::Doing;
use crate::event::record::{Cause, Record, Side};
use crate::model::Name;
use crate::plan::StepId;
use crate::run::held::{Acceptance, acceptance};

impl Deciding<'_> {
    /// Whether a person decides: something may have been done that nobody saw, or a target that is not to go back by itself
    /// would be taken back. What stood in the way before anything
    /// was changed leaves nothing to decide.
    pub(super) fn is_to_hold(&self, cause: &Cause) -> bool {
        if cause.side == Side::Unseen {
            return true;
        }
        let taken_back = self.taken_back(cause);
        let mut lanes = self.plan.lanes().filter(|lane| taken_back.contains(&lane.target));
        lanes.any(|lane| lane.is_held_on_failure()) && !self.is_refused(cause)
    }

    /// The driver goes home once no call is under way; whoever decides drives on.
    pub(super) fn hold(&mut self) {
        self.out.progress.clear();
        let places = 0..self.plan.lanes().count();
        if let Some(place) = places.clone().find(|place| self.is_calling(*place))
            && let Some(lane) = self.plan.lanes().nth(place)
            && let Some(step) = self.state.lanes[place].active().and_then(|cursor| lane.steps.get(cursor))
        {
            return self.show(
                lane,
                place,
                &step.id,
                Doing::Waiting("a call is still under way, then a person decides".to_owned()),
                None,
            );
        }
        self.out.stop = Some(Stop::Held);
    }

    /// A person goes on although something failed.
    pub(super) fn accept(&mut self, (target, step, number): (&Name, &StepId, u32), name: String, by: &str) {
        let acceptance = match &self.state.held {
            Some(held) if held.target == *target && held.step == *step && self.state.holds == number => {
                acceptance(self.plan, &self.state, held).map(|acceptance| (acceptance, held.cause.what.clone()))
            }
            Some(_) | None => Err("the run is not held there now".to_owned()),
        };
        let (acceptance, failed) = match acceptance {
            Ok(acceptance) => acceptance,
            Err(why) => return self.ignore(name, why),
        };
        let (target, step) = (target.clone(), step.clone());
        self.emit(Record::DecisionAccepted { name, by: by.to_owned() });
        self.emit(Record::FailureAccepted { target: target.clone(), step: step.clone(), by: by.to_owned() });
        match acceptance {
            Acceptance::Waived => {}
            Acceptance::Over => {
                let note = format!("accepted by {by}, though {failed}");
                self.emit(Record::StepDone { target, step, note });
            }
            Acceptance::Again => self.emit(Record::StepStarted { target, step }),
        }
    }

    /// Why an aborted run goes back: with what was held, if something was.
    pub(super) fn aborted(&self, by: &str) -> Cause {
        match &self.state.held {
            Some(held) => Cause {
                side: Side::Person,
                what: format!("aborted by {by}, after {}", held.cause.what),
                is_of_release: held.cause.blames_the_release(),
                ..held.cause.clone()
            },
            None => Cause::new(Side::Person, format!("aborted by {by}")),
        }
    }
}
