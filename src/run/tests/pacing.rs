//! What is looked at in each phase, how often, and what is not asked for any more.

use super::fixture::{at, back, began, deployment, done, plan, plan_of_two, plan_with_holds, seen, started, state};
use crate::event::CallKind;
use crate::event::record::{Record, Side};
use crate::model::facts::{Deployment, Status};
use crate::plan::Plan;
use crate::plan::build::CALLS_A_MINUTE;
use crate::run::reads::{Read, blind, calls, due};
use crate::run::view::View;

/// Turns at every second from `from`, for `seconds`: how often each thing is read.
fn reads(plan: &Plan, records: &[(i64, Record)], view: &mut View, from: i64, seconds: i64) -> Vec<String> {
    let state = state(plan, records);
    let mut counts = std::collections::BTreeMap::new();
    for now in from..from + seconds {
        let (reads, next) = due(plan, &state, view, at(now));
        assert!(next.is_none_or(|next| next > at(now)));
        view.spent.spend(calls(plan, &reads), at(now));
        for (place, read) in reads {
            view.lanes[place].tried.insert(read.clone(), at(now));
            *counts.entry(read).or_insert(0) += 1;
        }
    }
    counts.iter().map(|(read, count)| format!("{} {count}", short(read))).collect()
}

fn short(read: &Read) -> String {
    match read {
        Read::Deployment(id) => id.clone(),
        Read::Targets(id) => format!("hosts of {id}"),
        Read::Health(arn) => arn.clone(),
        Read::Scaling(name) | Read::Alarm(name) => name.clone(),
        Read::Group => "group".to_owned(),
        Read::Attempts(_) => "attempts".to_owned(),
        Read::Probe(place) => format!("probe {place}"),
        Read::Command(place) => format!("command {place}"),
        Read::Code(version) => format!("code {version}"),
        Read::Alias => "alias".to_owned(),
        Read::Metrics => "metrics".to_owned(),
    }
}

fn up_to(step: &str) -> Vec<(i64, Record)> {
    let mut records =
        vec![(0, started("create")), (1, began("create", 1, CallKind::CreateDeployment)), (2, seen("create", "d-1"))];
    for next in ["create", "compare", "approval", "compare-again", "reroute", "bake", "keep", "finish"] {
        if next == step {
            break;
        }
        records.push((10, done(next)));
    }
    records.push((10, started(step)));
    records
}

/// Ten minutes of each phase, from its beginning.
#[test]
fn each_phase_has_its_pace() {
    let (plan, holds) = (plan(), plan_with_holds());
    let waiting = Deployment { is_waiting_to_terminate: true, ..deployment(Status::InProgress) };
    let cases = [
        ("create", &plan, deployment(Status::InProgress)),
        ("compare", &plan, deployment(Status::Ready)),
        ("approval", &holds, deployment(Status::Ready)),
        ("reroute", &plan, deployment(Status::InProgress)),
        ("reroute", &plan, waiting.clone()),
        ("bake", &plan, waiting.clone()),
        ("bake", &plan, deployment(Status::Succeeded)),
        ("bake", &plan, deployment(Status::Stopped)),
        ("keep", &holds, waiting.clone()),
        ("finish", &plan, waiting),
        ("finish", &plan, deployment(Status::Succeeded)),
    ];
    let mut lines = Vec::new();
    for (step, plan, deployment) in cases {
        let what = format!("{step} while {}", deployment.status);
        let mut view = View::new(plan);
        view.lanes[0].saw_deployment(deployment, at(10));
        lines.push(format!("{what}: {}", reads(plan, &up_to(step), &mut view, 10, 600).join(", ")));
    }
    assert_eq!(lines.join("\n"), PHASES.trim());
}

const PHASES: &str = "
create while InProgress: d-1 94
compare while Ready: d-1 40
approval while Ready: d-1 7
reroute while InProgress: d-1 40, arn:tg/web 14, storefront-5xx 43, probe 2 60
reroute while InProgress: d-1 40, arn:tg/web 41, storefront-5xx 43, probe 2 60
bake while InProgress: d-1 7, arn:tg/web 14, storefront-5xx 43, probe 2 60
bake while Succeeded: d-1 7, arn:tg/web 14, storefront-5xx 43, probe 2 60
bake while Stopped: d-1 14, hosts of d-1 14, arn:tg/web 14, storefront-5xx 43, probe 2 60
keep while InProgress: d-1 7
finish while InProgress: d-1 93
finish while Succeeded: d-1 14, group 47
";

/// In any minute a run makes at most so many calls, whatever is due; probes are not AWS's.
#[test]
fn no_minute_costs_more_than_its_budget() {
    let plan = plan();
    for (step, status) in
        [("create", Status::InProgress), ("reroute", Status::InProgress), ("finish", Status::Succeeded)]
    {
        let mut view = View::new(&plan);
        view.lanes[0].saw_deployment(deployment(status), at(10));
        let state = state(&plan, &up_to(step));
        let mut spent = Vec::new();
        for now in 10..3000 {
            let (reads, _) = due(&plan, &state, &view, at(now));
            let made = calls(&plan, &reads);
            view.spent.spend(made, at(now));
            spent.extend(std::iter::repeat_n(now, made));
            let minute = spent.iter().filter(|at| **at > now - 60).count();
            assert!(minute <= CALLS_A_MINUTE, "{step}: {minute} calls in the minute before {now}");
            for (place, read) in reads {
                view.lanes[place].tried.insert(read, at(now));
            }
        }
        assert!(spent.len() > 200, "{step} is looked at: {}", spent.len());
    }
}

/// A throttle doubles the distance between two looks, the next one again; a minute without one halves it.
#[test]
fn throttles_slow_down() {
    let plan = plan();
    let count = |throttles: &[i64]| {
        let mut view = View::new(&plan);
        view.lanes[0].saw_deployment(deployment(Status::InProgress), at(10));
        throttles.iter().for_each(|seconds| view.spent.throttled(at(*seconds)));
        reads(&plan, &up_to("bake"), &mut view, 10, 120).join(", ")
    };
    let expected = [
        "d-1 2, arn:tg/web 3, storefront-5xx 9, probe 2 12",
        "d-1 2, arn:tg/web 3, storefront-5xx 7, probe 2 12",
        "d-1 1, arn:tg/web 2, storefront-5xx 4, probe 2 12",
    ];
    assert_eq!([&[][..], &[10], &[9, 10]].map(count), expected);
}

#[test]
fn before_the_first_step_and_after_the_last_nothing_is_read() {
    let plan = plan();
    assert_eq!(reads(&plan, &[], &mut View::new(&plan), 0, 60), Vec::<String>::new());
    let mut all = up_to("finish");
    all.push((20, done("finish")));
    assert_eq!(reads(&plan, &all, &mut View::new(&plan), 20, 60), Vec::<String>::new());
}

#[test]
fn the_way_back_looks_at_all_that_it_decides_by() {
    let plan = plan();
    let mut records = up_to("reroute");
    records.push((20, back(Side::Person)));
    let mut view = View::new(&plan);
    view.lanes[0].saw_deployment(Deployment { rollback: Some("d-2".into()), ..deployment(Status::Stopped) }, at(20));
    let expected = ["d-1 11", "d-2 11", "arn:tg/web 11", "CodeDeploy_storefront-web_d-1 4", "storefront-asg 4"];
    assert_eq!(reads(&plan, &records, &mut view, 20, 60), expected);
}

#[test]
fn lanes_that_were_not_touched_are_left_alone_on_the_way_back() {
    let plan = plan_of_two(plan());
    let mut records = up_to("create");
    records.push((20, back(Side::Person)));
    let state = state(&plan, &records);
    let (reads, _) = due(&plan, &state, &View::new(&plan), at(20));
    assert!(reads.iter().all(|(place, _)| *place == 0), "{reads:?}");
}

/// A gap in what nobody asks for any more blinds nobody; one in what is wanted does, after twenty minutes.
#[test]
fn only_gaps_in_what_is_wanted_make_blind() {
    let plan = plan();
    let mut view = View::new(&plan);
    view.lanes[0].missed(Read::Deployment("d-1".into()), "reset".into(), at(10));
    view.lanes[0].missed(Read::Group, "throttled".into(), at(0));
    let state = state(&plan, &up_to("create"));
    assert_eq!(blind(&plan, &state, &mut view, at(1210)), None);
    assert!(!view.lanes[0].gaps.contains_key(&Read::Group));
    view.lanes[0].missed(Read::Deployment("d-1".into()), "reset again".into(), at(1211));
    assert_eq!(blind(&plan, &state, &mut view, at(1211)), Some("reset again".into()), "since the first failure");
    view.lanes[0].gaps.clear();
    assert_eq!(blind(&plan, &state, &mut view, at(9000)), None);
}

/// After a call everything that it may have changed is read anew; probes and alarms keep their pace.
#[test]
fn a_call_makes_what_was_read_old() {
    let plan = plan();
    let records = up_to("reroute");
    let mut view = View::new(&plan);
    view.lanes[0].saw_deployment(deployment(Status::Ready), at(10));
    reads(&plan, &records, &mut view, 10, 1);
    let state = state(&plan, &records);
    assert_eq!(due(&plan, &state, &view, at(11)).0, []);
    view.lanes[0].forget_pace();
    let now: Vec<String> = due(&plan, &state, &view, at(11)).0.iter().map(|(_, read)| short(read)).collect();
    assert_eq!(now, ["d-1", "arn:tg/web"]);
}
