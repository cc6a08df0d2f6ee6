//! Whoever cannot hear what people decide passes no point from which the way back is slow.

use jiff::{SignedDuration, Timestamp};

use super::Deciding;
use crate::event::Doing;
use crate::event::record::Record;
use crate::plan::{Action, Lane, WayBack, What};
use crate::run::State;
use crate::run::view::Deaf;

/// How long decisions may be unreadable before that holds anything up: shorter is weather.
const DEAF: SignedDuration = SignedDuration::from_secs(30);

/// How long a run waits to hear before its driver lets go.
const PATIENCE: SignedDuration = SignedDuration::from_mins(20);

impl Deciding<'_> {
    /// Says that decisions are heard again, if it was said that they are not.
    pub(super) fn hear_again(&mut self) {
        if self.state.deaf.is_some() && self.view.deaf.is_none() {
            self.emit(Record::HearsAgain);
        }
    }

    /// Why a step is not gone on with: nobody who wants it not to would be heard. A call that is under way is waited for.
    pub(super) fn unheard(&self, lane: &Lane, place: usize, cursor: usize) -> Option<&Deaf> {
        let is_asked = is_slow_to_take_back(lane, cursor) && !self.view.lanes[place].is_calling;
        let deaf = self.view.deaf.as_ref().filter(|_| is_asked)?;
        Some(deaf).filter(|deaf| self.now.duration_since(deaf.since) >= DEAF)
    }

    /// Whether a step is not gone on with for that. Says so once.
    pub(super) fn waits_to_hear(&mut self, lane: &Lane, place: usize, cursor: usize) -> bool {
        let Some(Deaf { why, needs, .. }) = self.unheard(lane, place, cursor).cloned() else { return false };
        let step = lane.steps[cursor].id.clone();
        if self.state.deaf.is_none() {
            let (target, step, why) = (lane.target.clone(), step.clone(), why.clone());
            self.emit(Record::Deaf { target, step, why, needs });
        }
        let waiting = format!("does not begin: what people decide cannot be heard: {why}");
        self.show(lane, place, &step, Doing::Waiting(waiting), None);
        self.wake(self.state.deaf.as_ref().and_then(|deaf| deaf.since.checked_add(PATIENCE).ok()));
        true
    }
}

/// Why the driver lets go, once it has waited for too long to hear.
pub fn deaf_for_too_long(state: &State, now: Timestamp) -> Option<String> {
    let deaf = state.deaf.as_ref().filter(|deaf| now.duration_since(deaf.since) >= PATIENCE)?;
    let needs = deaf.needs.as_ref().map(|needs| format!("; it needs {needs}")).unwrap_or_default();
    Some(format!("what people decide could not be heard for 20 minutes: {}{needs}", deaf.why))
}

/// Whether what the step does is not undone as fast as what stood before: it moves users, ends the quick way back, or
/// runs something of others.
fn is_slow_to_take_back(lane: &Lane, cursor: usize) -> bool {
    let step = &lane.steps[cursor];
    let before = cursor.checked_sub(1).map_or(WayBack::Drop, |before| lane.steps[before].way_back);
    let is_slower = rank(step.way_back) > rank(before) || step.what.moves_traffic();
    matches!(step.what, What::Act(_)) && (is_slower || matches!(step.what, What::Act(Action::Task { .. })))
}

/// The slower, the larger.
fn rank(way: WayBack) -> u8 {
    match way {
        WayBack::Drop => 0,
        WayBack::Route => 1,
        WayBack::Redeploy => 2,
        WayBack::None => 3,
    }
}
