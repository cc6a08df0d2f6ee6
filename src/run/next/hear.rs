//! What people decided: taken up, ignored with the reason, or kept until it can be judged. Nothing that a person sends is
//! illegal.

use super::Deciding;
use crate::event::decision::{Decision, Wish};
use crate::event::record::Record;
use crate::model::Name;
use crate::plan::{Hold, Lane, Plan, StepId, What};
use crate::run::judge::Verdict;
use crate::run::state::State;
use crate::run::step::StepStatus;

/// What a person could decide now and change something by: what is looked for first.
pub fn wishes(plan: &Plan, state: &State) -> Vec<Wish> {
    let mut wishes = vec![Wish::Abort];
    if let Some(held) = &state.held {
        wishes.push(Wish::Accept { target: held.target.clone(), step: held.step.clone(), number: state.holds });
    }
    for (lane, lane_state) in plan.lanes().zip(&state.lanes) {
        let on = lane.steps.iter().zip(&lane_state.steps).filter(|(_, state)| state.status == StepStatus::Started);
        for (step, _) in on.filter(|(step, _)| matches!(step.what, What::Hold(_))) {
            let promote = |full| Wish::Promote { target: lane.target.clone(), step: step.id.clone(), full };
            wishes.extend([promote(false), promote(true)]);
        }
    }
    wishes
}

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
                    self.roll_back(self.aborted(&by));
                }
                Wish::Accept { target, step, number } => self.accept((target, step, *number), name, &by),
                // It stays open: the run may yet go on.
                Wish::Promote { .. } if self.state.held.is_some() => {}
                Wish::Promote { target, step, full } => match self.promotable(target, step) {
                    Ok((lane, place)) => self.promote((lane, place), (step, *full), name, &by),
                    Err(why) => self.ignore(name, why),
                },
            }
        }
    }

    pub(super) fn ignore(&mut self, name: String, why: String) {
        self.emit(Record::DecisionIgnored { name, why });
    }

    /// Ends a wait, but never skips a judgement: what is watched is judged first, and while it cannot be told the decision
    /// stays open.
    fn promote(&mut self, (lane, place): (&Lane, usize), (step, full): (&StepId, bool), name: String, by: &str) {
        self.judge_watches(lane, place);
        if self.state.is_going_back() {
            return self.ignore(name, "the run is going back".to_owned());
        }
        if self.state.held.is_some() {
            return;
        }
        let judged = self.judging(lane, place, &self.state.lanes[place]).enforced();
        if judged.iter().any(|it| matches!(it.verdict, Verdict::Undecided(_)) && !it.is_for_a_person) {
            return;
        }
        self.emit(Record::DecisionAccepted { name, by: by.to_owned() });
        if full {
            self.emit(Record::PromotedFully { target: lane.target.clone(), by: by.to_owned() });
        }
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
            (_, What::Hold(Hold::Later)) => Err(format!("{step} ends with the later stages")),
            (StepStatus::Started, What::Hold(_)) => Ok((lane, place)),
            (StepStatus::Pending, What::Hold(_)) => Err(format!("{step} has not begun")),
            (StepStatus::Done | StepStatus::Failed, What::Hold(_)) => Err(format!("{step} is over")),
        }
    }
}
