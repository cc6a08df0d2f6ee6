//! Deployments in place that lose hosts, or are told to stop.

use std::time::Duration;

use crate::codedeploy::commands;
use crate::doc::{Doc, doc};

use super::play::Play;

/// Three instances with release v1.
async fn baseline() -> Play {
    let play = Play::new().await;
    let id = play.deploy("v1", doc! {});
    play.pass(900).await;
    assert_eq!(play.status(&id), "Succeeded");
    play
}

/// The first words of a deployment's targets.
fn targets(play: &Play, id: &str) -> Vec<String> {
    let lines = play.lifecycles(id);
    lines.iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

fn sorted(play: &Play) -> Vec<String> {
    let mut lines = play.traffic();
    lines.sort();
    lines
}

fn overridden(rollback: bool) -> Doc {
    doc! { "autoRollbackEnabled" => rollback }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_dies_inside_an_event_fails_after_an_hour() {
    let play = baseline().await;
    play.bundle("v2", "takes: 60s");
    let id = play.deploy("v2", Play::guarded());
    play.pass(90).await;
    let first = play.instances("web")[0].clone();
    assert!(play.lifecycles(&id)[0].contains("AfterInstall:In"), "{:?}", play.lifecycles(&id));
    play.kill(&first);
    play.pass(3500).await;
    assert_eq!(play.status(&id), "InProgress", "Auto Scaling has long replaced it");
    assert_eq!(play.traffic(), ["v1 healthy"; 3]);
    play.pass(200).await;
    assert_eq!((play.status(&id).as_str(), play.why(&id).0.as_str()), ("Failed", "HEALTH_CONSTRAINTS"));
    assert!(play.lifecycles(&id)[0].contains("AfterInstall:Fa ApplicationStart:Sk"), "{:?}", play.lifecycles(&id));
    let back = play.rollback_of(&id);
    play.pass(600).await;
    assert_eq!(targets(&play, &back), ["Succeeded"; 2], "only the instances that are left");
    assert_eq!((play.status(&back).as_str(), play.traffic().len()), ("Succeeded", 3));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_dies_between_events_fails_after_five_minutes() {
    let play = baseline().await;
    let id = play.deploy("v2", Play::guarded());
    play.pass(30).await;
    let second = play.instances("web")[1].clone();
    play.kill(&second);
    play.pass(300).await;
    assert_eq!(play.status(&id), "InProgress");
    play.pass(300).await;
    assert_eq!(
        (play.status(&id).as_str(), targets(&play, &id)),
        ("Failed", vec!["Succeeded".into(), "Failed".into(), "Skipped".into()])
    );
    let back = play.rollback_of(&id);
    play.pass(600).await;
    assert_eq!((play.status(&back).as_str(), play.traffic()), ("Succeeded", vec!["v1 healthy".to_owned(); 3]));
}

#[tokio::test(start_paused = true)]
async fn scaling_in_takes_a_host_out_of_the_roll() {
    let play = baseline().await;
    let id = play.deploy("v2", doc! { "deploymentConfigName" => "CodeDeployDefault.AllAtOnce" });
    play.pass(3).await;
    play.asg("SetDesiredCapacity", doc! { "AutoScalingGroupName" => "web", "DesiredCapacity" => 2 });
    play.pass(4000).await;
    assert_eq!((play.status(&id).as_str(), play.traffic()), ("Succeeded", vec!["v2 healthy".to_owned(); 2]));
    let mut ends = targets(&play, &id);
    ends.sort();
    assert_eq!(ends, ["Failed", "Succeeded", "Succeeded"]);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_does_not_ask_fails_its_target_with_nothing_run() {
    let play = baseline().await;
    let silent = play.instances("web")[2].clone();
    commands::silence(&play.world, &play.scope.site, &silent, true);
    let id = play.deploy("v2", doc! {});
    play.pass(900).await;
    assert_eq!(play.status(&id), "Succeeded", "the very last one may fail");
    let line = play.lifecycles(&id)[2].clone();
    assert!(line.starts_with("Failed BeforeBlockTraffic:Sk BlockTraffic:Sk"), "{line}");
    assert_eq!(sorted(&play), ["v1 healthy", "v2 healthy", "v2 healthy"]);
    commands::silence(&play.world, &play.scope.site, &silent, false);
    let id = play.deploy("v2", doc! { "updateOutdatedInstancesOnly" => true });
    play.pass(300).await;
    assert_eq!((play.status(&id).as_str(), play.lifecycles(&id).len()), ("Succeeded", 1));
    assert_eq!(play.traffic(), ["v2 healthy"; 3]);
}

#[tokio::test(start_paused = true)]
async fn stopping_with_and_without_a_rollback() {
    let play = baseline().await;
    // What the deployment says about stops, what the stop says, and whether it is rolled back.
    let table = [
        (doc! {}, doc! {}, false),
        (doc! {}, overridden(true), true),
        (Play::guarded(), doc! {}, true),
        (Play::guarded(), overridden(false), false),
    ];
    for (terms, stop, rolled_back) in table {
        let id = play.deploy("v2", terms);
        play.pass(30).await;
        let mut input = stop.clone();
        input.set("deploymentId", &id);
        let answer = play.codedeploy("StopDeployment", input);
        assert_eq!(answer.text("status"), Some("Pending"));
        play.pass(90).await;
        assert_eq!((play.status(&id).as_str(), play.why(&id).0.as_str()), ("Stopped", "MANUAL_STOP"), "{stop:?}");
        assert!(play.lifecycles(&id)[2].starts_with("Skipped BeforeBlockTraffic:Sk"));
        if rolled_back {
            let back = play.rollback_of(&id);
            play.pass(900).await;
            assert_eq!(play.status(&back), "Succeeded");
            assert_eq!(play.traffic(), ["v1 healthy"; 3]);
        } else {
            assert!(play.deployment(&id).get("rollbackInfo").is_null(), "{stop:?}");
            let again = play.deploy("v1", doc! {});
            play.pass(900).await;
            assert_eq!(play.status(&again), "Succeeded");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_fails_is_not_rolled_back() {
    let play = baseline().await;
    play.bundle("v2", "fail: ApplicationStart");
    let id = play.deploy("v2", Play::guarded());
    play.bundle("v1", "fail: ApplicationStart"); // the same version id has other bytes now
    play.pass(600).await;
    let back = play.rollback_of(&id);
    assert_eq!((play.status(&back).as_str(), play.why(&back).0.as_str()), ("Failed", "HEALTH_CONSTRAINTS"));
    assert!(play.deployment(&back).get("rollbackInfo").text("rollbackDeploymentId").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_deployment_ends_when_its_time_is_over() {
    let play = baseline().await;
    play.world.lock().site(&play.scope.site).codedeploy.pace.in_place = Duration::from_secs(60);
    let id = play.deploy("v2", Play::guarded());
    play.world.lock().site(&play.scope.site).codedeploy.pace.in_place = Duration::from_secs(3600);
    play.pass(70).await;
    assert_eq!((play.status(&id).as_str(), play.why(&id).0.as_str()), ("Failed", "TIMEOUT"));
    let back = play.rollback_of(&id);
    play.pass(900).await;
    assert_eq!((play.status(&back).as_str(), play.traffic()), ("Succeeded", vec!["v1 healthy".to_owned(); 3]));
}

#[tokio::test(start_paused = true)]
async fn a_composite_alarm_stops_it_and_not_the_way_back() {
    let play = baseline().await;
    let alarm = doc! {
        "AlarmName" => "errors", "Namespace" => "Shop", "MetricName" => "errors", "Statistic" => "Sum", "Period" => 60,
        "EvaluationPeriods" => 1, "Threshold" => 1.0, "ComparisonOperator" => "GreaterThanThreshold",
        "TreatMissingData" => "ignore",
    };
    play.ask("monitoring", "PutMetricAlarm", alarm);
    let sick = doc! { "AlarmName" => "sick", "AlarmRule" => "ALARM(errors) AND TRUE" };
    play.ask("monitoring", "PutCompositeAlarm", sick);
    let alarms = doc! { "enabled" => true, "alarms" => vec![doc! { "name" => "sick" }] };
    play.update(doc! { "alarmConfiguration" => alarms });
    let id = play.deploy("v2", Play::guarded());
    play.pass(150).await;
    assert_eq!(targets(&play, &id)[0], "Succeeded");
    let red = doc! { "AlarmName" => "errors", "StateValue" => "ALARM", "StateReason" => "by hand" };
    play.ask("monitoring", "SetAlarmState", red);
    play.pass(80).await;
    assert_eq!((play.status(&id).as_str(), play.why(&id).0.as_str()), ("Stopped", "ALARM_ACTIVE"));
    assert!(play.why(&id).1.ends_with("Activated alarms: <sick>"), "{}", play.why(&id).1);
    let back = play.rollback_of(&id);
    play.pass(900).await;
    assert_eq!((play.status(&back).as_str(), play.traffic()), ("Succeeded", vec!["v1 healthy".to_owned(); 3]));
}

#[tokio::test(start_paused = true)]
async fn what_replaces_a_lost_host_is_brought_up_to_date() {
    let play = Play::of(4, "subnet-a").await;
    play.deploy("v1", doc! {});
    play.pass(1200).await;
    play.bundle("v2", "takes: 60s");
    let id = play.deploy("v2", doc! { "deploymentConfigName" => "CodeDeployDefault.HalfAtATime" });
    play.pass(90).await;
    let begun = play.lifecycles(&id).iter().position(|line| line.contains("AfterInstall:In")).unwrap();
    let ids = play.codedeploy("ListDeploymentTargets", doc! { "deploymentId" => &id }).texts("targetIds");
    play.kill(&ids[begun]);
    play.pass(4200).await;
    assert_eq!(play.status(&id), "Succeeded", "{:?}", play.lifecycles(&id));
    assert_eq!(targets(&play, &id).iter().filter(|end| *end == "Failed").count(), 1);
    play.pass(600).await;
    let follow_ons = play.deployment(&id).get("relatedDeployments").texts("autoUpdateOutdatedInstancesDeploymentIds");
    assert_eq!((follow_ons.len(), play.status(&follow_ons[0]).as_str()), (1, "Succeeded"));
    assert_eq!(play.traffic(), ["v2 healthy"; 4]);
}

#[tokio::test(start_paused = true)]
async fn hosts_that_failed_come_first() {
    let play = baseline().await;
    let last = play.instances("web").into_iter().max().unwrap();
    commands::silence(&play.world, &play.scope.site, &last, true);
    let id = play.deploy("v2", doc! { "deploymentConfigName" => "CodeDeployDefault.AllAtOnce" });
    play.pass(900).await;
    assert_eq!(play.status(&id), "Succeeded");
    commands::silence(&play.world, &play.scope.site, &last, false);
    let id = play.deploy("v3", doc! {});
    play.pass(30).await;
    let ids = play.codedeploy("ListDeploymentTargets", doc! { "deploymentId" => &id }).texts("targetIds");
    assert_eq!((ids.first(), targets(&play, &id)[0].as_str()), (Some(&last), "InProgress"));
}
