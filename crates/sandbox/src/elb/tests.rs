//! Load balancers through their API, in virtual time.

use crate::doc::{Doc, doc};
use crate::stage::{Stage, health_lines, targets};

#[tokio::test(start_paused = true)]
async fn a_target_becomes_healthy_then_unhealthy_then_drains() {
    let stage = Stage::new();
    let group = stage.target_group("web");
    let ids = stage.run(1);
    stage.register(&group, &ids);
    stage.pass(60).await;
    assert_eq!(stage.health(&group), ["unused Target.NotInUse"]);
    stage.front(8080, &group);
    stage.pass(1).await;
    assert_eq!(stage.health(&group), ["healthy"], "one passing check is enough after a registration");

    stage.answers(&ids[0], Some(500));
    stage.pass(31).await;
    assert_eq!(stage.health(&group), ["healthy"], "one failure is not enough");
    stage.pass(30).await;
    assert_eq!(stage.health(&group), ["unhealthy Target.ResponseCodeMismatch"]);
    stage.answers(&ids[0], None);
    stage.pass(30).await;
    assert_eq!(stage.health(&group), ["unhealthy Target.FailedHealthChecks"]);
    stage.answers(&ids[0], Some(200));
    stage.pass(4 * 30).await;
    assert_eq!(stage.health(&group), ["unhealthy Target.FailedHealthChecks"], "the threshold is five");
    stage.pass(30).await;
    assert_eq!(stage.health(&group), ["healthy"]);

    stage.deregister(&group, &ids);
    stage.pass(299).await;
    assert_eq!(stage.health(&group), ["draining Target.DeregistrationInProgress"]);
    stage.pass(2).await;
    assert_eq!(stage.health(&group), Vec::<String>::new());
    let asked = stage.elb("DescribeTargetHealth", targets(&group, &ids));
    assert_eq!(health_lines(&asked), ["unused Target.NotRegistered"]);
}

#[tokio::test(start_paused = true)]
async fn a_registration_takes_a_moment_and_can_be_repeated() {
    let stage = Stage::new();
    let group = stage.target_group("web");
    stage.front(8080, &group);
    let ids = stage.run(2);
    stage.register(&group, &ids[..1]);
    assert_eq!(stage.health(&group), ["initial Elb.RegistrationInProgress"]);
    stage.pass(6).await;
    assert_eq!(stage.health(&group), ["healthy"]);
    stage.register(&group, &ids[..1]);
    assert_eq!(stage.health(&group), ["healthy"], "it stays as it is");
    stage.deregister(&group, &ids[..1]);
    stage.register(&group, &ids[..1]);
    assert_eq!(stage.health(&group), ["initial Elb.RegistrationInProgress"], "it begins anew");
    stage.pass(400).await;
    assert_eq!(stage.health(&group), ["healthy"], "the former drain does not end the new registration");

    stage.answers(&ids[1], None);
    stage.register(&group, &ids[1..]);
    stage.pass(20).await;
    assert!(stage.health(&group).contains(&"initial Elb.InitialHealthChecking".to_owned()));
    stage.pass(20).await;
    assert!(stage.health(&group).contains(&"unhealthy Target.FailedHealthChecks".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_dead_machine_is_no_target_any_more() {
    let stage = Stage::new();
    let group = stage.target_group("web");
    stage.front(8080, &group);
    let ids = stage.run(1);
    stage.register(&group, &ids);
    stage.pass(6).await;
    stage.ec2("TerminateInstances", doc! { "InstanceId" => ids.clone() });
    let error = stage.error("elasticloadbalancing", "RegisterTargets", targets(&group, &ids));
    assert_eq!(error.code, "InvalidTarget");
    let expected = format!("The following targets are not in a running state and cannot be registered: '{}'", ids[0]);
    assert_eq!(error.message, expected);
    stage.pass(31).await;
    assert_eq!(stage.health(&group), Vec::<String>::new());
    let asked = || health_lines(&stage.elb("DescribeTargetHealth", targets(&group, &ids)));
    assert_eq!(asked(), ["draining Target.DeregistrationInProgress"], "to one who asks for it by name");
    stage.pass(600).await;
    assert_eq!(asked(), ["unused Target.NotRegistered"]);
}

#[tokio::test(start_paused = true)]
async fn what_contradicts_is_refused_with_the_services_codes() {
    let stage = Stage::new();
    let group = stage.target_group("web");
    let (balancer, listener) = stage.front(8080, &group);
    let other = stage.elb("CreateLoadBalancer", doc! { "Name" => "other", "Subnets" => vec!["subnet-a"] });
    let other = other.list("LoadBalancers")[0].text("LoadBalancerArn").unwrap();
    let forward = doc! { "Type" => "forward", "TargetGroupArn" => &group };
    let create = |balancer: &str, port: u16| {
        doc! { "LoadBalancerArn" => balancer, "Protocol" => "HTTP", "Port" => port, "DefaultActions" => vec![forward.clone()] }
    };
    let default = listener.replacen(":listener/", ":listener-rule/", 1) + "/default";
    let cases = [
        ("DescribeTargetHealth", doc! { "TargetGroupArn" => "x" }, "TargetGroupNotFound"),
        ("DescribeTargetGroups", doc! { "Names" => vec!["x"] }, "TargetGroupNotFound"),
        ("DescribeLoadBalancers", doc! { "Names" => vec!["x"] }, "LoadBalancerNotFound"),
        ("DescribeListeners", doc! { "ListenerArns" => vec!["x"] }, "ListenerNotFound"),
        ("DescribeRules", doc! { "RuleArns" => vec!["x"] }, "RuleNotFound"),
        ("DeleteTargetGroup", doc! { "TargetGroupArn" => &group }, "ResourceInUse"),
        ("CreateListener", create(&balancer, 8080), "DuplicateListener"),
        ("CreateListener", create(other, 8080), "InvalidConfigurationRequest"),
        ("CreateListener", create(other, 8081), "TargetGroupAssociationLimit"),
        ("ModifyRule", doc! { "RuleArn" => default }, "OperationNotPermitted"),
        ("CreateTargetGroup", doc! { "Name" => "web", "Protocol" => "HTTP", "Port" => 81 }, "DuplicateTargetGroupName"),
        ("CreateTargetGroup", doc! { "Name" => "a", "Protocol" => "HTTP", "Port" => 0 }, "ValidationError"),
        (
            "ModifyTargetGroup",
            doc! { "TargetGroupArn" => &group, "HealthCheckTimeoutSeconds" => 30 },
            "ValidationError",
        ),
        ("NoSuchThing", doc! {}, "UnknownOperationException"),
    ];
    for (operation, input, code) in cases {
        assert_eq!(stage.error("elasticloadbalancing", operation, input).code, code, "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn listeners_and_rules_are_described_as_they_are() {
    let stage = Stage::new();
    let (blue, green) = (stage.target_group("blue"), stage.target_group("green"));
    let (balancer, listener) = stage.front(8080, &blue);
    let action = |doc: &Doc| doc.list("Listeners")[0].list("DefaultActions")[0].clone();
    let described = stage.elb("DescribeListeners", doc! { "LoadBalancerArn" => &balancer });
    assert_eq!(action(&described).text("TargetGroupArn"), Some(blue.as_str()));
    assert_eq!(action(&described).get("ForwardConfig").list("TargetGroups")[0].int("Weight"), Some(1));

    let tuple = |arn: &str, weight: i64| doc! { "TargetGroupArn" => arn, "Weight" => weight };
    let config = doc! { "TargetGroups" => vec![tuple(&blue, 9), tuple(&green, 0)] };
    let forward = doc! { "Type" => "forward", "ForwardConfig" => config };
    let modified =
        stage.elb("ModifyListener", doc! { "ListenerArn" => &listener, "DefaultActions" => vec![forward.clone()] });
    assert!(action(&modified).get("TargetGroupArn").is_null(), "only a single target group is named so");
    let of_balancer = stage.elb("DescribeTargetGroups", doc! { "LoadBalancerArn" => &balancer });
    assert_eq!(of_balancer.list("TargetGroups").len(), 2);

    let condition = doc! { "Field" => "path-pattern", "Values" => vec!["/x/*"] };
    let rule = doc! { "ListenerArn" => &listener, "Priority" => 5, "Conditions" => vec![condition], "Actions" => vec![forward] };
    stage.elb("CreateRule", rule.clone());
    assert_eq!(stage.error("elasticloadbalancing", "CreateRule", rule).code, "PriorityInUse");
    let rules = stage.elb("DescribeRules", doc! { "ListenerArn" => &listener });
    let priorities: Vec<&str> = rules.list("Rules").iter().filter_map(|rule| rule.text("Priority")).collect();
    assert_eq!(priorities, ["5", "default"]);
    stage.elb("DeleteLoadBalancer", doc! { "LoadBalancerArn" => &balancer });
    stage.elb("DeleteTargetGroup", doc! { "TargetGroupArn" => &blue });
}

#[tokio::test(start_paused = true)]
async fn attributes_and_tags() {
    let stage = Stage::new();
    let group = stage.target_group("web");
    let attribute = |key: &str, value: &str| {
        doc! { "TargetGroupArn" => &group, "Attributes" => vec![doc! { "Key" => key, "Value" => value }] }
    };
    let changed = stage.elb("ModifyTargetGroupAttributes", attribute("deregistration_delay.timeout_seconds", "0"));
    let delay =
        changed.list("Attributes").iter().find(|one| one.text("Key") == Some("deregistration_delay.timeout_seconds"));
    assert_eq!(delay.and_then(|delay| delay.text("Value")), Some("0"));
    for (key, value) in
        [("deregistration_delay.timeout_seconds", "3601"), ("nonsense", "1"), ("stickiness.enabled", "true")]
    {
        let error = stage.error("elasticloadbalancing", "ModifyTargetGroupAttributes", attribute(key, value));
        assert_eq!(error.code, "ValidationError", "{key}");
    }
    let tag = |key: &str| doc! { "Key" => key, "Value" => "v" };
    stage.elb("AddTags", doc! { "ResourceArns" => vec![group.as_str()], "Tags" => vec![tag("a"), tag("b")] });
    stage.elb("RemoveTags", doc! { "ResourceArns" => vec![group.as_str()], "TagKeys" => vec!["a"] });
    let tags = stage.elb("DescribeTags", doc! { "ResourceArns" => vec![group.as_str()] });
    assert_eq!(tags.list("TagDescriptions")[0].list("Tags"), [tag("b")]);
}
