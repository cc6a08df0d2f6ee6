//! Whatever was written and whatever is seen: there is a state, and a turn.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::fixture::{
    ARN, alarm, at, blue, cause, deployment, plan_of_two, plan_with_tasks, saw_group, statuses, stop, targets, task,
};
use crate::event::decision::{Decision, Wish};
use crate::event::record::{Outcome, Record, Side};
use crate::event::{CallKind, VerdictKind};
use crate::model::Name;
use crate::model::condition::Condition;
use crate::model::facts::{Attempt, Deployment, DeploymentTarget, Status};
use crate::model::observed::Instance;
use crate::plan::sample::{name, revision, rolling_plan};
use crate::plan::{Lane, OnFailure, Plan, StepId};
use crate::run::next::next;
use crate::run::reads::{Read, blind, due};
use crate::run::view::{Fact, View};
use crate::run::{RunStatus, State};

fn target() -> impl Strategy<Value = Name> {
    prop_oneof![4 => Just("web"), 2 => Just("api"), 1 => Just("ghost")].prop_map(name)
}

fn step() -> impl Strategy<Value = StepId> {
    let known = [
        "config",
        "create",
        "compare",
        "approval",
        "compare-again",
        "before-1",
        "reroute",
        "bake",
        "after-1",
        "keep",
        "finish",
        "restore",
        "ghost",
    ];
    prop::sample::select(known.to_vec()).prop_map(StepId::from)
}

fn id() -> impl Strategy<Value = String> {
    prop_oneof![Just("d-1"), Just("d-2"), Just("d-9")].prop_map(str::to_owned)
}

fn record() -> impl Strategy<Value = Record> {
    let side = prop_oneof![Just(Side::Busy), Just(Side::Person), Just(Side::CodeDeploy)];
    let outcome = prop_oneof![Just(Outcome::Succeeded), Just(Outcome::Stuck)];
    let about = (target(), step(), id(), any::<u8>(), side, any::<bool>());
    prop_oneof![
        18 => about.prop_flat_map(|(target, step, id, number, side, flag)| {
            let (note, attempt) = (String::new(), u32::from(number));
            let trouble = flag.then(|| "no answer".to_owned());
            let calls = [stop(), CallKind::DeployBaseline, CallKind::CreateDeployment, task("./migrate.sh")];
            let call = calls[usize::from(number) % 4].clone();
            let condition = Condition::alarm("storefront-5xx").id();
            let kind = [VerdictKind::Pass, VerdictKind::Fail, VerdictKind::Undecided][usize::from(number) % 3];
            prop::sample::select(vec![
                Record::StepStarted { target: target.clone(), step: step.clone() },
                Record::CallBegan { target: target.clone(), step: step.clone(), attempt, call },
                Record::CallEnded { target: target.clone(), step: step.clone(), attempt, trouble },
                Record::CallLost { target: target.clone(), step: step.clone(), attempt, why: "x".into() },
                Record::DeploymentSeen { target: target.clone(), step: step.clone(), deployment: id.clone(), waits: Vec::new() },
                Record::StepDone { target: target.clone(), step: step.clone(), note: note.clone() },
                Record::StepFailed { target: target.clone(), step: step.clone(), cause: cause(side, "x") },
                Record::Watched { target: target.clone(), step: step.clone(), seconds: u64::from(number) * 1000 },
                Record::Paused { target: target.clone(), step: step.clone(), until: at(0) },
                Record::Held {
                    target: target.clone(),
                    step: step.clone(),
                    condition: flag.then(|| condition.clone()),
                    cause: cause(side, "x"),
                },
                Record::Judged {
                    target: target.clone(),
                    condition: condition.clone(),
                    verdict: kind,
                    report_only: flag,
                    why: "x".into(),
                },
                Record::ConditionAccepted { target: target.clone(), condition, by: "ann".into() },
                Record::ProcessesLeft { target: target.clone(), group: "g".into(), processes: vec![id.clone()] },
                Record::FailureAccepted { target: target.clone(), step: step.clone(), by: "ann".into() },
                Record::Deaf { target: target.clone(), step: step.clone(), why: "x".into(), needs: None },
                Record::Restored { target: target.clone(), note },
                Record::RestoreFailed { target: target.clone(), cause: cause(side, "x") },
                Record::RollBackBegan { cause: cause(side, "x"), targets: vec![target] },
            ])
        }),
        2 => (1u64..9).prop_map(|token| Record::DriverStarted { token, holder: String::new() }),
        1 => Just(Record::Detached { why: String::new() }),
        1 => Just(Record::HearsAgain),
        1 => outcome.prop_map(|outcome| Record::RunEnded { outcome, live: [].into() }),
    ]
}

/// What a driver may have seen: anything, of any age.
fn view(plan: &Plan) -> impl Strategy<Value = View> + use<> {
    let plan = plan.clone();
    let deployments = vec((id(), 0usize..8, any::<bool>(), prop::option::of(id()), -500i64..500), 0..4);
    let rest = (0usize..6, 0usize..3, any::<bool>(), -500i64..500);
    (deployments, rest).prop_map(move |(deployments, (readings, kind, is_calling, seconds))| {
        let mut view = View::new(&plan);
        for (lane, seen) in plan.lanes().zip(&mut view.lanes) {
            for (id, status, is_waiting_to_terminate, rollback, when) in &deployments {
                let status = statuses()[*status].clone();
                let found = Deployment {
                    id: id.clone(),
                    rollback: rollback.clone(),
                    is_waiting_to_terminate: *is_waiting_to_terminate,
                    ..deployment(status)
                };
                seen.saw_deployment(found.clone(), at(*when));
                if lane.fleet().is_some_and(|fleet| fleet.rolling.is_some()) {
                    let hosts = hosts(lane, kind + 2, &found.status);
                    let bundle = Some(revision(if *is_waiting_to_terminate { 'a' } else { 'b' }));
                    let deployment = Deployment { revision: bundle, created: Some(at(*when - 60)), ..found };
                    seen.saw_attempts(vec![Attempt { deployment, hosts }], at(*when));
                }
            }
            if kind > 0 {
                saw_group(seen, "storefront-asg", Some(lane.fleet().unwrap().baseline.scaling_group.clone()), seconds);
                saw_group(seen, "CodeDeploy_storefront-web_d-1", (kind > 1).then(Default::default), seconds);
            }
            for reading in 0..readings {
                let all = vec![vec![], blue(lane, "healthy"), targets(&[("g", 4, "healthy")])].swap_remove(kind);
                seen.saw_health(lane, ARN, all, at(seconds + i64::try_from(reading).unwrap()));
                seen.saw_probe(2, (kind == 0).then(|| "500".to_owned()), at(seconds));
            }
            let state = ["OK", "ALARM", "?"][kind];
            seen.alarms.insert("storefront-5xx".into(), Fact { value: Some(alarm(state)), at: at(seconds) });
            seen.missed(Read::Group, "throttled".into(), at(seconds));
            seen.is_calling = is_calling;
        }
        view
    })
}

/// The first so many hosts of a fleet, with what a deployment has done to them.
fn hosts(lane: &Lane, count: usize, status: &Status) -> Vec<DeploymentTarget> {
    let fleet = &lane.fleet().unwrap().baseline.scaling_group;
    let target = |host: &Instance| DeploymentTarget {
        id: host.id.clone(),
        label: None,
        status: status.to_string(),
        updated: None,
        events: Vec::new(),
    };
    fleet.instances.iter().take(count).map(target).collect()
}

#[test]
fn there_is_always_a_state_and_a_turn() {
    let mut plan = plan_of_two(plan_with_tasks());
    plan.waves[0].lanes[1].on_failure = OnFailure::Hold;
    settles(&plan);
}

#[test]
fn so_it_is_where_hosts_get_the_release_in_place() {
    let mut plan = plan_of_two(rolling_plan());
    plan.waves[0].lanes[1].on_failure = OnFailure::Hold;
    settles(&plan);
}

fn settles(plan: &Plan) {
    let all = (vec((record(), 0i64..2000), 0..40), view(plan), 0i64..20_000, target(), step());
    let config = Config { cases: 600, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let tried = runner.run(&all, |(records, mut view, now, target, step)| {
        let mut state = super::fixture::state(plan, &[]);
        for (record, seconds) in &records {
            state.apply(plan, at(*seconds), record);
        }
        let accept = Wish::Accept { target: target.clone(), step: step.clone(), number: state.holds };
        let decisions = [
            Decision { name: format!("accept-{}", state.holds), by: "ann".into(), what: accept },
            Decision { name: "p".into(), by: "ann".into(), what: Wish::Promote { target, step, full: false } },
            Decision { name: "abort".into(), by: "ann".into(), what: Wish::Abort },
        ];
        // A few turns in which nothing new is seen: it settles, and does not write for ever.
        let mut written = 0;
        for turns in 0..6 {
            due(plan, &state, &view, at(now));
            blind(plan, &state, &mut view, at(now));
            view.account(plan, &state, at(now));
            let turn = next(plan, &state, &view, &decisions[..turns % 4], at(now));
            prop_assert!(!matches!(state.status, RunStatus::Ended(_)) || turn.records.is_empty());
            let lanes: Vec<usize> = turn.calls.iter().map(|planned| planned.lane).collect();
            prop_assert!(lanes.windows(2).all(|pair| pair[0] < pair[1]), "one call a lane: {lanes:?}");
            for record in &turn.records {
                state.apply(plan, at(now), record);
            }
            for planned in &turn.calls {
                view.lanes[planned.lane].is_calling = true;
            }
            written = turn.records.len();
        }
        prop_assert!(written <= 1, "{written} records in a turn in which nothing was new");
        Ok(())
    });
    tried.unwrap_or_else(|error| panic!("{error}"));
}

/// Reading a journal of records in two halves is reading it in one.
#[test]
fn folds_are_folds() {
    let plan = plan_of_two(plan_with_tasks());
    let all = (vec((record(), 0i64..2000), 0..40), any::<prop::sample::Index>());
    let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let tried = runner.run(&all, |(records, middle)| {
        let written: Vec<(i64, Record)> = records
            .into_iter()
            .map(|(record, seconds)| {
                let text = serde_json::to_string(&record).unwrap();
                (seconds, serde_json::from_str(&text).unwrap())
            })
            .collect();
        let whole: State = super::fixture::state(&plan, &written);
        let (first, second) = written.split_at(middle.index(written.len() + 1));
        let mut halves = super::fixture::state(&plan, first);
        second.iter().for_each(|(seconds, record)| halves.apply(&plan, at(*seconds), record));
        prop_assert_eq!(whole, halves);
        Ok(())
    });
    tried.unwrap_or_else(|error| panic!("{error}"));
}
