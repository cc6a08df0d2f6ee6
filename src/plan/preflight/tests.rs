use super::*;
use crate::model::Pipeline;
use crate::model::observed::ActiveDeployment;
use crate::model::pipeline::Promote;
use crate::plan::build::build;
use crate::plan::sample;

mod rules;

fn target(pipeline: &mut Pipeline) -> &mut Target {
    pipeline.targets.values_mut().next().unwrap()
}

fn strategy(pipeline: &mut Pipeline) -> &mut BlueGreen {
    target(pipeline).blue_green_mut().unwrap()
}

fn said(change: fn(&mut Pipeline, &mut Fleet), intent: Intent) -> Vec<Refusal> {
    let (mut pipeline, mut fleet) = (sample::pipeline(), sample::fleet());
    change(&mut pipeline, &mut fleet);
    let environment = sample::name("production");
    let mut input = sample::input(&pipeline, &environment, fleet);
    input.intent = intent;
    build(&input).err().unwrap_or_default()
}

#[test]
fn a_deployment_under_way_is_busy() {
    let refused = said(
        |_, f| {
            f.active = Some(ActiveDeployment {
                id: "d-ACTIVE123".into(),
                status: "InProgress".into(),
                creator: "autoscaling".into(),
                description: String::new(),
                created: Some("2026-11-21T09:34:06Z".parse().unwrap()),
            })
        },
        Intent::Rollback,
    );
    assert!(refused[0].is_busy);
    assert_eq!(
        refused[0].what,
        "deployment group `storefront-web` is busy: d-ACTIVE123 is InProgress, created by autoscaling, since 2026-11-21 09:34:06 UTC"
    );
    let ours = said(
        |_, f| {
            f.active = Some(ActiveDeployment {
                id: "d-ACTIVE123".into(),
                status: "Ready".into(),
                creator: "user".into(),
                description: "shipit:20261121-093406-kfzw/create#1".into(),
                created: None,
            })
        },
        Intent::Deploy,
    );
    assert_eq!(
        ours[0].fix.as_deref(),
        Some("it belongs to run 20261121-093406-kfzw:\n  shipit show 20261121-093406-kfzw")
    );
}

#[test]
fn calls_go_where_the_pipeline_says() {
    let pipeline = sample::pipeline();
    let environment = pipeline.environments.values().next().unwrap();
    let caller = |account: &str| Caller { account: account.into(), arn: format!("arn:aws:iam::{account}:user/ann") };
    let said = |account: &str, region: &str| -> Vec<String> {
        before_the_sweep(environment, &caller(account), region).into_iter().map(|refusal| refusal.what).collect()
    };
    assert!(said("111122223333", "ap-northeast-2").is_empty());
    assert_eq!(
        said("999999999999", "us-east-1"),
        [
            "the environment is account 111122223333, but these credentials are of account 999999999999 (arn:aws:iam::999999999999:user/ann)",
            "the environment is region ap-northeast-2, but the calls went to us-east-1",
        ]
    );
}

#[test]
fn one_command_fixes_all_settings_and_is_said_once() {
    let refused = said(
        |p, f| {
            strategy(p).promote = Promote::Manual;
            f.group.deployment_type = "IN_PLACE".into();
            f.group.ready = None;
            f.group.termination = Some(("TERMINATE".into(), 5));
            f.group.scaling_groups = vec!["my group".into()];
            f.scaling_groups[0].name = "my group".into();
        },
        Intent::Deploy,
    );
    let fixes: Vec<&str> = refused.iter().filter_map(|refusal| refusal.fix.as_deref()).collect();
    assert_eq!(refused.len(), 3);
    assert_eq!(
        fixes,
        ["aws deploy update-deployment-group --region ap-northeast-2 --application-name storefront \
         --current-deployment-group-name storefront-web --auto-scaling-groups 'my group' \
         --deployment-style deploymentType=BLUE_GREEN,deploymentOption=WITH_TRAFFIC_CONTROL \
         --blue-green-deployment-configuration '{\"deploymentReadyOption\":{\"actionOnTimeout\":\"STOP_DEPLOYMENT\",\
         \"waitTimeInMinutes\":540},\"terminateBlueInstancesOnDeploymentSuccess\":{\"action\":\"TERMINATE\",\
         \"terminationWaitTimeInMinutes\":35},\"greenFleetProvisioningOption\":{\"action\":\"COPY_AUTO_SCALING_GROUP\"}}'"]
    );
}

#[test]
fn the_owner_of_the_group_is_told() {
    let refused = said(
        |p, f| {
            target(p).group_is_replaced = false;
            f.scaling_groups[0].stack = Some("web-stack".into());
        },
        Intent::Deploy,
    );
    let fix = refused[0].fix.as_deref().unwrap();
    assert!(
        fix.contains("CloudFormation stack `web-stack`")
            && fix.contains("`group_is_replaced: true` under `targets.web`"),
        "{fix}"
    );
}

#[test]
fn strangers_that_serve_alone_are_not_taken_out() {
    let fix = |change: fn(&mut Pipeline, &mut Fleet)| said(change, Intent::Deploy)[0].fix.clone().unwrap_or_default();
    let beside = fix(|_, fleet| fleet.scaling_groups[0].instances.truncate(3));
    assert_eq!(
        beside,
        "aws elbv2 deregister-targets --region ap-northeast-2 --target-group-arn arn:tg/web --targets Id=i-00000000000000004"
    );
    let alone = fix(|_, fleet| {
        fleet.scaling_groups[0].instances.truncate(1);
        fleet.target_groups[0].targets.remove(0);
    });
    assert_eq!(
        alone,
        "they serve alone: do not take them out before the live release is back in\n\
         aws elbv2 register-targets --region ap-northeast-2 --target-group-arn arn:tg/web --targets Id=i-00000000000000001"
    );
}

#[test]
fn notes_are_not_refusals() {
    let (mut pipeline, mut fleet) = (sample::pipeline(), sample::fleet());
    target(&mut pipeline).health.targets = Some(serde_json::from_str(r#"{ "healthy": "50%" }"#).unwrap());
    fleet.alarms[0].state = "INSUFFICIENT_DATA".into();
    fleet.alarms[0].window = None;
    fleet.baseline = None;
    fleet.target_groups[0].targets[0].state = "unhealthy".into();
    fleet.scaling_groups[0].hooks = vec!["notify".into()];
    fleet.scaling_groups[0].suspended = vec!["AZRebalance".into()];
    fleet.leftovers = vec!["CodeDeploy_storefront-web_d-OLD".into()];
    fleet.remarks = vec!["something could not be seen".into()];
    let environment = sample::name("production");
    let built = build(&sample::input(&pipeline, &environment, fleet)).unwrap();
    assert_eq!(built.notes.join("\n"), "\
web: alarm storefront-5xx has no data now, which counts as not red
web: how long alarm storefront-5xx takes to turn red is not known; the bake may be too short for it
web: nothing was deployed to deployment group `storefront-web` yet: once blue is gone there is no way back
web: only 3 of 4 instances in service are healthy in their target groups now
web: lifecycle hooks of `storefront-asg` that CodeDeploy may not copy: notify; the run stops before traffic then
web: processes suspended in `storefront-asg` are not in the copy: AZRebalance
web: `CodeDeploy_storefront-web_d-OLD` was left over by an earlier deployment and still runs; if nobody needs it: aws autoscaling delete-auto-scaling-group --region ap-northeast-2 --auto-scaling-group-name CodeDeploy_storefront-web_d-OLD --force-delete
web: something could not be seen");
}
