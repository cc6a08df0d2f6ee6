//! Throttles, errors and lost answers on shipit's line change nothing but the time it takes; a call budget holds.

use sandbox::faults::{Action, Kind, Rule, Target, When};
use sandbox::world::ApiError;

use super::stage::{PIPELINE, Stage};

async fn ships_under(kind: Kind, seed: u64) {
    let stage = Stage::new(PIPELINE).await;
    stage.traffic(20);
    fastrand::seed(seed);
    stage.release("two", &format!("# {seed}\n"));
    stage.sandbox.add_fault(Rule { caller: Some(stage.key.clone()), kind: kind.clone() });
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 0, "{kind:?} {seed}\n{}\n{}", said.err, said.out);
    stage.sandbox.clear_faults();
    assert!(stage.sandbox.faults_hit() > 10, "only {} faults", stage.sandbox.faults_hit());
    let picture = stage.picture().await;
    assert_eq!(
        picture, "live two on 4, 2 deployments: Succeeded by user, Succeeded by user; 1 group",
        "{kind:?} {seed}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_third_of_the_calls_is_throttled() {
    for seed in 0..5 {
        ships_under(Kind::Throttle(30.0), seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenth_of_the_calls_fails_or_loses_its_answer() {
    for seed in 0..5 {
        ships_under(Kind::ApiErrors(10.0), seed).await;
    }
}

/// A bad release under bad weather still goes back.
#[tokio::test(start_paused = true)]
async fn the_way_back_stands_bad_weather() {
    for seed in 0..3 {
        let stage = Stage::new(PIPELINE).await;
        stage.traffic(20);
        fastrand::seed(seed);
        stage.release("two", "errors: 100\n");
        stage.sandbox.add_fault(Rule { caller: Some(stage.key.clone()), kind: Kind::ApiErrors(10.0) });
        let said = stage.shipit("deploy shop.yml --release two").await;
        assert_eq!(said.code, 20, "{seed}\n{}\n{}", said.err, said.out);
        stage.sandbox.clear_faults();
        let picture = stage.picture().await;
        assert!(picture.starts_with("live baseline on 4") && picture.ends_with("1 group"), "{seed}: {picture}");
    }
}

/// An hour-long deployment costs at most 150 calls, besides lease beats and decision reads.
#[tokio::test(start_paused = true)]
async fn an_hour_costs_few_calls() {
    let pipeline = PIPELINE.replace("bake: 5m", "bake: 55m");
    let stage = Stage::new(&pipeline).await;
    stage.traffic(20);
    stage.release("two", "");
    let began = stage.clock.now();
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 0, "{}\n{}", said.err, said.out);
    let minutes = stage.clock.now().duration_since(began).as_mins();
    assert!((58..70).contains(&minutes), "{minutes} minutes");
    let mut calls = stage.sandbox.calls(&stage.key);
    let seconds = u64::try_from(minutes * 60).unwrap();
    let beats = calls["s3:PutObject"].min(seconds / 10);
    let decisions = calls["s3:ListObjectsV2"].min(seconds / 60 + 1);
    *calls.get_mut("s3:PutObject").unwrap() -= beats;
    *calls.get_mut("s3:ListObjectsV2").unwrap() -= decisions;
    let total: u64 = calls.values().sum();
    // Twenty a minute while something may end, eight while only time passes.
    assert!(total <= 9 * u64::try_from(minutes).unwrap(), "{total} calls in {minutes} minutes: {calls:#?}");
}

/// Whichever call of a run is refused for good, users end up with the release they had.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_refused_leads_back() {
    for (operation, nth, code) in
        [("CreateDeployment", 0, 10), ("ContinueDeployment", 0, 20), ("ContinueDeployment", 2, 20)]
    {
        let stage = Stage::new(PIPELINE).await;
        stage.traffic(20);
        stage.release("two", "");
        let error =
            ApiError::new("AccessDeniedException", format!("not authorized to perform: codedeploy:{operation}"));
        let target = Target {
            service: "codedeploy".to_owned(),
            operation: operation.to_owned(),
            resource: String::new(),
            nth,
            when: When::Before,
            action: Action::Error(error),
        };
        stage.sandbox.add_fault(Rule { caller: Some(stage.key.clone()), kind: Kind::Target(target) });
        let said = stage.shipit("deploy shop.yml --release two").await;
        assert_eq!(said.code, code, "{operation} {nth}\n{}\n{}", said.err, said.out);
        let picture = stage.picture().await;
        assert!(
            picture.starts_with("live baseline on 4") && picture.ends_with("1 group"),
            "{operation} {nth}: {picture}"
        );
        let status = stage.shipit("status shop.yml").await;
        assert!(status.out.contains("none is under way"), "the environment is free again: {}", status.out);
    }
}
