use proptest::prelude::{any, prop, prop_assert_eq, proptest};
use proptest::strategy::Strategy as Generator;

use super::*;
use crate::model::condition::Condition;
use crate::model::observed::{Instance, TargetHealth};
use crate::model::pipeline::{Promote, Stage};
use crate::model::{Percent, Period};
use crate::plan::{What, sample};

fn built(change: impl FnOnce(&mut Pipeline, &mut Fleet, &mut Intent)) -> Plan {
    let (mut pipeline, mut fleet, mut intent) = (sample::pipeline(), sample::fleet(), Intent::Deploy);
    change(&mut pipeline, &mut fleet, &mut intent);
    let environment = sample::name("production");
    let input = Input { intent, ..sample::input(&pipeline, &environment, fleet) };
    build(&input).unwrap().plan
}

fn strategy(pipeline: &mut Pipeline) -> &mut crate::model::pipeline::BlueGreen {
    pipeline.targets.values_mut().next().unwrap().blue_green_mut().unwrap()
}

/// One line per step: name, expected and longest duration, way back.
fn story(plan: &Plan) -> String {
    let step = |step: &crate::plan::Step| {
        let kind = if matches!(step.what, What::Act(_)) { "act" } else { "hold" };
        format!("{} {kind} {} ≤ {} {:?}", step.id, step.expected, step.limit, step.way_back)
    };
    plan.lanes().flat_map(|lane| &lane.steps).map(step).collect::<Vec<_>>().join("\n")
}

#[test]
fn blue_green() {
    let plan = built(|_, _, _| {});
    assert_eq!(
        story(&plan),
        "\
create act 6m ≤ 1h18m Drop
compare act 10s ≤ 15m Drop
reroute act 16m ≤ 1h48m Route
bake hold 5m ≤ 45m Route
finish act 3m ≤ 1h9m Redeploy"
    );
    assert_eq!((plan.calls_per_minute, plan.sites.len(), plan.waves[0].name.as_str()), (20, 1, "all"));
    let lane = plan.lanes().next().unwrap();
    let baseline = &lane.fleet().unwrap().baseline;
    assert_eq!((baseline.redeploy.to_string().as_str(), baseline.healthy.len()), ("25m", 4));
    let labels: Vec<String> = lane.watches[0].conditions.iter().map(Condition::label).collect();
    assert_eq!(labels, ["targets ≥ 90%", "alarm storefront-5xx", "http /healthz"]);
    assert!(
        matches!(&lane.watches[0].conditions[2], Condition::Http { origin, .. } if origin == "http://front.example:80")
    );
    assert_eq!((lane.watches[0].from.0.as_str(), lane.watches[0].to.0.as_str()), ("reroute", "bake"));
}

#[test]
fn what_hosts_answer_is_judged_in_the_bake_of_a_first_release() {
    let first = |_: &mut Pipeline, fleet: &mut Fleet, _: &mut Intent| {
        fleet.baseline = None;
        fleet.target_groups[0].targets.clear();
    };
    let plan = built(first);
    let lane = plan.lanes().next().unwrap();
    let told = lane.watches.iter().map(|watch| {
        let labels: Vec<String> = watch.conditions.iter().map(Condition::label).collect();
        format!("{} to {}: {}", watch.from, watch.to, labels.join(", "))
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        ["reroute to bake: alarm storefront-5xx", "bake to bake: targets ≥ 4, http /healthz"]
    );
    // Somebody is served by a host that one target group calls healthy.
    let served = |_: &mut Pipeline, fleet: &mut Fleet, _: &mut Intent| {
        fleet.baseline = None;
        let mut other = fleet.target_groups[0].clone();
        other.targets.clear();
        fleet.target_groups.push(other);
    };
    let plan = built(served);
    let watches = &plan.lanes().next().unwrap().watches;
    assert_eq!(watches.iter().map(|watch| watch.from.0.as_str()).collect::<Vec<_>>(), ["reroute"]);
}

#[test]
fn an_approval_is_compared_again_and_blue_is_kept() {
    let plan = built(|pipeline, fleet, _| {
        *strategy(pipeline) = crate::model::pipeline::BlueGreen {
            promote: Promote::Manual,
            within: Period::minutes(50),
            keep_blue: Period::minutes(20),
            allow_partial: false,
        };
        fleet.group.termination = Some(("TERMINATE".into(), 2800));
        fleet.baseline = None;
    });
    assert_eq!(
        story(&plan),
        "\
create act 6m ≤ 1h18m Drop
compare act 10s ≤ 15m Drop
approval hold 0m ≤ 50m Drop
compare-again act 10s ≤ 15m Drop
reroute act 16m ≤ 1h48m Route
bake hold 5m ≤ 45m Route
keep hold 20m ≤ 1h30m Route
finish act 3m ≤ 1h9m None"
    );
}

#[test]
fn the_way_back_is_judged_by_its_targets_and_asks_nobody() {
    let plan = built(|pipeline, fleet, intent| {
        *intent = Intent::Rollback;
        strategy(pipeline).promote = Promote::Manual;
        strategy(pipeline).keep_blue = Period::minutes(10);
        pipeline.targets.values_mut().next().unwrap().health.targets = None;
        fleet.alarms[0].state = "ALARM".into();
    });
    let steps: Vec<&str> = plan.lanes().flat_map(|lane| &lane.steps).map(|step| step.id.0.as_str()).collect();
    assert_eq!(steps, ["create", "compare", "reroute", "bake", "finish"]);
    let conditions = &plan.lanes().next().unwrap().watches[0].conditions;
    assert!(
        matches!(conditions.as_slice(), [Condition::Targets { share, baseline: 4, .. }] if *share == Percent::whole(90))
    );
}

#[test]
fn what_is_live_needs_no_steps() {
    let live = |fleet: &mut Fleet| fleet.baseline.as_mut().unwrap().revision = sample::revision('b');
    let plan = built(|_, fleet, _| {
        live(fleet);
        fleet.alarms[0].state = "ALARM".into();
    });
    assert!(plan.is_empty() && plan.lanes().count() == 1 && plan.calls_per_minute == 0);
    assert!(
        built(|_, fleet, intent| {
            live(fleet);
            *intent = Intent::Rollback;
        })
        .is_empty()
    );
    // A bundle that shipit did not name cannot be known to be the same.
    let foreign = |key: &str| Revision { key: key.into(), ..sample::revision('b') };
    assert!(!built(|_, fleet, _| fleet.baseline.as_mut().unwrap().revision = foreign("release.zip")).is_empty());
}

#[test]
fn an_unwatched_bake_has_no_watch() {
    let plan = built(|pipeline, _, _| {
        let health = &mut pipeline.targets.values_mut().next().unwrap().health;
        (health.targets, health.alarms, health.http) = (None, Vec::new(), Vec::new());
    });
    assert!(plan.lanes().next().unwrap().watches.is_empty());
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let (mut pipeline, fleet) = (sample::pipeline(), sample::fleet());
    let api = sample::name("api");
    pipeline.targets.insert(api.clone(), pipeline.targets[&sample::name("web")].clone());
    let environment = sample::name("production");
    let mut input = sample::input(&pipeline, &environment, fleet.clone());
    input.region = "us-east-1".into();
    let said = |input: &Input| -> Vec<String> { build(input).unwrap_err().into_iter().map(|it| it.what).collect() };
    assert_eq!(
        said(&input),
        ["the environment is region ap-northeast-2, but the calls went to us-east-1", "target `api` has no bundle",]
    );
    input.revisions.insert(api.clone(), sample::revision('c'));
    assert_eq!(said(&input)[1..], ["target `api` was not observed"]);
    input.observed.insert(api, Observed::Fleet(Box::new(fleet)));
    assert_eq!(said(&input)[1..], ["targets `api` and `web` stand on one Auto Scaling group, `storefront-asg`"]);
    let nowhere = sample::name("nowhere");
    input.environment = &nowhere;
    assert_eq!(said(&input), ["the pipeline has no environment `nowhere`"]);
}

/// A fleet of any size whose lists come in any order.
fn fleets() -> impl Generator<Value = Fleet> {
    let instance = |number: usize, serves: bool| Instance {
        id: format!("i-{number:017x}"),
        state: if serves { "InService" } else { "Terminating" }.to_owned(),
        is_healthy: serves,
        template_version: None,
        zone: String::new(),
    };
    prop::collection::vec(any::<bool>(), 1..30).prop_map(move |serving| {
        let mut fleet = sample::fleet();
        let instances = serving.iter().enumerate().map(|(number, serves)| instance(number, *serves || number == 0));
        fleet.scaling_groups[0].instances = instances.collect();
        let targets = fleet.scaling_groups[0].instances.iter().map(|it| TargetHealth {
            id: it.id.clone(),
            state: if it.is_healthy { "healthy" } else { "draining" }.to_owned(),
            reason: None,
        });
        fleet.target_groups[0].targets = targets.collect();
        fleet
    })
}

proptest! {
    #[test]
    fn equal_worlds_give_equal_bytes(fleet in fleets(), turn in 0usize..30) {
        let (pipeline, environment) = (sample::pipeline(), sample::name("production"));
        let mut turned = fleet.clone();
        let instances = &mut turned.scaling_groups[0].instances;
        let places = turn % instances.len();
        instances.rotate_left(places);
        let targets = &mut turned.target_groups[0].targets;
        targets.reverse();
        let bytes = |fleet: Fleet| {
            let plan = build(&sample::input(&pipeline, &environment, fleet)).map(|built| built.plan);
            serde_json::to_vec(&plan.map_err(|refused| format!("{refused:?}")).unwrap()).unwrap()
        };
        let one = bytes(fleet);
        prop_assert_eq!(&one, &bytes(turned));
        let read: Plan = serde_json::from_slice(&one).unwrap();
        prop_assert_eq!(serde_json::to_vec(&read).unwrap(), one);
    }
}

#[test]
fn stages_are_waves_in_the_order_of_the_pipeline() {
    let (mut pipeline, environment) = (sample::pipeline(), sample::name("production"));
    let (web, api) = (sample::name("web"), sample::name("api"));
    pipeline.targets.insert(api.clone(), pipeline.targets[&web].clone());
    let mut other = sample::fleet();
    for group in &mut other.scaling_groups {
        group.name.push_str("-api");
    }
    let mut patient = sample::fleet();
    patient.group.termination = Some(("TERMINATE".into(), 281));
    let mut input = sample::input(&pipeline, &environment, patient);
    input.observed.insert(api.clone(), Observed::Fleet(Box::new(other)));
    input.revisions.insert(api.clone(), input.revisions[&web].clone());
    let waves = |pipeline: &Pipeline| {
        let plan = build(&Input { pipeline, ..input.clone() }).unwrap().plan;
        let wave = |wave: &Wave| {
            let lanes: Vec<&str> = wave.lanes.iter().map(|lane| lane.target.as_str()).collect();
            format!("{}: {}", wave.name, lanes.join(" "))
        };
        plan.waves.iter().map(wave).collect::<Vec<_>>()
    };
    assert_eq!(waves(&pipeline), ["all: api web"]);
    let stage = |name, target: &Name| Stage { name: sample::name(name), targets: vec![target.clone()] };
    let staged = Pipeline { stages: vec![stage("first", &web), stage("second", &api)], ..pipeline.clone() };
    assert_eq!(waves(&staged), ["first: web", "second: api"]);
    let Some(Observed::Fleet(fleet)) = input.observed.get_mut(&web) else { panic!("no fleet") };
    fleet.group.termination = Some(("TERMINATE".into(), 280));
    let refused = build(&Input { pipeline: &staged, ..input.clone() }).unwrap_err();
    assert_eq!(
        refused[0].what,
        "deployment group `storefront-web` keeps blue for 4h40m; the stages after it may take 4h6m, and blue must be there \
         as long, after 35m of its own (Terraform: `blue_green_deployment_config\
         .terminate_blue_instances_on_deployment_success.termination_wait_time_in_minutes`)"
    );
    let fix = refused[0].fix.clone().unwrap();
    assert!(fix.contains("\"terminationWaitTimeInMinutes\":281") && fix.contains("`rollback: stage`"), "{fix}");
    let kept = Pipeline { rollback: crate::model::pipeline::RollbackScope::Stage, ..staged.clone() };
    assert!(build(&Input { pipeline: &kept, ..input.clone() }).is_ok());
    // A wait for a person in the later stage outlasts anything that CodeDeploy does.
    let mut asks = staged.clone();
    asks.targets.get_mut(&api).unwrap().blue_green_mut().unwrap().promote = Promote::Manual;
    asks.targets.get_mut(&api).unwrap().blue_green_mut().unwrap().within = Period::hours(46);
    let Some(Observed::Fleet(fleet)) = input.observed.get_mut(&api) else { panic!("no fleet") };
    fleet.group.ready = Some(("STOP_DEPLOYMENT".into(), 2800));
    let refused = build(&Input { pipeline: &asks, ..input.clone() }).unwrap_err();
    assert!(refused[0].what.contains("keeps it for 1d22h40m at most"), "{}", refused[0].what);
}

/// A host may take as long as the AppSpec says, and so may every batch: no step gives up before CodeDeploy would.
#[test]
fn steps_wait_for_what_the_appspec_allows() {
    let (pipeline, environment) = (sample::pipeline(), sample::name("production"));
    let limits = |install: u64, traffic: u64| {
        let mut input = sample::input(&pipeline, &environment, sample::fleet());
        let hooks = HookTimes { install: Period::minutes(install), traffic: Period::minutes(traffic) };
        input.hooks.insert(sample::name("web"), hooks);
        let built = build(&input).unwrap();
        let steps = &built.plan.waves[0].lanes[0].steps;
        (format!("{} {}", steps[0].limit, steps[2].limit), built.notes.join("\n"))
    };
    assert_eq!(limits(20, 30), ("1h18m 1h48m".to_owned(), String::new()));
    let note = "web: the AppSpec lets scripts take 3h on each host, so create may take 6h18m, and 2h on each host, so reroute \
                may take 4h25m; a script without a `timeout` has an hour";
    assert_eq!(limits(180, 120), ("6h18m 4h25m".to_owned(), note.to_owned()));
}
