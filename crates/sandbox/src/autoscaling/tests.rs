//! Groups through their API, in virtual time.

use crate::doc::{Doc, doc};
use crate::ec2;
use crate::stage::Stage;

fn named(name: &str) -> Doc {
    doc! { "AutoScalingGroupName" => name }
}

fn with(name: &str, member: &str, value: impl Into<Doc>) -> Doc {
    let mut input = named(name);
    input.set(member, value);
    input
}

#[tokio::test(start_paused = true)]
async fn a_group_launches_serves_grows_and_shrinks() {
    let stage = Stage::new();
    let target_group = stage.target_group("web");
    stage.front(8080, &target_group);
    stage.group("blue", 2, vec![&target_group]);
    stage.pass(1).await;
    assert_eq!(stage.states("blue"), ["Pending", "Pending"]);
    stage.pass(36).await;
    assert_eq!(stage.states("blue"), ["InService", "InService"]);
    assert_eq!(stage.health(&target_group), ["healthy", "healthy"]);
    let group = stage.described("blue");
    let zones: Vec<&str> = group.list("Instances").iter().filter_map(|one| one.text("AvailabilityZone")).collect();
    assert_eq!(zones, ["ap-northeast-2a", "ap-northeast-2b"]);
    assert_eq!(group.list("Instances")[0].get("LaunchTemplate").text("Version"), Some("1"), "resolved");
    assert_eq!(group.get("LaunchTemplate").text("Version"), Some("$Latest"), "as given");

    stage.asg("SetDesiredCapacity", with("blue", "DesiredCapacity", 3));
    stage.pass(40).await;
    assert_eq!(stage.states("blue").len(), 3);
    let first = stage.members("blue")[0].clone();
    stage.asg("SetDesiredCapacity", with("blue", "DesiredCapacity", 2));
    stage.pass(1).await;
    assert_eq!(stage.states("blue"), ["Terminating", "InService", "InService"], "the oldest of the fullest zone goes");
    assert!(stage.health(&target_group).contains(&"draining Target.DeregistrationInProgress".to_owned()));
    assert!(stage.cast.answers.lock().unwrap().contains_key(&first), "its connections drain first");
    stage.pass(340).await;
    assert_eq!(stage.states("blue"), ["InService", "InService"]);
    assert!(!stage.cast.answers.lock().unwrap().contains_key(&first));
}

#[tokio::test(start_paused = true)]
async fn the_calls_of_a_blue_green_deployment_are_understood() {
    let stage = Stage::new();
    let target_group = stage.target_group("web");
    stage.front(8080, &target_group);
    stage.group("green", 0, vec![&target_group]);
    stage.asg(
        "UpdateAutoScalingGroup",
        doc! { "AutoScalingGroupName" => "green", "MinSize" => 2, "DesiredCapacity" => 2 },
    );
    let held = vec!["AddToLoadBalancer", "AlarmNotification", "ScheduledActions"];
    stage.asg("SuspendProcesses", with("green", "ScalingProcesses", held.clone()));
    stage.pass(60).await;
    assert_eq!(stage.states("green"), ["InService", "InService"]);
    assert_eq!(stage.health(&target_group), Vec::<String>::new(), "not registered while that is suspended");
    let reasons = stage.described("green");
    let reason = reasons.list("SuspendedProcesses")[0].text("SuspensionReason");
    assert_eq!(reason, Some("User suspended at 2026-11-20T10:00:00Z"));
    stage.asg("ResumeProcesses", with("green", "ScalingProcesses", held));
    stage.pass(60).await;
    assert_eq!(stage.health(&target_group), Vec::<String>::new(), "nor afterwards");

    stage.register(&target_group, &stage.members("green"));
    stage.pass(6).await;
    assert_eq!(stage.error("autoscaling", "DeleteAutoScalingGroup", named("green")).code, "ResourceInUse");
    stage.asg("DeleteAutoScalingGroup", with("green", "ForceDelete", true));
    stage.pass(1).await;
    assert_eq!(stage.described("green").text("Status"), Some("Delete in progress"));
    stage.pass(31).await;
    assert!(stage.described("green").is_null());
    assert!(stage.cast.answers.lock().unwrap().is_empty());
    stage.group("other", 0, vec![]);
    stage.asg("DeleteAutoScalingGroup", named("other"));
    assert!(stage.described("other").is_null());
}

#[tokio::test(start_paused = true)]
async fn a_hook_makes_instances_wait() {
    let stage = Stage::new();
    stage.group("web", 0, vec![]);
    let hook = doc! {
        "AutoScalingGroupName" => "web",
        "LifecycleHookName" => "prepare",
        "LifecycleTransition" => "autoscaling:EC2_INSTANCE_LAUNCHING",
        "HeartbeatTimeout" => 60,
    };
    stage.asg("PutLifecycleHook", hook);
    stage.asg("SetDesiredCapacity", with("web", "DesiredCapacity", 1));
    stage.pass(32).await;
    assert_eq!(stage.states("web"), ["Pending:Wait"]);
    let first = stage.members("web")[0].clone();
    assert!(stage.cast.answers.lock().unwrap().contains_key(&first), "its agent runs while it waits");
    let named =
        |id: &str| doc! { "AutoScalingGroupName" => "web", "LifecycleHookName" => "prepare", "InstanceId" => id };
    let complete = |id: &str, result: &str| {
        let mut input = named(id);
        input.set("LifecycleActionResult", result);
        input
    };
    stage.pass(50).await;
    stage.asg("RecordLifecycleActionHeartbeat", named(&first));
    stage.pass(50).await;
    assert_eq!(stage.states("web"), ["Pending:Wait"], "the heartbeat gave it another minute");
    stage.pass(12).await;
    assert_eq!(stage.states("web"), ["Terminating", "Pending"], "silence abandons it; another one takes its place");
    stage.pass(32).await;
    let second = stage.members("web").pop().unwrap();
    let error = stage.error("autoscaling", "CompleteLifecycleAction", complete(&first, "CONTINUE"));
    assert_eq!(error.message, format!("No active Lifecycle Action found with instance ID {first}"));
    stage.asg("CompleteLifecycleAction", complete(&second, "CONTINUE"));
    stage.pass(1).await;
    assert_eq!(stage.states("web"), ["InService"]);
    let activities = stage.asg("DescribeScalingActivities", doc! { "AutoScalingGroupName" => "web" });
    let messages: Vec<&str> =
        activities.list("Activities").iter().filter_map(|one| one.text("StatusMessage")).collect();
    assert_eq!(messages.len(), 1);
    let start = "Instance failed to complete user's Lifecycle Action: Lifecycle Action with token ";
    let is_told = messages[0].starts_with(start) && messages[0].ends_with(" was abandoned: Heartbeat Timeout");
    assert!(is_told, "{messages:?}");
    let expected = format!("Launching a new EC2 instance: {first}.  Status Reason: {}", messages[0]);
    let all = activities.list("Activities");
    assert!(all.iter().any(|one| one.text("Description") == Some(&expected)), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn codedeploys_own_hook_lets_instances_through_where_nothing_was_deployed() {
    let stage = Stage::new();
    stage.group("web", 0, vec![]);
    let deploy = |operation: &str, input: Doc| stage.try_call("codedeploy", operation, input).unwrap();
    deploy("CreateApplication", doc! { "applicationName" => "shop", "computePlatform" => "Server" });
    deploy(
        "CreateDeploymentGroup",
        doc! {
            "applicationName" => "shop",
            "deploymentGroupName" => "web",
            "serviceRoleArn" => "arn:aws:iam::111122223333:role/codedeploy",
            "autoScalingGroups" => vec!["web"],
        },
    );
    let hooks = stage.asg("DescribeLifecycleHooks", named("web"));
    let hook = hooks.list("LifecycleHooks")[0].text("LifecycleHookName").unwrap();
    assert!(hook.starts_with("CodeDeploy-managed-automatic-launch-deployment-hook-web-"), "{hook}");
    stage.asg("SetDesiredCapacity", with("web", "DesiredCapacity", 1));
    stage.pass(32).await;
    assert_eq!(stage.states("web"), ["InService"]);
}

#[tokio::test(start_paused = true)]
async fn deleting_a_hook_ends_its_waits() {
    let stage = Stage::new();
    stage.group("web", 1, vec![]);
    stage.pass(40).await;
    let hook = |name: &str, transition: &str| {
        doc! { "AutoScalingGroupName" => "web", "LifecycleHookName" => name, "LifecycleTransition" => transition }
    };
    stage.asg("PutLifecycleHook", hook("out", "autoscaling:EC2_INSTANCE_TERMINATING"));
    stage.asg("SetDesiredCapacity", with("web", "DesiredCapacity", 0));
    stage.pass(5).await;
    assert_eq!(stage.states("web"), ["Terminating:Wait"]);
    stage.asg("DeleteLifecycleHook", doc! { "AutoScalingGroupName" => "web", "LifecycleHookName" => "out" });
    stage.pass(40).await;
    assert_eq!(stage.states("web"), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn dead_and_sick_instances_are_replaced() {
    let stage = Stage::new();
    let target_group = stage.target_group("web");
    stage.front(8080, &target_group);
    stage.group("web", 2, vec![&target_group]);
    stage.asg(
        "UpdateAutoScalingGroup",
        doc! {
            "AutoScalingGroupName" => "web", "HealthCheckType" => "ELB", "HealthCheckGracePeriod" => 120,
        },
    );
    stage.pass(40).await;
    let before = stage.members("web");
    ec2::kill_instance(&stage.world, &stage.scope.site, &before[0]);
    stage.pass(60).await;
    assert!(stage.members("web").iter().any(|id| !before.contains(id)), "noticed within a minute");
    stage.pass(60).await;
    assert_eq!(stage.health(&target_group), ["healthy", "healthy"]);
    assert!(!stage.members("web").contains(&before[0]));

    stage.asg("SuspendProcesses", with("web", "ScalingProcesses", vec!["ReplaceUnhealthy"]));
    stage.answers(&before[1], Some(503));
    stage.pass(180).await;
    let sick = |stage: &Stage| stage.described("web").list("Instances")[0].text("HealthStatus").map(str::to_owned);
    assert_eq!(sick(&stage).as_deref(), Some("Unhealthy"));
    assert!(stage.members("web").contains(&before[1]));
    stage.asg("ResumeProcesses", named("web"));
    stage.pass(400).await;
    assert!(!stage.members("web").contains(&before[1]));
    assert_eq!(stage.states("web"), ["InService", "InService"]);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_dies_while_it_boots_is_replaced() {
    let stage = Stage::new();
    let target_group = stage.target_group("web");
    stage.front(8080, &target_group);
    stage.group("web", 1, vec![&target_group]);
    stage.pass(10).await;
    let first = stage.members("web")[0].clone();
    ec2::kill_instance(&stage.world, &stage.scope.site, &first);
    stage.pass(120).await;
    assert!(!stage.cast.answers.lock().unwrap().contains_key(&first));
    assert!(!stage.members("web").contains(&first));
    assert_eq!((stage.states("web"), stage.health(&target_group)), (vec!["InService".into()], vec!["healthy".into()]));
}

#[tokio::test(start_paused = true)]
async fn equal_seeds_give_equal_histories() {
    async fn history() -> String {
        let stage = Stage::new();
        let target_group = stage.target_group("web");
        stage.front(8080, &target_group);
        stage.group("web", 3, vec![&target_group]);
        stage.pass(100).await;
        let first = stage.members("web")[0].clone();
        ec2::kill_instance(&stage.world, &stage.scope.site, &first);
        stage.asg("SetDesiredCapacity", with("web", "DesiredCapacity", 5));
        stage.pass(500).await;
        let activities = stage.asg("DescribeScalingActivities", doc! {});
        format!("{activities:?} {:?} {:?}", stage.described("web"), stage.health(&target_group))
    }
    assert_eq!(history().await, history().await);
}

#[tokio::test(start_paused = true)]
async fn what_contradicts_is_refused_in_the_services_words() {
    let stage = Stage::new();
    stage.group("web", 1, vec![]);
    stage.pass(40).await;
    stage.asg("UpdateAutoScalingGroup", doc! { "AutoScalingGroupName" => "web", "MinSize" => 1, "MaxSize" => 4 });
    let id = stage.members("web")[0].clone();
    let cases = [
        ("UpdateAutoScalingGroup", named("x"), "AutoScalingGroup name not found - null"),
        ("DeleteAutoScalingGroup", named("x"), "AutoScalingGroup name not found - AutoScalingGroup 'x' not found"),
        (
            "SetDesiredCapacity",
            with("web", "DesiredCapacity", 5),
            "New SetDesiredCapacity value 5 is above max value 4 for the AutoScalingGroup.",
        ),
        (
            "TerminateInstanceInAutoScalingGroup",
            doc! { "InstanceId" => id, "ShouldDecrementDesiredCapacity" => true },
            "Currently, desiredSize equals minSize (1). Terminating instance without replacement will violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.",
        ),
        (
            "CreateAutoScalingGroup",
            with("y", "LaunchTemplate", doc! { "Version" => "1" }),
            "Valid requests must contain either launchTemplateId or LaunchTemplateName",
        ),
        (
            "CreateAutoScalingGroup",
            named("y"),
            "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.",
        ),
    ];
    for (operation, input, message) in cases {
        let error = stage.error("autoscaling", operation, input);
        assert_eq!((error.code.as_str(), error.message.as_str()), ("ValidationError", message), "{operation}");
    }
    let again = doc! {
        "AutoScalingGroupName" => "web", "LaunchTemplate" => doc! { "LaunchTemplateName" => "web" },
        "MinSize" => 0, "MaxSize" => 0, "AvailabilityZones" => vec!["ap-northeast-2a"],
    };
    assert_eq!(stage.error("autoscaling", "CreateAutoScalingGroup", again).code, "AlreadyExists");
}

#[tokio::test(start_paused = true)]
async fn capacity_follows_its_bounds_and_schedules() {
    let stage = Stage::new();
    stage.group("web", 2, vec![]);
    let desired = |stage: &Stage| stage.described("web").int("DesiredCapacity");
    stage.asg("UpdateAutoScalingGroup", with("web", "MinSize", 3));
    assert_eq!(desired(&stage), Some(3));
    stage.asg("UpdateAutoScalingGroup", doc! { "AutoScalingGroupName" => "web", "MinSize" => 0, "MaxSize" => 1 });
    assert_eq!(desired(&stage), Some(1));
    let action = doc! {
        "AutoScalingGroupName" => "web", "ScheduledActionName" => "noon", "Recurrence" => "0 12 * * *", "MaxSize" => 5, "DesiredCapacity" => 4,
    };
    stage.asg("PutScheduledUpdateGroupAction", action);
    let next = |stage: &Stage| {
        let actions = stage.asg("DescribeScheduledActions", named("web"));
        actions.list("ScheduledUpdateGroupActions")[0].time("StartTime").unwrap().to_string()
    };
    assert_eq!(next(&stage), "2026-11-20T12:00:00Z");
    stage.pass(2 * 3600 + 1).await;
    assert_eq!((desired(&stage), next(&stage).as_str()), (Some(4), "2026-11-21T12:00:00Z"));
    stage.asg("SetDesiredCapacity", with("web", "DesiredCapacity", 0));
    stage.asg("SuspendProcesses", named("web"));
    stage.pass(86400).await;
    assert_eq!(desired(&stage), Some(0), "suspended");
}

#[tokio::test(start_paused = true)]
async fn instances_leave_their_group_alive() {
    let stage = Stage::new();
    let target_group = stage.target_group("web");
    stage.front(8080, &target_group);
    stage.group("web", 2, vec![&target_group]);
    stage.pass(40).await;
    let ids = stage.members("web");
    let chosen = |id: &str, decrement: bool| {
        let mut input = with("web", "InstanceIds", vec![id]);
        input.set("ShouldDecrementDesiredCapacity", decrement);
        input
    };
    stage.asg("EnterStandby", chosen(&ids[0], true));
    stage.asg("DetachInstances", chosen(&ids[1], false));
    stage.pass(310).await;
    assert_eq!(stage.states("web"), ["Standby", "InService"], "the detached one was replaced");
    assert!(stage.cast.answers.lock().unwrap().contains_key(&ids[1]), "it runs on");
    stage.asg("ExitStandby", with("web", "InstanceIds", vec![ids[0].as_str()]));
    stage.pass(10).await;
    assert_eq!(stage.health(&target_group), ["healthy", "healthy"]);
    assert_eq!(stage.described("web").int("DesiredCapacity"), Some(2));
}

#[tokio::test(start_paused = true)]
async fn everything_that_a_copy_has_to_carry_is_shown() {
    let stage = Stage::new();
    let target_group = stage.target_group("web");
    stage.group("web", 0, vec![]);
    stage.asg("AttachLoadBalancerTargetGroups", with("web", "TargetGroupARNs", vec![target_group.as_str()]));
    let sources = stage.asg("DescribeTrafficSources", named("web"));
    assert_eq!(sources.list("TrafficSources")[0].text("State"), Some("Added"));
    let adjust = doc! { "AutoScalingGroupName" => "web", "PolicyName" => "up", "AdjustmentType" => "ChangeInCapacity", "ScalingAdjustment" => 1 };
    stage.asg("PutScalingPolicy", adjust);
    assert_eq!(stage.asg("DescribePolicies", named("web")).list("ScalingPolicies")[0].text("PolicyName"), Some("up"));
    let topic = doc! { "AutoScalingGroupName" => "web", "TopicARN" => "arn:aws:sns:r:a:t", "NotificationTypes" => vec!["a", "b"] };
    stage.asg("PutNotificationConfiguration", topic);
    assert_eq!(stage.asg("DescribeNotificationConfigurations", doc! {}).list("NotificationConfigurations").len(), 2);
    stage.asg("EnableMetricsCollection", with("web", "Granularity", "1Minute"));
    assert_eq!(stage.described("web").list("EnabledMetrics").len(), 8);
    assert!(stage.asg("DescribeWarmPool", named("web")).get("WarmPoolConfiguration").is_null());
    stage.asg("PutWarmPool", named("web"));
    assert_eq!(
        stage.asg("DescribeWarmPool", named("web")).get("WarmPoolConfiguration").text("PoolState"),
        Some("Stopped")
    );
    let tag = doc! { "ResourceId" => "web", "ResourceType" => "auto-scaling-group", "Key" => "team", "Value" => "shop", "PropagateAtLaunch" => "true" };
    stage.asg("CreateOrUpdateTags", doc! { "Tags" => vec![tag] });
    let filter = |name: &str| doc! { "Filters" => vec![doc! { "Name" => name, "Values" => vec!["shop"] }] };
    assert_eq!(stage.asg("DescribeAutoScalingGroups", filter("tag:team")).list("AutoScalingGroups").len(), 1);
    assert_eq!(stage.asg("DescribeTags", filter("value")).list("Tags").len(), 1);
    stage.asg("SetDesiredCapacity", with("web", "DesiredCapacity", 1));
    stage.pass(1).await;
    let tagged = doc! { "Filter" => vec![doc! { "Name" => "tag:team", "Value" => vec!["shop"] }] };
    assert_eq!(stage.ec2("DescribeInstances", tagged).list("reservationSet").len(), 1, "propagated");
}

/// How many instances serve in each zone of a group.
fn by_zone(stage: &Stage, name: &str) -> Vec<(String, usize)> {
    let group = stage.described(name);
    let mut zones = std::collections::BTreeMap::new();
    for one in group.list("Instances").iter().filter(|one| one.text("LifecycleState") == Some("InService")) {
        *zones.entry(one.text("AvailabilityZone").unwrap().rsplit('-').next().unwrap().to_owned()).or_default() += 1;
    }
    zones.into_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn zones_are_balanced_unless_that_rests() {
    let stage = Stage::new();
    stage.group("blue", 4, Vec::new());
    stage.asg("UpdateAutoScalingGroup", with("blue", "VPCZoneIdentifier", "subnet-a"));
    stage.pass(400).await;
    assert_eq!(by_zone(&stage, "blue"), [("2a".to_owned(), 4)], "the other zone is no longer the group's");
    stage.asg("SuspendProcesses", with("blue", "ScalingProcesses", vec!["AZRebalance"]));
    stage.asg("UpdateAutoScalingGroup", with("blue", "VPCZoneIdentifier", "subnet-a,subnet-b"));
    stage.pass(400).await;
    assert_eq!(by_zone(&stage, "blue"), [("2a".to_owned(), 4)]);
    stage.asg("ResumeProcesses", with("blue", "ScalingProcesses", vec!["AZRebalance"]));
    stage.pass(5).await;
    assert_eq!(
        stage.states("blue"),
        ["InService", "InService", "InService", "InService", "Pending"],
        "one more for a while"
    );
    stage.pass(600).await;
    assert_eq!(by_zone(&stage, "blue"), [("2a".to_owned(), 2), ("2b".to_owned(), 2)]);
    let activities = stage.asg("DescribeScalingActivities", named("blue"));
    let text = "instances were launched to balance instances in zones ap-northeast-2b with other zones resulting in more \
        than desired number of instances in the group.";
    let causes = activities.list("Activities").iter().filter_map(|one| one.text("Cause"));
    assert_eq!(causes.filter(|cause| cause.ends_with(text)).count(), 2);
    stage.pass(600).await;
    assert_eq!(stage.members("blue").len(), 4);
}
