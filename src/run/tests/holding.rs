//! Failures that wait for a person.

use super::deciding::{abort, driver, promote, told, turn, up_to, view_of, well_but};
use super::fixture::{at, cause, deployment, plan, plan_of_two, plan_with_holds, started, state};
use crate::event::decision::{Decision, Wish};
use crate::event::record::{Record, Side};
use crate::model::condition::Condition;
use crate::model::facts::{Deployment, Status};
use crate::plan::sample::name;
use crate::plan::{OnFailure, Plan, StepId};
use crate::run::RunStatus;
use crate::run::held::acceptance;
use crate::run::next::Stop;
use crate::run::view::View;

fn holding(mut plan: Plan) -> Plan {
    plan.waves[0].lanes[0].on_failure = OnFailure::Hold;
    plan
}

fn held(step: &str, condition: Option<&str>, side: Side) -> Record {
    Record::Held {
        target: name("web"),
        step: StepId::from(step),
        condition: condition.map(|name| Condition::alarm(name).id()),
        cause: cause(side, "it is so"),
    }
}

fn failed(step: &str, side: Side) -> Record {
    Record::StepFailed { target: name("web"), step: StepId::from(step), cause: cause(side, "it is so") }
}

fn accept(step: &str, number: u32) -> Decision {
    let what = Wish::Accept { target: name("web"), step: StepId::from(step), number };
    Decision { name: format!("accept-{number}-web-{step}"), by: "ann".into(), what }
}

#[test]
fn a_condition_that_says_no_holds_the_run() {
    let plan = holding(plan());
    let turn = turn(&plan, &up_to(&plan, "bake"), &well_but(&plan, "ALARM", 60), &[], 60);
    let expected = [
        "web targets ≥ 90%: pass",
        "web alarm storefront-5xx: fail",
        "web http /healthz: pass",
        "web held at bake (alarm storefront-5xx): alarm storefront-5xx: it is ALARM",
    ];
    assert_eq!(told(&turn), expected);
    assert_eq!(turn.stop, Some(Stop::Held));
    assert!(turn.calls.is_empty());
}

#[test]
fn what_was_accepted_counts_as_passed_whatever_it_says() {
    let plan = holding(plan());
    let records = [up_to(&plan, "bake"), vec![(60, held("bake", Some("storefront-5xx"), Side::Condition))]].concat();
    let still = turn(&plan, &records, &well_but(&plan, "OK", 70), &[promote("bake")], 70);
    assert_eq!((told(&still), still.stop), (vec![], Some(Stop::Held)), "a promote of the wait stays open");
    let red = well_but(&plan, "ALARM", 5000);
    let resumed = [records, vec![(5000, driver(2))]].concat();
    let on = turn(&plan, &resumed, &red, &[accept("bake", 1)], 5000);
    let expected = [
        "accepted accept-1-web-bake",
        "web ann accepted bake",
        "web targets ≥ 90%: pass",
        "web alarm storefront-5xx: pass",
        "web http /healthz: pass",
        "… bake: seconds watched, nothing failed",
    ];
    assert_eq!((told(&on).as_slice(), on.stop), (&expected.map(str::to_owned)[..], None));
}

#[test]
fn only_the_failure_that_was_on_the_screen_is_accepted() {
    let plan = holding(plan());
    let records = [up_to(&plan, "bake"), vec![(60, held("bake", Some("http /healthz"), Side::Condition))]].concat();
    for (decision, ignored) in [(accept("bake", 2), true), (accept("reroute", 1), true), (accept("bake", 1), false)] {
        let turn = turn(&plan, &records, &View::new(&plan), &[decision], 70);
        assert_eq!(told(&turn)[0].ends_with("the run is not held there now"), ignored, "{:?}", told(&turn));
        assert_eq!(turn.stop == Some(Stop::Held), ignored);
    }
    let nothing = turn(&plan, &up_to(&plan, "bake"), &well_but(&plan, "OK", 60), &[accept("bake", 1)], 60);
    assert_eq!(told(&nothing)[0], "ignored accept-1-web-bake: the run is not held there now");
}

#[test]
fn an_abort_takes_it_back_and_says_after_what() {
    let plan = holding(plan());
    let records = [up_to(&plan, "bake"), vec![(60, held("bake", Some("http /healthz"), Side::Condition))]].concat();
    let back = turn(&plan, &records, &View::new(&plan), &[abort()], 70);
    let expected = [
        "accepted abort",
        "back because Person: aborted by ann, after it is so, restores 1",
        "… restore: looking at d-1",
    ];
    assert_eq!(told(&back), expected);
}

/// A failed step is over, tried again, or beyond that.
#[test]
fn what_accepting_a_failed_step_means() {
    let plan = holding(plan_with_holds());
    for (step, side, expected) in [
        ("compare", Side::Condition, "compare done: accepted by ann, though it is so"),
        ("approval", Side::Limit, "approval done: accepted by ann, though it is so"),
        ("bake", Side::Limit, "bake done: accepted by ann, though it is so"),
        ("reroute", Side::Limit, "reroute started"),
        ("reroute", Side::Refused, "reroute started"),
        ("create", Side::CodeDeploy, "deployment d-1 is over and cannot go on"),
        ("bake", Side::Person, "deployment d-1 is over and cannot go on"),
        ("bake", Side::Foreign, "web is in somebody else's hands"),
    ] {
        let more = vec![(60, failed(step, side)), (60, held(step, None, side))];
        let records = [up_to(&plan, step), more].concat();
        let turn = turn(&plan, &records, &View::new(&plan), &[accept(step, 1)], 70);
        assert!(told(&turn).iter().any(|line| line.contains(expected)), "{step} {side:?}: {:?}", told(&turn));
        let state = state(&plan, &records);
        let can = acceptance(&plan, &state, state.held.as_ref().unwrap()).is_ok();
        assert_eq!(turn.stop == Some(Stop::Held), !can, "{step} {side:?}");
    }
}

/// A step that is tried again has a whole limit, however long the person took.
#[test]
fn a_run_that_was_held_stood_still() {
    let plan = holding(plan());
    let more =
        vec![(60, failed("reroute", Side::Refused)), (60, held("reroute", None, Side::Refused)), (90_000, driver(2))];
    let records = [up_to(&plan, "reroute"), more].concat();
    let on = turn(&plan, &records, &View::new(&plan), &[accept("reroute", 1)], 90_200);
    let accepted: Vec<(i64, Record)> = on.records.into_iter().map(|record| (90_200, record)).collect();
    let records = [records, accepted].concat();
    let view = view_of(&plan, deployment(Status::Ready), 90_210);
    let later = turn(&plan, &records, &view, &[], 90_210);
    assert!(told(&later).contains(&"web call 1: move_traffic d-1".to_owned()), "{:?}", told(&later));
    assert_eq!(state(&plan, &records).status, RunStatus::Running);
}

/// Whatever would take back the target that is not to go back by itself, is held; what stays clear of it is not.
#[test]
fn a_failure_of_another_target_holds_what_it_would_take_back() {
    let mut plan = plan_of_two(plan());
    plan.waves[0].lanes[1].on_failure = OnFailure::Hold;
    let failed = Deployment { error: None, ..deployment(Status::Failed) };
    let mut view = view_of(&plan, failed, 10);
    view.lanes[0].ended.insert("d-1".into(), at(-100));
    let alone = up_to(&plan, "create");
    let back = turn(&plan, &alone, &view, &[], 60);
    assert!(told(&back).iter().any(|line| line.starts_with("back because CodeDeploy")), "{:?}", told(&back));
    let both = [alone, vec![(5, Record::StepStarted { target: name("api"), step: StepId::from("create") })]].concat();
    let stopped = turn(&plan, &both, &view, &[], 60);
    assert!(told(&stopped).iter().any(|line| line.starts_with("web held at create")), "{:?}", told(&stopped));
    assert_eq!(stopped.stop, Some(Stop::Held));
}

/// Nothing was changed: there is nothing to decide.
#[test]
fn what_stood_in_the_way_at_the_start_is_refused_as_ever() {
    let plan = holding(plan());
    let records = vec![(0, driver(1)), (0, started("create")), (5, failed("create", Side::Busy))];
    let turn = turn(&plan, &records, &View::new(&plan), &[], 6);
    assert_eq!(told(&turn)[0], "back because Busy: it is so, restores 1");
}

/// The driver stays until what it began is answered.
#[test]
fn a_call_under_way_is_waited_for() {
    let plan = holding(plan_of_two(plan()));
    let records = [up_to(&plan, "bake"), vec![(60, held("bake", Some("http /healthz"), Side::Condition))]].concat();
    let mut view = View::new(&plan);
    view.lanes[1].is_calling = true;
    let waits = turn(&plan, &records, &view, &[], 70);
    assert_eq!((told(&waits).len(), waits.stop), (1, None), "{:?}", told(&waits));
    view.lanes[1].is_calling = false;
    assert_eq!(turn(&plan, &records, &view, &[], 71).stop, Some(Stop::Held));
}
