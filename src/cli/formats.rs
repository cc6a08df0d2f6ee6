//! What shipit writes for itself and for others to read, as it was written: `tests/formats` holds one document of every kind.
//! Each must be read, and written again to the same bytes. `UPDATE=1` writes them anew; what then differs is a change of the
//! format, which `docs/formats.md` must know.

use std::fs;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event::record::Record;
use crate::plan::build::build;
use crate::plan::sample::{fleet, function, function_plan, function_target, input, name, pipeline, rolling_plan};
use crate::plan::{Intent, Plan, check};
use crate::report::ResultDocument;
use crate::report::json::Event;
use crate::store::claims::TargetClaim;
use crate::store::decisions::Stored;
use crate::store::head::Head;
use crate::store::journal::{Entry, hash};
use crate::store::lock::Lock;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/formats").join(name)
}

fn is_update() -> bool {
    std::env::var_os("UPDATE").is_some()
}

fn golden(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}; UPDATE=1 writes it"))
}

/// What is written today is what the file holds.
fn is_written(name: &str, written: &str) {
    if is_update() {
        fs::write(path(name), written).unwrap();
    }
    assert_eq!(golden(name), written, "{name}: the format changed; see docs/formats.md, then UPDATE=1");
}

/// Each line of a file is read as this type, changed, and written.
fn both_ways<T: Serialize + DeserializeOwned>(name: &str, mut change: impl FnMut(&mut T)) -> Vec<T> {
    let (mut values, mut text) = (Vec::new(), String::new());
    for line in golden(name).lines() {
        let mut value: T = serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}\n{line}"));
        change(&mut value);
        text += &(serde_json::to_string(&value).unwrap() + "\n");
        values.push(value);
    }
    is_written(name, &text);
    values
}

/// The names that a type's `type` may have, as its own reader says them.
fn kinds<T: DeserializeOwned>(example: &str) -> Vec<String> {
    let said = serde_json::from_str::<T>(example).err().unwrap().to_string();
    let listed = said.split_once("expected one of ").unwrap().1.to_owned();
    listed.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn plans() {
    let (pipeline, environment) = (pipeline(), name("production"));
    let blue_green = |intent: Intent| {
        let mut input = input(&pipeline, &environment, fleet());
        input.intent = intent;
        build(&input).unwrap_or_else(|refused| panic!("{refused:?}")).plan
    };
    for (name, plan) in [
        ("plan-blue-green.json", blue_green(Intent::Deploy)),
        ("plan-rollback.json", blue_green(Intent::Rollback)),
        ("plan-rolling.json", rolling_plan()),
        ("plan-function.json", function_plan(&function_target(), &function())),
    ] {
        is_written(name, &super::plan::to_json(&plan).unwrap());
        let read: Plan = serde_json::from_str(&golden(name)).unwrap();
        assert_eq!(read, plan, "{name}");
        assert_eq!(check::problems(&read), [], "{name}");
        assert_eq!(super::plan::to_json(&read).unwrap(), golden(name), "{name}");
    }
}

/// A journal with every type of record in it, whose chain holds.
#[test]
fn journals() {
    let (mut seq, mut prev) = (0, String::new());
    both_ways("journal.jsonl", |entry: &mut Entry| {
        (entry.seq, entry.prev) = (seq, prev.clone());
        (seq, prev) = (seq + 1, hash(&serde_json::to_vec(entry).unwrap()));
    });
    let text = golden("journal.jsonl");
    for kind in kinds::<Record>(r#"{"type":"?"}"#) {
        assert!(text.contains(&format!("\"type\":\"{kind}\"")), "add an entry with a record of type {kind}");
    }
}

#[test]
fn locks_claims_heads_decisions() {
    both_ways::<Lock>("lock.jsonl", |_| {});
    both_ways::<TargetClaim>("claim.jsonl", |_| {});
    both_ways("head.jsonl", |head: &mut Head| head.sum = head.summed());
    both_ways::<Stored>("decision.jsonl", |_| {});
}

#[test]
fn results_and_events() {
    both_ways::<ResultDocument>("result.jsonl", |_| {});
    both_ways::<Event>("events.jsonl", |_| {});
}

/// What a newer shipit of the same version adds is passed over.
#[test]
fn members_that_are_not_known_are_passed_over() {
    for name in ["plan-blue-green.json", "plan-rolling.json", "plan-function.json"] {
        let mut plan: serde_json::Value = serde_json::from_str(&golden(name)).unwrap();
        plan["new_here"] = serde_json::json!({ "a": [1, 2] });
        plan["waves"][0]["lanes"][0]["new_here"] = serde_json::json!(true);
        let read: Plan = serde_json::from_value(plan).unwrap();
        assert_eq!(super::plan::to_json(&read).unwrap(), golden(name));
    }
}
