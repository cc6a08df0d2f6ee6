//! Blue/green by a copy of the group, when all goes well.

use crate::doc::doc;

use super::play::Play;

const GREEN: &str = "Green Succeeded ApplicationStop:Su DownloadBundle:Su BeforeInstall:Su Install:Su AfterInstall:Su \
    ApplicationStart:Su ValidateService:Su BeforeAllowTraffic:Su AllowTraffic:Su AfterAllowTraffic:Su";
const BLUE: &str = "Blue Succeeded BeforeBlockTraffic:Su BlockTraffic:Su AfterBlockTraffic:Su";

#[tokio::test(start_paused = true)]
async fn green_is_copied_installed_and_takes_over() {
    let play = Play::blue_green(60, 30).await;
    assert_eq!(play.traffic(), ["v1 healthy"; 3]);
    let old_hooks = play.hooks("web");
    let id = play.deploy("v2", doc! {});
    let green = format!("CodeDeploy_web_{id}");
    assert_eq!(play.status(&id), "Created");
    let early = play.refused("ListDeploymentTargets", doc! { "deploymentId" => &id });
    assert_eq!(early.code, "DeploymentNotStartedException");
    assert!(play.deployment(&id).get("deploymentOverview").is_null());
    play.pass(30).await;
    assert_eq!(play.status(&id), "InProgress");
    assert!(play.deployment(&id).get("deploymentOverview").is_null(), "green is not there yet");

    play.pass(240).await;
    assert_eq!(play.status(&id), "Ready");
    let overview = play.deployment(&id).get("deploymentOverview").clone();
    assert_eq!((overview.int("Ready"), overview.int("Pending")), (Some(3), Some(3)));
    assert_eq!(play.traffic(), ["v1 healthy"; 3]);
    let copy = play.described(&green);
    assert_eq!(copy.list("SuspendedProcesses").len(), 3);
    assert_eq!((copy.int("MinSize"), copy.int("MaxSize"), copy.int("DesiredCapacity")), (Some(2), Some(6), Some(3)));
    let tags: Vec<&str> = copy.list("Tags").iter().filter_map(|tag| tag.text("Key")).collect();
    assert_eq!(tags, ["CodeDeployProvisioningDeploymentId", "team"]);
    assert_eq!(
        play.asg("DescribePolicies", doc! { "AutoScalingGroupName" => &green }).list("ScalingPolicies").len(),
        1
    );
    assert_eq!(play.hooks(&green), Vec::<String>::new());

    play.codedeploy("ContinueDeployment", doc! { "deploymentId" => &id });
    play.pass(600).await;
    assert_eq!(play.status(&id), "InProgress", "waits to terminate blue");
    assert_eq!(play.deployment(&id).bool("instanceTerminationWaitTimeStarted"), Some(true));
    assert_eq!(play.traffic(), ["v2 healthy"; 3]);
    assert_eq!(play.lifecycles(&id), [GREEN, GREEN, GREEN, BLUE, BLUE, BLUE]);
    assert_eq!(play.group_fleets()[0].0, "web", "the group changes when the deployment has succeeded");
    assert_eq!(play.described(&green).list("SuspendedProcesses").len(), 0);
    assert_eq!((play.hooks("web").len(), play.hooks(&green).len()), (0, 1));
    assert_ne!(play.hooks(&green), old_hooks);

    play.codedeploy("ContinueDeployment", doc! { "deploymentId" => &id, "deploymentWaitType" => "TERMINATION_WAIT" });
    play.pass(60).await;
    assert_eq!(play.status(&id), "Succeeded");
    assert_eq!(play.fleet_names(), [green.as_str()]);
    assert_eq!(play.group_fleets(), [(green.clone(), play.hooks(&green)[0].clone())]);
    let gone = play.refused("ContinueDeployment", doc! { "deploymentId" => &id });
    assert_eq!(gone.code, "DeploymentAlreadyCompletedException");
}

#[tokio::test(start_paused = true)]
async fn the_next_deployment_copies_the_copy() {
    let play = Play::blue_green(0, 0).await;
    for release in ["v2", "v3"] {
        let id = play.deploy(release, doc! {});
        play.pass(1200).await;
        assert_eq!(play.status(&id), "Succeeded");
        assert_eq!(play.fleet_names(), [format!("CodeDeploy_web_{id}")]);
        assert_eq!(
            play.traffic(),
            [format!("{release} healthy"), format!("{release} healthy"), format!("{release} healthy")]
        );
        let tags = play.described(&format!("CodeDeploy_web_{id}")).list("Tags").to_vec();
        let own: Vec<&str> = tags.iter().filter_map(|tag| tag.text("Value")).collect();
        assert_eq!(own, [id.as_str(), "shop"], "one tag, with the id of this deployment");
    }
}

#[tokio::test(start_paused = true)]
async fn traffic_moves_in_steps_of_the_configuration() {
    let play = Play::blue_green(60, 30).await;
    let id = play.deploy("v2", doc! {});
    play.pass(270).await;
    play.codedeploy("ContinueDeployment", doc! { "deploymentId" => &id });
    play.pass(10).await;
    let registered = play.traffic().len();
    assert_eq!(registered, 4, "one at a time");
    let again = play.refused("ContinueDeployment", doc! { "deploymentId" => &id });
    assert_eq!(again.code, "DeploymentIsNotInReadyStateException");
}

#[tokio::test(start_paused = true)]
async fn the_wait_to_terminate_ends_by_itself_and_blue_can_be_kept() {
    let play = Play::blue_green(0, 30).await;
    let id = play.deploy("v2", doc! {});
    play.pass(900).await;
    assert_eq!(play.status(&id), "InProgress");
    play.pass(1800).await;
    assert_eq!(play.status(&id), "Succeeded");
    let fleet = play.group_fleets()[0].0.clone();
    play.update(doc! {
        "autoScalingGroups" => vec![&fleet],
        "blueGreenDeploymentConfiguration" => doc! {
            "terminateBlueInstancesOnDeploymentSuccess" => doc! { "action" => "KEEP_ALIVE" },
            "greenFleetProvisioningOption" => doc! { "action" => "COPY_AUTO_SCALING_GROUP" },
        },
    });
    let id = play.deploy("v3", doc! {});
    play.pass(1200).await;
    assert_eq!(play.status(&id), "Succeeded");
    assert_eq!(play.deployment(&id).bool("instanceTerminationWaitTimeStarted"), Some(false));
    assert_eq!(play.fleet_names().len(), 2);
    assert_eq!(play.group_fleets()[0].0, format!("CodeDeploy_web_{id}"));
    assert_eq!(play.traffic(), ["v3 healthy"; 3]);
}

#[tokio::test(start_paused = true)]
async fn equal_worlds_have_equal_deployments() {
    let mut traces = Vec::new();
    for _ in 0..2 {
        let play = Play::blue_green(0, 5).await;
        let id = play.deploy("v2", Play::guarded());
        play.pass(1200).await;
        let ids = play.codedeploy("ListDeploymentTargets", doc! { "deploymentId" => &id }).texts("targetIds");
        let input = doc! { "deploymentId" => &id, "targetIds" => ids };
        let targets = play.codedeploy("BatchGetDeploymentTargets", input);
        traces.push(format!("{:?} {targets:?}", play.deployment(&id)));
    }
    assert_eq!(traces[0], traces[1]);
}
