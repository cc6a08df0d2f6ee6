//! A plan, moments, and facts, in few words.

use jiff::{SignedDuration, Timestamp};

use serde_json::Value;

use crate::event::record::{Cause, Record, Side};
use crate::event::{CallKind, Doing, Share};
use crate::model::condition::Condition;
use crate::model::facts::{Deployment, Status};
use crate::model::observed::{Alarm, ScalingGroup, TargetHealth};
use crate::model::pipeline::Promote;
use crate::model::rolling::Rolling;
use crate::model::task::Task;
use crate::model::{ConditionId, Percent, Period, Pipeline, RunId};
use crate::plan::build::build;
use crate::plan::sample::{fleet, input, name, pipeline, rolling_fleet, rolling_pipeline, rolling_plan};
use crate::plan::{Lane, OnFleet, Plan, StepId};
use crate::run::State;
use crate::run::judge::{Verdict, conditions};
use crate::run::settle::Advance;
use crate::run::view::{Fact, LaneView};

/// The target group of the sample's only lane.
pub const ARN: &str = "arn:tg/web";

/// So many seconds after the beginning of time.
pub fn at(seconds: i64) -> Timestamp {
    "2026-11-21T09:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

/// The plan of the sample: create, compare, reroute, bake, finish.
pub fn plan() -> Plan {
    plan_of(&pipeline())
}

/// With an approval within two hours, and blue kept for ten minutes.
pub fn plan_with_holds() -> Plan {
    let mut pipeline = pipeline();
    for target in pipeline.targets.values_mut() {
        let strategy = target.blue_green_mut().unwrap();
        strategy.promote = Promote::Manual;
        strategy.within = Period::hours(2);
        strategy.keep_blue = Period::minutes(10);
    }
    plan_of(&pipeline)
}

/// The same with a migration before traffic moves and, after the bake, a page and a program that may be run twice.
pub fn plan_with_tasks() -> Plan {
    let mut pipeline = pipeline();
    for target in pipeline.targets.values_mut() {
        let strategy = target.blue_green_mut().unwrap();
        (strategy.promote, strategy.within) = (Promote::Manual, Period::hours(2));
        target.before_traffic = tasks(r#"[{"command": {"run": ["./migrate.sh"]}}]"#);
        target.after =
            tasks(r#"[{"http": {"path": "/cart"}}, {"command": {"run": ["./smoke.sh"], "repeatable": true}}]"#);
    }
    plan_of(&pipeline)
}

/// A rolling fleet with a migration before its first host, and a page after the bake.
pub fn rolling_plan_with_tasks() -> Plan {
    let half = Rolling { config: Some("CodeDeployDefault.HalfAtATime".into()), ..Rolling::default() };
    let mut pipeline = rolling_pipeline(half);
    for target in pipeline.targets.values_mut() {
        target.before_traffic = tasks(r#"[{"command": {"run": ["./migrate.sh"]}}]"#);
        target.after = tasks(r#"[{"http": {"path": "/cart"}}]"#);
    }
    let built = build(&input(&pipeline, &name("production"), rolling_fleet()));
    built.unwrap_or_else(|refused| panic!("{refused:?}")).plan
}

/// Tasks as a pipeline writes them.
pub fn tasks(json: &str) -> Vec<Task> {
    serde_json::from_str(json).unwrap()
}

/// Two lanes side by side, `web` and `api`.
pub fn plan_of_two(mut plan: Plan) -> Plan {
    let mut lane = plan.waves[0].lanes[0].clone();
    lane.target = name("api");
    let fleet = lane.fleet_mut();
    fleet.group.deployment_group = "storefront-api".into();
    fleet.baseline.scaling_group.name = "api-asg".into();
    fleet.baseline.target_groups = vec!["arn:tg/api".into()];
    let own = fleet.baseline.target_groups.clone();
    for condition in lane.watches.iter_mut().flat_map(|watch| &mut watch.conditions) {
        if let Condition::Targets { target_groups, .. } = condition {
            target_groups.clone_from(&own);
        }
    }
    plan.waves[0].lanes.push(lane);
    plan
}

fn plan_of(pipeline: &Pipeline) -> Plan {
    let mut fleet = fleet();
    fleet.group.ready = Some(("STOP_DEPLOYMENT".into(), 600));
    fleet.group.termination = Some(("TERMINATE".into(), 90));
    build(&input(pipeline, &name("production"), fleet)).unwrap_or_else(|refused| panic!("{refused:?}")).plan
}

/// Its first lane.
pub fn lane() -> Lane {
    plan().waves[0].lanes[0].clone()
}

/// The fleet of a lane.
pub fn on(lane: &Lane) -> &OnFleet {
    lane.fleet().unwrap()
}

/// The fold of records, with the seconds at which they were written.
pub fn state(plan: &Plan, records: &[(i64, Record)]) -> State {
    let mut state = State::new(RunId::parse("20261121-090000-aaaa").unwrap(), plan);
    for (seconds, record) in records {
        state.apply(plan, at(*seconds), record);
    }
    state
}

/// A deployment `d-1` of ours.
pub fn deployment(status: Status) -> Deployment {
    Deployment {
        id: "d-1".into(),
        error: None,
        status,
        rollback: None,
        rolls_back: None,
        creator: "user".into(),
        description: String::new(),
        created: None,
        overview: None,
        is_waiting_to_terminate: false,
        messages: Vec::new(),
        revision: None,
    }
}

/// Every status there is.
pub fn statuses() -> [Status; 8] {
    [
        Status::Created,
        Status::Queued,
        Status::InProgress,
        Status::Ready,
        Status::Succeeded,
        Status::Failed,
        Status::Stopped,
        Status::Other("Baking".into()),
    ]
}

/// So many targets in each state, with the ids `letter-1`, `letter-2`, …
pub fn targets(groups: &[(&str, usize, &str)]) -> Vec<TargetHealth> {
    let of = |(letter, count, state): &(&str, usize, &str)| {
        let target = |number| TargetHealth { id: format!("{letter}-{number}"), state: (*state).into(), reason: None };
        (1..=*count).map(target).collect::<Vec<_>>()
    };
    groups.iter().flat_map(of).collect()
}

/// The baseline's own targets, all in this state.
pub fn blue(lane: &Lane, state: &str) -> Vec<TargetHealth> {
    let target = |id: &String| TargetHealth { id: id.clone(), state: state.into(), reason: None };
    on(lane).baseline.healthy.iter().map(target).collect()
}

/// The baseline's Auto Scaling group as it was.
pub fn blue_group(lane: &Lane) -> ScalingGroup {
    on(lane).baseline.scaling_group.clone()
}

/// An alarm in a state.
pub fn alarm(state: &str) -> Alarm {
    Alarm {
        name: "storefront-5xx".into(),
        state: state.into(),
        reason: format!("it is {state}"),
        since: None,
        window: None,
    }
}

/// Puts a scaling group into a view.
pub fn saw_group(view: &mut LaneView, name: &str, group: Option<ScalingGroup>, seconds: i64) {
    view.scaling.insert(name.to_owned(), Fact { value: group, at: at(seconds) });
}

/// A call as the journal has it, in a line: `shift_alias 41 42 5%`.
pub fn called(kind: &CallKind) -> String {
    fn values(value: &Value) -> Vec<String> {
        match value {
            Value::Object(members) => members.values().flat_map(values).collect(),
            Value::String(text) => vec![text.clone()],
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => vec![value.to_string()],
        }
    }
    let mut written = serde_json::to_value(kind).unwrap();
    let kind = written.as_object_mut().and_then(|members| members.remove("kind")).unwrap();
    [values(&kind), values(&written)].concat().join(" ")
}

/// Why a step is not done yet.
pub fn doing(doing: &Doing) -> String {
    match doing {
        Doing::Calling(kind) => format!("calling: {}", called(kind)),
        Doing::Waiting(why) => why.clone(),
    }
}

/// A call that stops the sample's deployment.
pub fn stop() -> CallKind {
    CallKind::StopDeployment { deployment: "d-1".into() }
}

/// A call that sends a share of the calls, or none of them, to version 42 and the rest to 41.
pub fn shift(percent: u32) -> CallKind {
    let share = (percent > 0).then(|| Share { version: "42".into(), weight: Percent::whole(percent) });
    CallKind::ShiftAlias { version: "41".into(), share }
}

/// A call of a task.
pub fn task(name: &str) -> CallKind {
    CallKind::Task { name: name.into(), round: 1, times: 1 }
}

/// The words for a condition of the sample's plans, or else its id.
pub fn label(id: &ConditionId) -> String {
    let plans = [plan(), rolling_plan()];
    let mut conditions = plans.iter().flat_map(Plan::lanes).flat_map(conditions);
    conditions.find(|it| it.id() == *id).map_or_else(|| id.to_string(), Condition::label)
}

/// What is told of a verdict.
pub fn as_line(verdict: &Verdict) -> String {
    let word = match verdict {
        Verdict::Pass(_) => "pass",
        Verdict::Fail(_) => "fail",
        Verdict::Undecided(_) => "undecided",
    };
    format!("{word}: {}", verdict.why())
}

/// What comes next, as a line.
pub fn told(advance: &Advance) -> String {
    match advance {
        Advance::Call(call) => format!("call {}", called(&call.kind())),
        Advance::Wait(why, None) => format!("wait: {why}"),
        Advance::Wait(why, Some((done, all))) => format!("wait: {why} ({done} of {all})"),
        Advance::Done(note) => format!("done: {note}"),
        Advance::Broken(cause) => format!("broken: {}", cause.what),
    }
}

/// A step's record.
pub fn started(step: &str) -> Record {
    Record::StepStarted { target: name("web"), step: StepId::from(step) }
}

pub fn done(step: &str) -> Record {
    Record::StepDone { target: name("web"), step: StepId::from(step), note: String::new() }
}

pub fn began(step: &str, attempt: u32, call: CallKind) -> Record {
    Record::CallBegan { target: name("web"), step: StepId::from(step), attempt, call }
}

pub fn ended(step: &str, attempt: u32, trouble: Option<&str>) -> Record {
    Record::CallEnded { target: name("web"), step: StepId::from(step), attempt, trouble: trouble.map(str::to_owned) }
}

pub fn seen(step: &str, deployment: &str) -> Record {
    Record::DeploymentSeen {
        target: name("web"),
        step: StepId::from(step),
        deployment: deployment.into(),
        waits: Vec::new(),
    }
}

pub fn cause(side: Side, what: &str) -> Cause {
    Cause::new(side, what)
}

pub fn back(side: Side) -> Record {
    Record::RollBackBegan { cause: cause(side, "because"), targets: vec![name("web")] }
}
