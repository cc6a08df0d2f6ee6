//! Tables of a function's steps: what is needed, whose the alias is, the way back.

use std::collections::BTreeMap;

use super::fixture::{at, began, cause, ended, shift, state, told};
use crate::event::CallKind;
use crate::event::record::{Record, Side};
use crate::model::Percent;
use crate::model::lambda::{Alias, Code, LATEST, Settings};
use crate::plan::sample::{function, function_plan, function_target, name};
use crate::plan::{Plan, StepId};
use crate::run::restore::restore;
use crate::run::settle::{Known, settle};
use crate::run::view::{Fact, LaneView};

fn plan() -> Plan {
    function_plan(&function_target(), &function())
}

/// Records of the sample's lane are about `web`; these are about `thumbs`.
fn of_thumbs(record: Record) -> Record {
    let text = serde_json::to_string(&record).unwrap().replace(r#""web""#, r#""thumbs""#);
    serde_json::from_str(&text).unwrap()
}

fn started(step: &str) -> Record {
    of_thumbs(super::fixture::started(step))
}

fn moved(revision_id: &str) -> Record {
    Record::AliasMoved { target: name("thumbs"), revision_id: revision_id.into() }
}

fn published() -> Record {
    Record::VersionSeen { target: name("thumbs"), version: "42".into() }
}

/// The steps up to this one are done, and it has begun.
fn up_to(step: &str) -> Vec<(i64, Record)> {
    let plan = plan();
    let lane = &plan.waves[0].lanes[0];
    let before = lane.steps.iter().take_while(|it| it.id.0 != step);
    let done = before.map(|it| (5, of_thumbs(super::fixture::done(&it.id.0))));
    [(1, published())].into_iter().chain(done).chain([(10, started(step))]).collect()
}

fn next(step: &str, more: &[(i64, Record)], view: &LaneView, now: i64) -> String {
    let plan = plan();
    let lane = &plan.waves[0].lanes[0];
    let records: Vec<(i64, Record)> = up_to(step).into_iter().chain(more.iter().cloned()).collect();
    let state = state(&plan, &records);
    let place = lane.place(&StepId::from(step)).unwrap();
    let crate::plan::What::Act(action) = &lane.steps[place].what else { panic!("{step} is a hold") };
    told(&settle(
        action,
        lane,
        Known { state: &state.lanes[0], step: &state.lanes[0].steps[place], view, now: at(now) },
    ))
}

fn back(records: &[(i64, Record)], view: &LaneView, now: i64) -> String {
    let plan = plan();
    let lane = &plan.waves[0].lanes[0];
    let began = Record::RollBackBegan { cause: cause(Side::Condition, "because"), targets: vec![name("thumbs")] };
    let mut records = records.to_vec();
    records.insert(records.iter().take_while(|(at, _)| *at <= 50).count(), (50, began));
    let state = state(&plan, &records);
    told(&restore(
        lane,
        Known { state: &state.lanes[0], step: state.lanes[0].restore.as_ref().unwrap(), view, now: at(now) },
    ))
}

fn code(letter: char, update: &str, revision: &str) -> Code {
    let code_sha256 = crate::plan::function::base64_of(&letter.to_string().repeat(64)).unwrap();
    let (state, update, revision_id) = ("Active".into(), update.into(), revision.into());
    Code { version: LATEST.into(), state, update, code_sha256, revision_id, ..Code::default() }
}

fn with_code(version: &str, code: Code, seconds: i64) -> LaneView {
    let mut view = LaneView::default();
    view.codes.insert(version.into(), Fact { value: code, at: at(seconds) });
    view
}

fn alias(version: &str, share: Option<u32>, revision_id: &str) -> Option<Alias> {
    let weights: BTreeMap<String, Percent> =
        share.map(|share| ("42".to_owned(), Percent::whole(share))).into_iter().collect();
    Some(Alias { version: version.into(), weights, revision_id: revision_id.into() })
}

fn with_alias(alias: Option<Alias>, seconds: &[i64]) -> LaneView {
    let plan = plan();
    let mut view = LaneView::default();
    for second in seconds {
        view.saw_alias(&plan.waves[0].lanes[0], alias.clone(), at(*second));
    }
    view
}

#[test]
fn the_code_is_updated_once_nobody_else_updates_it() {
    let mut other = code('a', "Successful", "r1");
    other.settings = Settings([("timeout".to_owned(), "9".to_owned())].into());
    for (seen, expected) in [
        (None, "wait: looking at $LATEST"),
        (Some((code('a', "Successful", "r1"), 5)), "wait: looking at $LATEST"),
        (Some((code('a', "InProgress", "r1"), 11)), "wait: $LATEST is being updated"),
        (Some((code('a', "Successful", "r1"), 11)), "call update_code"),
        (Some((code('b', "InProgress", "r1"), 11)), "wait: $LATEST is being updated"),
        (Some((code('b', "Successful", "r2"), 11)), "done: $LATEST holds the bundle"),
        (Some((code('b', "Failed", "r2"), 11)), "broken: the update of $LATEST failed"),
        (Some((other, 11)), "broken: the settings of $LATEST were changed after the plan was made"),
    ] {
        let view = seen.map_or_else(LaneView::default, |(code, seconds)| with_code(LATEST, code, seconds));
        assert_eq!(next("update", &[], &view, 12), expected);
    }
    let called = [(11, of_thumbs(began("update", 1, CallKind::UpdateCode))), (12, of_thumbs(ended("update", 1, None)))];
    let view = with_code(LATEST, code('a', "Successful", "r1"), 11);
    assert_eq!(next("update", &called, &view, 13), "wait: the bundle is being taken in");
    assert_eq!(next("update", &called, &view, 200), "call update_code");
}

#[test]
fn a_version_is_published_of_what_was_planned_and_waited_for() {
    let plan = plan();
    let lane = &plan.waves[0].lanes[0];
    let told_of = |view: &LaneView| {
        let state = state(&plan, &[(5, of_thumbs(super::fixture::done("update"))), (10, started("publish"))]);
        let known = Known { state: &state.lanes[0], step: &state.lanes[0].steps[1], view, now: at(12) };
        told(&settle(&crate::plan::Action::PublishVersion, lane, known))
    };
    assert_eq!(told_of(&with_code(LATEST, code('b', "Successful", "r2"), 11)), "call publish_version");
    assert_eq!(
        told_of(&with_code(LATEST, code('c', "Successful", "r2"), 11)),
        "broken: the code of $LATEST was changed by somebody else"
    );
    for (state, expected) in [
        ("Pending", "wait: version 42 is being made ready"),
        ("Active", "done: version 42 is published"),
        ("Failed", "broken: version 42 failed: no address"),
        ("NewWord", "wait: version 42 is being made ready"),
    ] {
        let code = Code { state: state.into(), state_reason: Some("no address".into()), ..code('b', "", "r") };
        assert_eq!(next("publish", &[], &with_code("42", code, 11), 12), expected);
    }
    let same = [(11, Record::VersionSeen { target: name("thumbs"), version: "41".into() })];
    assert_eq!(
        next("publish", &same, &LaneView::default(), 12),
        "broken: nothing new was published: version 41 is live already"
    );
}

#[test]
fn a_version_is_called_as_often_as_was_said() {
    let answered =
        |count: u32| -> Vec<(i64, Record)> { (1..=count).map(|it| (11, of_thumbs(ended("test", it, None)))).collect() };
    let view = LaneView::default();
    assert_eq!(next("test", &[], &view, 12), "call test_version event.json 0 1 3 42");
    assert_eq!(next("test", &answered(2), &view, 12), "call test_version event.json 0 3 3 42");
    let lost = [(11, of_thumbs(ended("test", 1, Some("no answer"))))];
    assert_eq!(next("test", &lost, &view, 12), "call test_version event.json 0 1 3 42");
    assert_eq!(next("test", &answered(3), &view, 12), "done: version 42 answered 3 calls as it must");
}

#[test]
fn an_alias_moves_only_from_where_this_run_left_it() {
    let left = [(6, moved("a1"))];
    for (what, alias, expected) in [
        ("as it was left", alias("41", Some(5), "a1"), "call shift_alias 42 25% 41"),
        ("written again by somebody, but the same", alias("41", Some(5), "x"), "call shift_alias 42 25% 41"),
        (
            "there, whoever did it",
            alias("41", Some(25), "x"),
            "done: alias live: 25% of the calls on version 42, the rest on version 41",
        ),
        ("read late", alias("41", None, "a0"), "wait: the alias is read back"),
        (
            "put back by somebody",
            alias("41", None, "x"),
            "broken: somebody else moved alias live: it is on version 41, but this run left it with 5% of the calls on version 42, the rest on version 41; nothing was overwritten",
        ),
        (
            "moved by somebody",
            alias("7", None, "x"),
            "broken: somebody else moved alias live: it is on version 7, but this run left it with 5% of the calls on version 42, the rest on version 41; nothing was overwritten",
        ),
        (
            "deleted",
            None,
            "broken: somebody else moved alias live: it is gone, but this run left it with 5% of the calls on version 42, the rest on version 41; nothing was overwritten",
        ),
    ] {
        assert_eq!(next("shift-25", &left, &with_alias(alias, &[11]), 12), expected, "{what}");
    }
    assert_eq!(next("shift-25", &left, &LaneView::default(), 12), "wait: looking at the alias");
    assert_eq!(next("shift-100", &left, &with_alias(alias("41", Some(50), "a1"), &[11]), 12), "call shift_alias 42");
    assert_eq!(
        next("shift-100", &left, &with_alias(alias("42", None, "a2"), &[11]), 12),
        "done: alias live: all calls on version 42"
    );
}

#[test]
fn the_way_back_is_one_call_that_is_read_back_twice() {
    let shifted: Vec<(i64, Record)> = up_to("bake-25").into_iter().chain([(20, moved("a1"))]).collect();
    let home = |reads: &[i64]| with_alias(alias("41", None, "a2"), reads);
    let call = "call shift_alias 41";
    assert_eq!(back(&shifted, &LaneView::default(), 51), "wait: looking at the alias");
    assert_eq!(
        back(&shifted, &with_alias(alias("41", Some(25), "a1"), &[30]), 51),
        call,
        "with what was seen before the verdict"
    );
    assert_eq!(back(&shifted, &with_alias(alias("42", None, "a1"), &[30]), 51), call);
    assert_eq!(back(&shifted, &home(&[52]), 53), "wait: alias live is read back");
    assert_eq!(back(&shifted, &home(&[40, 52]), 53), "wait: alias live is read back", "one look is from before");
    let done = "done: alias live sends all calls to version 41";
    assert_eq!(back(&shifted, &home(&[52, 54]), 55), done);
    let updated: Vec<_> =
        [(2, of_thumbs(began("update", 1, CallKind::UpdateCode)))].into_iter().chain(shifted.clone()).collect();
    assert_eq!(back(&updated, &home(&[52, 54]), 55), format!("{done}; $LATEST still holds the new code"));
    let foreign = back(&shifted, &with_alias(alias("7", None, "x"), &[52]), 53);
    assert!(foreign.starts_with("broken: somebody else moved alias live: it is on version 7"), "{foreign}");
}

/// A shift whose answer was lost may arrive after the alias was seen at home: a write of our own stops it.
#[test]
fn a_shift_that_may_still_arrive_is_stopped_by_a_write() {
    let lost: Vec<(i64, Record)> =
        up_to("shift-5").into_iter().chain([(20, of_thumbs(began("shift-5", 1, shift(5))))]).collect();
    let home = with_alias(alias("41", None, "a0"), &[52, 54]);
    assert_eq!(back(&lost, &home, 55), "call shift_alias 41");
    let sent: Vec<_> = lost
        .into_iter()
        .chain([(56, of_thumbs(began("restore", 1, shift(0)))), (57, of_thumbs(ended("restore", 1, None)))])
        .collect();
    assert_eq!(back(&sent, &home, 58), "wait: alias live is read back");
    assert_eq!(
        back(&sent, &with_alias(alias("41", None, "a2"), &[58, 60]), 61),
        "done: alias live sends all calls to version 41"
    );
}
