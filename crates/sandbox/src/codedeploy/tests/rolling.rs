//! Rolls over several hosts and zones, with their drains, and what follows when the fleet grows meanwhile.

use crate::doc::{Doc, doc};

use super::play::Play;

fn config(play: &Play, name: &str, minimum: i64, zonal: Doc) {
    let minimum = doc! { "type" => "HOST_COUNT", "value" => minimum };
    let input = doc! { "deploymentConfigName" => name, "minimumHealthyHosts" => minimum, "zonalConfig" => zonal };
    play.codedeploy("CreateDeploymentConfig", input);
}

/// Zone, and when the first event began and the last one ended, in seconds from the deployment's start; by start.
fn spans(play: &Play, id: &str) -> Vec<(String, i64, i64)> {
    let start = play.deployment(id).time("startTime").unwrap();
    let known = play.described("web");
    let zone = |id: &str| {
        let found = known.list("Instances").iter().find(|it| it.text("InstanceId") == Some(id)).unwrap();
        found.text("AvailabilityZone").unwrap().rsplit('-').next().unwrap().to_owned()
    };
    let ids = play.codedeploy("ListDeploymentTargets", doc! { "deploymentId" => id }).texts("targetIds");
    let all = play.codedeploy("BatchGetDeploymentTargets", doc! { "deploymentId" => id, "targetIds" => ids });
    let after = |event: &Doc, name: &str| {
        event.time(name).map(|at| (at - start).get_seconds() + (at - start).get_minutes() * 60)
    };
    let mut spans = Vec::new();
    for target in all.list("deploymentTargets") {
        let target = target.get("instanceTarget");
        let events = target.list("lifecycleEvents");
        if let (Some(began), Some(ended)) =
            (after(&events[0], "startTime"), after(&events[events.len() - 1], "endTime"))
        {
            spans.push((zone(target.text("targetId").unwrap()), began, ended));
        }
    }
    spans.sort_by_key(|(_, began, _)| *began);
    spans
}

#[tokio::test(start_paused = true)]
async fn one_zone_after_the_other() {
    let play = Play::of(5, "subnet-a,subnet-b").await;
    let per_zone = doc! { "type" => "HOST_COUNT", "value" => 1 };
    let zonal = doc! {
        "firstZoneMonitorDurationInSeconds" => 600, "monitorDurationInSeconds" => 300,
        "minimumHealthyHostsPerZone" => per_zone,
    };
    config(&play, "zonal", 1, zonal.clone());
    let shown = play.codedeploy("GetDeploymentConfig", doc! { "deploymentConfigName" => "zonal" });
    assert_eq!(shown.get("deploymentConfigInfo").get("zonalConfig"), &zonal);
    let id = play.deploy("v1", doc! { "deploymentConfigName" => "zonal" });
    play.pass(2400).await;
    assert_eq!(play.status(&id), "Succeeded");
    let spans = spans(&play, &id);
    let zones: Vec<&str> = spans.iter().map(|(zone, ..)| zone.as_str()).collect();
    assert_eq!(zones, ["2a", "2a", "2a", "2b", "2b"]);
    assert_eq!(spans[0].1, spans[1].1, "two of three in the first zone");
    assert!(spans[2].1 >= spans[0].2, "{spans:?}");
    assert!((600..605).contains(&(spans[3].1 - spans[2].2)), "{spans:?}");
    assert!(spans[4].1 >= spans[3].2, "one of two in the second zone: {spans:?}");
    let info = play.deployment(&id);
    let (completed, start) = (info.time("completeTime").unwrap(), info.time("startTime").unwrap());
    let watched = (completed - start).total(jiff::Unit::Second).unwrap() as i64 - spans[4].2;
    assert!((300..305).contains(&watched), "{watched}");
}

#[tokio::test(start_paused = true)]
async fn a_zone_that_loses_too_many_ends_it() {
    let play = Play::of(4, "subnet-a,subnet-b").await;
    let id = play.deploy("v1", doc! {});
    play.pass(1200).await;
    assert_eq!(play.status(&id), "Succeeded");
    let per_zone = doc! { "type" => "FLEET_PERCENT", "value" => 50 };
    config(&play, "zonal", 0, doc! { "minimumHealthyHostsPerZone" => per_zone });
    play.bundle("v2", "fail: ValidateService");
    let id = play.deploy("v2", doc! { "deploymentConfigName" => "zonal" });
    play.pass(300).await;
    assert_eq!(play.why(&id).0, "HEALTH_CONSTRAINTS");
    let begun = play.lifecycles(&id).iter().filter(|line| line.starts_with("Failed")).count();
    assert_eq!(
        begun,
        1,
        "one of the first zone's two, though all at once would be allowed: {:?}",
        play.lifecycles(&id)
    );

    let all = doc! { "minimumHealthyHostsPerZone" => doc! { "type" => "HOST_COUNT", "value" => 2 } };
    config(&play, "stuck", 0, all);
    let id = play.deploy("v3", doc! { "deploymentConfigName" => "stuck" });
    play.pass(10).await;
    assert_eq!(play.why(&id).0, "HEALTH_CONSTRAINTS_INVALID");
}

#[tokio::test(start_paused = true)]
async fn zonal_configurations_are_checked() {
    let play = Play::new().await;
    let tried = |zonal: Doc| {
        let minimum = doc! { "type" => "HOST_COUNT", "value" => 1 };
        let input = doc! { "deploymentConfigName" => "x", "minimumHealthyHosts" => minimum, "zonalConfig" => zonal };
        play.refused("CreateDeploymentConfig", input).code
    };
    let name = "InvalidZonalDeploymentConfigurationException";
    assert_eq!(tried(doc! { "monitorDurationInSeconds" => -1 }), name);
    let percent = doc! { "type" => "FLEET_PERCENT", "value" => 100 };
    assert_eq!(tried(doc! { "minimumHealthyHostsPerZone" => percent }), name);
}

#[tokio::test(start_paused = true)]
async fn traffic_drains_before_anything_is_installed() {
    let play = Play::new().await;
    let first = play.deploy("v1", doc! {});
    play.pass(900).await;
    assert_eq!(play.status(&first), "Succeeded");
    let id = play.deploy("v2", doc! { "deploymentConfigName" => "CodeDeployDefault.HalfAtATime" });
    play.pass(30).await;
    assert_eq!(play.traffic().iter().filter(|line| *line == "v1 draining").count(), 1, "three hosts, two stay");
    play.pass(28).await;
    assert!(play.lifecycles(&id)[0].contains("BlockTraffic:In"), "{:?}", play.lifecycles(&id));
    play.pass(900).await;
    assert_eq!(play.traffic(), ["v2 healthy"; 3]);
    let ids = play.codedeploy("ListDeploymentTargets", doc! { "deploymentId" => &id }).texts("targetIds");
    for target in ids {
        let shown = play.codedeploy("GetDeploymentTarget", doc! { "deploymentId" => &id, "targetId" => target });
        let events = shown.get("deploymentTarget").get("instanceTarget").list("lifecycleEvents").to_vec();
        let took = |name: &str| {
            let event = events.iter().find(|it| it.text("lifecycleEventName") == Some(name)).unwrap();
            (event.time("endTime").unwrap() - event.time("startTime").unwrap()).total(jiff::Unit::Second).unwrap()
        };
        assert!((60.0..66.0).contains(&took("BlockTraffic")), "the delay of deregistration: {}", took("BlockTraffic"));
        assert!((1.0..30.0).contains(&took("AllowTraffic")), "a health check: {}", took("AllowTraffic"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_follow_on_of_one_host_is_always_possible() {
    let play = Play::of(2, "subnet-a").await;
    let half = "CodeDeployDefault.HalfAtATime";
    play.update(doc! { "deploymentConfigName" => half });
    let id = play.deploy("v1", doc! {});
    play.pass(900).await;
    assert_eq!(play.status(&id), "Succeeded");
    let id = play.deploy("v2", doc! {});
    play.pass(30).await;
    play.asg("SetDesiredCapacity", doc! { "AutoScalingGroupName" => "web", "DesiredCapacity" => 3 });
    play.pass(1200).await;
    let related = play.deployment(&id).get("relatedDeployments").clone();
    let follow_on = related.texts("autoUpdateOutdatedInstancesDeploymentIds")[0].clone();
    assert_eq!(related.text("autoUpdateOutdatedInstancesRootDeploymentId"), None);
    let shown = play.deployment(&follow_on);
    assert_eq!((shown.text("status"), shown.text("deploymentConfigName")), (Some("Succeeded"), Some(half)));
    let root = shown.get("relatedDeployments").text("autoUpdateOutdatedInstancesRootDeploymentId").map(str::to_owned);
    assert_eq!(root, Some(id));
    assert_eq!(play.traffic(), ["v2 healthy"; 3]);
}

#[tokio::test(start_paused = true)]
async fn the_group_can_leave_what_launched_meanwhile_behind() {
    let play = Play::new().await;
    play.update(doc! { "outdatedInstancesStrategy" => "IGNORE" });
    play.deploy("v1", doc! {});
    play.pass(900).await;
    let id = play.deploy("v2", doc! {});
    play.pass(30).await;
    play.asg("SetDesiredCapacity", doc! { "AutoScalingGroupName" => "web", "DesiredCapacity" => 4 });
    play.pass(1200).await;
    assert_eq!(play.status(&id), "Succeeded");
    assert!(play.deployment(&id).get("relatedDeployments").is_null());
    let mut lines = play.traffic();
    lines.sort();
    assert_eq!(lines, ["v1 healthy", "v2 healthy", "v2 healthy", "v2 healthy"]);
}

#[tokio::test(start_paused = true)]
async fn a_launch_after_a_failure_changes_nobody_else() {
    let play = Play::new().await;
    play.deploy("v1", doc! {});
    play.pass(900).await;
    play.deploy("v2", doc! {});
    play.pass(150).await;
    let id = play.codedeploy("ListDeployments", doc! {}).texts("deployments")[0].clone();
    play.stop(&id);
    play.pass(200).await;
    assert_eq!(play.status(&id), "Stopped");
    let mixed: Vec<String> = play.traffic().into_iter().filter(|line| line == "v2 healthy").collect();
    assert_eq!(mixed.len(), 1, "{:?}", play.traffic());
    play.asg("SetDesiredCapacity", doc! { "AutoScalingGroupName" => "web", "DesiredCapacity" => 4 });
    play.pass(600).await;
    let newest = play.codedeploy("ListDeployments", doc! {}).texts("deployments")[0].clone();
    assert_eq!(play.deployment(&newest).text("creator"), Some("autoscaling"), "nothing follows on");
    assert!(play.traffic().contains(&"v2 healthy".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn files_of_another_group_are_in_the_way() {
    let play = Play::new().await;
    play.deploy("v1", doc! {});
    play.pass(900).await;
    let mut other = play.group();
    other.set("deploymentGroupName", "other");
    other.set("autoScalingGroups", Vec::<&str>::new());
    let filter = doc! { "Key" => "team", "Value" => "shop", "Type" => "KEY_AND_VALUE" };
    other.set("ec2TagFilters", vec![filter]);
    play.codedeploy("CreateDeploymentGroup", other);
    for (exists, ends) in [("DISALLOW", "Failed"), ("RETAIN", "Succeeded"), ("OVERWRITE", "Succeeded")] {
        let id = play.deploy("v2", doc! { "deploymentGroupName" => "other", "fileExistsBehavior" => exists });
        play.pass(900).await;
        assert_eq!(play.status(&id), ends, "{exists}: {:?}", play.lifecycles(&id));
        assert_eq!(play.deployment(&id).text("fileExistsBehavior"), Some(exists));
        if ends == "Failed" {
            let ids = play.codedeploy("ListDeploymentTargets", doc! { "deploymentId" => &id }).texts("targetIds");
            let shown = play.codedeploy("GetDeploymentTarget", doc! { "deploymentId" => &id, "targetId" => &ids[0] });
            let text =
                "The deployment failed because a specified file already exists at this location: /srv/app/appspec.yml";
            assert!(format!("{shown:?}").contains(text), "{shown:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_load_balancer_there_are_seven_events() {
    let play = Play::new().await;
    let style = doc! { "deploymentType" => "IN_PLACE", "deploymentOption" => "WITHOUT_TRAFFIC_CONTROL" };
    play.update(doc! { "deploymentStyle" => style });
    let id = play.deploy("v1", doc! {});
    play.pass(300).await;
    let line = "Succeeded ApplicationStop:Su DownloadBundle:Su BeforeInstall:Su Install:Su AfterInstall:Su \
        ApplicationStart:Su ValidateService:Su";
    assert_eq!(play.lifecycles(&id), [line; 3]);
    assert_eq!(play.traffic(), ["v1 healthy"; 3], "Auto Scaling has registered them, nobody else");
}

#[tokio::test(start_paused = true)]
async fn a_launch_has_the_groups_slot() {
    let play = Play::new().await;
    play.deploy("v1", doc! {});
    play.pass(900).await;
    play.asg("SetDesiredCapacity", doc! { "AutoScalingGroupName" => "web", "DesiredCapacity" => 4 });
    play.pass(40).await;
    let launch = play.codedeploy("ListDeployments", doc! {}).texts("deployments")[0].clone();
    let busy = play.refused("CreateDeployment", Play::order("v2", doc! {}));
    assert_eq!(busy.message, format!("The Deployment Group 'web' already has an active Deployment '{launch}'"));
    play.pass(120).await;
    play.deploy("v2", doc! {});
}
