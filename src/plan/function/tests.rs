//! Lanes of functions: their steps, and everything that is refused.

use super::*;
use crate::model::function::Shifting;
use crate::model::lambda::{Alias, Grant};
use crate::plan::sample::{function, function_target, try_function};

fn told(lane: &Lane) -> Vec<String> {
    let line = |step: &Step| {
        let kind = if matches!(step.what, What::Act(_)) { "act" } else { "hold" };
        format!("{} {kind} {} ≤ {} {:?}", step.id, step.expected, step.limit, step.way_back)
    };
    lane.steps.iter().map(line).collect()
}

fn forward(target: &FunctionTarget, function: &Function) -> (Lane, Vec<String>) {
    try_function(target, function, Intent::Deploy).unwrap_or_else(|refused| panic!("{refused:?}"))
}

#[test]
fn a_canary_rises_step_by_step() {
    let (lane, notes) = forward(&function_target(), &function());
    let expected = [
        "update act 10s ≤ 20m Drop",
        "publish act 10s ≤ 30m Drop",
        "test act 3s ≤ 16m30s Drop",
        "shift-5 act 5s ≤ 15m Route",
        "bake-5 hold 5m ≤ 9h Route",
        "shift-25 act 5s ≤ 15m Route",
        "bake-25 hold 5m ≤ 9h Route",
        "approval-25 hold 0m ≤ 8h Route",
        "shift-50 act 5s ≤ 15m Route",
        "bake-50 hold 5m ≤ 9h Route",
        "shift-100 act 5s ≤ 15m Route",
        "bake hold 10m ≤ 9h15m Route",
        "prune act 5s ≤ 15m Route",
    ];
    assert_eq!(told(&lane), expected);
    let watch = &lane.watches[0];
    let labels: Vec<String> = watch.conditions.iter().map(Condition::label).collect();
    assert_eq!((watch.from.0.as_str(), watch.to.0.as_str()), ("shift-5", "bake"));
    assert_eq!(labels, ["alarm storefront-5xx", "errors < 1%"]);
    assert_eq!(notes, Vec::<String>::new());
}

/// The same bytes for the same world, and they are read again as they were.
#[test]
fn a_plan_is_data() {
    let (lane, _) = forward(&function_target(), &function());
    let text = serde_json::to_string(&lane).unwrap();
    assert_eq!(serde_json::from_str::<Lane>(&text).unwrap(), lane);
    assert_eq!(text, serde_json::to_string(&forward(&function_target(), &function()).0).unwrap());
}

#[test]
fn the_first_release_creates_the_alias_all_at_once() {
    let mut first = function();
    (first.alias, first.live) = (None, None);
    let (lane, notes) = forward(&function_target(), &first);
    let ids: Vec<&str> = lane.steps.iter().map(|step| step.id.0.as_str()).collect();
    assert_eq!(ids, ["update", "publish", "test", "shift-100", "bake", "prune"]);
    assert!(lane.steps[3..].iter().all(|step| step.way_back == WayBack::None));
    assert_eq!(
        notes,
        ["thumbs: alias live does not exist yet: this release creates it, all at once and without a way back"]
    );
}

#[test]
fn what_is_live_is_not_shipped_again_but_other_settings_are() {
    let wanted = base64_of(&"b".repeat(64)).unwrap();
    let mut same = function();
    same.latest.code_sha256.clone_from(&wanted);
    same.live.as_mut().unwrap().code_sha256 = wanted;
    assert_eq!(told(&forward(&function_target(), &same).0), Vec::<String>::new());
    same.latest.settings.0.insert("timeout".into(), "5".into());
    same.live.as_mut().unwrap().settings.0.insert("timeout".into(), "3".into());
    let (lane, notes) = forward(&function_target(), &same);
    assert_eq!(lane.steps[0].id.0, "publish", "the code is there already");
    assert_eq!(lane.function().unwrap().changes, ["timeout"]);
    assert_eq!(notes, ["thumbs: settings of $LATEST that go live with this version: timeout"]);
}

#[test]
fn a_rollback_shifts_to_the_version_that_was_live() {
    let mut moved = function();
    moved
        .versions
        .insert(0, crate::model::lambda::Version { number: 40, code_sha256: base64_of(&"b".repeat(64)).unwrap() });
    let (lane, _) = try_function(&function_target(), &moved, Intent::Rollback).unwrap();
    assert_eq!(told(&lane), ["shift-100 act 5s ≤ 15m Route"]);
    assert_eq!(lane.function().unwrap().version.as_deref(), Some("40"));
    let (gone, _) = try_function(&function_target(), &function(), Intent::Rollback).unwrap();
    let ids: Vec<&str> = gone.steps.iter().map(|step| step.id.0.as_str()).collect();
    assert_eq!(ids, ["update", "publish", "shift-100"], "it was pruned");
}

/// Each rule alone, with what it says and that it says what to do.
#[test]
fn everything_that_stands_in_the_way_is_said_with_its_fix() {
    let grant = |id: &str| Grant {
        id: id.into(),
        principal: "s3.amazonaws.com".into(),
        source: Some("arn:aws:s3:::photos".into()),
    };
    type Change = fn(&mut Function, &mut FunctionTarget);
    let cases: [(Change, &str); 13] = [
        (|it, _| it.latest.package = "Image".into(), "package type Image"),
        (|it, _| it.latest.state = "Failed".into(), "the function's state is Failed"),
        (
            |it, _| (it.latest.update, it.latest.update_reason) = ("Failed".into(), Some("no address".into())),
            "the function's last update failed: no address",
        ),
        (|it, _| it.alias.as_mut().unwrap().version = "$LATEST".into(), "alias live points to $LATEST"),
        (
            |it, _| {
                it.alias =
                    Some(Alias { weights: [("42".into(), Percent::whole(5))].into(), ..it.alias.clone().unwrap() })
            },
            "weights left over from somebody's release: version 41 with 5% on 42",
        ),
        (|it, _| it.is_provisioned = true, "provisioned concurrency, which is lost"),
        (|it, _| it.storage = Some((96, 100)), "code storage of this account is nearly full in ap-northeast-2"),
        (|_, target| target.restore_latest = true, "`restore_latest` needs the bundle"),
        (
            |it, _| {
                it.latest.settings.0.insert("role".into(), "arn:role/b".into());
            },
            "different settings for their execution role",
        ),
        (
            |it, _| {
                it.latest.settings.0.insert("dead_letter".into(), "arn:q".into());
            },
            "different settings for their dead-letter queue",
        ),
        (
            |it, _| it.sources = vec!["arn:aws:sqs:::orders".into()],
            "would get the new code with the upload: arn:aws:sqs:::orders",
        ),
        (|it, _| it.url = Some("https://x.lambda-url".into()), "the function's URL https://x.lambda-url"),
        (|it, _| it.alarms[0].state = "ALARM".into(), "alarms that are red before anything has changed"),
    ];
    for (change, said) in cases {
        let (mut function, mut target) = (function(), function_target());
        change(&mut function, &mut target);
        let refused = try_function(&target, &function, Intent::Deploy).unwrap_err();
        assert_eq!(refused.len(), 1, "{said}: {refused:?}");
        assert!(refused[0].what.contains(said), "{}", refused[0].what);
        assert!(refused[0].fix.as_ref().is_some_and(|fix| fix.len() > 20), "{said}");
    }
    let mut bound = function();
    bound.grants = vec![grant("s3")];
    let refused = try_function(&function_target(), &bound, Intent::Deploy).unwrap_err();
    assert!(refused[0].what.contains("s3.amazonaws.com for arn:aws:s3:::photos may invoke it (statement s3)"));
    assert!(refused[1].what.contains("may not invoke alias live: s3.amazonaws.com for arn:aws:s3:::photos"));
    assert!(
        refused[1]
            .fix
            .as_ref()
            .unwrap()
            .contains("add-permission --region ap-northeast-2 --function-name thumbnailer --qualifier live")
    );
    bound.alias_grants = vec![grant("other")];
    let target = FunctionTarget { allow_unqualified: true, ..function_target() };
    assert!(try_function(&target, &bound, Intent::Deploy).is_ok());
}

#[test]
fn other_roles_can_only_be_shipped_all_at_once() {
    let mut other = function();
    other.latest.settings.0.insert("role".into(), "arn:role/b".into());
    let target = FunctionTarget { shifting: Shifting::AllAtOnce, ..function_target() };
    assert!(try_function(&target, &other, Intent::Deploy).is_ok());
}

#[test]
fn digests_are_written_as_lambda_writes_them() {
    let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(base64_of(hex).as_deref(), Some("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="));
    assert_eq!(hex_of(&base64_of(hex).unwrap()).as_deref(), Some(hex));
    assert_eq!([base64_of("xy"), hex_of("??"), hex_of("AAAA")], [None, None, None]);
}
