//! Alarms stop deployments, but not the way back.

use crate::doc::{Doc, doc};

use super::play::Play;

/// A blue/green group that watches two alarms, both of them quiet.
async fn watched() -> Play {
    let play = Play::blue_green(0, 60).await;
    for name in ["errors", "latency"] {
        let alarm = doc! {
            "AlarmName" => name, "Namespace" => "Shop", "MetricName" => name, "Statistic" => "Sum", "Period" => 60,
            "EvaluationPeriods" => 1, "Threshold" => 1.0, "ComparisonOperator" => "GreaterThanThreshold",
        };
        play.ask("monitoring", "PutMetricAlarm", alarm);
    }
    let named = |name: &str| doc! { "name" => name };
    play.update(doc! {
        "alarmConfiguration" => doc! { "enabled" => true, "alarms" => vec![named("errors"), named("latency")] },
    });
    play
}

fn turn_red(play: &Play) {
    let red = doc! { "AlarmName" => "latency", "StateValue" => "ALARM", "StateReason" => "by hand" };
    play.ask("monitoring", "SetAlarmState", red);
}

const TEXT: &str = "One or more alarms have been activated according to the Amazon CloudWatch metrics you selected, and the \
    affected deployments have been stopped. Activated alarms: <latency>";

#[tokio::test(start_paused = true)]
async fn a_red_alarm_stops_at_once_unless_overridden() {
    let play = watched().await;
    turn_red(&play);
    let id = play.deploy("v2", doc! {});
    play.pass(1).await;
    assert_eq!(play.status(&id), "Stopped", "not Failed");
    assert_eq!(play.why(&id), ("ALARM_ACTIVE".to_owned(), TEXT.to_owned()));
    assert!(play.deployment(&id).get("rollbackInfo").is_null());
    turn_red(&play);
    let id = play.deploy(
        "v2",
        doc! { "overrideAlarmConfiguration" => doc! { "enabled" => false, "alarms" => Vec::<Doc>::new() } },
    );
    play.pass(60).await;
    assert_eq!(play.status(&id), "InProgress");
}

#[tokio::test(start_paused = true)]
async fn an_alarm_brings_traffic_back() {
    let play = watched().await;
    let id = play.deploy("v2", Play::guarded());
    play.pass(1200).await;
    assert_eq!((play.status(&id).as_str(), play.traffic()[0].as_str()), ("InProgress", "v2 healthy"));
    turn_red(&play);
    play.pass(16).await;
    assert_eq!(play.why(&id), ("ALARM_ACTIVE".to_owned(), TEXT.to_owned()));
    play.pass(2).await;
    let back = play.rollback_of(&id);
    turn_red(&play);
    play.pass(600).await;
    assert_eq!(play.status(&back), "Succeeded");
    assert_eq!(play.traffic(), ["v1 healthy"; 3]);
    assert_eq!(play.group_fleets()[0].0, "web");
}
