use super::*;
use crate::model::rolling::{HostsLeft, Rolling, RollingZones};
use crate::plan::build::{Built, Input, build};
use crate::plan::{Plan, sample};

fn rule(kind: &str, value: i64) -> MinHealthy {
    MinHealthy { kind: kind.to_owned(), value }
}

fn of_one_zone(hosts: usize) -> BTreeMap<&'static str, usize> {
    [("a", hosts)].into()
}

/// How many hosts may be gone at once, found by taking them out one by one and asking the rule in words each time; and in
/// how many turns all are through. Nothing if none may go.
fn by_hand(hosts: usize, still_enough: impl Fn(usize) -> bool) -> Option<(usize, u64)> {
    let mut gone = 0;
    while gone < hosts && still_enough(hosts - gone - 1) {
        gone += 1;
    }
    let (mut turns, mut left) = (0, hosts);
    while gone > 0 && left > 0 {
        left = left.saturating_sub(gone);
        turns += 1;
    }
    (gone > 0).then_some((gone, turns))
}

#[test]
fn the_rounding_table() {
    let mut refused = 0;
    for hosts in 1..=12_usize {
        for value in 0..=99_usize {
            let of_kind = |kind: &str| {
                let rolled = batches(&rule(kind, i64::try_from(value).unwrap()), None, &of_one_zone(hosts));
                rolled.map(|it| (it.at_once, it.count())).ok()
            };
            // A share is kept if those that are left are that share of all, or more.
            let share = by_hand(hosts, |left| left * 100 >= hosts * value);
            assert_eq!(of_kind("FLEET_PERCENT"), share, "{value} % of {hosts}");
            refused += usize::from(share.is_none());
            if value <= 12 {
                let count = by_hand(hosts, |left| left >= value);
                assert_eq!(of_kind("HOST_COUNT"), count, "{value} of {hosts}");
            }
        }
        let one = batches(&rule("MOST_CONCURRENCY", 1), None, &of_one_zone(hosts)).unwrap();
        assert_eq!((one.at_once, one.count(), one.least), (1, hosts as u64, hosts - 1));
    }
    assert!(refused > 300, "{refused}");
}

/// As the documentation has it.
#[test]
fn the_documented_cases() {
    for (kind, value, hosts, expected) in [
        ("FLEET_PERCENT", 50, 9, "4 at once, 5 stay"),
        ("FLEET_PERCENT", 40, 9, "5 at once, 4 stay"),
        ("FLEET_PERCENT", 95, 10, "95 % rounded up are 10 of 10 hosts"),
        ("FLEET_PERCENT", 0, 3, "3 at once, 0 stay"),
        ("HOST_COUNT", 9, 10, "1 at once, 9 stay"),
        ("HOST_COUNT", 3, 3, "3 must stay healthy of 3 hosts"),
        ("FLEET_PERCENT", 50, 1, "50 % rounded up are 1 of 1 host"),
        ("MOST_CONCURRENCY", 1, 1, "1 at once, 0 stay"),
        ("NEW_WORD", 7, 3, "NEW_WORD 7: what that leaves is not known here of 3 hosts"),
    ] {
        let told = match batches(&rule(kind, value), None, &of_one_zone(hosts)) {
            Ok(it) => format!("{} at once, {} stay", it.at_once, it.least),
            Err(why) => why,
        };
        assert_eq!(told, expected, "{kind} {value} of {hosts}");
    }
}

#[test]
fn zones_go_one_after_the_other_and_keep_their_own_minimum() {
    let by_zone: BTreeMap<&str, usize> = [("a", 3), ("b", 2), ("c", 1)].into();
    let zones =
        |kind: &str, value| Zones { monitor_seconds: 0, first_monitor_seconds: 0, min_healthy: rule(kind, value) };
    let told = |rule: MinHealthy, zones: &Zones| match batches(&rule, Some(zones), &by_zone) {
        Ok(it) => {
            let each: Vec<String> =
                it.zones.iter().map(|it| format!("{} {}/{}", it.zone, it.at_once, it.hosts)).collect();
            format!("{} in {} turns", each.join(" "), it.count())
        }
        Err(why) => why,
    };
    assert_eq!(told(rule("FLEET_PERCENT", 50), &zones("FLEET_PERCENT", 0)), "a 3/3 b 2/2 c 1/1 in 3 turns");
    assert_eq!(told(rule("HOST_COUNT", 4), &zones("FLEET_PERCENT", 0)), "a 2/3 b 2/2 c 1/1 in 4 turns");
    assert_eq!(told(rule("HOST_COUNT", 1), &zones("FLEET_PERCENT", 30)), "30 % rounded up are 1 of 1 host in zone c");
    assert_eq!(told(rule("HOST_COUNT", 6), &zones("FLEET_PERCENT", 0)), "6 must stay healthy of 6 hosts");
}

fn built(rolling: Rolling, change: impl FnOnce(&mut Fleet, &mut Intent)) -> Result<Built, Vec<String>> {
    let (pipeline, environment) = (sample::rolling_pipeline(rolling), sample::name("production"));
    let (mut fleet, mut intent) = (sample::rolling_fleet(), Intent::Deploy);
    change(&mut fleet, &mut intent);
    let input = Input { intent, ..sample::input(&pipeline, &environment, fleet) };
    build(&input).map_err(|refused| {
        refused.into_iter().map(|it| format!("{}\n{}", it.what, it.fix.unwrap_or_default())).collect()
    })
}

fn named(config: &str) -> Rolling {
    Rolling { config: Some(config.to_owned()), ..Rolling::default() }
}

/// One line per step and watch.
fn story(plan: &Plan) -> String {
    let lane = plan.lanes().next().unwrap();
    let steps = lane.steps.iter().map(|it| format!("{} {} ≤ {} {:?}", it.id, it.expected, it.limit, it.way_back));
    let watches = lane.watches.iter().map(|watch| {
        let labels: Vec<String> = watch.conditions.iter().map(Condition::label).collect();
        format!("{} to {}: {}", watch.from, watch.to, labels.join(", "))
    });
    steps.chain(watches).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_named_configuration_rolls() {
    let plan = built(named("CodeDeployDefault.HalfAtATime"), |_, _| {}).unwrap().plan;
    assert_eq!(
        story(&plan),
        "\
create 18m ≤ 1h54m Redeploy
bake 5m ≤ 45m Redeploy
create to create: targets ≥ 2
create to bake: alarm storefront-5xx, http /healthz
bake to bake: targets ≥ 90%"
    );
    let lane = plan.lanes().next().unwrap();
    let rolling = lane.fleet().unwrap().rolling.as_ref().unwrap();
    assert_eq!((rolling.config.as_str(), &rolling.make), ("CodeDeployDefault.HalfAtATime", &None));
    assert_eq!((rolling.batches.at_once, rolling.batches.least, rolling.batches.count()), (2, 2, 2));
    let bytes = serde_json::to_vec(&plan).unwrap();
    assert_eq!(serde_json::from_slice::<Plan>(&bytes).unwrap(), plan);
}

/// Nothing answers before it, so what hosts answer is judged in the bake; there is nothing to go back to.
#[test]
fn a_first_release_is_watched_once_it_serves() {
    let first = |fleet: &mut Fleet, _: &mut Intent| {
        fleet.baseline = None;
        fleet.target_groups.iter_mut().for_each(|group| group.targets.clear());
        fleet.probe_troubles = vec!["/healthz: answered 502".to_owned()];
    };
    let plan = built(named("CodeDeployDefault.HalfAtATime"), first).unwrap().plan;
    assert_eq!(
        story(&plan),
        "\
create 18m ≤ 1h54m None
bake 5m ≤ 45m None
create to bake: alarm storefront-5xx
bake to bake: targets ≥ 4, http /healthz"
    );
}

#[test]
fn a_configuration_is_made_once() {
    let zones = RollingZones {
        monitor: Period::minutes(5),
        first_zone_monitor: None,
        min_healthy_per_zone: HostsLeft::Share(0),
    };
    let rolling = Rolling { min_healthy: Some(HostsLeft::Share(75)), zones: Some(zones), ..Rolling::default() };
    let absent = |fleet: &mut Fleet, _: &mut Intent| fleet.min_healthy = None;
    let plan = built(rolling.clone(), absent).unwrap().plan;
    assert_eq!(
        story(&plan).lines().take(2).collect::<Vec<_>>(),
        ["config 5s ≤ 15m Drop", "create 46m ≤ 3h18m Redeploy"],
        "four batches of nine minutes, and five minutes after each of two zones"
    );
    let lane = plan.lanes().next().unwrap();
    let made = rolling.made().unwrap();
    assert_eq!(lane.fleet().unwrap().rolling.as_ref().unwrap().make.as_ref(), Some(&made));
    assert_eq!(lane.fleet().unwrap().baseline.min_healthy.as_ref(), Some(&made.min_healthy));
    let there = |fleet: &mut Fleet, _: &mut Intent| {
        (fleet.min_healthy, fleet.zones) = (Some(made.min_healthy.clone()), made.zones.clone());
    };
    assert!(story(&built(rolling.clone(), there).unwrap().plan).starts_with("create "));
    let refused = built(rolling, |_, _| {}).unwrap_err();
    let name = "shipit-min-healthy-75-percent-zones-300s-300s-0-percent";
    assert_eq!(
        refused,
        [format!(
            "the deployment configuration `{name}` was made by somebody else and says something else\n\
             aws deploy delete-deployment-config --region ap-northeast-2 --deployment-config-name {name}"
        )]
    );
}

#[test]
fn the_way_back_is_judged_by_its_targets() {
    let back = |_: &mut Fleet, intent: &mut Intent| *intent = Intent::Rollback;
    let plan = built(named("CodeDeployDefault.AllAtOnce"), |fleet, intent| {
        back(fleet, intent);
        fleet.min_healthy = Some(rule("FLEET_PERCENT", 0));
    });
    assert_eq!(story(&plan.unwrap().plan).lines().last(), Some("bake to bake: targets ≥ 90%"));
}

#[test]
fn what_cannot_roll_is_refused_with_the_numbers() {
    let refused =
        |rolling: Rolling, change: fn(&mut Fleet)| built(rolling, |fleet, _| change(fleet)).unwrap_err().join("\n");
    let half = || named("CodeDeployDefault.HalfAtATime");
    assert_eq!(
        refused(half(), |fleet| {
            fleet.scaling_groups[0].instances.truncate(1);
            fleet.target_groups[0].targets.truncate(1);
        }),
        "under CodeDeployDefault.HalfAtATime no host may be taken out: 50 % rounded up are 1 of 1 host\n\
         add hosts, or let fewer stay healthy in `targets.web.strategy.rolling.config`; with \
         `config: CodeDeployDefault.OneAtATime` one host at a time is taken out, however many there are"
    );
    assert_eq!(
        refused(half(), |fleet| fleet.group.deployment_type = "BLUE_GREEN".into()),
        "deployment group `storefront-web` is BLUE_GREEN, not IN_PLACE, which rolling needs (Terraform: \
         `deployment_style.deployment_type`)\n\
         aws deploy update-deployment-group --region ap-northeast-2 --application-name storefront \
         --current-deployment-group-name storefront-web --auto-scaling-groups storefront-asg \
         --deployment-style deploymentType=IN_PLACE,deploymentOption=WITH_TRAFFIC_CONTROL"
    );
    assert!(
        refused(named("nope"), |fleet| fleet.min_healthy = None)
            .starts_with("there is no deployment configuration `nope`")
    );
    for change in [
        (|fleet| fleet.group.has_tag_filters = true) as fn(&mut Fleet),
        |fleet| fleet.scaling_groups[0].has_warm_pool = true,
        |fleet| fleet.shared_with.push("other".into()),
        |fleet| fleet.group.classic_balancers.push("old".into()),
        |fleet| fleet.alarms[0].state = "ALARM".into(),
    ] {
        let said = refused(half(), change);
        assert!(!said.contains("green") && !said.contains("blue"), "{said}");
    }
}

#[test]
fn notes_say_what_rolling_means_here() {
    let half = || named("CodeDeployDefault.AllAtOnce");
    let built = built(half(), |fleet, _| {
        fleet.min_healthy = Some(rule("FLEET_PERCENT", 0));
        fleet.group.traffic_option = "WITHOUT_TRAFFIC_CONTROL".into();
        fleet.group.keeps_outdated = true;
        fleet.baseline = None;
        fleet.scaling_groups[0].schedules = vec!["night".into()];
        fleet.scaling_groups[0].hooks = vec!["notify".into()];
    });
    assert_eq!(built.unwrap().notes.join("\n"), "\
web: nothing was deployed to deployment group `storefront-web` yet: there is no way back
web: all 4 hosts may be taken out at once, so that nobody serves meanwhile
web: deployment group `storefront-web` is WITHOUT_TRAFFIC_CONTROL: hosts keep their traffic while they are worked on (Terraform: `deployment_style.deployment_option`)
web: deployment group `storefront-web` leaves hosts that scale out meanwhile with the release before (IGNORE), and the run fails then (Terraform: `outdated_instances_strategy`)
web: scheduled actions of `storefront-asg` may take hosts away meanwhile: night; `suspend: [ScheduledActions]` lets them rest");
}

#[test]
fn a_fleet_without_a_load_balancer_rolls() {
    let built = built(named("CodeDeployDefault.HalfAtATime"), |fleet, _| {
        fleet.group.target_groups.clear();
        fleet.group.traffic_option = "WITHOUT_TRAFFIC_CONTROL".into();
        (fleet.target_groups, fleet.load_balancers) = (Vec::new(), Vec::new());
    });
    let refused = built.unwrap_err().join("\n");
    assert!(refused.contains("no listener") && !refused.contains("target group, so"), "{refused}");
}
