//! What the plan, the journal and what AWS shows tell of a run.

use jiff::Timestamp;

use super::observed::RunSeen;
use super::{ConditionStatus, Driver, LaneStatus, LastRun, RunView, StepBrief, TargetBrief};
use crate::event::Progress;
use crate::event::record::{Outcome, VerdictKind};
use crate::model::condition::Condition;
use crate::plan::{Lane, Plan};
use crate::report::called;
use crate::report::commands::{Invocation, Suggestion};
use crate::report::ending::{failed_at, open_until, stuck_on};
use crate::report::suggestions::suggestions;
use crate::report::words;
use crate::run::judge::Judging;
use crate::run::next::next;
use crate::run::view::{LaneView, active_watches};
use crate::run::{LaneState, RunStatus, State, StepStatus};

impl RunView {
    /// What is known of an unfinished run.
    pub fn of(run: RunSeen, driver: Option<Driver>, invocation: &Invocation, now: Timestamp) -> RunView {
        let RunSeen { plan, state, view } = run;
        // What a driver would say on the screen if it saw what was seen here; what it would decide is its own business.
        let progress = view.map(|view| next(plan, state, view, &[], now).progress).unwrap_or_default();
        let stages = plan.waves.iter().flat_map(|wave| wave.lanes.iter().map(move |_| wave.name.as_str()));
        let views = (0..state.lanes.len()).map(|place| view.and_then(|view| view.lanes.get(place)));
        let lanes = plan.lanes().zip(&state.lanes).zip(views).zip(stages);
        let lanes = lanes.filter_map(|(((lane, lane_state), view), stage)| {
            let status = lane_status(lane, lane_state, stage)?;
            let conditions = conditions(lane, lane_state, state, view, now);
            let seen = progress.iter().find(|it| it.target == lane.target && it.step.0 == status.step);
            let (why, count) =
                seen.map_or((None, None), |Progress { doing, count, .. }| (Some(called::doing(doing)), *count));
            Some(LaneStatus { why, count, conditions, ..status })
        });
        let mut next = suggestions(plan, state, invocation, driver.as_ref().is_some_and(Driver::is_alive));
        next.retain(|it| it.command != invocation.command("status"));
        let driver = driver.map(|driver| Driver { since: state.driven_since, ..driver });
        RunView {
            run: state.run.clone(),
            what: words::intent(plan.intent).to_owned(),
            release: plan.release.label.clone(),
            status: words::key(state.status),
            started: state.started.as_ref().map(|(.., at)| *at),
            by: state.started.as_ref().map(|(by, ..)| by.clone()),
            cause: state.trouble().map(|cause| cause.what.clone()),
            lanes: lanes.collect(),
            targets: briefs(plan, state),
            deaf: state.deaf.as_ref().map(|deaf| {
                let needs = deaf.needs.as_ref().map(|needs| format!("; it needs {needs}")).unwrap_or_default();
                format!("{}{needs}", crate::model::harmless(&deaf.why, 300))
            }),
            open_until: open_until(plan, state).filter(|_| state.status == RunStatus::Paused),
            driver,
            next,
        }
    }
}

/// All targets and their steps.
fn briefs(plan: &Plan, state: &State) -> Vec<TargetBrief> {
    let stages = plan.waves.iter().flat_map(|wave| wave.lanes.iter().map(move |lane| (wave.name.clone(), lane)));
    let brief = |((stage, lane), lane_state): ((String, &Lane), &LaneState)| {
        let steps = lane.steps.iter().zip(&lane_state.steps).map(|(step, it)| StepBrief {
            step: step.id.to_string(),
            status: it.status,
            took_s: it.started.zip(it.ended).map(|(from, to)| words::between(from, to).as_seconds()),
        });
        TargetBrief { target: lane.target.clone(), stage, steps: steps.collect() }
    };
    stages.zip(&state.lanes).map(brief).collect()
}

/// Where a lane is, without what AWS shows; nothing if it is done.
fn lane_status(lane: &Lane, state: &LaneState, stage: &str) -> Option<LaneStatus> {
    let (step, since) = match &state.restore {
        Some(restore) if restore.status == StepStatus::Done => return None,
        Some(restore) => (lane.restore(), restore.started),
        None => {
            let place = state.active()?;
            (lane.steps.get(place)?.clone(), state.steps.get(place)?.started)
        }
    };
    Some(LaneStatus {
        target: lane.target.clone(),
        stage: stage.to_owned(),
        does: words::does(lane, &step),
        expected_s: Some(step.expected.as_seconds()).filter(|seconds| *seconds > 0),
        limit_s: step.limit.as_seconds(),
        deployment: state.redeployment.as_ref().or(state.deployment.as_ref()).cloned(),
        step: step.id.to_string(),
        since,
        why: None,
        count: None,
        conditions: Vec::new(),
        asks: called::asks(lane, state),
    })
}

/// What is watched in a lane now and what it says: by what was seen here, or else as the journal has it.
fn conditions(
    lane: &Lane,
    lane_state: &LaneState,
    state: &State,
    view: Option<&LaneView>,
    now: Timestamp,
) -> Vec<ConditionStatus> {
    if lane_state.restore.is_some() {
        return Vec::new();
    }
    let recorded = |condition: &Condition| {
        let label = called::condition(Some(lane), &condition.id());
        let (verdict, why) = match lane_state.verdicts.get(&condition.id()) {
            Some(told) => (told.verdict, told.why.clone()),
            None => (VerdictKind::Undecided, "not judged yet".to_owned()),
        };
        ConditionStatus { condition: label, verdict, why, is_report_only: condition.is_report_only() }
    };
    let watched = active_watches(lane, lane_state).flat_map(|watch| &watch.conditions);
    let Some(view) = view else { return watched.map(recorded).collect() };
    let judging = Judging { lane, state: lane_state, driven_since: state.driven_since, view, now };
    let judged = judging.all().into_iter().map(|judged| {
        // Only whoever drives asks the application and runs programs.
        if matches!(judged.condition, Condition::Http { .. } | Condition::Command { .. }) {
            return recorded(judged.condition);
        }
        let verdict = judged.verdict.kind();
        let (condition, why) = (called::condition(Some(lane), &judged.condition.id()), judged.verdict.why().to_owned());
        ConditionStatus { condition, verdict, why, is_report_only: judged.is_report_only }
    });
    judged.collect()
}

impl LastRun {
    /// A run that has ended, unless it ended well.
    pub fn of(run: RunSeen, invocation: &Invocation) -> Option<LastRun> {
        let RunSeen { plan, state, .. } = run;
        if matches!(state.status.outcome(), None | Some(Outcome::Succeeded)) {
            return None;
        }
        let cause = stuck_on(state).or_else(|| state.trouble());
        let mut help: Vec<String> = cause.iter().flat_map(|cause| &cause.help).cloned().collect();
        help.dedup();
        Some(LastRun {
            run: state.run.clone(),
            what: words::intent(plan.intent).to_owned(),
            release: plan.release.label.clone(),
            status: words::key(state.status),
            ended: state.ended,
            by: state.started.as_ref().map(|(by, ..)| by.clone()),
            cause: cause.map(|cause| cause.what.clone()),
            at: failed_at(plan, state),
            help,
            next: next_after(plan, state, invocation),
        })
    }
}

fn next_after(plan: &Plan, state: &State, invocation: &Invocation) -> Vec<Suggestion> {
    let mut next = suggestions(plan, state, invocation, false);
    next.retain(|it| it.command != invocation.command("status"));
    next
}
