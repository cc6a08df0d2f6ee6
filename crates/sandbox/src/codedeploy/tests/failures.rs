//! Blue/green deployments that end badly, in each phase, and their rollbacks.

use crate::doc::{Doc, doc};

use super::play::Play;

/// The blue group serves alone, and its launch hook is on it.
fn assert_blue_serves(play: &Play) {
    assert_eq!(play.traffic(), ["v1 healthy"; 3]);
    let fleets = play.group_fleets();
    assert_eq!(fleets.len(), 1);
    assert_eq!(fleets[0].0, "web");
    assert_eq!(play.hooks("web"), [fleets[0].1.clone()]);
}

/// What an event of the first target with this status says.
fn diagnostics(play: &Play, id: &str, status: &str, event: &str) -> Doc {
    let filters = doc! { "TargetStatus" => vec![status] };
    let ids = play.codedeploy("ListDeploymentTargets", doc! { "deploymentId" => id, "targetFilters" => filters });
    let input = doc! { "deploymentId" => id, "targetId" => ids.texts("targetIds").first() };
    let target = play.codedeploy("GetDeploymentTarget", input).get("deploymentTarget").get("instanceTarget").clone();
    let events = target.list("lifecycleEvents");
    events.iter().find(|it| it.text("lifecycleEventName") == Some(event)).unwrap().get("diagnostics").clone()
}

#[tokio::test(start_paused = true)]
async fn a_failing_hook_ends_it_before_traffic_moves() {
    let play = Play::blue_green(60, 30).await;
    play.bundle("v2", "fail: ValidateService");
    let id = play.deploy("v2", Play::guarded());
    play.pass(200).await;
    assert_eq!(play.status(&id), "Failed");
    assert_eq!(play.why(&id).0, "HEALTH_CONSTRAINTS");
    let lines = play.lifecycles(&id);
    let failed = "Green Failed ApplicationStop:Su DownloadBundle:Su BeforeInstall:Su Install:Su AfterInstall:Su \
        ApplicationStart:Su ValidateService:Fa BeforeAllowTraffic:Sk AllowTraffic:Sk AfterAllowTraffic:Sk";
    assert_eq!(lines[0], failed);
    assert!(lines[1].starts_with("Green Skipped ApplicationStop:Sk"), "{lines:?}");
    assert_eq!(lines[3], "Blue Skipped BeforeBlockTraffic:Sk BlockTraffic:Sk AfterBlockTraffic:Sk");
    let said = diagnostics(&play, &id, "Failed", "ValidateService");
    assert_eq!((said.text("errorCode"), said.text("scriptName")), (Some("ScriptFailed"), Some("run.sh")));
    assert_eq!(said.text("message"), Some("Script at specified location: run.sh failed with exit code 1"));
    assert_eq!(said.text("logTail"), Some("LifecycleEvent - ValidateService\nScript - run.sh\n"));
    let back = play.rollback_of(&id);
    assert_eq!(play.status(&back), "Succeeded", "nothing to bring back");
    assert_eq!(play.lifecycles(&back), Vec::<String>::new());
    assert_blue_serves(&play);
    assert_eq!(play.fleet_names(), [format!("CodeDeploy_web_{id}"), "web".to_owned()], "the copy is left over");
    let revision = play.deployment(&back).get("revision").get("s3Location").text("key").map(str::to_owned);
    assert_eq!(revision.as_deref(), Some("v1"));
}

#[tokio::test(start_paused = true)]
async fn it_can_be_stopped_while_green_is_made_and_while_it_waits() {
    let play = Play::blue_green(60, 30).await;
    let early = play.deploy("v2", doc! {});
    play.pass(10).await;
    let answer = play.stop(&early);
    assert_eq!(answer.text("status"), Some("Pending"));
    play.pass(2).await;
    assert_eq!(play.status(&early), "Stopped");
    assert_eq!(play.why(&early).0, "MANUAL_STOP");
    assert!(play.deployment(&early).get("rollbackInfo").is_null(), "nobody asked for a rollback");
    let again = play.refused("StopDeployment", doc! { "deploymentId" => &early });
    assert_eq!(again.code, "DeploymentAlreadyCompletedException");

    let ready = play.deploy("v2", doc! {});
    play.pass(300).await;
    assert_eq!(play.status(&ready), "Ready");
    play.codedeploy("StopDeployment", doc! { "deploymentId" => &ready, "autoRollbackEnabled" => true });
    play.pass(10).await;
    assert_eq!(play.status(&ready), "Stopped");
    assert_eq!(play.status(&play.rollback_of(&ready)), "Succeeded");
    assert_blue_serves(&play);
    assert_eq!(play.fleet_names().len(), 3, "both copies are left over");
}

#[tokio::test(start_paused = true)]
async fn nobody_continues_it() {
    let play = Play::blue_green(60, 30).await;
    let id = play.deploy("v2", doc! {});
    play.pass(3550).await;
    assert_eq!(play.status(&id), "Ready");
    play.pass(400).await;
    assert_eq!(play.status(&id), "Stopped", "it does not go on by itself");
    assert_eq!(play.why(&id).0, "TIMEOUT");
    assert_blue_serves(&play);
}

#[tokio::test(start_paused = true)]
async fn a_release_that_never_listens_is_stopped_while_traffic_moves() {
    let play = Play::blue_green(0, 30).await;
    play.bundle("v2", "listens: false");
    let id = play.deploy("v2", Play::guarded());
    play.pass(600).await;
    assert_eq!(play.status(&id), "InProgress");
    assert_eq!(play.traffic().iter().filter(|line| *line == "v1 healthy").count(), 3);
    assert_eq!(play.traffic().len(), 4, "the first green instance is registered and not healthy");
    play.stop(&id);
    play.pass(1).await;
    assert_eq!(play.status(&id), "Stopped");
    assert!(
        play.lifecycles(&id).iter().any(|line| line.contains("AllowTraffic:Fa AfterAllowTraffic:Sk")),
        "{:?}",
        play.lifecycles(&id)
    );
    play.pass(300).await;
    let back = play.rollback_of(&id);
    assert_eq!(play.status(&back), "Succeeded", "{:?}", play.lifecycles(&back));
    assert_blue_serves(&play);
}

#[tokio::test(start_paused = true)]
async fn a_release_that_never_listens_fails_after_an_hour() {
    let play = Play::blue_green(0, 30).await;
    play.bundle("v2", "listens: false");
    let id = play.deploy("v2", Play::guarded());
    play.pass(3600).await;
    assert_eq!(play.status(&id), "InProgress");
    play.pass(300).await;
    assert_eq!(play.status(&id), "Failed");
    let back = play.rollback_of(&id);
    assert_eq!(play.status(&back), "Succeeded");
    assert_blue_serves(&play);
}

#[tokio::test(start_paused = true)]
async fn traffic_goes_back_while_blue_still_exists() {
    let play = Play::blue_green(0, 60).await;
    let id = play.deploy("v2", Play::guarded());
    play.pass(1200).await;
    assert_eq!(play.traffic(), ["v2 healthy"; 3]);
    play.stop(&id);
    play.pass(3).await;
    assert_eq!(play.status(&id), "Stopped");
    let back = play.rollback_of(&id);
    assert_eq!(play.status(&back), "Created");
    let busy = play.refused("CreateDeployment", Play::order("v3", doc! {}));
    assert_eq!(busy.message, format!("The Deployment Group 'web' already has an active Deployment '{back}'"));
    play.pass(600).await;
    assert_eq!(play.status(&back), "Succeeded");
    let blue = "Blue Succeeded BeforeAllowTraffic:Su AllowTraffic:Su AfterAllowTraffic:Su";
    let green = "Green Succeeded BeforeBlockTraffic:Su BlockTraffic:Su AfterBlockTraffic:Su";
    assert_eq!(play.lifecycles(&back), [blue, blue, blue, green, green, green]);
    assert_blue_serves(&play);
    assert_eq!(play.hooks(&format!("CodeDeploy_web_{id}")), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn the_slot_is_taken_between_the_end_and_its_rollback() {
    let play = Play::blue_green(60, 30).await;
    let id = play.deploy("v2", Play::guarded());
    play.pass(300).await;
    play.stop(&id);
    while play.status(&id) == "Ready" {
        play.world.clock.sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(play.deployment(&id).get("rollbackInfo").is_null(), "it appears a moment later");
    assert_eq!(play.refused("CreateDeployment", Play::order("v3", doc! {})).code, "DeploymentLimitExceededException");
}

#[tokio::test(start_paused = true)]
async fn alarms_that_cannot_be_read_stop_it_within_a_second() {
    let play = Play::blue_green(60, 30).await;
    let alarms = |ignore: bool| {
        doc! {
            "enabled" => true, "ignorePollAlarmFailure" => ignore, "alarms" => vec![doc! { "name" => "missing" }],
        }
    };
    let id = play.deploy("v2", doc! { "overrideAlarmConfiguration" => alarms(false) });
    play.pass(1).await;
    assert_eq!(play.status(&id), "Stopped");
    assert_eq!(play.why(&id).0, "ALARM_ACTIVE");
    let id = play.deploy("v2", doc! { "overrideAlarmConfiguration" => alarms(true) });
    play.pass(300).await;
    assert_eq!(play.status(&id), "Ready");
}

#[tokio::test(start_paused = true)]
async fn a_lost_instance_fails_its_target_late() {
    let play = Play::blue_green(60, 30).await;
    play.bundle("v2", "takes: 60s");
    let all_at_once = doc! { "deploymentConfigName" => "CodeDeployDefault.AllAtOnce" };
    let id = play.deploy("v2", all_at_once);
    play.pass(80).await;
    let green = format!("CodeDeploy_web_{id}");
    let lost = play.instances(&green)[0].clone();
    assert!(play.lifecycles(&id)[0].contains("AfterInstall:In"), "{:?}", play.lifecycles(&id));
    play.kill(&lost);
    play.pass(3000).await;
    assert_eq!(play.status(&id), "InProgress", "the service waits an hour for the end of an event");
    play.pass(700).await;
    assert_eq!(play.status(&id), "Ready", "two of three are enough for this configuration");
    let overview = play.deployment(&id).get("deploymentOverview").clone();
    assert_eq!((overview.int("Ready"), overview.int("Failed")), (Some(2), Some(1)));
    assert!(!play.instances(&green).contains(&lost), "Auto Scaling has replaced it");
    play.kill(&play.instances(&green)[1].clone());
}

#[tokio::test(start_paused = true)]
async fn an_instance_lost_between_events_fails_after_five_minutes() {
    let play = Play::blue_green(60, 30).await;
    let id = play.deploy("v2", doc! {});
    // One after the other: the third is idle while the first is at work.
    play.pass(50).await;
    let lost = play.instances(&format!("CodeDeploy_web_{id}"))[2].clone();
    play.kill(&lost);
    play.pass(200).await;
    assert_eq!(play.status(&id), "InProgress");
    play.pass(200).await;
    assert_eq!(play.status(&id), "Ready", "the very last one may fail");
    let line = play.lifecycles(&id)[2].clone();
    assert!(line.starts_with("Green Failed ApplicationStop:Sk DownloadBundle:Sk"), "{line}");
}

#[tokio::test(start_paused = true)]
async fn nothing_to_copy() {
    let play = Play::blue_green(60, 30).await;
    play.asg(
        "UpdateAutoScalingGroup",
        doc! { "AutoScalingGroupName" => "web", "MinSize" => 0, "DesiredCapacity" => 0 },
    );
    play.pass(200).await;
    let id = play.deploy("v2", doc! {});
    play.pass(10).await;
    assert_eq!(play.status(&id), "Failed");
    let text = "The deployment failed because no instances were found in your blue fleet.";
    assert_eq!(play.why(&id), ("NO_INSTANCES".to_owned(), text.to_owned()));
}
