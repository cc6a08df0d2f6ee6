//! Good and bad releases, and what people do about them.

use sandbox::doc::doc;

use super::stage::{PIPELINE, Stage};

/// The world after a rollback, or as if nothing had been.
const AS_BEFORE: &str = "live baseline on 4";

#[tokio::test(start_paused = true)]
async fn a_good_release_goes_live() {
    let stage = Stage::new(PIPELINE).await;
    stage.traffic(20);
    stage.release("two", "");
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 0, "{}\n{}", said.err, said.out);
    assert_eq!(stage.picture().await, "live two on 4, 2 deployments: Succeeded by user, Succeeded by user; 1 group");
    let again = stage.shipit("deploy shop.yml").await;
    assert_eq!(again.code, 0, "{}", again.err);
    assert!(again.out.contains("nothing to do"), "{}", again.out);
    assert_eq!(stage.deployments().len(), 2, "nothing was deployed for no change");
}

#[tokio::test(start_paused = true)]
async fn bad_releases_are_rolled_back() {
    for (behaviour, why) in [
        ("errors: 100\n", "alarm shop-5xx: Threshold Crossed"),
        ("errors: 30\n", "alarm shop-5xx: Threshold Crossed"),
        ("listens: false\n", "HEALTH_CONSTRAINTS"),
        ("fail: AfterInstall\n", "HEALTH_CONSTRAINTS"),
        ("fail: ValidateService\n", "HEALTH_CONSTRAINTS"),
    ] {
        let stage = Stage::new(PIPELINE).await;
        stage.traffic(20);
        stage.release("two", behaviour);
        let said = stage.shipit("deploy shop.yml --release two").await;
        assert_eq!(said.code, 20, "{behaviour}\n{}\n{}", said.err, said.out);
        assert!(said.out.contains(why), "{behaviour}\n{}\n{}", said.err, said.out);
        let picture = stage.picture().await;
        assert!(picture.starts_with(AS_BEFORE) && picture.ends_with("1 group"), "{behaviour}: {picture}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_live_group_survives_failures_in_every_phase() {
    let stage = Stage::new(PIPELINE).await;
    stage.traffic(20);
    for (release, behaviour, code, live) in [
        ("two", "", 0, "two"),
        ("three", "", 0, "three"),
        ("four", "fail: AfterInstall\n", 20, "three"),
        ("five", "errors: 100\n", 20, "three"),
        ("six", "fail: ValidateService\n", 20, "three"),
        ("seven", "", 0, "seven"),
    ] {
        stage.release(release, behaviour);
        let said = stage.shipit(&format!("deploy shop.yml --release {release}")).await;
        assert_eq!(said.code, code, "{release}\n{}\n{}", said.err, said.out);
        let picture = stage.picture().await;
        assert!(picture.starts_with(&format!("live {live} on 4")), "{release}: {picture}");
        assert!(picture.ends_with("1 group"), "{release}: {picture}");
    }
    let history = stage.shipit("history shop.yml").await.out;
    assert_eq!(history.matches("rolled back").count(), 3, "{history}");
}

#[tokio::test(start_paused = true)]
async fn rollback_brings_the_release_before_back_while_the_alarm_is_red() {
    let stage = Stage::new(PIPELINE).await;
    stage.traffic(20);
    stage.release("two", "");
    assert_eq!(stage.shipit("deploy shop.yml --release two").await.code, 0);
    let group = doc! {
        "applicationName" => "shop",
        "currentDeploymentGroupName" => "shop-web",
        "alarmConfiguration" => doc! { "enabled" => true, "alarms" => vec![doc! { "name" => "shop-5xx" }] },
    };
    stage.call("codedeploy", "UpdateDeploymentGroup", &group);
    let red = doc! { "AlarmName" => "shop-5xx", "StateValue" => "ALARM", "StateReason" => "set by hand" };
    stage.call("monitoring", "SetAlarmState", &red);
    stage.call("monitoring", "DisableAlarmActions", &doc! { "AlarmNames" => vec!["shop-5xx"] });
    let said = stage.shipit("rollback shop.yml").await;
    assert_eq!(said.code, 0, "{}\n{}", said.err, said.out);
    let picture = stage.picture().await;
    assert!(picture.starts_with("live baseline on 4"), "{picture}");
    assert!(picture.ends_with("1 group"), "{picture}");
}

/// What the live log said is what `show` says, but for heartbeats and the plan before it.
#[tokio::test(start_paused = true)]
async fn show_tells_what_the_live_log_told() {
    let stage = Stage::new(PIPELINE).await;
    stage.release("two", "fail: ValidateService\n");
    let said = stage.shipit("deploy shop.yml --release two --output json").await;
    let result: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let run = result["run"].as_str().unwrap();
    let shown = stage.shipit(&format!("show {run} shop.yml --output plain")).await;
    assert_eq!(shown.code, 0, "{}", shown.err);
    let log = said.err.split_once("09:01:10Z").unwrap().1;
    let live: Vec<&str> = log.lines().filter(|line| !line.contains("Z  · ")).collect();
    let (_, shown) = shown.out.split_once("09:01:10Z").unwrap();
    assert_eq!(live, shown.lines().collect::<Vec<&str>>());
}
