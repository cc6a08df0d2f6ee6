//! Whether a plan that was read can be followed at all: its parts name each other, and its numbers are such that nothing is
//! done for ever or not at all. Plans that shipit makes pass; what lies in a bucket may be anything.

use std::collections::BTreeSet;

use thiserror::Error;

use super::{Action, Hold, Lane, On, Plan, Step, StepId, TaskKind, TestCall, Watch, What};
use crate::model::Name;
use crate::model::condition::{Condition, HttpCondition};

/// Most calls of one kind that a plan asks for.
const CALLS_MAX: u32 = 10_000;

/// Most bytes of an id: it becomes part of a decision's key.
const ID_MAX: usize = 200;

/// What is wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// There is nothing in it.
    #[error("it has no stages")]
    NoWaves,
    /// A stage without targets.
    #[error("stage `{0}` has no targets")]
    EmptyWave(String),
    /// Two lanes of one target.
    #[error("target `{0}` is in it twice")]
    SameTarget(Name),
    /// A lane names a site that is not there.
    #[error("`{0}` names site {1}, which is not there")]
    NoSite(Name, usize),
    /// Two steps of one lane have one id, or an id is no id.
    #[error("`{0}` has two steps `{1}`, or that is no id")]
    StepId(Name, StepId),
    /// Two watches of one lane have one id.
    #[error("`{0}` has two watches `{1}`")]
    SameWatch(Name, String),
    /// A watch begins or ends with a step that is not there, or ends before it begins.
    #[error("watch `{1}` of `{0}` goes from `{2}` to `{3}`, which are not steps in that order")]
    Edges(Name, String, StepId, StepId),
    /// A step that is not done to what the lane stands on.
    #[error("step `{1}` of `{0}` is none of its kind of target")]
    Kind(Name, StepId),
    /// A number that makes something endless, or of no length.
    #[error("`{1}` of `{0}` is out of range in `{2}`")]
    Range(Name, &'static str, String),
}

/// Everything that is wrong with a plan; nothing if it can be followed.
pub fn problems(plan: &Plan) -> Vec<Problem> {
    let mut problems = Vec::new();
    if plan.waves.is_empty() {
        problems.push(Problem::NoWaves);
    }
    let empty = plan.waves.iter().filter(|wave| wave.lanes.is_empty());
    problems.extend(empty.map(|wave| Problem::EmptyWave(wave.name.clone())));
    let mut targets = BTreeSet::new();
    for lane in plan.lanes() {
        if !targets.insert(&lane.target) {
            problems.push(Problem::SameTarget(lane.target.clone()));
        }
        if lane.site >= plan.sites.len() {
            problems.push(Problem::NoSite(lane.target.clone(), lane.site));
        }
        of_steps(lane, &mut problems);
        of_watches(lane, &mut problems);
    }
    problems
}

fn of_steps(lane: &Lane, problems: &mut Vec<Problem>) {
    let mut ids = BTreeSet::new();
    for step in &lane.steps {
        let is_id =
            (1..=ID_MAX).contains(&step.id.0.len()) && step.id.0.bytes().all(|it| it.is_ascii_graphic() && it != b'/');
        if !is_id || !ids.insert(&step.id) {
            problems.push(Problem::StepId(lane.target.clone(), step.id.clone()));
        }
        if !fits(lane, &step.what) {
            problems.push(Problem::Kind(lane.target.clone(), step.id.clone()));
        }
        let out_of_range = |what| Problem::Range(lane.target.clone(), what, step.id.to_string());
        problems.extend(wrong_number(step).map(out_of_range));
    }
}

/// Whether a step is done to what its lane stands on.
fn fits(lane: &Lane, what: &What) -> bool {
    let action = match what {
        What::Act(action) => action,
        What::Hold(Hold::Bake { .. } | Hold::Approval { .. }) => return true,
        What::Hold(Hold::Later) => return is_blue_green(lane),
    };
    match action {
        Action::Create | Action::Compare | Action::Reroute | Action::Finish => is_blue_green(lane),
        Action::EnsureConfig | Action::Roll => lane.fleet().is_some() && !is_blue_green(lane),
        Action::UpdateCode
        | Action::PublishVersion
        | Action::Test { .. }
        | Action::ShiftAlias { .. }
        | Action::PruneVersions { .. } => lane.function().is_some(),
        Action::Task { .. } => true,
        // The way back is made from the lane, not planned.
        Action::Restore => false,
    }
}

fn is_blue_green(lane: &Lane) -> bool {
    match &lane.on {
        On::Fleet(fleet) => fleet.rolling.is_none(),
        On::Function(_) => false,
    }
}

/// What of a step's numbers is out of range.
fn wrong_number(step: &Step) -> Option<&'static str> {
    match &step.what {
        What::Act(Action::Test { calls }) => calls.iter().find_map(wrong_call),
        What::Act(Action::Task { task }) => match &task.what {
            TaskKind::Command { run } => run.is_empty().then_some("run"),
            TaskKind::Invoke { call, .. } => wrong_call(call),
            TaskKind::Http { request, .. } => wrong_request(request),
        },
        What::Act(_) | What::Hold(_) => step.limit.is_zero().then_some("limit"),
    }
}

fn wrong_call(call: &TestCall) -> Option<&'static str> {
    (!(1..=CALLS_MAX).contains(&call.times)).then_some("times")
}

fn wrong_request(request: &HttpCondition) -> Option<&'static str> {
    let is_endless = !(1..=CALLS_MAX).contains(&request.failures);
    match (is_endless, request.every.is_zero(), request.within.is_zero()) {
        (true, _, _) => Some("failures"),
        (_, true, _) => Some("every"),
        (_, _, true) => Some("within"),
        (false, false, false) => None,
    }
}

fn of_watches(lane: &Lane, problems: &mut Vec<Problem>) {
    let mut ids = BTreeSet::new();
    for watch in &lane.watches {
        let Watch { id, from, to, conditions, .. } = watch;
        if !ids.insert(id) {
            problems.push(Problem::SameWatch(lane.target.clone(), id.clone()));
        }
        let is_in_order = lane.place(from).zip(lane.place(to)).is_some_and(|(from, to)| from <= to);
        if !is_in_order {
            problems.push(Problem::Edges(lane.target.clone(), id.clone(), from.clone(), to.clone()));
        }
        let wrong = conditions.iter().filter_map(|condition| Some((wrong_condition(condition)?, condition.label())));
        problems.extend(wrong.map(|(what, label)| Problem::Range(lane.target.clone(), what, label)));
    }
}

fn wrong_condition(condition: &Condition) -> Option<&'static str> {
    match condition {
        Condition::Http { request, .. } => wrong_request(request),
        Condition::Command { command } => match (command.run.is_empty(), command.every.is_zero()) {
            (true, _) => Some("run"),
            (false, true) => Some("every"),
            (false, false) => None,
        },
        Condition::Metric { metric, .. } | Condition::Traffic { metric, .. } | Condition::Measured { metric } => {
            metric.trouble().map(|_| "metric")
        }
        Condition::Targets { .. } | Condition::Alarm { .. } => None,
    }
}

#[cfg(test)]
mod tests;
