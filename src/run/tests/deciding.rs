//! Turns: what is decided when several things come together.

use super::fixture::{
    ARN, at, back, began, blue, called, cause, deployment, doing, done, ended, label, plan, plan_of_two,
    plan_with_holds, saw_group, seen, started, state, targets,
};
use crate::event::CallKind;
use crate::event::decision::{Decision, Wish};
use crate::event::record::{Cause, Outcome, Record, Side};
use crate::model::facts::{Deployment, DeploymentTarget, Status};
use crate::plan::sample::name;
use crate::plan::{Plan, StepId};
use crate::run::next::{Stop, Turn, next};
use crate::run::state::{RunStatus, State};
use crate::run::view::{Fact, View};

/// What a turn writes, calls and shows, as lines.
pub(super) fn told(turn: &Turn) -> Vec<String> {
    let record = |record: &Record| {
        let json = serde_json::to_value(record).unwrap();
        let target = json["target"].as_str().map(|target| format!("{target} ")).unwrap_or_default();
        let text = match record {
            Record::StepStarted { step, .. } => format!("{step} started"),
            Record::StepDone { step, note, .. } => format!("{step} done: {note}"),
            Record::StepFailed { step, cause, .. } => format!("{step} failed: {}", cause.what),
            Record::CallBegan { attempt, call, .. } => format!("call {attempt}: {}", called(call)),
            Record::Judged { condition, verdict, .. } => format!("{}: {verdict:?}", label(condition)).to_lowercase(),
            Record::ConditionAccepted { condition, by, .. } => format!("{by} accepted {}", label(condition)),
            Record::DecisionAccepted { name, .. } => format!("accepted {name}"),
            Record::DecisionIgnored { name, why } => format!("ignored {name}: {why}"),
            Record::RollBackBegan { cause, targets } => {
                format!("back because {:?}: {}, restores {}", cause.side, cause.what, targets.len())
            }
            Record::Restored { note, .. } => format!("restored: {note}"),
            Record::RestoreFailed { cause, .. } => format!("not restored: {}", cause.what),
            Record::RunEnded { outcome, .. } => format!("ended {outcome:?}"),
            Record::Paused { step, until, .. } => {
                format!("paused at {step} for {} s", until.duration_since(at(0)).as_secs())
            }
            Record::Held { step, condition, cause, .. } => {
                format!(
                    "held at {step}{}: {}",
                    condition.as_ref().map(|it| format!(" ({})", label(it))).unwrap_or_default(),
                    cause.what
                )
            }
            Record::FailureAccepted { step, by, .. } => format!("{by} accepted {step}"),
            Record::Watched { seconds, .. } => format!("watched {seconds} s"),
            Record::Deaf { step, why, .. } => format!("deaf at {step}: {why}"),
            Record::HearsAgain => "hears again".to_owned(),
            Record::RunPlanned { .. }
            | Record::DriverStarted { .. }
            | Record::CallEnded { .. }
            | Record::CallLost { .. }
            | Record::DeploymentSeen { .. }
            | Record::VersionSeen { .. }
            | Record::AliasMoved { .. }
            | Record::PromotedFully { .. }
            | Record::ProcessesLeft { .. }
            | Record::Detached { .. } => "?".to_owned(),
        };
        format!("{target}{text}")
    };
    let progress = turn.progress.iter().map(|it| format!("… {}: {}", it.step, doing(&it.doing)));
    turn.records.iter().map(record).chain(progress).collect()
}

pub(super) fn driver(token: u64) -> Record {
    Record::DriverStarted { token, holder: "test".into() }
}

/// A run up to the beginning of a step, driven since second 0.
pub(super) fn up_to(plan: &Plan, step: &str) -> Vec<(i64, Record)> {
    let mut records = vec![(0, driver(1)), (0, started("create")), (1, began("create", 1, CallKind::CreateDeployment))];
    records.push((2, seen("create", "d-1")));
    records.push((2, ended("create", 1, None)));
    for before in &plan.waves[0].lanes[0].steps {
        if before.id.0 == step {
            break;
        }
        records.push((10, done(&before.id.0)));
    }
    records.push((10, started(step)));
    records
}

pub(super) fn turn(plan: &Plan, records: &[(i64, Record)], view: &View, decisions: &[Decision], now: i64) -> Turn {
    next(plan, &state(plan, records), view, decisions, at(now))
}

pub(super) fn view_of(plan: &Plan, deployment: Deployment, seconds: i64) -> View {
    let mut view = View::new(plan);
    view.lanes[0].saw_deployment(deployment, at(seconds));
    view
}

pub(super) fn waiting() -> Deployment {
    Deployment { is_waiting_to_terminate: true, ..deployment(Status::InProgress) }
}

/// Everything passes, except that the alarm is in this state.
pub(super) fn well_but(plan: &Plan, alarm: &str, seconds: i64) -> View {
    let mut view = view_of(plan, waiting(), seconds);
    let lane = &plan.waves[0].lanes[0];
    view.lanes[0].saw_health(lane, ARN, targets(&[("g", 4, "healthy")]), at(seconds));
    view.lanes[0].saw_probe(2, None, at(seconds));
    view.lanes[0]
        .alarms
        .insert("storefront-5xx".into(), Fact { value: Some(super::fixture::alarm(alarm)), at: at(seconds) });
    view
}

pub(super) fn promote(step: &str) -> Decision {
    let what = Wish::Promote { target: name("web"), step: StepId::from(step), full: false };
    Decision { name: format!("promote-web-{step}"), by: "ann".into(), what }
}

pub(super) fn abort() -> Decision {
    Decision { name: "abort".into(), by: "ann".into(), what: Wish::Abort }
}

#[test]
fn a_run_begins_with_a_create() {
    let plan = plan();
    let turn = turn(&plan, &[(0, driver(1))], &View::new(&plan), &[], 0);
    let expected = ["web create started", "web call 1: create_deployment"];
    assert_eq!(told(&turn), expected);
    assert_eq!((turn.calls[0].attempt, turn.calls[0].failures), (1, 0));
}

#[test]
fn a_call_that_failed_is_made_again_later_and_later() {
    let plan = plan();
    let mut records = vec![(0, driver(1)), (0, started("create"))];
    let mut now = 0;
    for (attempt, wait) in [(1, 2), (2, 4), (3, 8), (4, 16), (5, 32), (6, 64), (7, 64), (8, 64)] {
        records.push((now, began("create", attempt, CallKind::CreateDeployment)));
        records.push((now, ended("create", attempt, Some("throttled"))));
        let before = turn(&plan, &records, &View::new(&plan), &[], now + wait - 1);
        assert_eq!(told(&before), ["… create: throttled; trying again soon"]);
        assert_eq!(before.wake, Some(at(now + wait)));
        now += wait;
        let again = turn(&plan, &records, &View::new(&plan), &[], now);
        assert_eq!((again.calls[0].attempt, again.calls[0].failures), (attempt + 1, attempt));
    }
    records.push((now, began("create", 9, CallKind::CreateDeployment)));
    records.push((now, ended("create", 9, None)));
    assert_eq!(turn(&plan, &records, &View::new(&plan), &[], now).calls[0].failures, 0, "an answer ends the row");
}

#[test]
fn while_a_call_is_under_way_there_is_no_other() {
    let plan = plan();
    let mut view = View::new(&plan);
    view.lanes[0].is_calling = true;
    let records = [(0, driver(1)), (0, started("create")), (0, began("create", 1, CallKind::CreateDeployment))];
    assert_eq!(told(&turn(&plan, &records, &view, &[], 1)), ["… create: calling: create_deployment"]);
    let aborted = turn(&plan, &records, &view, &[abort()], 1);
    let back = "back because Person: aborted by ann, restores 1";
    assert_eq!(told(&aborted), ["accepted abort", back, "… restore: calling: find_deployment"]);
    // Whoever made the call is gone: it is made again.
    let resumed = [records.to_vec(), vec![(50, driver(2))]].concat();
    assert_eq!(turn(&plan, &resumed, &View::new(&plan), &[], 50).calls[0].attempt, 2);
}

#[test]
fn a_failing_condition_takes_everything_back_at_once() {
    let plan = plan();
    let turn = turn(&plan, &up_to(&plan, "bake"), &well_but(&plan, "ALARM", 60), &[], 60);
    let expected = [
        "web targets ≥ 90%: pass",
        "web alarm storefront-5xx: fail",
        "web http /healthz: pass",
        "web bake failed: alarm storefront-5xx: it is ALARM",
        "back because Condition: alarm storefront-5xx: it is ALARM, restores 1",
        "web call 1: stop_deployment d-1",
    ];
    assert_eq!(told(&turn), expected);
}

/// Promoting never skips a judgement: what is red goes back, what cannot be told stays open.
#[test]
fn a_promoted_bake_is_judged_first() {
    let plan = plan();
    let records = up_to(&plan, "bake");
    let red = turn(&plan, &records, &well_but(&plan, "ALARM", 60), &[promote("bake")], 60);
    assert!(told(&red).contains(&"ignored promote-web-bake: the run is going back".to_owned()), "{:?}", told(&red));
    assert_eq!(red.calls.len(), 1);
    let unknown = turn(&plan, &records, &view_of(&plan, waiting(), 60), &[promote("bake")], 60);
    assert_eq!(told(&unknown), ["… bake: not counting: targets ≥ 90%: the health of the targets is not known"]);
    let well = turn(&plan, &records, &well_but(&plan, "OK", 60), &[promote("bake")], 60);
    let rest = told(&well).split_off(3);
    let expected = [
        "accepted promote-web-bake",
        "web bake done: promoted by ann",
        "web finish started",
        "web call 1: let_blue_go d-1",
    ];
    assert_eq!(rest, expected);
}

#[test]
fn decisions_are_heard_once_and_never_illegal() {
    let plan = plan_with_holds();
    let ready = view_of(&plan, deployment(Status::Ready), 10);
    let records = up_to(&plan, "approval");
    for (decision, expected) in [
        (promote("create"), "ignored promote-web-create: create is not a wait"),
        (promote("bake"), "ignored promote-web-bake: bake has not begun"),
        (promote("nothing"), "ignored promote-web-nothing: web has no step nothing"),
        (
            Decision {
                what: Wish::Promote { target: name("api"), step: StepId::from("bake"), full: false },
                ..promote("x")
            },
            "ignored promote-web-x: there is no target api",
        ),
    ] {
        assert_eq!(told(&turn(&plan, &records, &ready, &[decision], 20))[0], expected);
    }
    let twice = turn(&plan, &records, &ready, &[promote("approval"), promote("approval")], 20);
    let expected = [
        "accepted promote-web-approval",
        "web approval done: promoted by ann",
        "web compare-again started",
        "web call 1: compare",
    ];
    assert_eq!(told(&twice), expected);
    let both = turn(&plan, &records, &ready, &[abort(), promote("approval"), abort()], 20);
    let expected = [
        "accepted abort",
        "back because Person: aborted by ann, restores 1",
        "ignored promote-web-approval: the run is going back",
        "… restore: looking at d-1",
    ];
    assert_eq!(told(&both), expected);
    let over = [records, vec![(15, done("approval")), (15, started("compare-again"))]].concat();
    let late = turn(&plan, &over, &ready, &[promote("approval")], 20);
    assert_eq!(told(&late)[0], "ignored promote-web-approval: approval is over");
}

#[test]
fn a_wait_for_a_person_pauses_expires_or_ends_in_the_console() {
    let plan = plan_with_holds();
    let records = up_to(&plan, "approval");
    let of = |status, now| turn(&plan, &records, &view_of(&plan, deployment(status), 10), &[], now);
    let paused = of(Status::Ready, 20);
    assert_eq!(told(&paused)[0], "web paused at approval for 7210 s");
    assert_eq!(paused.stop, Some(Stop::Paused));
    assert_eq!(turn(&plan, &records, &View::new(&plan), &[], 20).stop, None, "not before it was seen to wait");
    assert_eq!(of(Status::Ready, 7209).stop, Some(Stop::Paused));
    assert_eq!(told(&of(Status::Ready, 7210))[0], "web approval failed: nobody approved approval within 2h");
    assert_eq!(told(&of(Status::InProgress, 20))[0], "web approval done: d-1 was moved on by somebody else");
    assert_eq!(told(&of(Status::Succeeded, 9000))[0], "web approval done: d-1 was moved on by somebody else");
}

/// A deployment that ended while the run held: the hosts are asked why, but not for ever.
#[test]
fn a_deployment_that_was_stopped_behind_our_back_goes_back() {
    for (plan, step) in [(plan_with_holds(), "approval"), (plan_with_holds(), "keep"), (plan(), "finish")] {
        let records = up_to(&plan, step);
        let stopped = Deployment { error: Some(("MANUAL_STOP".into(), String::new())), ..deployment(Status::Stopped) };
        let mut view = view_of(&plan, stopped, 20);
        assert_eq!(
            told(&turn(&plan, &records, &view, &[], 49)),
            [format!("… {step}: asking the hosts of d-1 why {step} ended")]
        );
        let expected = format!("web {step} failed: a person or a program stopped the deployment");
        assert_eq!(told(&turn(&plan, &records, &view, &[], 50))[0], expected);
        let hosts: Vec<DeploymentTarget> = Vec::new();
        view.lanes[0].targets.insert("d-1".into(), Fact { value: hosts, at: at(20) });
        let turn = turn(&plan, &records, &view, &[], 21);
        assert_eq!(told(&turn)[0], expected);
        assert_eq!(told(&turn)[1], "back because Person: a person or a program stopped the deployment, restores 1");
    }
}

#[test]
fn keeping_blue_never_goes_back() {
    let plan = plan_with_holds();
    let keep = plan.waves[0].lanes[0].steps.iter().find(|step| step.id.0 == "keep").unwrap();
    let records = up_to(&plan, "keep");
    let limit = i64::try_from(keep.limit.as_seconds()).unwrap();
    let waits = turn(&plan, &records, &view_of(&plan, waiting(), 10), &[], 9 + limit);
    assert_eq!(told(&waits), ["… keep: seconds that blue is kept"]);
    let over = turn(&plan, &records, &view_of(&plan, waiting(), 10), &[], 10 + limit);
    let expected = [format!("web keep done: blue was kept for {}", keep.limit), "web finish started".into()];
    assert_eq!(told(&over)[..2], expected);
    let gone = turn(&plan, &records, &view_of(&plan, deployment(Status::Succeeded), 10), &[], 20);
    assert_eq!(told(&gone)[0], "web keep done: blue is gone already");
    let watched = turn(&plan, &up_to(&plan, "bake"), &well_but(&plan, "OK", 20_000), &[], 20_000);
    assert!(told(&watched)[3].starts_with("web bake failed: bake took longer than"), "{:?}", told(&watched));
    let away = [up_to(&plan, "bake"), vec![(19_000, driver(2))]].concat();
    let resumed = turn(&plan, &away, &well_but(&plan, "OK", 20_000), &[], 20_000);
    assert_eq!(told(&resumed)[3], "… bake: seconds watched, nothing failed", "nobody was there to watch");
}

/// A driver looks before it says that a step took too long: the step may have got there while nobody drove.
#[test]
fn limits_hold_for_what_was_looked_at() {
    let plan = plan();
    let records = [up_to(&plan, "reroute"), vec![(90_000, driver(2))]].concat();
    let nothing_seen = turn(&plan, &records, &View::new(&plan), &[], 99_000);
    assert_eq!(told(&nothing_seen), ["… reroute: no news of d-1 yet"]);
    let half_seen = turn(&plan, &records, &view_of(&plan, waiting(), 90_000), &[], 90_001);
    assert_eq!(told(&half_seen), ["… reroute: 1 blue targets still take traffic"]);
    let there = turn(&plan, &records, &well_but(&plan, "OK", 90_002), &[], 90_002);
    assert!(
        told(&there).contains(&"web reroute done: traffic is on green, 4 healthy".to_owned()),
        "{:?}",
        told(&there)
    );
    let not_there = turn(&plan, &records, &view_of(&plan, deployment(Status::InProgress), 90_000), &[], 90_120);
    assert!(told(&not_there)[0].starts_with("web reroute failed: reroute took longer than"), "{:?}", told(&not_there));
}

/// The way back is not over because a driver was away for long.
#[test]
fn the_way_back_has_its_whole_limit_from_every_driver() {
    let plan = plan();
    let records = [up_to(&plan, "reroute"), vec![(100, back(Side::Person)), (90_000, driver(2))]].concat();
    let view = view_of(&plan, deployment(Status::InProgress), 90_000);
    assert_eq!(told(&turn(&plan, &records, &view, &[], 90_000)), ["web call 1: stop_deployment d-1"]);
    let limit = i64::try_from(plan.waves[0].lanes[0].restore().limit.as_seconds()).unwrap();
    let over = turn(&plan, &records, &view, &[], 90_000 + limit);
    assert!(told(&over)[0].starts_with("web not restored: restore took longer than"), "{:?}", told(&over));
    assert_eq!(over.stop, Some(Stop::Ended(Outcome::Stuck)));
}

/// What an act found is the cause of the way back, whole: its side decides how the command ends.
#[test]
fn the_cause_of_a_failed_call_survives() {
    let plan = plan();
    let details = vec!["since 09:00".to_owned()];
    let busy = Cause { details, ..cause(Side::Busy, "d-9 is active") };
    let failed = Record::StepFailed { target: name("web"), step: StepId::from("create"), cause: busy.clone() };
    let mut records = vec![(0, driver(1)), (0, started("create")), (1, began("create", 1, CallKind::CreateDeployment))];
    records.extend([(2, ended("create", 1, None)), (2, failed)]);
    let mut turn = turn(&plan, &records, &View::new(&plan), &[], 2);
    assert_eq!(turn.records[0], Record::RollBackBegan { cause: busy, targets: vec![name("web")] });
    records.extend(turn.records.drain(..).map(|record| (2, record)));
    records.push((3, ended("restore", 1, None)));
    let ended = next(&plan, &state(&plan, &records), &View::new(&plan), &[], at(3));
    assert_eq!(told(&ended), ["web restored: nothing had been changed", "ended Refused"]);
}

/// A lane that fails after another one of the same turn has planned its call: that lane has no second call.
#[test]
fn one_call_per_lane_even_when_a_sibling_fails() {
    let plan = plan_of_two(plan());
    let failed =
        Record::StepFailed { target: name("api"), step: StepId::from("create"), cause: cause(Side::Refused, "no") };
    let begun = Record::StepStarted { target: name("api"), step: StepId::from("create") };
    let records = [(0, driver(1)), (0, begun), (1, failed)];
    let turn = turn(&plan, &records, &View::new(&plan), &[], 1);
    let expected = [
        "web create started",
        "web call 1: create_deployment",
        "back because Refused: no, restores 2",
        "api restored: nothing had been changed",
        "… restore: calling: find_deployment",
    ];
    assert_eq!(told(&turn), expected);
    assert_eq!(turn.calls.len(), 1);
}

#[test]
fn only_touched_lanes_are_restored() {
    let mut plan = plan_of_two(plan());
    let second = plan.waves[0].lanes.split_off(1);
    plan.waves.push(crate::plan::Wave { name: "next".into(), lanes: second });
    let records = up_to(&plan, "reroute");
    let back = turn(&plan, &records, &view_of(&plan, deployment(Status::Ready), 10), &[abort()], 20);
    let expected = Record::RollBackBegan { cause: cause(Side::Person, "aborted by ann"), targets: vec![name("web")] };
    assert_eq!(back.records[1], expected);
    let state = state(&plan, &[records, vec![(20, expected)]].concat());
    assert!(state.lanes[0].restore.is_some() && state.lanes[1].restore.is_none());
}

/// Whatever is written after the end, in whatever order, nothing moves a run that is over.
#[test]
fn an_end_is_an_end() {
    let plan = plan();
    let over = Record::RunEnded { outcome: Outcome::RolledBack, live: [].into() };
    let mut records = vec![(0, driver(1)), (100, back(Side::Person)), (200, over)];
    let ended = state(&plan, &records);
    records.extend([(300, driver(2)), (301, started("create")), (302, Record::Detached { why: String::new() })]);
    assert_eq!(state(&plan, &records), ended);
    let turn = turn(&plan, &records, &View::new(&plan), &[abort()], 400);
    assert_eq!(turn, Turn { stop: Some(Stop::Ended(Outcome::RolledBack)), ..Turn::default() });
}

/// A driver that let go on the way back leaves a run that still goes back, even before the next one says so.
#[test]
fn nothing_turns_a_run_forward_again() {
    let plan = plan();
    let detached = Record::Detached { why: "interrupted".into() };
    let records = [up_to(&plan, "reroute"), vec![(100, back(Side::Person)), (110, detached)]].concat();
    let view = view_of(&plan, deployment(Status::Ready), 120);
    assert_eq!(told(&turn(&plan, &records, &view, &[], 120)), ["web call 1: stop_deployment d-1"]);
    let resumed: State = state(&plan, &[records, vec![(130, driver(2))]].concat());
    assert_eq!(resumed.status, RunStatus::RollingBack);
}

/// Only what lies between two good looks counts, and not what nobody watched.
#[test]
fn a_bake_counts_what_was_watched() {
    let plan = plan();
    let state = state(&plan, &up_to(&plan, "bake"));
    let mut view = well_but(&plan, "OK", 60);
    let watched = |view: &mut View, now: i64| {
        view.account(&plan, &state, at(now));
        view.lanes[0].watched(&StepId::from("bake"))
    };
    assert_eq!(watched(&mut view, 60), 0);
    assert_eq!(watched(&mut view, 100), 40);
    let alarm = |state| Some(super::fixture::alarm(state));
    view.lanes[0].alarms.get_mut("storefront-5xx").unwrap().value = alarm("?");
    assert_eq!(watched(&mut view, 110), 40, "it could not be told how it was");
    view.lanes[0].alarms.get_mut("storefront-5xx").unwrap().value = alarm("OK");
    assert_eq!(watched(&mut view, 120), 40, "nor since when it was well again");
    assert_eq!(watched(&mut view, 130), 50);
    assert_eq!(watched(&mut view, 431), 50, "nobody looked for more than five minutes");
    assert_eq!(watched(&mut view, 441), 60);
}

/// "The old release serves" takes three readings, and one look at two target groups is one reading.
#[test]
fn serving_alone_is_counted_per_look() {
    let mut plan = plan();
    let lane = &mut plan.waves[0].lanes[0];
    lane.fleet_mut().baseline.target_groups = vec![ARN.into(), "arn:tg/other".into()];
    let lane = lane.clone();
    let mut view = View::new(&plan).lanes.remove(0);
    saw_group(&mut view, "storefront-asg", Some(lane.fleet().unwrap().baseline.scaling_group.clone()), 0);
    let mut look = |state: &str, seconds: i64| {
        view.saw_health(&lane, ARN, blue(&lane, "healthy"), at(seconds));
        view.saw_health(&lane, "arn:tg/other", blue(&lane, state), at(seconds));
        view.serving
    };
    assert_eq!([look("healthy", 0), look("healthy", 5), look("initial", 10), look("healthy", 15)], [1, 2, 0, 1]);
}
