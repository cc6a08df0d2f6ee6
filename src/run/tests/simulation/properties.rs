//! What holds in every world.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::super::fixture::{plan, plan_of_two, plan_with_holds, plan_with_tasks, rolling_plan_with_tasks};
use super::aws::Luck;
use super::driver::Simulation;
use crate::event::record::{Cause, Outcome, Record, Side, VerdictKind};
use crate::model::function::{FunctionTarget, Shifting};
use crate::model::{Name, Period};
use crate::plan::sample::{function, function_plan, function_target, rolling_plan};
use crate::plan::{Lane, OnFailure, Plan, RollbackScope, Wave};
use crate::run::{LaneState, RunStatus, Told};

/// Turns within which every run is over, and the world time that they may take.
const TURNS: usize = 6000;

/// The plans: one lane, with and without waits for people; two lanes side by side and one after the other.
fn plans() -> [Plan; 19] {
    let mut in_turn = plan_of_two(plan_with_holds());
    let second = in_turn.waves[0].lanes.split_off(1);
    in_turn.waves.push(Wave { name: "second".into(), lanes: second });
    let mut first = function();
    (first.alias, first.live) = (None, None);
    let all = FunctionTarget { shifting: Shifting::AllAtOnce, ..function_target() };
    [
        plan(),
        plan_with_holds(),
        plan_of_two(plan()),
        in_turn,
        function_plan(&function_target(), &function()),
        function_plan(&all, &function()),
        function_plan(&all, &first),
        staged(RollbackScope::Run, true),
        staged(RollbackScope::Stage, true),
        staged(RollbackScope::Run, false),
        plan_of_two(plan_with_tasks()),
        held(plan_with_tasks(), &["web"]),
        held(plan_of_two(plan_with_holds()), &["api"]),
        held(staged(RollbackScope::Stage, true), &["web", "thumbs"]),
        held(function_plan(&function_target(), &function()), &["thumbs"]),
        rolling_plan(),
        rolling_plan_with_tasks(),
        plan_of_two(rolling_plan()),
        held(plan_of_two(rolling_plan_with_tasks()), &["api"]),
    ]
}

/// With these targets held when something fails.
fn held(mut plan: Plan, targets: &[&str]) -> Plan {
    let mut count = 0;
    for lane in plan.waves.iter_mut().flat_map(|wave| &mut wave.lanes) {
        if targets.contains(&lane.target.as_str()) {
            lane.on_failure = OnFailure::Hold;
            count += 1;
        }
    }
    assert_eq!(count, targets.len(), "{targets:?}");
    plan
}

/// A function and a fleet, one after the other; a fleet that is first keeps blue for the function.
fn staged(rollback: RollbackScope, is_function_first: bool) -> Plan {
    let mut staged = plan();
    let mut function = function_plan(&function_target(), &function()).waves.remove(0);
    function.name = "functions".into();
    staged.rollback = rollback;
    if is_function_first {
        staged.waves.insert(0, function);
    } else {
        let lane = &mut staged.waves[0].lanes[0];
        crate::plan::fleet::keep_for_later(lane, Period::minutes(90), Period::minutes(30));
        staged.waves.push(function);
    }
    staged
}

fn run(plan: Plan, luck: Luck, seed: u64) -> Simulation {
    let mut simulation = Simulation::new(plan, luck, seed);
    for _ in 0..TURNS {
        if simulation.turn() {
            return simulation;
        }
    }
    simulation.wrong.push(format!("not over after {TURNS} turns: {:?}", simulation.records.last()));
    simulation
}

/// What is wrong with a run that is over.
fn flaws(simulation: &Simulation) -> Vec<String> {
    let mut flaws = simulation.wrong.clone();
    let RunStatus::Ended(outcome) = simulation.state.status else { return flaws };
    let mut started = Vec::new();
    let mut calling: Vec<&str> = Vec::new();
    let (mut restored, mut touched, mut backs) = (Vec::new(), Vec::new(), 0);
    for (place, (_, record)) in simulation.records.iter().enumerate() {
        match record {
            Record::StepStarted { target, step } => started.push((target, step)),
            Record::StepDone { target, step, .. } if !started.contains(&(target, step)) => {
                flaws.push(format!("{step} of {target} was done before it began"));
            }
            Record::DriverStarted { .. } => calling.clear(),
            Record::CallBegan { target, .. } => {
                if calling.contains(&target.as_str()) {
                    flaws.push(format!("two calls at once for {target}"));
                }
                calling.push(target.as_str());
            }
            Record::CallEnded { target, .. } | Record::CallLost { target, .. } => {
                calling.retain(|other| *other != target.as_str())
            }
            Record::RollBackBegan { targets, cause } => {
                flaws.extend(unasked(&simulation.plan, cause, targets));
                backs += 1;
                touched.clone_from(targets);
                let began = began(simulation, |target| started.iter().any(|(it, _)| *it == target));
                // Stages that were done stay.
                let is_kept = simulation.plan.rollback == RollbackScope::Stage && began.ends_with(targets);
                if *targets != began && !is_kept {
                    flaws.push(format!("restores {targets:?}, but {began:?} had begun"));
                }
            }
            Record::Restored { target, .. } | Record::RestoreFailed { target, .. } => restored.push(target.clone()),
            Record::RunEnded { .. } if place + 1 < simulation.records.len() => {
                flaws.push("records after the end".to_owned());
            }
            Record::RunPlanned { .. }
            | Record::DeploymentSeen { .. }
            | Record::VersionSeen { .. }
            | Record::AliasMoved { .. }
            | Record::PromotedFully { .. }
            | Record::StepDone { .. }
            | Record::StepFailed { .. }
            | Record::Judged { .. }
            | Record::ConditionAccepted { .. }
            | Record::ProcessesLeft { .. }
            | Record::Watched { .. }
            | Record::Paused { .. }
            | Record::Held { .. }
            | Record::FailureAccepted { .. }
            | Record::DecisionAccepted { .. }
            | Record::DecisionIgnored { .. }
            | Record::Deaf { .. }
            | Record::HearsAgain
            | Record::Detached { .. }
            | Record::RunEnded { .. } => {}
        }
    }
    restored.sort_unstable();
    touched.sort_unstable();
    if backs > 1 || restored != touched {
        flaws.push(format!("{backs} ways back, of {touched:?} restored {restored:?}"));
    }
    flaws.extend(flaws_of_worlds(simulation, outcome));
    if outcome == Outcome::Succeeded && simulation.state.lanes.iter().any(has_failed) {
        flaws.push("succeeded though a condition says no".to_owned());
    }
    flaws
}

/// The targets that have started and are nobody else's.
fn began(simulation: &Simulation, has_started: impl Fn(&Name) -> bool) -> Vec<Name> {
    let foreign = |target: &Name| {
        let lane = simulation.state.lane(target);
        lane.is_some_and(|lane| lane.restore.is_none() && lane.is_foreign())
    };
    let targets = simulation.plan.lanes().map(|lane| &lane.target);
    targets.filter(|target| has_started(target) && !foreign(target)).cloned().collect()
}

/// Whether a condition says no that nobody accepted.
fn has_failed(lane: &LaneState) -> bool {
    let is_no = |told: &Told| told.verdict == VerdictKind::Fail && !told.is_report_only;
    lane.verdicts.iter().any(|(id, told)| is_no(told) && !lane.waived.contains_key(id))
}

/// What goes back by itself and must not.
fn unasked(plan: &Plan, cause: &Cause, targets: &[Name]) -> Option<String> {
    let is_held = |target| plan.lane(target).is_some_and(Lane::is_held_on_failure);
    let is_refused = matches!(cause.side, Side::Busy | Side::Refused);
    let is_unasked = targets.iter().any(is_held) && !cause.what.starts_with("aborted by ann") && !is_refused;
    is_unasked.then(|| format!("nobody took {targets:?} back, but {}", cause.what))
}

/// Every world that the run touched must be what the outcome says.
fn flaws_of_worlds(simulation: &Simulation, outcome: Outcome) -> Vec<String> {
    let mut flaws = Vec::new();
    let sites = simulation.sites.iter().zip(&simulation.functions).zip(&simulation.rolling);
    for (((site, function), rolling), lane) in sites.zip(&simulation.state.lanes) {
        // What a stage that was done keeps is the new release.
        let is_kept = outcome == Outcome::RolledBack && lane.restore.is_none() && lane.cursor().is_none();
        let is_staged = simulation.plan.rollback == RollbackScope::Stage;
        if is_kept && !is_staged {
            flaws.push(format!("{} was not taken back", lane.target));
        }
        let outcome = if is_kept { Outcome::Succeeded } else { outcome };
        if let Some(rolling) = rolling {
            flaws.extend(rolling.flaws(outcome, simulation.now));
            continue;
        }
        match function {
            // What this run never touched is whatever somebody made of it.
            Some(_) if !lane.is_touched() => {}
            Some(function) => flaws.extend(function.flaws(&format!("{outcome:?}"))),
            None => flaws.extend(flaws_of(site, outcome)),
        }
    }
    flaws
}

/// The world must be what the outcome says.
fn flaws_of(site: &super::aws::Site, outcome: Outcome) -> Vec<String> {
    let mut flaws = Vec::new();
    let is = |mark: &str| site.deployments.iter().filter(|dep| dep.mark == mark).count();
    if is("shipit:create") > 1 || is("shipit:restore") > 1 {
        flaws.push("a deployment was made twice".to_owned());
    }
    let green = site.forward().map(|dep| site.lane().fleet().unwrap().green_group(&dep.id));
    let serving = site.serving();
    let serves_green = green.as_ref().is_some_and(|green| serving.contains(&green.as_str()));
    match outcome {
        Outcome::Succeeded if !serves_green || serving.len() != 1 => {
            flaws.push(format!("succeeded, but {serving:?} serve"))
        }
        Outcome::RolledBack | Outcome::Refused if serves_green || serving.len() != 1 => {
            flaws.push(format!("rolled back, but {serving:?} serve"));
        }
        Outcome::Succeeded | Outcome::RolledBack | Outcome::Refused | Outcome::Held | Outcome::Stuck => {}
    }
    if let Some(active) = site.active().filter(|_| outcome != Outcome::Stuck) {
        flaws.push(format!("{outcome:?}, but {} still is {:?}", active.id, active.phase));
    }
    if outcome == Outcome::RolledBack && site.groups.len() > 1 {
        flaws.push(format!("left behind: {:?}", site.groups.keys()));
    }
    flaws
}

fn some_luck() -> impl Strategy<Value = Luck> {
    let odds = (
        0u8..=30,
        0u8..=30,
        0u8..=40,
        0u8..=40,
        0u8..=5,
        0u8..=2,
        0u8..=2,
        any::<bool>(),
        (0u8..=20, 0u8..=3, 0u8..=3),
    );
    odds.prop_map(|(deployments, backs, calls, reads, deaths, aborts, console, is_bad, (tasks, hosts, deaf))| Luck {
        hosts,
        deaf,
        tasks,
        deployments,
        backs,
        calls,
        reads,
        deaths,
        aborts,
        console,
        is_bad,
    })
}

fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

#[test]
fn every_run_ends_as_it_says() {
    let plans = plans();
    let all = (0..plans.len(), some_luck(), any::<u64>());
    let tried = runner(300).run(&all, |(place, luck, seed)| {
        let simulation = run(plans[place].clone(), luck, seed);
        let flaws = flaws(&simulation);
        prop_assert!(flaws.is_empty(), "{flaws:#?}\n{}", simulation.tale());
        Ok(())
    });
    tried.unwrap_or_else(|error| panic!("{error}"));
}

/// How many of some runs without waits for people end how.
fn outcomes(plan: Plan, luck: Luck) -> Vec<String> {
    let plans = [plan.clone(), plan_of_two(plan)];
    let mut counts = std::collections::BTreeMap::new();
    for seed in 0..30 {
        let simulation = run(plans[seed % 2].clone(), luck, seed as u64);
        assert_eq!(flaws(&simulation), Vec::<String>::new(), "{seed}\n{}", simulation.tale());
        let why = simulation.state.cause.as_ref().map(|cause| format!("{:?}", cause.side)).unwrap_or_default();
        *counts.entry(format!("{:?} {why}", simulation.state.status)).or_insert(0) += 1;
    }
    counts.iter().map(|(ending, count)| format!("{count} {ending}")).collect()
}

/// Throttles, lost answers and dying drivers change no outcome.
#[test]
fn weather_is_not_failure() {
    let fair = Luck::default();
    let storm = Luck { calls: 30, reads: 30, deaths: 3, ..fair };
    for plan in [staged(RollbackScope::Run, true), staged(RollbackScope::Run, false)] {
        for seed in 0..10 {
            let bad_fleet = Luck { deployments: 100, ..fair };
            let simulation = run(plan.clone(), bad_fleet, seed);
            assert_eq!(flaws(&simulation), Vec::<String>::new(), "{seed}\n{}", simulation.tale());
            assert_eq!(simulation.state.status, RunStatus::Ended(Outcome::RolledBack), "{}", simulation.tale());
        }
    }
    for (plan, luck) in [(plan(), fair), (plan(), storm), (rolling_plan(), fair)] {
        assert_eq!(outcomes(plan.clone(), luck), ["30 Ended(Succeeded) "], "{luck:?}");
        let bad = outcomes(plan.clone(), Luck { is_bad: true, ..luck });
        assert_eq!(bad, ["30 Ended(RolledBack) Condition"]);
        let failing = outcomes(plan, Luck { deployments: 100, ..luck });
        assert!(failing.iter().all(|ending| ending.contains("RolledBack")), "{failing:?}");
    }
}

/// A fleet in place, again and again in all weathers: more can go wrong on its hosts than in a copy of it.
#[test]
fn every_roll_ends_as_it_says() {
    let plans = [rolling_plan(), held(rolling_plan_with_tasks(), &["web"])];
    let all = (0..plans.len(), some_luck(), any::<u64>());
    let tried = runner(150).run(&all, |(place, luck, seed)| {
        let simulation = run(plans[place].clone(), luck, seed);
        let flaws = flaws(&simulation);
        prop_assert!(flaws.is_empty(), "{flaws:#?}\n{}", simulation.tale());
        Ok(())
    });
    tried.unwrap_or_else(|error| panic!("{error}"));
}
