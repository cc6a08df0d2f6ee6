//! Deployments in place, launches, and what follows from them.

use crate::doc::doc;

use super::play::{APPSPEC, Play};

const TRAFFIC_BEFORE: &str = "BeforeBlockTraffic:Su BlockTraffic:Su AfterBlockTraffic:Su";
const DONE: &str = "Succeeded BeforeBlockTraffic:Su BlockTraffic:Su AfterBlockTraffic:Su ApplicationStop:Su \
    DownloadBundle:Su BeforeInstall:Su Install:Su AfterInstall:Su ApplicationStart:Su ValidateService:Su \
    BeforeAllowTraffic:Su AllowTraffic:Su AfterAllowTraffic:Su";

/// Three instances with release v1.
async fn baseline() -> Play {
    let play = Play::new().await;
    let id = play.deploy("v1", doc! {});
    play.pass(900).await;
    assert_eq!(play.lifecycles(&id), [DONE, DONE, DONE]);
    assert_eq!(play.traffic(), ["v1 healthy"; 3]);
    play
}

#[tokio::test(start_paused = true)]
async fn the_first_failure_ends_it_and_the_rollback_reinstalls() {
    let play = baseline().await;
    play.bundle("v2", "fail: ApplicationStart");
    let id = play.deploy("v2", Play::guarded());
    play.pass(150).await;
    assert_eq!(play.status(&id), "Failed");
    let lines = play.lifecycles(&id);
    assert!(lines[0].starts_with(&format!("Failed {TRAFFIC_BEFORE} ApplicationStop:Su")), "{lines:?}");
    assert!(lines[0].contains("ApplicationStart:Fa ValidateService:Sk"), "{lines:?}");
    assert!(lines[1].starts_with("Skipped BeforeBlockTraffic:Sk"), "{lines:?}");
    let back = play.rollback_of(&id);
    play.pass(900).await;
    assert_eq!(play.status(&back), "Succeeded");
    assert_eq!(play.lifecycles(&back), [DONE, DONE, DONE]);
    assert_eq!(play.traffic(), ["v1 healthy"; 3]);
}

#[tokio::test(start_paused = true)]
async fn the_first_deployment_has_nothing_to_go_back_to() {
    let play = Play::new().await;
    play.bundle("v1", "fail: AfterInstall");
    let id = play.deploy("v1", Play::guarded());
    play.pass(200).await;
    assert_eq!(play.status(&id), "Failed");
    let info = play.deployment(&id).get("rollbackInfo").clone();
    assert!(info.text("rollbackDeploymentId").is_none());
    assert!(info.text("rollbackMessage").is_some_and(|text| text.contains("no earlier successful deployment")));
}

#[tokio::test(start_paused = true)]
async fn the_previous_revisions_stop_script_can_be_ignored() {
    let play = Play::new().await;
    play.bundle("v1", "fail: ApplicationStop");
    let id = play.deploy("v1", doc! {});
    play.pass(900).await;
    assert_eq!(play.status(&id), "Succeeded", "v1's own stop script runs only before the next release");
    let trapped = play.deploy("v2", doc! {});
    play.pass(300).await;
    assert_eq!(play.status(&trapped), "Failed");
    assert!(play.lifecycles(&trapped)[0].contains("ApplicationStop:Fa DownloadBundle:Sk"));
    let freed = play.deploy("v2", doc! { "ignoreApplicationStopFailures" => true });
    play.pass(900).await;
    assert_eq!(play.status(&freed), "Succeeded");
    assert!(play.lifecycles(&freed)[0].contains("ApplicationStop:Fa DownloadBundle:Su"));
    assert_eq!(play.traffic(), ["v2 healthy"; 3]);
}

#[tokio::test(start_paused = true)]
async fn only_what_is_outdated() {
    let play = baseline().await;
    let again = play.deploy("v1", doc! { "updateOutdatedInstancesOnly" => true });
    play.pass(10).await;
    assert_eq!((play.status(&again), play.lifecycles(&again)), ("Succeeded".to_owned(), Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn impossible_from_the_start() {
    let play = Play::new().await;
    let percent = doc! { "type" => "FLEET_PERCENT", "value" => 95 };
    play.codedeploy(
        "CreateDeploymentConfig",
        doc! { "deploymentConfigName" => "strict", "minimumHealthyHosts" => percent },
    );
    let id = play.deploy("v1", doc! { "deploymentConfigName" => "strict" });
    play.pass(10).await;
    assert_eq!(play.why(&id).0, "HEALTH_CONSTRAINTS_INVALID");
    play.asg(
        "UpdateAutoScalingGroup",
        doc! { "AutoScalingGroupName" => "web", "MinSize" => 0, "DesiredCapacity" => 0 },
    );
    play.pass(200).await;
    let id = play.deploy("v1", doc! {});
    play.pass(10).await;
    assert_eq!(play.why(&id).0, "NO_INSTANCES");
}

#[tokio::test(start_paused = true)]
async fn a_broken_bundle_fails_where_the_agent_notices() {
    let play = Play::new().await;
    let table = [
        ("bare", vec![("run.sh", "")], "Install", "did not find an AppSpec file within the unpacked revision"),
        (
            "version",
            vec![("appspec.yml", "version: \"0.0\"\nos: linux")],
            "BeforeInstall",
            "an invalid version value (0.0)",
        ),
        (
            "unknown",
            vec![("appspec.yml", "version: 0.0\nos: linux\nhooks: {BeforeInstal: []}")],
            "Install",
            r#"unknown lifecycle events: ["BeforeInstal"]"#,
        ),
        (
            "script",
            vec![("appspec.yml", APPSPEC)],
            "AfterInstall",
            "Script does not exist at specified location: run.sh",
        ),
    ];
    for (key, files, event, text) in table {
        play.object(key, &files);
        let id = play.deploy(key, doc! {});
        play.pass(200).await;
        let failed = format!("{event}:Fa");
        assert!(play.lifecycles(&id)[0].contains(&failed), "{key}: {:?}", play.lifecycles(&id));
        let ids = play.codedeploy("ListDeploymentTargets", doc! { "deploymentId" => &id }).texts("targetIds");
        let shown = play.codedeploy("GetDeploymentTarget", doc! { "deploymentId" => &id, "targetId" => &ids[0] });
        assert!(format!("{shown:?}").contains(&text.replace('"', "\\\"")), "{key}: {shown:?}");
    }
    let place = doc! { "bucket" => "bundles", "key" => "v1", "bundleType" => "zip", "eTag" => "\"other\"" };
    let id = play.deploy("v1", doc! {
        "revision" => doc! { "revisionType" => "S3", "s3Location" => place }, "ignoreApplicationStopFailures" => true,
    });
    play.pass(200).await;
    assert!(play.lifecycles(&id)[0].contains("DownloadBundle:Fa"));
}

#[tokio::test(start_paused = true)]
async fn a_launch_waits_for_the_last_good_release() {
    let play = baseline().await;
    play.asg("SetDesiredCapacity", doc! { "AutoScalingGroupName" => "web", "DesiredCapacity" => 4 });
    play.pass(45).await;
    let newest = play.codedeploy("ListDeployments", doc! {}).texts("deployments")[0].clone();
    let deployment = play.deployment(&newest);
    assert_eq!((deployment.text("creator"), deployment.text("status")), (Some("autoscaling"), Some("InProgress")));
    let fourth = play.instances("web")[3].clone();
    let state = play.described("web").list("Instances")[3].text("LifecycleState").map(str::to_owned);
    assert_eq!(state.as_deref(), Some("Pending:Wait"));
    play.pass(60).await;
    assert_eq!(play.status(&newest), "Succeeded");
    let line = "Succeeded ApplicationStop:Su DownloadBundle:Su BeforeInstall:Su Install:Su AfterInstall:Su \
        ApplicationStart:Su ValidateService:Su BeforeAllowTraffic:Su AllowTraffic:Su AfterAllowTraffic:Su";
    assert_eq!(play.lifecycles(&newest), [line]);
    assert_eq!((play.release(&fourth).as_str(), play.traffic().len()), ("v1", 4));
}

#[tokio::test(start_paused = true)]
async fn a_launch_that_fails_is_abandoned() {
    let play = baseline().await;
    play.bundle("v1", "fail: ApplicationStart"); // the same version id now has other bytes: a good release went bad
    play.asg("SetDesiredCapacity", doc! { "AutoScalingGroupName" => "web", "DesiredCapacity" => 4 });
    play.pass(400).await;
    let known = play.codedeploy(
        "ListDeployments",
        doc! { "includeOnlyStatuses" => vec!["Failed"], "applicationName" => "shop", "deploymentGroupName" => "web" },
    );
    assert!(known.texts("deployments").len() >= 2, "Auto Scaling tries again and again");
    assert_eq!(play.traffic(), ["v1 healthy"; 3]);
}

#[tokio::test(start_paused = true)]
async fn stragglers_are_brought_up_to_date() {
    let play = baseline().await;
    let id = play.deploy("v2", doc! {});
    play.pass(30).await;
    play.asg("SetDesiredCapacity", doc! { "AutoScalingGroupName" => "web", "DesiredCapacity" => 4 });
    play.pass(600).await;
    assert_eq!(play.status(&id), "Succeeded");
    let related = play.deployment(&id).get("relatedDeployments").texts("autoUpdateOutdatedInstancesDeploymentIds");
    assert_eq!(related.len(), 1, "the fourth was launched with v1");
    assert_eq!(play.deployment(&related[0]).text("creator"), Some("CodeDeployAutoUpdate"));
    play.pass(200).await;
    assert_eq!(play.status(&related[0]), "Succeeded");
    assert_eq!(play.traffic(), ["v2 healthy"; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_launch_that_ends_after_the_deployment_is_brought_up_to_date_too() {
    let play = baseline().await;
    play.bundle("v1", "takes: 100s");
    let id = play.deploy("v2", doc! {});
    play.pass(200).await;
    play.asg("SetDesiredCapacity", doc! { "AutoScalingGroupName" => "web", "DesiredCapacity" => 4 });
    play.pass(250).await;
    assert_eq!(play.status(&id), "Succeeded");
    assert!(play.deployment(&id).get("relatedDeployments").is_null(), "the launch is still at work");
    play.pass(500).await;
    let newest = play.codedeploy("ListDeployments", doc! {}).texts("deployments")[0].clone();
    assert_eq!(play.deployment(&newest).text("creator"), Some("CodeDeployAutoUpdate"));
    assert_eq!(play.status(&newest), "Succeeded");
    assert_eq!(play.traffic(), ["v2 healthy"; 4]);
}

#[tokio::test(start_paused = true)]
async fn instances_are_named_by_tags_too() {
    let play = Play::new().await;
    let filter = |kind: &str, key: &str, value: &str| doc! { "Key" => key, "Value" => value, "Type" => kind };
    play.update(
        doc! { "autoScalingGroups" => Vec::<&str>::new(), "ec2TagFilters" => vec![filter("KEY_ONLY", "team", "")] },
    );
    let id = play.deploy("v1", doc! {});
    play.pass(900).await;
    assert_eq!(play.lifecycles(&id), [DONE, DONE, DONE]);
    play.update(doc! { "ec2TagFilters" => vec![filter("KEY_AND_VALUE", "team", "other")] });
    let id = play.deploy("v1", doc! {});
    play.pass(10).await;
    assert_eq!(play.why(&id).0, "NO_INSTANCES");
}
