//! The way back: every deployment state × what serves × what is left of green.

use super::fixture::{
    ARN, at, back, began, blue, blue_group, cause, deployment, ended, lane, plan, saw_group, seen, started, state,
    stop, targets, told,
};
use crate::event::CallKind;
use crate::event::record::{Record, Side};
use crate::model::facts::{Deployment, Status};
use crate::model::observed::ScalingGroup;
use crate::plan::sample::name;
use crate::plan::{Lane, StepId};
use crate::run::restore::restore;
use crate::run::settle::Known;
use crate::run::view::LaneView;

const GREEN: &str = "CodeDeploy_storefront-web_d-1";

/// The run goes back at second 100; the way back is looked at at second `now`.
fn next_at(lane: &Lane, view: &LaneView, records: &[(i64, Record)], now: i64) -> String {
    let state = state(&plan(), records);
    let lane_state = &state.lanes[0];
    told(&restore(lane, Known { state: lane_state, step: lane_state.restore.as_ref().unwrap(), view, now: at(now) }))
}

fn next(view: &LaneView, records: &[(i64, Record)], now: i64) -> String {
    next_at(&lane(), view, records, now)
}

/// A run with a deployment that goes back.
fn going_back() -> Vec<(i64, Record)> {
    vec![
        (0, started("create")),
        (5, began("create", 1, CallKind::CreateDeployment)),
        (6, seen("create", "d-1")),
        (100, back(Side::Person)),
    ]
}

/// What is seen at second 100.
fn view_of(deployments: Vec<Deployment>) -> LaneView {
    let mut view = LaneView::default();
    for deployment in deployments {
        view.saw_deployment(deployment, at(100));
    }
    view
}

/// The baseline has served alone in this many readings, and before them it did not.
fn serving(mut view: LaneView, readings: u32) -> LaneView {
    let lane = lane();
    saw_group(&mut view, "storefront-asg", Some(blue_group(&lane)), 100);
    view.saw_health(&lane, ARN, blue(&lane, "unhealthy"), at(99));
    for reading in 0..readings {
        view.saw_health(&lane, ARN, blue(&lane, "healthy"), at(100 + i64::from(reading)));
    }
    view
}

fn with_green(mut view: LaneView, green: Option<ScalingGroup>) -> LaneView {
    saw_group(&mut view, GREEN, green, 100);
    view
}

fn rolled_back_by(rollback: Option<Status>, of: Status) -> Vec<Deployment> {
    let forward = Deployment { rollback: Some("d-2".into()), ..deployment(of) };
    let back = rollback.map(|status| Deployment { id: "d-2".into(), ..deployment(status) });
    [forward].into_iter().chain(back).collect()
}

#[test]
fn a_deployment_under_way_is_stopped() {
    for status in [Status::Created, Status::Queued, Status::InProgress, Status::Ready, Status::Other("Baking".into())] {
        let view = view_of(vec![deployment(status)]);
        assert_eq!(next(&view, &going_back(), 100), "call stop_deployment d-1");
        let stopping = [going_back(), vec![(101, began("restore", 1, stop())), (102, ended("restore", 1, None))]];
        assert_eq!(next(&view, &stopping.concat(), 150), "wait: d-1 is being stopped");
        assert_eq!(next(&view, &stopping.concat(), 191), "call stop_deployment d-1", "no effect: once more");
    }
}

/// What was read before the way back began says nothing about it.
#[test]
fn a_deployment_is_looked_at_first() {
    assert_eq!(next(&LaneView::default(), &going_back(), 100), "wait: looking at d-1");
    let mut view = LaneView::default();
    view.saw_deployment(deployment(Status::Failed), at(99));
    assert_eq!(next(&view, &going_back(), 100), "wait: looking at d-1");
}

#[test]
fn codedeploys_own_rollback_is_followed() {
    let again = "wait: the old release is about to serve again";
    for of in [Status::Failed, Status::Stopped] {
        for (rollback, readings, now, expected) in [
            (None, 0, 100, "wait: CodeDeploy routes back (d-2)".to_owned()),
            (Some(Status::Created), 3, 100, "wait: CodeDeploy routes back (d-2)".to_owned()),
            (Some(Status::InProgress), 3, 9000, "wait: CodeDeploy routes back (d-2)".to_owned()),
            (Some(Status::Succeeded), 0, 100, format!("{again} (0 of 3)")),
            (Some(Status::Succeeded), 2, 100, format!("{again} (2 of 3)")),
            (Some(Status::Succeeded), 3, 100, format!("wait: looking for {GREEN}")),
            (Some(Status::Succeeded), 0, 1000, format!("{again} (0 of 3)")),
            (Some(Status::Succeeded), 0, 1001, "call deploy_baseline".to_owned()),
            (Some(Status::Succeeded), 1, 1001, format!("{again} (1 of 3)")),
            (Some(Status::Failed), 0, 160, format!("{again} (0 of 3)")),
            (Some(Status::Failed), 0, 161, "call deploy_baseline".to_owned()),
            (Some(Status::Failed), 3, 9000, format!("wait: looking for {GREEN}")),
            (Some(Status::Stopped), 0, 161, "call deploy_baseline".to_owned()),
        ] {
            let view = serving(view_of(rolled_back_by(rollback.clone(), of.clone())), readings);
            assert_eq!(next(&view, &going_back(), now), expected, "{of} {rollback:?} {readings} after {now}");
        }
    }
}

#[test]
fn a_rollback_that_does_not_appear_is_not_waited_for_for_long() {
    let view = serving(view_of(vec![deployment(Status::Failed)]), 3);
    assert_eq!(next(&view, &going_back(), 159), "wait: waiting for CodeDeploy to roll d-1 back");
    assert_eq!(next(&view, &going_back(), 160), format!("wait: looking for {GREEN}"));
    let view = view_of(vec![deployment(Status::Stopped)]);
    assert_eq!(next(&view, &going_back(), 9000), "wait: the old release is about to serve again (0 of 3)", "no data");
    let view = serving(view, 0);
    assert_eq!(next(&view, &going_back(), 160), "wait: the old release is about to serve again (0 of 3)");
    assert_eq!(next(&view, &going_back(), 1001), "call deploy_baseline");
}

#[test]
fn a_left_over_green_group_is_deleted_or_told_of() {
    let view = |green| with_green(serving(view_of(rolled_back_by(Some(Status::Succeeded), Status::Stopped)), 3), green);
    let there = || Some(ScalingGroup { name: GREEN.into(), ..ScalingGroup::default() });
    let going = || Some(ScalingGroup { is_deleting: true, ..there().unwrap() });
    let delete = || CallKind::DeleteLeftover { group: GREEN.into() };
    let call = format!("call delete_leftover {GREEN}");
    assert_eq!(next(&view(None), &going_back(), 110), "done: the old release serves, green is gone");
    assert_eq!(next(&view(going()), &going_back(), 110), format!("wait: {GREEN} is being deleted"));
    assert_eq!(next(&view(there()), &going_back(), 110), call);
    let called = [(100, began("restore", 1, delete())), (101, ended("restore", 1, None))];
    assert_eq!(
        next(&view(there()), &[going_back(), called.to_vec()].concat(), 110),
        format!("wait: {GREEN} is being deleted")
    );
    let late = format!("done: the old release serves; {GREEN} is left behind: it did not go within 30 minutes");
    assert_eq!(next(&view(going()), &going_back(), 1901), late);
    let refused = |times: u32, call: CallKind| {
        let tries = (1..=times).flat_map(|attempt| {
            [(100, began("restore", attempt, call.clone())), (101, ended("restore", attempt, Some("not ours")))]
        });
        going_back().into_iter().chain(tries).collect::<Vec<_>>()
    };
    assert_eq!(next(&view(there()), &refused(7, delete()), 110), call);
    let left = format!("done: the old release serves; {GREEN} is left behind: not ours");
    assert_eq!(next(&view(there()), &refused(8, delete()), 110), left);
    assert_eq!(next(&view(there()), &refused(8, stop()), 110), call, "another call failed");
}

#[test]
fn after_a_success_only_a_deployment_goes_back() {
    let of = |group: Option<Option<ScalingGroup>>| {
        let mut view = view_of(vec![deployment(Status::Succeeded)]);
        if let Some(group) = group {
            saw_group(&mut view, "storefront-asg", group, 100);
        }
        view
    };
    let deleting = ScalingGroup { is_deleting: true, ..blue_group(&lane()) };
    assert_eq!(next(&of(None), &going_back(), 100), "wait: looking for the old fleet");
    assert_eq!(next(&of(Some(None)), &going_back(), 100), "call deploy_baseline");
    assert_eq!(next(&of(Some(Some(deleting))), &going_back(), 100), "call deploy_baseline");
    assert_eq!(next(&of(Some(Some(blue_group(&lane())))), &going_back(), 100), "call deploy_baseline");
    for (readings, expected) in
        [(1, "wait: the old release is about to serve again (1 of 3)"), (3, "done: the old release serves")]
    {
        let view = serving(view_of(vec![deployment(Status::Succeeded)]), readings);
        assert_eq!(next(&view, &going_back(), 100), expected);
    }
    let mut unknown = lane();
    unknown.fleet_mut().baseline.live = None;
    let expected = "broken: the old fleet does not serve and no earlier release is known to deploy";
    assert_eq!(next_at(&unknown, &of(Some(None)), &going_back(), 100), expected);
}

/// There may be a redeployment whose answer was lost: though the old release serves, it is looked for first.
#[test]
fn a_redeployment_that_was_asked_for_is_never_left_alone() {
    for trouble in [None, Some("no answer")] {
        let mut records = [going_back(), vec![(110, began("restore", 1, CallKind::DeployBaseline))]].concat();
        records.extend(trouble.map(|trouble| (120, ended("restore", 1, Some(trouble)))));
        let view = with_green(serving(view_of(rolled_back_by(Some(Status::Failed), Status::Stopped)), 3), None);
        assert_eq!(next(&view, &records, 200), "call deploy_baseline");
    }
}

#[test]
fn a_redeployment_is_led_to_its_end() {
    let records =
        [going_back(), vec![(110, began("restore", 1, CallKind::DeployBaseline)), (112, seen("restore", "d-3"))]];
    let records = records.concat();
    let redeployed = |status, is_waiting| {
        view_of(vec![Deployment { id: "d-3".into(), is_waiting_to_terminate: is_waiting, ..deployment(status) }])
    };
    for (status, is_waiting, expected) in [
        (Status::Created, false, "wait: the old release is being deployed (d-3)"),
        (Status::Queued, false, "wait: the old release is being deployed (d-3)"),
        (Status::InProgress, false, "wait: the old release is being deployed (d-3)"),
        (Status::Other("Baking".into()), true, "wait: the old release is being deployed (d-3)"),
        (Status::Ready, false, "call move_traffic d-3"),
        (Status::InProgress, true, "call let_blue_go d-3"),
        (Status::Succeeded, false, "wait: the old release is about to serve again"),
        (Status::Failed, false, "broken: deployment d-3 ended as Failed"),
        (Status::Stopped, false, "broken: deployment d-3 ended as Stopped"),
    ] {
        assert_eq!(next(&redeployed(status.clone(), is_waiting), &records, 200), expected, "{status}");
    }
    assert_eq!(next(&LaneView::default(), &records, 200), "wait: no news of d-3 yet");
    let mut view = redeployed(Status::Succeeded, false);
    let lane = lane();
    let fresh = ScalingGroup { name: "CodeDeploy_storefront-web_d-3".into(), ..blue_group(&lane) };
    saw_group(&mut view, "CodeDeploy_storefront-web_d-3", Some(fresh), 200);
    let old_and_new = [blue(&lane, "healthy"), targets(&[("bad", 1, "healthy")])].concat();
    view.saw_health(&lane, ARN, old_and_new, at(200));
    assert_eq!(next(&view, &records, 200), "wait: the old release is about to serve again");
    view.saw_health(&lane, ARN, blue(&lane, "healthy"), at(201));
    assert_eq!(next(&view, &records, 201), "wait: looking at d-1");
    view.saw_deployment(deployment(Status::Succeeded), at(201));
    assert_eq!(next(&view, &records, 201), "done: the old release was deployed again (d-3)");
    view.saw_deployment(deployment(Status::Stopped), at(202));
    assert_eq!(next(&view, &records, 202), format!("wait: looking for {GREEN}"), "what was stopped may be left over");
    let there = ScalingGroup { name: GREEN.into(), ..ScalingGroup::default() };
    assert_eq!(next(&with_green(view.clone(), Some(there)), &records, 202), format!("call delete_leftover {GREEN}"));
    let gone = "done: the old release was deployed again (d-3), green is gone";
    assert_eq!(next(&with_green(view, None), &records, 202), gone);
}

#[test]
fn nothing_created_is_nothing_to_undo() {
    let aborted = [(0, started("create")), (100, back(Side::Person))];
    let view = |readings| serving(LaneView::default(), readings);
    let check = "wait: checking that the old release serves";
    assert_eq!(next(&view(0), &aborted, 100), format!("{check} (0 of 3)"));
    assert_eq!(next(&view(2), &aborted, 100), format!("{check} (2 of 3)"));
    assert_eq!(next(&view(3), &aborted, 100), "done: nothing had been changed");
    let mut nobody = lane();
    nobody.fleet_mut().baseline.healthy.clear();
    assert_eq!(next_at(&nobody, &LaneView::default(), &aborted, 100), "done: nothing had been changed");
}

/// Somebody's deployment in the group keeps nobody from saying so: what it does to the fleet is not ours to wait for.
#[test]
fn a_refused_create_ends_at_once() {
    for side in [Side::Busy, Side::Refused] {
        let failed = Record::StepFailed {
            target: name("web"),
            step: StepId::from("create"),
            cause: cause(side, "d-9 is active"),
        };
        let records = vec![
            (0, started("create")),
            (5, began("create", 1, CallKind::CreateDeployment)),
            (6, ended("create", 1, None)),
            (6, failed),
            (100, back(side)),
        ];
        assert_eq!(next(&LaneView::default(), &records, 100), "call find_deployment");
        let looked = [(101, began("restore", 1, CallKind::FindDeployment)), (102, ended("restore", 1, None))];
        let records = [records, looked.to_vec()].concat();
        assert_eq!(next(&LaneView::default(), &records, 103), "done: nothing had been changed");
    }
}

/// The answer to the create was lost: it is looked for at once, and once more when it must have shown up.
#[test]
fn a_create_whose_answer_was_lost_is_looked_for_twice() {
    let find = "call find_deployment";
    let wait = "wait: a deployment whose answer was lost may still show up";
    let unanswered =
        vec![(0, started("create")), (90, began("create", 1, CallKind::CreateDeployment)), (100, back(Side::Person))];
    let looked = |from: i64, attempt| {
        vec![(from, began("restore", attempt, CallKind::FindDeployment)), (from + 1, ended("restore", attempt, None))]
    };
    let view = serving(LaneView::default(), 3);
    assert_eq!(next(&view, &unanswered, 100), find);
    let once = [unanswered.clone(), looked(101, 1)].concat();
    assert_eq!(next(&view, &once, 103), wait);
    assert_eq!(next(&view, &once, 149), wait);
    assert_eq!(next(&view, &once, 150), find);
    let twice = [once.clone(), looked(150, 2)].concat();
    assert_eq!(next(&view, &twice, 152), "done: nothing had been changed");
    let in_flight = [once.clone(), vec![(150, began("restore", 2, CallKind::FindDeployment))]].concat();
    assert_eq!(next(&view, &in_flight, 152), find, "whoever looked was killed");
    let failed =
        [once, vec![(150, began("restore", 2, CallKind::FindDeployment)), (151, ended("restore", 2, Some("reset")))]]
            .concat();
    assert_eq!(next(&view, &failed, 152), find);
    let found = [unanswered, looked(101, 1), vec![(102, seen("create", "d-1"))]].concat();
    assert_eq!(next(&view, &found, 103), "wait: looking at d-1", "it is the forward deployment, not one back");
}
