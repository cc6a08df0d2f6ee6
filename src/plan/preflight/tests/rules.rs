//! Every rule: what is accepted, what is refused.

use super::super::*;
use super::{said, strategy, target};
use crate::model::observed::{Alarm, MinHealthy};
use crate::model::pipeline::Promote;
use crate::model::{Period, Pipeline};

/// One row: a name, what is different from the sample, and what is said (nothing if it is accepted).
type Row = (&'static str, fn(&mut Pipeline, &mut Fleet), &'static str);

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
        "no listener forwards plain HTTP to target group web by default, so the `http` conditions and tasks have nowhere to ask",
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

const HEALTH: [Row; 10] = [
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
            f.alarms.push(Alarm {
                name: "latency".into(),
                state: "ALARM".into(),
                reason: String::new(),
                since: None,
                window: None,
            });
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
        |_, f| f.probe_troubles = vec!["/healthz: answered 503".into()],
        "requests that are not answered well before anything has changed: /healthz: answered 503",
    ),
    (
        "nothing answers before a first release",
        |_, f| {
            f.probe_troubles = vec!["/healthz: answered 502".into()];
            f.baseline = None;
            f.target_groups[0].targets.clear();
        },
        "",
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
