//! Whoever cannot hear what people decide passes no point from which the way back is slow.

use super::deciding::{abort, driver, told, turn, up_to, view_of, waiting};
use super::fixture::{at, done, plan, plan_with_tasks, rolling_plan_with_tasks, started, state};
use crate::event::record::Record;
use crate::model::facts::Status;
use crate::plan::sample::{function, function_plan, function_target};
use crate::plan::{Plan, What};
use crate::run::next::deaf_for_too_long;
use crate::run::view::{Deaf, View};

fn deaf(plan: &Plan, since: i64) -> View {
    let mut view = View::new(plan);
    view.deaf = Some(Deaf { since: at(since), why: "denied".into(), needs: Some("s3:ListBucket on acme".into()) });
    view
}

/// The steps before which a deaf driver stops.
fn guarded(plan: &Plan) -> Vec<String> {
    let lane = &plan.waves[0].lanes[0];
    let mut guarded = Vec::new();
    for (place, step) in lane.steps.iter().enumerate() {
        let mut records = vec![(0, driver(1))];
        for before in &lane.steps[..place] {
            let (target, step) = (lane.target.clone(), before.id.clone());
            records.push((0, Record::StepDone { target, step, note: String::new() }));
        }
        let turn = turn(plan, &records, &deaf(plan, 0), &[], 30);
        let is_begun = turn.records.iter().any(|record| matches!(record, Record::StepStarted { .. }));
        let is_deaf =
            turn.records.iter().any(|record| matches!(record, Record::Deaf { step: at, .. } if *at == step.id));
        assert!(is_begun != is_deaf, "{}: {:?}", step.id, told(&turn));
        assert!(!is_deaf || turn.calls.is_empty(), "{}: {:?}", step.id, told(&turn));
        assert!(!is_deaf || matches!(step.what, What::Act(_)), "{}", step.id);
        if is_deaf {
            guarded.push(step.id.0.clone());
        }
    }
    guarded
}

#[test]
fn a_deaf_driver_begins_nothing_that_is_slow_to_take_back() {
    assert_eq!(guarded(&plan()), ["reroute", "finish"]);
    assert_eq!(guarded(&plan_with_tasks()), ["before-1", "reroute", "after-1", "after-2", "finish"]);
    assert_eq!(guarded(&rolling_plan_with_tasks()), ["before-1", "create", "after-1"]);
    let shifting = guarded(&function_plan(&function_target(), &function()));
    assert!(shifting.iter().all(|step| step.starts_with("shift-")) && shifting.len() > 1, "{shifting:?}");
}

#[test]
fn it_says_so_once_and_hears_again() {
    let plan = plan();
    let before: Vec<_> =
        up_to(&plan, "reroute").into_iter().filter(|(_, record)| *record != started("reroute")).collect();
    let say = |records: &[(i64, Record)], view: &View, now: i64| turn(&plan, records, view, &[], now);
    let short = say(&before, &deaf(&plan, 11), 40);
    assert_eq!(told(&short)[0], "web reroute started", "shorter is weather");
    let first = say(&before, &deaf(&plan, 10), 40);
    let waits = "… reroute: does not begin: what people decide cannot be heard: denied";
    assert_eq!(told(&first), ["web deaf at reroute: denied", waits]);
    assert_eq!(first.wake, Some(at(40 + 1200)));
    let mut records = before;
    records.extend(first.records.into_iter().map(|record| (40, record)));
    assert_eq!(told(&say(&records, &deaf(&plan, 10), 60)), [waits]);
    let again = say(&records, &View::new(&plan), 60);
    assert_eq!(told(&again)[..2], ["hears again", "web reroute started"]);
    let aborted = turn(&plan, &records, &View::new(&plan), &[abort()], 60);
    assert_eq!(told(&aborted)[..2], ["accepted abort", "back because Person: aborted by ann, restores 1"]);
    let folded = state(&plan, &records);
    assert_eq!(deaf_for_too_long(&folded, at(40 + 1199)), None);
    let why = deaf_for_too_long(&folded, at(40 + 1200)).unwrap();
    assert!(why.ends_with("20 minutes: denied; it needs s3:ListBucket on acme"), "{why}");
    records.push((100, driver(2)));
    assert_eq!(state(&plan, &records).deaf, None, "each driver has its own ears");
}

/// A step that had begun is not gone on with by another call; what CodeDeploy does meanwhile is followed.
#[test]
fn what_has_begun_is_not_called_for_again() {
    let plan = plan();
    let mut records = up_to(&plan, "finish");
    let call = |view: &View, records: &[(i64, Record)]| turn(&plan, records, view, &[], 60).calls.len();
    let mut view = view_of(&plan, waiting(), 60);
    assert_eq!(call(&view, &records), 1);
    view.deaf = deaf(&plan, 0).deaf;
    assert_eq!(call(&view, &records), 0);
    let mut over = view_of(&plan, super::fixture::deployment(Status::Succeeded), 60);
    over.deaf = deaf(&plan, 0).deaf;
    records.push((20, done("reroute")));
    let told = told(&turn(&plan, &records, &over, &[], 60));
    assert!(told.iter().any(|line| line.contains("finish done") || line.contains("finish:")), "{told:?}");
}
