//! Instances that leave, with a termination hook.

use crate::doc::doc;

use super::play::Play;

fn creators(play: &Play) -> Vec<(String, String)> {
    let ids = play.codedeploy("ListDeployments", doc! {}).texts("deployments");
    let told = |id: &String| {
        let shown = play.deployment(id);
        (shown.text("creator").unwrap().to_owned(), shown.text("status").unwrap().to_owned())
    };
    ids.iter().map(told).collect()
}

#[tokio::test(start_paused = true)]
async fn what_leaves_is_stopped_first() {
    let play = Play::new().await;
    play.update(doc! { "terminationHookEnabled" => true });
    let input = doc! { "applicationName" => "shop", "deploymentGroupName" => "web" };
    let shown = play.codedeploy("GetDeploymentGroup", input).get("deploymentGroupInfo").clone();
    assert_eq!(shown.bool("terminationHookEnabled"), Some(true));
    let hook = shown.list("autoScalingGroups")[0].text("terminationHook").unwrap().to_owned();
    assert!(play.hooks("web").contains(&hook) && play.hooks("web").len() == 2, "{:?}", play.hooks("web"));
    let id = play.deploy("v1", doc! {});
    play.pass(900).await;
    assert_eq!(play.status(&id), "Succeeded");

    play.bundle("v2", "takes: 20s");
    let id = play.deploy("v2", doc! { "fileExistsBehavior" => "OVERWRITE" });
    play.pass(900).await;
    assert_eq!(play.status(&id), "Succeeded");
    play.asg("SetDesiredCapacity", doc! { "AutoScalingGroupName" => "web", "DesiredCapacity" => 2 });
    play.pass(75).await;
    let states: Vec<String> = play
        .described("web")
        .list("Instances")
        .iter()
        .map(|it| it.text("LifecycleState").unwrap().to_owned())
        .collect();
    assert!(states.contains(&"Terminating:Wait".to_owned()), "{states:?}");
    assert_eq!(creators(&play)[0], ("autoscalingTermination".to_owned(), "InProgress".to_owned()));
    let leaving = play.codedeploy("ListDeployments", doc! {}).texts("deployments")[0].clone();
    let busy = play.refused("CreateDeployment", Play::order("v3", doc! {}));
    assert_eq!(busy.message, format!("The Deployment Group 'web' already has an active Deployment '{leaving}'"));
    play.pass(120).await;
    let line = "Succeeded BeforeBlockTraffic:Su BlockTraffic:Su AfterBlockTraffic:Su ApplicationStop:Su";
    assert_eq!(play.lifecycles(&leaving), [line]);
    assert_eq!((play.instances("web").len(), play.traffic().len()), (2, 2));

    play.update(doc! { "terminationHookEnabled" => false });
    assert_eq!(play.hooks("web").len(), 1);
    play.update(doc! { "terminationHookEnabled" => true });
    play.update(doc! { "autoScalingGroups" => Vec::<&str>::new() });
    assert!(play.hooks("web").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_failing_stop_keeps_nothing_alive() {
    let play = Play::new().await;
    play.update(doc! { "terminationHookEnabled" => true });
    play.bundle("v1", "fail: ApplicationStop");
    play.deploy("v1", doc! {});
    play.pass(900).await;
    play.asg("SetDesiredCapacity", doc! { "AutoScalingGroupName" => "web", "DesiredCapacity" => 2 });
    play.pass(300).await;
    assert_eq!(creators(&play)[0], ("autoscalingTermination".to_owned(), "Failed".to_owned()));
    assert_eq!(play.instances("web").len(), 2, "it goes all the same");
}

#[tokio::test(start_paused = true)]
async fn both_hooks_move_to_the_copy() {
    let play = Play::blue_green(0, 5).await;
    play.update(doc! { "terminationHookEnabled" => true });
    assert_eq!(play.hooks("web").len(), 2);
    let id = play.deploy("v2", doc! {});
    play.pass(1800).await;
    assert_eq!(play.status(&id), "Succeeded");
    assert_eq!((play.fleet_names().len(), play.hooks(&play.fleet_names()[0]).len()), (1, 2));
}
