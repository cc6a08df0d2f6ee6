//! Plans that shipit makes pass; each change of one is called what it is.

use super::*;
use crate::model::Period;
use crate::plan::sample::{fleet, function, function_plan, function_target, input, name, pipeline, rolling_plan};
use crate::plan::{Watch, build};

fn blue_green_plan() -> Plan {
    build::build(&input(&pipeline(), &name("production"), fleet())).unwrap_or_else(|it| panic!("{it:?}")).plan
}

fn step(plan: &mut Plan, place: usize) -> &mut Step {
    &mut plan.waves[0].lanes[0].steps[place]
}

fn watch(plan: &mut Plan) -> &mut Watch {
    &mut plan.waves[0].lanes[0].watches[0]
}

#[test]
fn what_shipit_plans_can_be_followed() {
    for plan in [blue_green_plan(), rolling_plan(), function_plan(&function_target(), &function())] {
        assert_eq!(problems(&plan), []);
    }
}

#[test]
fn what_cannot_be_followed_is_named() {
    type Change = fn(&mut Plan);
    let table: [(Change, &str); 16] = [
        (|plan| plan.waves.clear(), "it has no stages"),
        (|plan| plan.waves[0].lanes.clear(), "stage `all` has no targets"),
        (|plan| plan.sites.clear(), "`web` names site 0, which is not there"),
        (|plan| plan.waves[0].lanes[0].site = usize::MAX, "`web` names site 18446744073709551615, which is not there"),
        (|plan| plan.waves.push(plan.waves[0].clone()), "target `web` is in it twice"),
        (|plan| step(plan, 1).id = "create".into(), "`web` has two steps `create`, or that is no id"),
        (|plan| step(plan, 2).id = "../x".into(), "`web` has two steps `../x`, or that is no id"),
        (|plan| step(plan, 0).what = What::Act(Action::Roll), "step `create` of `web` is none of its kind of target"),
        (
            |plan| step(plan, 0).what = What::Act(Action::Restore),
            "step `create` of `web` is none of its kind of target",
        ),
        (
            |plan| step(plan, 0).what = What::Act(Action::PublishVersion),
            "step `create` of `web` is none of its kind of target",
        ),
        (|plan| step(plan, 0).limit = Period::default(), "`limit` of `web` is out of range in `create`"),
        (
            |plan| {
                let again = watch(plan).clone();
                plan.waves[0].lanes[0].watches.push(again);
            },
            "has two watches",
        ),
        (|plan| watch(plan).from = "nowhere".into(), "from `nowhere` to"),
        (
            |plan| {
                let watch = watch(plan);
                std::mem::swap(&mut watch.from, &mut watch.to);
            },
            "which are not steps in that order",
        ),
        (|plan| http(plan).every = Period::default(), "`every` of `web` is out of range in `http /healthz`"),
        (|plan| http(plan).failures = 0, "`failures` of `web` is out of range in `http /healthz`"),
    ];
    for (change, expected) in table {
        let mut plan = blue_green_plan();
        change(&mut plan);
        let said: Vec<String> = problems(&plan).iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|it| it.contains(expected)), "{expected}: {said:?}");
    }
}

fn http(plan: &mut Plan) -> &mut HttpCondition {
    let watches = plan.waves[0].lanes[0].watches.iter_mut().flat_map(|watch| &mut watch.conditions);
    let mut requests = watches.filter_map(|condition| match condition {
        Condition::Http { request, .. } => Some(request),
        Condition::Targets { .. }
        | Condition::Alarm { .. }
        | Condition::Traffic { .. }
        | Condition::Measured { .. }
        | Condition::Command { .. }
        | Condition::Metric { .. } => None,
    });
    requests.next().unwrap()
}

/// A roll that stands on a fleet that is copied, and the other way round.
#[test]
fn a_lane_has_the_steps_of_its_kind() {
    let mut rolling = rolling_plan();
    rolling.waves[0].lanes[0].fleet_mut().rolling = None;
    assert!(problems(&rolling).iter().any(|it| matches!(it, Problem::Kind(_, _))));
    let mut function = function_plan(&function_target(), &function());
    function.waves[0].lanes[0].on = rolling.waves[0].lanes[0].on.clone();
    assert!(problems(&function).len() > 3);
}
