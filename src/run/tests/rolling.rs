//! A fleet whose own hosts get the release: when that is proved, and the way back.

use super::fixture::{
    ARN, at, back, began, blue, blue_group, deployment, ended, saw_group, seen, started, state, statuses, told,
};
use crate::event::CallKind;
use crate::event::record::{Record, Side};
use crate::model::Revision;
use crate::model::facts::{Attempt, Deployment, DeploymentTarget, Status};
use crate::plan::sample::{revision, rolling_plan};
use crate::plan::{Action, Lane};
use crate::run::restore::restore;
use crate::run::rolling::processes_left;
use crate::run::settle::{Known, settle};
use crate::run::view::LaneView;

/// The first lane of the plan; its hosts are `i-…01` to `i-…04`.
fn lane() -> Lane {
    rolling_plan().waves[0].lanes[0].clone()
}

fn host(number: usize) -> String {
    format!("i-{number:017x}")
}

/// A deployment of a bundle, with the statuses of hosts from the first on.
fn attempt(id: &str, of: Revision, created: i64, status: Status, hosts: &[(usize, &str)]) -> Attempt {
    let target = |(number, status): &(usize, &str)| DeploymentTarget {
        id: host(*number),
        label: None,
        status: (*status).to_owned(),
        updated: None,
        events: Vec::new(),
    };
    let deployment = Deployment {
        id: id.to_owned(),
        revision: Some(of),
        created: Some(at(created)),
        creator: if id == "d-1" { "user".into() } else { "CodeDeployAutoUpdate".into() },
        ..deployment(status)
    };
    Attempt { deployment, hosts: hosts.iter().map(target).collect() }
}

fn new() -> Revision {
    revision('b')
}

fn old() -> Revision {
    revision('a')
}

const ALL: [(usize, &str); 4] = [(1, "Succeeded"), (2, "Succeeded"), (3, "Succeeded"), (4, "Succeeded")];

/// All of them were read at second 100, when all hosts were healthy.
fn view_of(attempts: Vec<Attempt>) -> LaneView {
    let lane = lane();
    let mut view = LaneView::default();
    view.saw_attempts(attempts, at(100));
    saw_group(&mut view, "storefront-asg", Some(blue_group(&lane)), 100);
    for second in 98..=100 {
        view.saw_health(&lane, ARN, blue(&lane, "healthy"), at(second));
    }
    view
}

/// What the roll still needs at second `now`.
fn next(view: &LaneView, now: i64) -> String {
    let plan = rolling_plan();
    let state = state(
        &plan,
        &[(0, started("create")), (1, began("create", 1, CallKind::CreateDeployment)), (2, seen("create", "d-1"))],
    );
    let known = Known { state: &state.lanes[0], step: &state.lanes[0].steps[0], view, now: at(now) };
    told(&settle(&Action::Roll, &lane(), known))
}

#[test]
fn every_status_of_the_roll_is_answered() {
    for status in statuses() {
        let expected = match &status {
            Status::Succeeded => "done: 4 hosts have the release (d-1)".to_owned(),
            Status::Failed | Status::Stopped => format!("broken: deployment d-1 ended as {status}"),
            Status::Created | Status::Queued | Status::InProgress | Status::Ready | Status::Other(_) => {
                "wait: hosts get the release (d-1)".to_owned()
            }
        };
        let seen = view_of(vec![attempt("d-1", new(), 2, status.clone(), &ALL)]);
        assert_eq!(next(&seen, 101), expected, "{status}");
    }
    assert_eq!(next(&LaneView::default(), 101), "wait: no news of d-1 yet");
}

#[test]
fn the_end_is_proved_host_by_host() {
    let rolled = |hosts: &[(usize, &str)]| attempt("d-1", new(), 2, Status::Succeeded, hosts);
    let first_three = [(1, "Succeeded"), (2, "Succeeded"), (3, "Succeeded")];
    let more = |id: &str, of: Revision, created: i64, status: Status, host_status| {
        vec![rolled(&first_three), attempt(id, of, created, status, &[(4, host_status)])]
    };
    for (what, attempts, now, expected) in [
        ("all of them", vec![rolled(&ALL)], 101, "done: 4 hosts have the release (d-1)"),
        (
            "the last one failed",
            vec![rolled(&[(1, "Succeeded"), (2, "Succeeded"), (3, "Succeeded"), (4, "Failed")])],
            101,
            "broken: d-1 succeeded, but not on every host: it failed on i-00000000000000004 (d-1)",
        ),
        (
            "one that nobody deployed to",
            vec![rolled(&first_three)],
            101,
            "wait: 1 of 4 instances in service do not have it, such as i-00000000000000004 (3 of 4)",
        ),
        (
            "the same, a quarter of an hour later",
            vec![rolled(&first_three)],
            1100,
            "broken: d-1 succeeded, but not on every host: 1 of 4 instances in service do not have it, such as \
             i-00000000000000004",
        ),
        (
            "a scale-out with the release before",
            more("d-2", old(), 50, Status::Succeeded, "Succeeded"),
            101,
            "wait: 1 of 4 instances in service do not have it, such as i-00000000000000004 (3 of 4)",
        ),
        (
            "a scale-out with the new one",
            more("d-2", new(), 50, Status::Succeeded, "Succeeded"),
            101,
            "done: 4 hosts have the release (d-1)",
        ),
        (
            "a follow-on under way",
            more("d-2", new(), 50, Status::InProgress, "InProgress"),
            101,
            "wait: waiting for d-2 (CodeDeployAutoUpdate) to end",
        ),
        (
            "a follow-on that failed",
            more("d-2", new(), 50, Status::Failed, "Failed"),
            101,
            "broken: d-1 succeeded, but not on every host: it failed on i-00000000000000004 (d-2)",
        ),
        (
            "somebody deployed something else since",
            vec![rolled(&ALL), attempt("d-2", old(), 90, Status::Succeeded, &ALL)],
            101,
            "wait: 4 of 4 instances in service do not have it, such as i-00000000000000001 (0 of 4)",
        ),
    ] {
        assert_eq!(next(&view_of(attempts), now), expected, "{what}");
    }
}

#[test]
fn what_was_read_before_the_end_proves_nothing() {
    let mut view = view_of(vec![attempt("d-1", new(), 2, Status::Succeeded, &ALL)]);
    view.ended.insert("d-1".into(), at(105));
    assert_eq!(next(&view, 106), "wait: looking at the hosts");
    let mut view = view_of(vec![attempt("d-1", new(), 2, Status::Succeeded, &ALL)]);
    let sick = [blue(&lane(), "healthy")[..3].to_vec(), blue(&lane(), "unhealthy")[3..].to_vec()].concat();
    view.saw_health(&lane(), ARN, sick, at(101));
    assert_eq!(next(&view, 102), "wait: hosts are about to be healthy (3 of 4)");
}

#[test]
fn what_codedeploy_left_suspended_is_told() {
    let mut view = view_of(vec![attempt("d-1", new(), 2, Status::Succeeded, &ALL)]);
    let mut group = blue_group(&lane());
    group.suspended = vec!["AZRebalance".into(), "Launch".into()];
    saw_group(&mut view, "storefront-asg", Some(group), 100);
    assert_eq!(next(&view, 101), "done: 4 hosts have the release (d-1)");
    let left = |view: &LaneView| processes_left(&lane(), view);
    assert_eq!(left(&view), Some(("storefront-asg".into(), vec!["AZRebalance".into()])));
    saw_group(&mut view, "storefront-asg", Some(blue_group(&lane())), 102);
    assert_eq!(left(&view), Some(("storefront-asg".into(), vec![])));
    assert_eq!(left(&LaneView::default()), None, "nobody looked");
}

/// The way back, looked at at second `now`; it began at second 50.
fn next_back(view: &LaneView, more: &[(i64, Record)], now: i64) -> String {
    let plan = rolling_plan();
    let records =
        [(0, started("create")), (1, began("create", 1, CallKind::CreateDeployment)), (2, seen("create", "d-1"))];
    let records = [&records[..], &[(50, back(Side::Condition))], more].concat();
    let state = state(&plan, &records);
    let known = Known { state: &state.lanes[0], step: state.lanes[0].restore.as_ref().unwrap(), view, now: at(now) };
    told(&restore(&lane(), known))
}

#[test]
fn the_way_back_follows_codedeploy_or_deploys_again() {
    let forward = |status: Status, rollback: Option<&str>, hosts: &[(usize, &str)]| {
        let mut made = attempt("d-1", new(), 2, status, hosts);
        made.deployment.rollback = rollback.map(str::to_owned);
        made
    };
    let half = [(1, "Succeeded"), (2, "Failed"), (3, "Skipped"), (4, "Skipped")];
    let two = [(1, "Succeeded"), (2, "Succeeded")];
    let rolled_back = |status: Status, hosts: &[(usize, &str)]| {
        vec![forward(Status::Failed, Some("d-2"), &half), attempt("d-2", old(), 60, status, hosts)]
    };
    for (what, attempts, now, expected) in [
        ("under way", vec![forward(Status::InProgress, None, &ALL)], 101, "call stop_deployment d-1"),
        ("succeeded after all", vec![forward(Status::Succeeded, None, &ALL)], 101, "call deploy_baseline"),
        (
            "no rollback yet",
            vec![forward(Status::Stopped, None, &half)],
            101,
            "wait: waiting for CodeDeploy to roll d-1 back",
        ),
        ("never one", vec![forward(Status::Stopped, None, &half)], 200, "call deploy_baseline"),
        (
            "never one, and no host was touched",
            vec![forward(Status::Failed, None, &[(1, "Skipped"), (2, "Skipped")])],
            200,
            "done: the old release serves on 4 hosts",
        ),
        (
            "CodeDeploy goes back",
            rolled_back(Status::InProgress, &two),
            101,
            "wait: CodeDeploy brings the old release back (d-2)",
        ),
        ("it is back", rolled_back(Status::Succeeded, &two), 101, "done: the old release serves on 4 hosts"),
        (
            "it is not back on one",
            rolled_back(Status::Succeeded, &[(1, "Succeeded"), (2, "Failed")]),
            101,
            "call deploy_baseline",
        ),
        ("the rollback failed", rolled_back(Status::Failed, &[(1, "Failed")]), 101, "call deploy_baseline"),
    ] {
        assert_eq!(next_back(&view_of(attempts), &[], now), expected, "{what}");
    }
}

#[test]
fn a_deployment_of_the_old_release_has_a_second_try() {
    let called = [(110, began("restore", 1, CallKind::DeployBaseline))];
    let lost = view_of(vec![attempt("d-1", new(), 2, Status::Succeeded, &ALL)]);
    assert_eq!(next_back(&lost, &called, 120), "call deploy_baseline", "until it is known whether it was made");
    let made = [called.to_vec(), vec![(112, ended("restore", 1, None)), (112, seen("restore", "d-3"))]].concat();
    let again = [made.clone(), vec![(150, seen("restore", "d-4"))]].concat();
    let with = |id: &str, status: Status, host: &str| {
        let hosts = [(1, "Succeeded"), (2, host), (3, "Succeeded"), (4, "Succeeded")];
        view_of(vec![attempt("d-1", new(), 2, Status::Succeeded, &ALL), attempt(id, old(), 60, status, &hosts)])
    };
    for (id, records, status, host, expected) in [
        ("d-3", &made, Status::InProgress, "InProgress", "wait: the old release is being deployed (d-3)"),
        ("d-3", &made, Status::Succeeded, "Succeeded", "done: the old release was deployed again (d-3)"),
        ("d-3", &made, Status::Succeeded, "Failed", "call deploy_baseline"),
        ("d-3", &made, Status::Failed, "Failed", "call deploy_baseline"),
        ("d-4", &again, Status::Succeeded, "Succeeded", "done: the old release was deployed again (d-4)"),
        ("d-4", &again, Status::Failed, "Failed", "broken: deployment d-4 ended as Failed"),
        (
            "d-4",
            &again,
            Status::Succeeded,
            "Failed",
            "broken: d-4 did not bring the old release back everywhere: it failed on i-00000000000000002 (d-4)",
        ),
    ] {
        assert_eq!(next_back(&with(id, status.clone(), host), records, 160), expected, "{id} {status} {host}");
    }
    let mut stopped = with("d-3", Status::Stopped, "Failed");
    let error = Some(("MANUAL_STOP".to_owned(), String::new()));
    let deployment = Deployment { error, ..stopped.deployment("d-3").unwrap().clone() };
    stopped.saw_deployment(deployment, at(101));
    assert!(next_back(&stopped, &made, 160).starts_with("broken: "), "a person who stops it means it");
}
