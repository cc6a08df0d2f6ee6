//! What people decided: taken up, ignored with the reason, or kept until it can be judged. Nothing that a person sends is
//! illegal.

use super::Deciding;
use crate::event::decision::{Decision, Wish};
use crate::event::record::{Cause, Record, Side};
use crate::model::Name;
use crate::plan::{Lane, StepId, What};
use crate::run::judge::{Verdict, judge};
use crate::run::state::StepStatus;
use crate::run::view::active_watches;

impl<'a> Deciding<'a> {
    pub(super) fn hear(&mut self, decisions: &[Decision]) {
        for decision in decisions {
            if self.state.decisions.contains(&decision.name) {
                continue;
            }
            let (name, by) = (decision.name.clone(), decision.by.clone());
            match &decision.what {
                _ if self.state.is_going_back() => self.ignore(name, "the run is going back".to_owned()),
                Wish::Abort => {
                    self.emit(Record::DecisionAccepted { name, by: by.clone() });
                    self.roll_back(Cause::new(Side::Person, format!("aborted by {by}")));
                }
                Wish::Promote { target, step } => match self.promotable(target, step) {
                    Ok((lane, place)) => self.promote(lane, place, step, name, &by),
                    Err(why) => self.ignore(name, why),
                },
            }
        }
    }

    fn ignore(&mut self, name: String, why: String) {
        self.emit(Record::DecisionIgnored { name, why });
    }

    /// Ends a wait, but never skips a judgement: what is watched is judged first, and while it cannot be told the decision
    /// stays open.
    fn promote(&mut self, lane: &Lane, place: usize, step: &StepId, name: String, by: &str) {
        self.judge_watches(lane, place);
        if self.state.is_going_back() {
            return self.ignore(name, "the run is going back".to_owned());
        }
        let view = &self.view.lanes[place];
        let is_open = active_watches(lane, &self.state.lanes[place])
            .flat_map(|watch| &watch.conditions)
            .any(|it| matches!(judge(it, lane, view, self.now), Verdict::Undecided(_)));
        if is_open {
            return;
        }
        self.emit(Record::DecisionAccepted { name, by: by.to_owned() });
        let note = format!("promoted by {by}");
        self.emit(Record::StepDone { target: lane.target.clone(), step: step.clone(), note });
    }

    /// The lane and its place, if this is a wait that is on.
    fn promotable(&self, target: &Name, step: &StepId) -> Result<(&'a Lane, usize), String> {
        let unknown = || format!("there is no target {target}");
        let (place, lane) =
            self.plan.lanes().enumerate().find(|(_, lane)| lane.target == *target).ok_or_else(unknown)?;
        let cursor = lane.place(step).ok_or_else(|| format!("{target} has no step {step}"))?;
        match (self.state.lanes[place].steps[cursor].status, &lane.steps[cursor].what) {
            (_, What::Act(_)) => Err(format!("{step} is not a wait")),
            (StepStatus::Started, What::Hold(_)) => Ok((lane, place)),
            (StepStatus::Pending, What::Hold(_)) => Err(format!("{step} has not begun")),
            (StepStatus::Done | StepStatus::Failed, What::Hold(_)) => Err(format!("{step} is over")),
        }
    }
}
