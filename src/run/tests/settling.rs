//! Every action × every status of its deployment × whether the wait before blue's end has begun.

use super::fixture::{
    ARN, at, began, blue, deployment, ended, lane, plan, seen, started, state, statuses, targets, told,
};
use crate::event::CallKind;
use crate::event::record::Record;
use crate::model::facts::{Deployment, Overview, Status};
use crate::plan::Action;
use crate::run::settle::{Known, settle};
use crate::run::view::{Fact, LaneView};

fn view_of(deployment: Deployment) -> LaneView {
    let mut view = LaneView::default();
    view.saw_deployment(deployment, at(100));
    view
}

/// What comes next at second 100, after these records.
fn next(action: &Action, view: &LaneView, records: &[(i64, Record)]) -> String {
    let (plan, lane) = (plan(), lane());
    let state = state(&plan, records);
    let step = &state.lanes[0].steps[if *action == Action::Create { 0 } else { 2 }];
    told(&settle(action, &lane, Known { state: &state.lanes[0], step, view, now: at(100) }))
}

#[test]
fn every_action_in_every_status() {
    let actions = [Action::Create, Action::Compare, Action::Reroute, Action::Finish];
    let mut lines = Vec::new();
    for (action, is_waiting) in actions.iter().flat_map(|action| [(action, false), (action, true)]) {
        let mut found: Vec<(String, Vec<String>)> = Vec::new();
        for status in statuses() {
            let name = status.to_string();
            let deployment = Deployment { is_waiting_to_terminate: is_waiting, ..deployment(status) };
            let next = next(action, &view_of(deployment), &[(0, seen("create", "d-1"))]);
            match found.iter_mut().find(|(known, _)| *known == next) {
                Some((_, names)) => names.push(name),
                None => found.push((next, vec![name])),
            }
        }
        let when = if is_waiting { " (blue waits for its end)" } else { "" };
        lines.extend(found.iter().map(|(next, names)| format!("{action:?}{when}: {} → {next}", names.join(" "))));
    }
    assert_eq!(lines.join("\n"), TABLE.trim());
}

const TABLE: &str = "
Create: Created Queued InProgress Baking → wait: green is being built (d-1)
Create: Ready Succeeded → done: green is ready (d-1)
Create: Failed → broken: deployment d-1 ended as Failed
Create: Stopped → broken: deployment d-1 ended as Stopped
Create (blue waits for its end): Created Queued Baking → wait: green is being built (d-1)
Create (blue waits for its end): InProgress → done: d-1 was moved on by somebody else
Create (blue waits for its end): Ready Succeeded → done: green is ready (d-1)
Create (blue waits for its end): Failed → broken: deployment d-1 ended as Failed
Create (blue waits for its end): Stopped → broken: deployment d-1 ended as Stopped
Compare: Created Queued Ready Failed Stopped Baking → call compare
Compare: InProgress Succeeded → done: not compared: somebody else has moved traffic already
Compare (blue waits for its end): Created Queued Ready Failed Stopped Baking → call compare
Compare (blue waits for its end): InProgress Succeeded → done: not compared: somebody else has moved traffic already
Reroute: Created Queued InProgress Baking → wait: traffic is moving, host by host
Reroute: Ready → call move_traffic d-1
Reroute: Succeeded → done: traffic is on green
Reroute: Failed → broken: deployment d-1 ended as Failed
Reroute: Stopped → broken: deployment d-1 ended as Stopped
Reroute (blue waits for its end): Created Queued Baking → wait: traffic is moving, host by host
Reroute (blue waits for its end): InProgress → wait: 1 blue targets still take traffic
Reroute (blue waits for its end): Ready → call move_traffic d-1
Reroute (blue waits for its end): Succeeded → done: traffic is on green
Reroute (blue waits for its end): Failed → broken: deployment d-1 ended as Failed
Reroute (blue waits for its end): Stopped → broken: deployment d-1 ended as Stopped
Finish: Created Queued InProgress Ready Baking → wait: the deployment is about to end
Finish: Succeeded → wait: the deployment group is about to name CodeDeploy_storefront-web_d-1
Finish: Failed → broken: deployment d-1 ended as Failed
Finish: Stopped → broken: deployment d-1 ended as Stopped
Finish (blue waits for its end): Created Queued Ready Baking → wait: the deployment is about to end
Finish (blue waits for its end): InProgress → call let_blue_go d-1
Finish (blue waits for its end): Succeeded → wait: the deployment group is about to name CodeDeploy_storefront-web_d-1
Finish (blue waits for its end): Failed → broken: deployment d-1 ended as Failed
Finish (blue waits for its end): Stopped → broken: deployment d-1 ended as Stopped
";

#[test]
fn without_a_deployment_only_a_create_goes_on() {
    for (action, expected) in [
        (Action::Create, "call create_deployment"),
        (Action::Compare, "call compare"),
        (Action::Reroute, "broken: the run has no deployment to go on with"),
        (Action::Finish, "broken: the run has no deployment to go on with"),
    ] {
        assert_eq!(next(&action, &LaneView::default(), &[]), expected);
    }
    let known = [(0, seen("create", "d-1"))];
    for action in [Action::Create, Action::Reroute, Action::Finish] {
        assert_eq!(next(&action, &LaneView::default(), &known), "wait: no news of d-1 yet");
    }
}

#[test]
fn hosts_are_counted_where_they_are_known() {
    let overview = Some(Overview { ready: 1, in_progress: 2, pending: 1, ..Overview::default() });
    let view = view_of(Deployment { overview, ..deployment(Status::InProgress) });
    let known = [(0, seen("create", "d-1"))];
    assert_eq!(next(&Action::Create, &view, &known), "wait: hosts install the release (d-1) (1 of 4)");
    assert_eq!(next(&Action::Reroute, &view, &known), "wait: traffic is moving, host by host (0 of 4)");
}

#[test]
fn a_reroute_is_done_when_blue_is_out_and_green_is_healthy() {
    let known = [(0, seen("create", "d-1"))];
    let lane = lane();
    let waiting = || Deployment { is_waiting_to_terminate: true, ..deployment(Status::InProgress) };
    let both = |blue_state: &str, green: &[(&str, usize, &str)]| [blue(&lane, blue_state), targets(green)].concat();
    for (health, expected) in [
        (None, "wait: 1 blue targets still take traffic"),
        (Some(both("healthy", &[("g", 4, "healthy")])), "wait: 4 blue targets still take traffic"),
        (Some(both("unhealthy", &[("g", 4, "healthy")])), "wait: 4 blue targets still take traffic"),
        (Some(both("draining", &[("g", 4, "initial")])), "wait: green targets are not all healthy yet (0 of 4)"),
        (Some(both("draining", &[("g", 3, "healthy")])), "wait: green targets are not all healthy yet (3 of 4)"),
        (Some(both("draining", &[("g", 4, "healthy")])), "done: traffic is on green, 4 healthy"),
        (Some(targets(&[("g", 5, "healthy")])), "done: traffic is on green, 5 healthy"),
        (Some(Vec::new()), "wait: green targets are not all healthy yet (0 of 4)"),
    ] {
        let mut view = view_of(waiting());
        if let Some(health) = health {
            view.saw_health(&lane, ARN, health, at(100));
        }
        assert_eq!(next(&Action::Reroute, &view, &known), expected);
    }
}

#[test]
fn a_finish_is_done_when_the_group_names_green() {
    let known = [(0, seen("create", "d-1"))];
    let green = "CodeDeploy_storefront-web_d-1";
    let about = "wait: the deployment group is about to name CodeDeploy_storefront-web_d-1";
    let done = "done: CodeDeploy_storefront-web_d-1 is the fleet now";
    for (names, seconds, expected) in [
        (vec![green], 100, done),
        (vec![green], 99, about),
        (vec!["storefront-asg"], 100, about),
        (vec![green, "storefront-asg"], 100, about),
        (vec![], 100, about),
    ] {
        let mut view = view_of(deployment(Status::Succeeded));
        let value = names.iter().map(|name| (*name).to_owned()).collect();
        view.named = Some(Fact { value, at: at(seconds) });
        assert_eq!(next(&Action::Finish, &view, &known), expected, "{names:?} at {seconds}");
    }
}

/// The effect of a call may take a moment; one that showed none is made again, one that failed at once.
#[test]
fn a_call_is_made_again_only_after_a_while() {
    let view = view_of(deployment(Status::Ready));
    let call = || CallKind::MoveTraffic { deployment: "d-1".into() };
    let again = "call move_traffic d-1";
    let moment = "wait: traffic is about to move";
    for (records, expected) in [
        (vec![], again),
        (vec![(11, began("reroute", 1, call()))], moment),
        (vec![(11, began("reroute", 1, call())), (12, ended("reroute", 1, None))], moment),
        (vec![(10, began("reroute", 1, call())), (12, ended("reroute", 1, None))], again),
        (vec![(11, began("reroute", 1, call())), (12, ended("reroute", 1, Some("reset")))], again),
        (vec![(11, began("reroute", 1, CallKind::LetBlueGo { deployment: "d-1".into() }))], again),
    ] {
        let all: Vec<_> = [(0, seen("create", "d-1")), (5, started("reroute"))].into_iter().chain(records).collect();
        assert_eq!(next(&Action::Reroute, &view, &all), expected, "{all:?}");
    }
}
