use super::*;
use crate::model::observed::{ActiveDeployment, Alarm, MinHealthy, Probe};
use crate::model::pipeline::{Promote, Strategy};
use crate::model::{Percent, Period, Pipeline};
use crate::plan::build::build;
use crate::plan::sample;

/// One row: a name, what is different from the sample, and what is said (nothing if it is accepted).
type Row = (&'static str, fn(&mut Pipeline, &mut Fleet), &'static str);

fn target(pipeline: &mut Pipeline) -> &mut Target {
    pipeline.targets.values_mut().next().unwrap()
}

fn strategy(pipeline: &mut Pipeline) -> &mut BlueGreen {
    let Strategy::BlueGreen(blue_green) = &mut target(pipeline).strategy;
    blue_green
}

fn said(change: fn(&mut Pipeline, &mut Fleet), intent: Intent) -> Vec<Refusal> {
    let (mut pipeline, mut fleet) = (sample::pipeline(), sample::fleet());
    change(&mut pipeline, &mut fleet);
    let environment = sample::name("production");
    let mut input = sample::input(&pipeline, &environment, fleet);
    input.intent = intent;
    build(&input).err().unwrap_or_default()
}

/// The group's name and the Terraform attributes are left out: they are looked at once, below.
fn short(what: &str) -> String {
    let what = what.replace("deployment group `storefront-web`", "GROUP");
    what.split(" (Terraform").next().unwrap_or_default().to_owned()
}

fn check(rows: &[Row], intent: Intent) {
    for (row, change, expected) in rows {
        let refused: Vec<String> = said(*change, intent).iter().map(|refusal| short(&refusal.what)).collect();
        assert_eq!(refused.join("; "), *expected, "{row}");
    }
}

fn min(kind: &str, value: i64) -> Option<MinHealthy> {
    Some(MinHealthy { kind: kind.into(), value })
}

fn wait(action: &str, minutes: i64) -> Option<(String, i64)> {
    Some((action.into(), minutes))
}

const GROUP: [Row; 9] = [
    ("as it should be", |_, _| {}, ""),
    (
        "lambda",
        |_, f| f.group.platform = "Lambda".into(),
        "GROUP deploys to Lambda; a fleet is made of EC2 instances (Server)",
    ),
    ("in place", |_, f| f.group.deployment_type = "IN_PLACE".into(), "GROUP is IN_PLACE, not BLUE_GREEN"),
    (
        "no traffic control",
        |_, f| f.group.traffic_option = "WITHOUT_TRAFFIC_CONTROL".into(),
        "GROUP is WITHOUT_TRAFFIC_CONTROL: nobody would move the traffic",
    ),
    (
        "existing green",
        |_, f| f.group.provisioning = None,
        "GROUP expects a green fleet that somebody else makes (DISCOVER_EXISTING), not a copy of its Auto Scaling group",
    ),
    (
        "tags",
        |_, f| f.group.has_tag_filters = true,
        "GROUP selects instances by tags, too; these are neither copied nor replaced",
    ),
    (
        "no floor",
        |_, f| f.min_healthy = min("HOST_COUNT", 0),
        "GROUP uses CodeDeployDefault.HalfAtATime, under which one instance that gets traffic is a success",
    ),
    (
        "no floor, accepted",
        |p, f| {
            f.min_healthy = min("FLEET_PERCENT", 0);
            strategy(p).allow_partial = true;
        },
        "",
    ),
    ("one at a time", |_, f| f.min_healthy = min("MOST_CONCURRENCY", 1), ""),
];

const WAITS: [Row; 8] = [
    (
        "goes on by itself",
        |_, f| f.group.ready = wait("CONTINUE_DEPLOYMENT", 0),
        "GROUP moves traffic to green as soon as it is installed, without asking (CONTINUE_DEPLOYMENT)",
    ),
    (
        "waits too short",
        |_, f| f.group.ready = wait("STOP_DEPLOYMENT", 59),
        "GROUP waits only 59m for traffic to be moved to green, at least 1h are needed",
    ),
    (
        "waits too short for the approval",
        |p, _| strategy(p).promote = Promote::Manual,
        "GROUP waits only 1h for traffic to be moved to green, the approval may take 8h",
    ),
    (
        "waits long enough for the approval",
        |p, f| {
            strategy(p).promote = Promote::Manual;
            f.group.ready = wait("STOP_DEPLOYMENT", 480);
        },
        "",
    ),
    (
        "keeps blue for ever",
        |_, f| f.group.termination = wait("KEEP_ALIVE", 0),
        "GROUP does not terminate the old fleet (KEEP_ALIVE): every release would leave one behind",
    ),
    ("keeps blue just long enough", |_, f| f.group.termination = wait("TERMINATE", 35), ""),
    (
        "keeps blue too short",
        |_, f| f.group.termination = wait("TERMINATE", 34),
        "GROUP keeps blue for 34m after the reroute; bake, keep_blue and 30m are 35m, and 1d22h40m is the most",
    ),
    (
        "wants to keep blue too long",
        |p, _| strategy(p).keep_blue = Period::hours(47),
        "`bake` and `keep_blue` and 30m together are 1d23h35m; CodeDeploy keeps blue for 1d22h40m at most",
    ),
];

const INSTANCES: [Row; 8] = [
    (
        "none",
        |_, f| {
            f.group.scaling_groups.clear();
            f.scaling_groups.clear();
        },
        "GROUP names no Auto Scaling group, and there is nothing to copy",
    ),
    (
        "gone",
        |_, f| f.scaling_groups.clear(),
        "GROUP names the Auto Scaling group `storefront-asg`, which does not exist",
    ),
    (
        "several",
        |_, f| f.group.scaling_groups.push("other".into()),
        "GROUP names 2 Auto Scaling groups (storefront-asg, other); only one can be copied",
    ),
    (
        "shared",
        |_, f| f.shared_with = vec!["storefront-jobs".into()],
        "the Auto Scaling group `storefront-asg` belongs to another deployment group, too: storefront-jobs",
    ),
    (
        "going",
        |_, f| f.scaling_groups[0].is_deleting = true,
        "the Auto Scaling group `storefront-asg` is being deleted",
    ),
    (
        "nothing in service",
        |_, f| f.scaling_groups[0].instances.iter_mut().for_each(|it| it.state = "Pending".into()),
        "the Auto Scaling group `storefront-asg` has no healthy instance in service; CodeDeploy makes green as large as that",
    ),
    (
        "warm pool",
        |_, f| f.scaling_groups[0].has_warm_pool = true,
        "the Auto Scaling group `storefront-asg` has a warm pool, which CodeDeploy does not support",
    ),
    (
        "unaware",
        |p, _| target(p).group_is_replaced = false,
        "after a success CodeDeploy deletes the Auto Scaling group `storefront-asg` with its instances; the live one is \
         then called `CodeDeploy_storefront-web_d-…`, and so with every release",
    ),
];

const TRAFFIC: [Row; 8] = [
    (
        "classic",
        |p, f| {
            f.group.classic_balancers = vec!["old".into()];
            f.group.target_groups.clear();
            f.target_groups.clear();
            target(p).health.http.clear();
        },
        "GROUP stands behind a Classic Load Balancer (old), which is not supported",
    ),
    (
        "none",
        |p, f| {
            f.group.target_groups.clear();
            f.target_groups.clear();
            target(p).health.http.clear();
        },
        "GROUP names no target group, so there is no traffic to move",
    ),
    (
        "gone",
        |_, f| f.group.target_groups.push("api".into()),
        "GROUP names target groups that do not exist in ap-northeast-2: api",
    ),
    (
        "network",
        |_, f| {
            f.load_balancers[0].kind = "network".into();
            f.target_groups[0].protocol = "TCP".into();
        },
        "`app/front/1` is a network load balancer, target group `web` speaks TCP; \
         only Application Load Balancers are supported",
    ),
    (
        "unused",
        |_, f| f.target_groups[0].balancers.clear(),
        "no load balancer forwards to target group web, so no target there becomes healthy",
    ),
    (
        "no plain listener",
        |_, f| f.load_balancers[0].listeners[0].protocol = "HTTPS".into(),
        "no listener forwards plain HTTP to target group web by default, so the `http` conditions have nowhere to ask",
    ),
    (
        "no plain listener, none needed",
        |p, f| {
            f.load_balancers[0].listeners.clear();
            target(p).health.http.clear();
        },
        "",
    ),
    (
        "strangers",
        |_, f| {
            f.scaling_groups[0].instances.remove(0);
        },
        "target group `web` holds 1 targets that are not in the Auto Scaling group (i-00000000000000001)",
    ),
];

const HEALTH: [Row; 9] = [
    ("alarm missing", |_, f| f.alarms.clear(), "alarms that do not exist in ap-northeast-2: storefront-5xx"),
    (
        "alarm red",
        |_, f| {
            f.alarms[0].state = "ALARM".into();
            f.alarms[0].reason = "5 > 1".into();
        },
        "alarms that are red before anything has changed: storefront-5xx (5 > 1)",
    ),
    ("alarm without data", |_, f| f.alarms[0].state = "INSUFFICIENT_DATA".into(), ""),
    (
        "group alarm red",
        |_, f| {
            f.group.alarms_enabled = true;
            f.group.alarms = vec!["latency".into()];
            f.alarms.push(Alarm { name: "latency".into(), state: "ALARM".into(), reason: String::new(), window: None });
        },
        "alarms that are red before anything has changed: latency (no reason)",
    ),
    ("group alarm red, but ignored", |_, f| f.group.alarms = vec!["latency".into()], ""),
    (
        "bake too short",
        |_, f| f.alarms[0].window = Some((60, 4)),
        "a bake of 5m ends before alarm storefront-5xx could turn red: 4 × 1m of bad data, and 2m until it is seen",
    ),
    ("bake just long enough", |_, f| f.alarms[0].window = Some((60, 3)), ""),
    (
        "probe in trouble",
        |_, f| f.probes = vec![Probe { path: "/healthz".into(), trouble: Some("503".into()) }],
        "requests that are not answered well before anything has changed: /healthz: 503",
    ),
    (
        "bundle gone",
        |_, f| f.baseline.as_mut().unwrap().bundle_exists = false,
        "the bundle of what serves now is gone, so there would be no way back: s3://acme-shipit/artifacts/\
         aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.zip, deployed by d-BASELINE1",
    ),
];

#[test]
fn what_does_not_fit_is_refused() {
    for rows in [&GROUP[..], &WAITS, &INSTANCES, &TRAFFIC, &HEALTH] {
        check(rows, Intent::Deploy);
    }
}

#[test]
fn on_the_way_back_structure_counts_and_health_does_not() {
    for rows in [&GROUP[..], &INSTANCES] {
        check(rows, Intent::Rollback);
    }
    let back: Vec<Row> = HEALTH.iter().map(|(row, change, _)| (*row, *change, "")).collect();
    check(&back, Intent::Rollback);
    check(&[("nobody is asked", |p, _| strategy(p).promote = Promote::Manual, "")], Intent::Rollback);
}

#[test]
fn terraform_attributes_are_named() {
    let mut named: Vec<String> = Vec::new();
    for (_, change, _) in GROUP.iter().chain(&WAITS).chain(&INSTANCES).chain(&TRAFFIC) {
        for refusal in said(*change, Intent::Deploy) {
            named
                .extend(refusal.what.split_once("(Terraform: ").map(|(_, rest)| rest.trim_end_matches(')').to_owned()));
        }
    }
    named.dedup();
    let blue_green = |rest: &str| format!("`blue_green_deployment_config.{rest}`");
    let expected = [
        "`deployment_style.deployment_type`".to_owned(),
        "`deployment_style.deployment_option`".to_owned(),
        blue_green("green_fleet_provisioning_option.action"),
        "`ec2_tag_filter`, `ec2_tag_set`".to_owned(),
        "`deployment_config_name`".to_owned(),
        blue_green("deployment_ready_option.action_on_timeout") + ", `.wait_time_in_minutes`",
        blue_green("deployment_ready_option.wait_time_in_minutes"),
        blue_green("terminate_blue_instances_on_deployment_success.action"),
        blue_green("terminate_blue_instances_on_deployment_success.termination_wait_time_in_minutes"),
        "`autoscaling_groups`".to_owned(),
        "`warm_pool`".to_owned(),
        "`load_balancer_info.elb_info`".to_owned(),
        "`load_balancer_info.target_group_info`".to_owned(),
    ];
    assert_eq!(named, expected);
}

#[test]
fn what_came_from_elsewhere_is_no_way_back() {
    check(
        &[(
            "GitHub",
            |_, f| {
                f.baseline = None;
                f.baseline_trouble = Some("d-X: it was installed from GitHub, not from a bucket".into());
            },
            "what serves now could not be deployed again: d-X: it was installed from GitHub, not from a bucket",
        )],
        Intent::Deploy,
    );
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
fn notes_are_not_refusals() {
    let (mut pipeline, mut fleet) = (sample::pipeline(), sample::fleet());
    target(&mut pipeline).health.targets = Some(crate::model::pipeline::TargetsHealth { healthy: Percent::whole(50) });
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
