//! The operations that answer at once.

use crate::doc::{Doc, doc};

use super::play::Play;

fn named(more: Doc) -> Doc {
    let mut input = doc! { "applicationName" => "shop", "deploymentGroupName" => "web" };
    if let Doc::Map(members) = more {
        members.into_iter().for_each(|(name, value)| input.set(&name, value));
    }
    input
}

#[tokio::test(start_paused = true)]
async fn what_create_deployment_refuses() {
    let play = Play::new().await;
    let place = |kind: &str| doc! { "bucket" => "b", "key" => "k", "bundleType" => kind };
    let s3 = |kind: &str| doc! { "revision" => doc! { "revisionType" => "S3", "s3Location" => place(kind) } };
    let table = [
        (doc! { "applicationName" => Doc::Null }, "ApplicationNameRequired"),
        (doc! { "applicationName" => "a b" }, "InvalidApplicationName"),
        (doc! { "applicationName" => "other" }, "ApplicationDoesNotExist"),
        (doc! { "deploymentGroupName" => Doc::Null }, "DeploymentGroupNameRequired"),
        (doc! { "deploymentGroupName" => "other" }, "DeploymentGroupDoesNotExist"),
        (doc! { "deploymentConfigName" => "other" }, "DeploymentConfigDoesNotExist"),
        (doc! { "revision" => Doc::Null }, "RevisionRequired"),
        (doc! { "revision" => doc! { "revisionType" => "String" } }, "InvalidRevision"),
        (s3("rar"), "InvalidRevision"),
        (doc! { "description" => "x".repeat(257) }, "DescriptionTooLong"),
        (doc! { "fileExistsBehavior" => "MAYBE" }, "InvalidFileExistsBehavior"),
        (doc! { "autoRollbackConfiguration" => doc! { "enabled" => true } }, "InvalidAutoRollbackConfig"),
        (doc! { "overrideAlarmConfiguration" => doc! { "enabled" => true } }, "InvalidAlarmConfig"),
        (doc! { "targetInstances" => doc! {} }, "InvalidTargetInstances"),
    ];
    for (members, name) in table {
        let refused = play.refused("CreateDeployment", Play::order("v1", members));
        assert_eq!(refused.code, format!("{name}Exception"), "{}", refused.message);
        assert_eq!(refused.status, 400);
    }
    let first = play.deploy("v1", doc! { "description" => "x".repeat(256) });
    let busy = play.refused("CreateDeployment", Play::order("v1", doc! {}));
    assert_eq!(busy.code, "DeploymentLimitExceededException");
    assert_eq!(busy.message, format!("The Deployment Group 'web' already has an active Deployment '{first}'"));
    assert!(
        first
            .strip_prefix("d-")
            .is_some_and(|id| id.len() == 9 && id.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()))
    );
}

#[tokio::test(start_paused = true)]
async fn groups_are_checked() {
    let play = Play::new().await;
    let style = |kind: &str, option: &str| doc! { "deploymentType" => kind, "deploymentOption" => option };
    let copy = doc! { "greenFleetProvisioningOption" => doc! { "action" => "COPY_AUTO_SCALING_GROUP" } };
    let classic = doc! { "elbInfoList" => vec![doc! { "name" => "old" }] };
    let table = [
        (doc! { "serviceRoleArn" => Doc::Null }, "RoleRequired"),
        (doc! { "serviceRoleArn" => "me" }, "InvalidRole"),
        (doc! { "autoScalingGroups" => vec!["missing"] }, "InvalidAutoScalingGroup"),
        (doc! { "deploymentConfigName" => "missing" }, "DeploymentConfigDoesNotExist"),
        (doc! { "deploymentStyle" => style("BLUE_GREEN", "WITHOUT_TRAFFIC_CONTROL") }, "InvalidDeploymentStyle"),
        (doc! { "loadBalancerInfo" => Doc::Null }, "InvalidLoadBalancerInfo"),
        (doc! { "loadBalancerInfo" => classic }, "InvalidLoadBalancerInfo"),
        (
            doc! {
                "deploymentStyle" => style("BLUE_GREEN", "WITH_TRAFFIC_CONTROL"), "autoScalingGroups" => Doc::Null,
                "blueGreenDeploymentConfiguration" => copy,
            },
            "InvalidBlueGreenDeploymentConfiguration",
        ),
        (doc! { "alarmConfiguration" => doc! { "enabled" => true } }, "InvalidAlarmConfig"),
        (doc! { "outdatedInstancesStrategy" => "SOMETIMES" }, "InvalidInput"),
    ];
    for (members, name) in table {
        let mut input = play.group();
        input.set("deploymentGroupName", "second");
        if let Doc::Map(members) = members {
            members.into_iter().for_each(|(name, value)| input.set(&name, value));
        }
        let refused = play.refused("CreateDeploymentGroup", input);
        assert_eq!(refused.code, format!("{name}Exception"), "{}", refused.message);
    }
    assert_eq!(play.hooks("web").len(), 1, "what was refused leaves no hook");
    assert_eq!(play.refused("CreateDeploymentGroup", play.group()).code, "DeploymentGroupAlreadyExistsException");
}

#[tokio::test(start_paused = true)]
async fn updates_keep_what_is_absent_and_remove_what_is_empty() {
    let play = Play::new().await;
    let shown = || play.codedeploy("GetDeploymentGroup", named(doc! {})).get("deploymentGroupInfo").clone();
    let before = shown();
    let hook = play.hooks("web")[0].clone();
    assert_eq!(before.text("deploymentConfigName"), Some("CodeDeployDefault.OneAtATime"));
    assert!(hook.starts_with("CodeDeploy-managed-automatic-launch-deployment-hook-web-"), "{hook}");
    let tags = vec![doc! { "Key" => "a", "Value" => "b", "Type" => "KEY_AND_VALUE" }];
    play.update(doc! { "ec2TagFilters" => tags, "newDeploymentGroupName" => "front" });
    play.codedeploy(
        "UpdateDeploymentGroup",
        doc! {
            "applicationName" => "shop", "currentDeploymentGroupName" => "front", "newDeploymentGroupName" => "web",
        },
    );
    let kept = shown();
    assert_eq!(kept.list("ec2TagFilters").len(), 1);
    for member in ["deploymentGroupId", "serviceRoleArn", "loadBalancerInfo", "deploymentStyle", "autoScalingGroups"] {
        assert_eq!(kept.get(member), before.get(member), "{member}");
    }
    play.update(doc! { "ec2TagFilters" => Vec::<Doc>::new(), "autoScalingGroups" => Vec::<Doc>::new() });
    assert!(shown().list("ec2TagFilters").is_empty() && shown().list("autoScalingGroups").is_empty());
    assert_eq!(play.hooks("web"), Vec::<String>::new());

    play.update(doc! { "autoScalingGroups" => vec!["web"] });
    let copy = doc! { "greenFleetProvisioningOption" => doc! { "action" => "COPY_AUTO_SCALING_GROUP" } };
    let input = doc! {
        "applicationName" => "shop", "currentDeploymentGroupName" => "web", "blueGreenDeploymentConfiguration" => copy,
    };
    let refused = play.refused("UpdateDeploymentGroup", input);
    assert!(refused.message.starts_with("Exactly one AutoScaling group must be specified"), "{}", refused.message);

    let hook = play.hooks("web")[0].clone();
    let hand_made = doc! { "AutoScalingGroupName" => "web", "LifecycleHookName" => &hook };
    play.asg("DeleteLifecycleHook", hand_made);
    let deleted = play.codedeploy("DeleteDeploymentGroup", named(doc! {}));
    assert_eq!(deleted.list("hooksNotCleanedUp")[0].text("hook"), Some(hook.as_str()));
    play.codedeploy("DeleteDeploymentGroup", named(doc! {}));
    let batch = play.codedeploy(
        "BatchGetDeploymentGroups",
        doc! {
            "applicationName" => "shop", "deploymentGroupNames" => vec!["web"],
        },
    );
    assert_eq!(batch.text("errorMessage"), Some("No Deployment Group found for name: web"));
}

#[tokio::test(start_paused = true)]
async fn deployments_are_listed_newest_first() {
    let play = Play::new().await;
    let first = play.deploy("v1", doc! {});
    play.pass(900).await;
    let second = play.deploy("v2", doc! {});
    let list = |more: Doc| play.codedeploy("ListDeployments", named(more)).texts("deployments");
    assert_eq!(list(doc! {}), [second.clone(), first.clone()]);
    assert_eq!(list(doc! { "includeOnlyStatuses" => vec!["Succeeded", "Failed"] }), [first.as_str()]);
    let since = doc! { "start" => play.world.now() };
    assert_eq!(list(doc! { "createTimeRange" => since }), [second.as_str()]);
    let refused = |input: Doc| play.refused("ListDeployments", input).code;
    assert_eq!(refused(doc! { "applicationName" => "shop" }), "DeploymentGroupNameRequiredException");
    assert_eq!(refused(named(doc! { "includeOnlyStatuses" => vec!["Done"] })), "InvalidDeploymentStatusException");
    let ids = doc! { "deploymentIds" => vec![first.as_str(), "d-UNKNOWN00", second.as_str()] };
    assert_eq!(play.codedeploy("BatchGetDeployments", ids).list("deploymentsInfo").len(), 2);
    assert_eq!(play.refused("GetDeployment", doc! { "deploymentId" => "x" }).code, "InvalidDeploymentIdException");
    assert_eq!(
        play.refused("GetDeployment", doc! { "deploymentId" => "d-UNKNOWN00" }).code,
        "DeploymentDoesNotExistException"
    );
    let filtered = |filters: Doc| {
        let input = doc! { "deploymentId" => &first, "targetFilters" => filters };
        play.try_ask("codedeploy", "ListDeploymentTargets", input).map(|page| page.texts("targetIds").len())
    };
    assert_eq!(filtered(doc! { "TargetStatus" => vec!["Succeeded"] }), Ok(3));
    assert_eq!(filtered(doc! { "TargetStatus" => vec!["Failed"] }), Ok(0));
    let labelled = filtered(doc! { "ServerInstanceLabel" => vec!["Blue"] }).expect_err("in place");
    assert_eq!(labelled.code, "InvalidDeploymentInstanceTypeException");
    assert_eq!(
        filtered(doc! { "Colour" => vec!["Blue"] }).expect_err("no such").code,
        "InvalidTargetFilterNameException"
    );
}

#[tokio::test(start_paused = true)]
async fn configurations_tags_and_revisions() {
    let play = Play::new().await;
    let config = |name: &str| {
        let shown = play.codedeploy("GetDeploymentConfig", doc! { "deploymentConfigName" => name });
        let minimum = shown.get("deploymentConfigInfo").get("minimumHealthyHosts").clone();
        (minimum.text("type").unwrap().to_owned(), minimum.int("value").unwrap())
    };
    assert_eq!(config("CodeDeployDefault.OneAtATime"), ("MOST_CONCURRENCY".to_owned(), 1));
    assert_eq!(config("CodeDeployDefault.HalfAtATime"), ("FLEET_PERCENT".to_owned(), 50));
    let made = |name: &str, kind: &str, value: i64| {
        let minimum = doc! { "type" => kind, "value" => value };
        let input = doc! { "deploymentConfigName" => name, "minimumHealthyHosts" => minimum };
        play.try_ask("codedeploy", "CreateDeploymentConfig", input).map_err(|refused| refused.code)
    };
    made("two", "HOST_COUNT", 2).unwrap();
    assert_eq!(made("two", "HOST_COUNT", 2).unwrap_err(), "DeploymentConfigAlreadyExistsException");
    assert_eq!(made("x", "FLEET_PERCENT", 100).unwrap_err(), "InvalidMinimumHealthyHostValueException");
    assert_eq!(made("x", "MOST_CONCURRENCY", 1).unwrap_err(), "InvalidMinimumHealthyHostValueException");
    assert_eq!(made("CodeDeployDefault.Mine", "HOST_COUNT", 2).unwrap_err(), "InvalidDeploymentConfigNameException");
    assert_eq!(play.codedeploy("ListDeploymentConfigs", doc! {}).texts("deploymentConfigsList").len(), 4);

    let arn = "arn:aws:codedeploy:ap-northeast-2:111122223333:deploymentgroup:shop/web";
    let tags = vec![doc! { "Key" => "team", "Value" => "shop" }];
    play.codedeploy("TagResource", doc! { "ResourceArn" => arn, "Tags" => tags.clone() });
    assert_eq!(play.codedeploy("ListTagsForResource", doc! { "ResourceArn" => arn }).list("Tags"), tags);
    let other = "arn:aws:codedeploy:ap-northeast-2:111122223333:deploymentconfig:two";
    assert_eq!(play.refused("ListTagsForResource", doc! { "ResourceArn" => other }).code, "ArnNotSupportedException");
    assert_eq!(play.refused("ListTagsForResource", doc! { "ResourceArn" => "x" }).code, "InvalidArnException");

    let revision = Play::order("v1", doc! {}).get("revision").clone();
    let input = doc! { "applicationName" => "shop", "revision" => revision.clone(), "description" => "the first" };
    assert_eq!(play.codedeploy("RegisterApplicationRevision", input.clone()), Doc::Null);
    let known = play.codedeploy("GetApplicationRevision", input);
    assert_eq!(known.get("revisionInfo").text("description"), Some("the first"));
    for platform in ["Lambda", "ECS"] {
        let input = doc! { "applicationName" => "other", "computePlatform" => platform };
        assert_eq!(play.refused("CreateApplication", input).code, "InvalidComputePlatformException");
    }
    assert_eq!(play.refused("ListGitHubAccountTokenNames", doc! {}).code, "UnknownOperationException");
}
