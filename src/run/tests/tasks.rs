//! What is done around the traffic: what comes after each way in which it can end, or be left.

use super::fixture::{at, began, ended, plan_with_tasks, started, state, task, told};
use crate::event::record::{Record, Side};
use crate::plan::sample::name;
use crate::plan::{Action, Plan, StepId, What};
use crate::run::settle::{Advance, Known, settle};
use crate::run::view::LaneView;

fn driver(token: u64) -> Record {
    Record::DriverStarted { token, holder: "test".into() }
}

fn lost(step: &str, why: &str) -> Record {
    Record::CallLost { target: name("web"), step: StepId::from(step), attempt: 1, why: why.into() }
}

/// What the step still needs, at a second, after these records.
fn settled(plan: &Plan, step: &str, records: &[(i64, Record)], is_calling: bool, now: i64) -> Advance {
    let lane = &plan.waves[0].lanes[0];
    let place = lane.place(&StepId::from(step)).unwrap();
    let state = state(plan, records);
    let mut view = LaneView::default();
    view.is_calling = is_calling;
    let What::Act(action) = &lane.steps[place].what else { panic!("{step} is no act") };
    assert!(matches!(action, Action::Task { .. }));
    let known = Known { state: &state.lanes[0], step: &state.lanes[0].steps[place], view: &view, now: at(now) };
    settle(action, lane, known)
}

#[test]
fn tasks_stand_around_the_traffic() {
    let plan = plan_with_tasks();
    let lane = &plan.waves[0].lanes[0];
    let ids: Vec<&str> = lane.steps.iter().map(|step| step.id.0.as_str()).collect();
    let expected = [
        "create",
        "compare",
        "approval",
        "compare-again",
        "before-1",
        "reroute",
        "bake",
        "after-1",
        "after-2",
        "finish",
    ];
    assert_eq!(ids, expected);
    assert_eq!((lane.watches[0].from.0.as_str(), lane.watches[0].to.0.as_str()), ("reroute", "after-2"));
    let limits: Vec<String> =
        ["before-1", "after-1", "after-2"].map(|id| lane.step(&StepId::from(id)).unwrap().limit.to_string()).to_vec();
    assert_eq!(limits, ["45m", "17m15s", "45m"]);
}

/// A migration that nobody saw end is not done again; what may be done twice is, once whoever began it must be gone.
#[test]
fn what_was_begun_and_not_seen_to_end() {
    let plan = plan_with_tasks();
    let begun = |step| vec![(0, driver(1)), (0, started(step)), (5, began(step, 1, task("./migrate.sh")))];
    let resumed = |step| [begun(step), vec![(90, driver(2))]].concat();
    let unseen = "broken: nobody knows how command ./migrate.sh ended that began at 09:00:05Z: ";
    let gone = format!("{unseen}its driver was gone before its end");
    let stopped = format!("{unseen}killed by signal 15");
    for (step, records, is_calling, now, expected) in [
        ("before-1", vec![(0, driver(1)), (0, started("before-1"))], false, 1, "call task command ./migrate.sh 1 1"),
        ("before-1", begun("before-1"), true, 60, "call task command ./migrate.sh 1 1"),
        ("before-1", resumed("before-1"), false, 90, &gone),
        (
            "before-1",
            [begun("before-1"), vec![(9, lost("before-1", "killed by signal 15"))]].concat(),
            false,
            9,
            &stopped,
        ),
        (
            "after-2",
            resumed("after-2"),
            false,
            90,
            "wait: command ./smoke.sh may still be under way from before; then it is done again",
        ),
        (
            "after-2",
            resumed("after-2"),
            false,
            604,
            "wait: command ./smoke.sh may still be under way from before; then it is done again",
        ),
        ("after-2", resumed("after-2"), false, 605, "call task command ./smoke.sh 1 1"),
        ("after-1", resumed("after-1"), false, 90, "call task http /cart 1 1"),
        (
            "before-1",
            [begun("before-1"), vec![(9, ended("before-1", 1, None))]].concat(),
            false,
            9,
            "done: command ./migrate.sh: done",
        ),
        (
            "before-1",
            [begun("before-1"), vec![(9, ended("before-1", 1, Some("not here")))]].concat(),
            false,
            90,
            "call task command ./migrate.sh 1 1",
        ),
    ] {
        assert_eq!(told(&settled(&plan, step, &records, is_calling, now)), expected, "{step} {now}");
    }
    let Advance::Broken(cause) = settled(&plan, "before-1", &resumed("before-1"), false, 90) else { panic!() };
    assert_eq!(cause.side, Side::Unseen);
}

/// A page is asked again in its own time.
#[test]
fn a_bad_answer_is_asked_again() {
    let plan = plan_with_tasks();
    let records = vec![
        (0, driver(1)),
        (0, started("after-1")),
        (5, began("after-1", 1, task("http /cart"))),
        (6, ended("after-1", 1, Some("/cart: answered 500"))),
    ];
    let of = |now| told(&settled(&plan, "after-1", &records, false, now));
    assert_eq!(of(14), "wait: /cart: answered 500, 1 times in a row; it is asked again");
    assert_eq!(of(15), "call task http /cart 1 1");
}
