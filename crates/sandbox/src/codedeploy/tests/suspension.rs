//! Auto Scaling processes that rest while a deployment in place runs.

use crate::doc::{Doc, doc};

use super::play::Play;

/// The processes that are suspended on the fleet.
fn resting(play: &Play) -> Vec<String> {
    let names = play.described("web");
    let mut names: Vec<String> =
        names.list("SuspendedProcesses").iter().map(|it| it.text("ProcessName").unwrap().to_owned()).collect();
    names.sort();
    names
}

fn options(names: &[&str]) -> Doc {
    let processes = doc! { "autoScalingGroupProcessesToSuspend" => names.to_vec() };
    doc! { "ec2DeploymentOptions" => processes }
}

#[tokio::test(start_paused = true)]
async fn they_rest_until_the_end_however_it_comes() {
    let play = Play::new().await;
    let user = doc! { "AutoScalingGroupName" => "web", "ScalingProcesses" => vec!["Terminate"] };
    play.asg("SuspendProcesses", user);
    let id = play.deploy("v1", options(&["AZRebalance", "Terminate"]));
    play.pass(30).await;
    assert_eq!(resting(&play), ["AZRebalance", "Terminate"]);
    let shown = play.deployment(&id).get("ec2DeploymentOptions").texts("autoScalingGroupProcessesToSuspend");
    assert_eq!(shown, ["AZRebalance", "Terminate"]);
    play.pass(900).await;
    assert_eq!((play.status(&id).as_str(), resting(&play)), ("Succeeded", vec!["Terminate".to_owned()]));

    play.bundle("v2", "fail: ApplicationStart");
    let id = play.deploy("v2", options(&["ScheduledActions"]));
    play.pass(60).await;
    assert_eq!(resting(&play), ["ScheduledActions", "Terminate"]);
    play.pass(200).await;
    assert_eq!((play.status(&id).as_str(), resting(&play)), ("Failed", vec!["Terminate".to_owned()]));

    let id = play.deploy("v3", options(&["ScheduledActions"]));
    play.pass(60).await;
    play.stop(&id);
    play.pass(60).await;
    assert_eq!((play.status(&id).as_str(), resting(&play)), ("Stopped", vec!["Terminate".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn the_group_says_it_and_a_deployment_can_say_otherwise() {
    let play = Play::new().await;
    play.update(options(&["AZRebalance"]));
    let id = play.deploy("v1", doc! {});
    play.pass(30).await;
    assert_eq!(resting(&play), ["AZRebalance"]);
    play.pass(900).await;
    assert_eq!((play.status(&id).as_str(), resting(&play).len()), ("Succeeded", 0));
    play.deploy("v1", options(&[]));
    play.pass(30).await;
    assert!(resting(&play).is_empty(), "an empty list suspends nothing");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused() {
    let play = Play::new().await;
    let refused = |members: Doc| play.refused("CreateDeployment", Play::order("v1", members)).code;
    let name = "InvalidAutoScalingGroupProcessToSuspendException";
    assert_eq!(refused(options(&["azrebalance"])), name);
    assert_eq!(refused(options(&["Launch"])), name);
    let filter = doc! { "Key" => "team", "Value" => "shop", "Type" => "KEY_AND_VALUE" };
    play.update(doc! { "autoScalingGroups" => Vec::<&str>::new(), "ec2TagFilters" => vec![filter] });
    assert_eq!(refused(options(&["Terminate"])), name, "no Auto Scaling group");
    let blue_green = Play::blue_green(0, 0).await;
    let order = Play::order("v2", options(&["Terminate"]));
    assert_eq!(blue_green.refused("CreateDeployment", order).code, name);
}

#[tokio::test(start_paused = true)]
async fn a_role_without_the_right_fails_it_before_or_after() {
    let play = Play::new().await;
    let text = "The IAM role arn:aws:iam::111122223333:role/codedeploy does not give you permission to perform operations in the \
        following AWS service: AmazonAutoScaling. Contact your AWS administrator if you need help.";
    let lacks = |action: &str| {
        let mut state = play.world.lock();
        let lacks = &mut state.site(&play.scope.site).codedeploy.role_lacks;
        lacks.clear();
        lacks.insert(action.to_owned());
    };
    lacks("autoscaling:SuspendProcesses");
    let id = play.deploy("v1", options(&["AZRebalance"]));
    play.pass(10).await;
    assert_eq!(play.why(&id), ("AUTO_SCALING_IAM_ROLE_PERMISSIONS".to_owned(), text.to_owned()));
    assert!(play.lifecycles(&id).iter().all(|line| line.starts_with("Skipped")), "{:?}", play.lifecycles(&id));

    lacks("autoscaling:ResumeProcesses");
    let id = play.deploy("v1", options(&["AZRebalance"]));
    play.pass(900).await;
    assert!(play.lifecycles(&id).iter().all(|line| line.starts_with("Succeeded")));
    assert_eq!((play.status(&id).as_str(), play.why(&id).1.as_str()), ("Failed", text));
    assert_eq!(resting(&play), ["AZRebalance"], "until a person resumes it");
    let said = play.deployment(&id).texts("deploymentStatusMessages");
    assert_eq!(said, ["The processes AZRebalance of the Auto Scaling group web could not be resumed."]);
}

#[tokio::test(start_paused = true)]
async fn nothing_leaves_while_terminations_rest() {
    let play = Play::new().await;
    let id = play.deploy("v1", options(&["Terminate", "ScheduledActions"]));
    play.pass(30).await;
    play.asg("SetDesiredCapacity", doc! { "AutoScalingGroupName" => "web", "DesiredCapacity" => 2 });
    let at = play.world.now() + jiff::SignedDuration::from_secs(60);
    let grow = doc! {
        "AutoScalingGroupName" => "web", "ScheduledActionName" => "evening", "StartTime" => at, "DesiredCapacity" => 6,
    };
    play.asg("PutScheduledUpdateGroupAction", grow);
    while play.status(&id) == "InProgress" {
        assert_eq!(play.instances("web").len(), 3);
        play.pass(10).await;
    }
    assert_eq!(play.status(&id), "Succeeded");
    play.pass(200).await;
    assert_eq!(play.instances("web").len(), 2, "what was due meanwhile: the termination, not the scheduled action");
}

#[tokio::test(start_paused = true)]
async fn balancing_takes_hosts_away_unless_it_rests() {
    for (rests, lost) in [(false, 1), (true, 0)] {
        let play = Play::new().await;
        play.deploy("v1", doc! {});
        play.pass(900).await;
        let all = doc! { "deploymentConfigName" => "CodeDeployDefault.AllAtOnce" };
        let mut members = if rests {
            options(&["AZRebalance"])
        } else {
            doc! {}
        };
        members.set("deploymentConfigName", all.get("deploymentConfigName").clone());
        play.bundle("v2", "takes: 120s");
        let id = play.deploy("v2", members);
        play.pass(70).await;
        let zones = doc! { "AutoScalingGroupName" => "web", "VPCZoneIdentifier" => "subnet-a,subnet-b" };
        play.asg("UpdateAutoScalingGroup", zones);
        play.pass(4500).await;
        let overview = play.deployment(&id).get("deploymentOverview").clone();
        assert_eq!((play.status(&id).as_str(), overview.int("Failed")), ("Succeeded", Some(lost)), "{rests}");
        play.pass(900).await;
        assert_eq!(play.traffic(), ["v2 healthy"; 3], "whoever came meanwhile is brought up to date: {rests}");
    }
}
