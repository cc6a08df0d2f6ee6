//! Hosts that do not move on while CodeDeploy waits for them, and fleets that are made smaller meanwhile.

use super::fixture::{at, began, blue_group, deployment, doing, saw_group, seen, started, state};
use crate::event::CallKind;
use crate::event::record::Record;
use crate::model::facts::{Deployment, DeploymentTarget, LifecycleEvent, Overview, Status};
use crate::plan::Lane;
use crate::plan::sample::rolling_plan;
use crate::run::next::next;
use crate::run::reads::{Read, due};
use crate::run::size::least_healthy;
use crate::run::view::{Fact, LaneView, View};
use crate::run::waits::waits;

fn lane() -> Lane {
    rolling_plan().waves[0].lanes[0].clone()
}

/// A host `i-…01` in the middle of its events, or wherever they are.
fn host(status: &str, events: &[(&str, &str, Option<i64>, Option<i64>)]) -> DeploymentTarget {
    let event = |(name, status, began, ended): &(&str, &str, Option<i64>, Option<i64>)| LifecycleEvent {
        name: (*name).to_owned(),
        status: (*status).to_owned(),
        began: began.map(at),
        ended: ended.map(at),
        diagnostics: None,
    };
    DeploymentTarget {
        id: format!("i-{:017x}", 1),
        label: None,
        status: status.to_owned(),
        updated: Some(at(10)),
        events: events.iter().map(event).collect(),
    }
}

fn at_work() -> Deployment {
    let overview = Overview { in_progress: 1, pending: 3, ..Overview::default() };
    Deployment { overview: Some(overview), ..deployment(Status::InProgress) }
}

/// The host and its group were looked at at this second; the deployment has stood still since second 10.
fn looked(lane: &Lane, host: DeploymentTarget, second: i64) -> LaneView {
    let mut view = LaneView::default();
    view.saw_deployment(at_work(), at(10));
    view.targets.insert("d-1".into(), Fact { value: vec![host], at: at(second) });
    saw_group(&mut view, "storefront-asg", Some(blue_group(lane)), second);
    view
}

fn told(lane: &Lane, view: &LaneView, now: i64) -> String {
    let told = waits(lane, view, at(now)).into_iter().map(|wait| {
        let since = wait.since.duration_since(at(0)).as_secs();
        let until = wait.until.duration_since(at(0)).as_secs();
        let (begun, gone) = (if wait.is_begun { "in" } else { "before" }, if wait.is_gone { ", gone" } else { "" });
        format!("{} {begun} {} from {since} to {until}{gone}", wait.host, wait.event)
    });
    told.collect::<Vec<_>>().join("; ")
}

type Events<'a> = &'a [(&'a str, &'a str, Option<i64>, Option<i64>)];

const INSIDE: Events = &[("Install", "Succeeded", Some(20), Some(40)), ("AfterInstall", "InProgress", Some(40), None)];
const BETWEEN: Events = &[("Install", "Succeeded", Some(20), Some(40)), ("AfterInstall", "Pending", None, None)];
const DRAINING: Events = &[("BlockTraffic", "InProgress", Some(40), None), ("Install", "Pending", None, None)];
const UNTOUCHED: Events = &[("ApplicationStop", "Pending", None, None)];

#[test]
fn a_host_is_told_of_once_it_takes_long() {
    for (what, status, events, now, expected) in [
        ("a script that may still run", "InProgress", INSIDE, 279, ""),
        ("one that takes long", "InProgress", INSIDE, 280, "in AfterInstall from 40 to 3640"),
        ("one that CodeDeploy gave up", "InProgress", INSIDE, 3640, ""),
        ("an agent that is about to ask", "InProgress", BETWEEN, 129, ""),
        ("one that does not", "InProgress", BETWEEN, 130, "before AfterInstall from 40 to 340"),
        ("one that never did", "InProgress", UNTOUCHED, 100, "before ApplicationStop from 10 to 310"),
        ("users are let go", "InProgress", DRAINING, 600, ""),
        ("for longer than that takes", "InProgress", DRAINING, 640, "in BlockTraffic from 40 to 3640"),
        ("not begun", "Pending", UNTOUCHED, 600, ""),
        ("done", "Succeeded", INSIDE, 600, ""),
    ] {
        let lane = lane();
        let expected = if expected.is_empty() { String::new() } else { format!("i-{:017x} {expected}", 1) };
        assert_eq!(told(&lane, &looked(&lane, host(status, events), now), now), expected, "{what}");
    }
}

#[test]
fn a_host_that_is_gone_is_told_of_at_once() {
    let lane = lane();
    let mut group = blue_group(&lane);
    let gone = "i-00000000000000001 in AfterInstall from 40 to 3640, gone";
    group.instances[0].state = "Terminating:Wait".into();
    let mut view = looked(&lane, host("InProgress", INSIDE), 60);
    saw_group(&mut view, "storefront-asg", Some(group.clone()), 60);
    assert_eq!(told(&lane, &view, 60), gone);
    group.instances.remove(0);
    saw_group(&mut view, "storefront-asg", Some(group.clone()), 60);
    assert_eq!(told(&lane, &view, 60), gone);
    // A group that was looked at before its hosts, or that cannot be found, says nothing of them.
    saw_group(&mut view, "storefront-asg", Some(group), 59);
    assert_eq!(told(&lane, &view, 60), "");
    saw_group(&mut view, "storefront-asg", None, 60);
    assert_eq!(told(&lane, &view, 60), "");
}

#[test]
fn what_has_moved_since_is_not_told() {
    let lane = lane();
    let mut view = looked(&lane, host("InProgress", INSIDE), 400);
    assert_ne!(told(&lane, &view, 410), "");
    let overview = Some(Overview { in_progress: 1, succeeded: 1, ..Overview::default() });
    view.saw_deployment(Deployment { overview, ..at_work() }, at(405));
    assert_eq!(told(&lane, &view, 410), "");
    let waiting = Deployment { is_waiting_to_terminate: true, ..at_work() };
    for over in [deployment(Status::Succeeded), deployment(Status::Failed), deployment(Status::Ready), waiting] {
        let mut view = looked(&lane, host("InProgress", INSIDE), 400);
        view.saw_deployment(over.clone(), at(300));
        assert_eq!(told(&lane, &view, 410), "", "{over:?}");
    }
}

/// Hosts are asked only while none moves on, then less and less; what they say is recorded once.
#[test]
fn hosts_are_asked_seldom_and_told_of_once() {
    let plan = rolling_plan();
    let lane = lane();
    let mut state = state(
        &plan,
        &[(0, started("create")), (1, began("create", 1, CallKind::CreateDeployment)), (2, seen("create", "d-1"))],
    );
    let mut view = View::new(&plan);
    let (mut asked, mut said) = (Vec::new(), Vec::new());
    for now in 10..3600 {
        for (place, read) in due(&plan, &state, &view, at(now)).0 {
            view.lanes[place].tried.insert(read.clone(), at(now));
            match read {
                Read::Deployment(_) => view.lanes[0].saw_deployment(at_work(), at(now)),
                Read::Targets(id) => {
                    asked.push(now);
                    let value = vec![host("InProgress", INSIDE)];
                    view.lanes[0].targets.insert(id, Fact { value, at: at(now) });
                }
                Read::Scaling(name) => saw_group(&mut view.lanes[0], &name, Some(blue_group(&lane)), now),
                Read::Health(_)
                | Read::Attempts(_)
                | Read::Group
                | Read::Alarm(_)
                | Read::Probe(_)
                | Read::Command(_)
                | Read::Code(_)
                | Read::Alias
                | Read::Metrics => {}
            }
        }
        let turn = next(&plan, &state, &view, &[], at(now));
        for record in &turn.records {
            state.apply(&plan, at(now), record);
            said.extend(matches!(record, Record::DeploymentSeen { .. }).then_some(now));
        }
        if now == 300 {
            let expected = "hosts get the release (d-1); i-00000000000000001: in AfterInstall since 09:00:40Z, CodeDeploy \
                            waits until 10:00:40Z";
            assert_eq!(doing(&turn.progress[0].doing), expected);
        }
    }
    assert_eq!(asked[..4], [11, 160, 309, 607]);
    assert!(asked.len() <= 15, "{asked:?}");
    assert_eq!(said, [280]);
    assert_eq!(state.lanes[0].deployment.as_deref(), Some("d-1"));
}

/// Somebody asks for fewer hosts: those are not missing. Fewer than are asked for are.
#[test]
fn who_asks_for_fewer_hosts_is_not_told_that_some_are_missing() {
    let lane = lane();
    let of = |watch: &str| lane.watches.iter().find(|it| it.id == watch).unwrap().conditions[0].clone();
    let copied = super::fixture::lane();
    for (wanted, rolling, baking) in [(4, 2, 4), (8, 2, 4), (3, 1, 3), (1, 0, 1), (0, 2, 4)] {
        let mut view = LaneView::default();
        let mut group = blue_group(&lane);
        group.sizes.1 = wanted;
        saw_group(&mut view, "storefront-asg", Some(group), 10);
        let least = |watch| least_healthy(&lane, &of(watch), &view);
        assert_eq!((least("hosts"), least("targets")), (Some(rolling), Some(baking)), "{wanted}");
        assert_eq!(least_healthy(&copied, &of("targets"), &view), Some(4), "a copied fleet has another group");
    }
}
