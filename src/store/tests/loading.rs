//! A run is read only as far as it is proved; what is wrong is named.

use std::collections::BTreeMap;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::stage::{Stage, at, run, started};
use crate::event::record::Record;
use crate::plan::Plan;
use crate::plan::build::build;
use crate::plan::sample::{fleet, input, name, pipeline};
use crate::store::journal::{Journal, hex};
use crate::store::{Bucket, Keys, runs};

/// A run's plan as it is stored.
pub(super) fn plan_text(keys: &Keys) -> String {
    let (pipeline, environment) = (pipeline(), name("production"));
    let plan = build(&input(&pipeline, &environment, fleet())).unwrap().plan;
    let plan = Plan { pipeline: name("shop"), ..plan };
    assert_eq!(keys.beside(&plan.pipeline, &plan.environment), *keys);
    serde_json::to_string_pretty(&plan).unwrap() + "\n"
}

/// The first record of a run with this plan.
pub(super) fn planned(plan: &str) -> Record {
    Record::RunPlanned {
        by: "ann".into(),
        why: "deploy".into(),
        parent: None,
        back: None,
        revisions: BTreeMap::new(),
        plan: hex(&Sha256::digest(plan)),
        build: None,
        origin: None,
        again: None,
    }
}

async fn begun(stage: &Stage) -> String {
    let plan = plan_text(&stage.keys);
    stage.overwrite(&stage.keys.plan(&run('a')), plan.clone()).await;
    let (mut journal, _) = Journal::open(&stage.bucket, &stage.keys, &run('a')).await.unwrap();
    journal.append(at(0), 1, &[planned(&plan), started(1)]).await.unwrap();
    plan
}

async fn loaded(bucket: &Bucket, keys: &Keys) -> Result<usize, String> {
    let loaded = runs::load(bucket, keys, &run('a')).await.map_err(|error| error.to_string())?;
    Ok(loaded.map_or(0, |run| run.envelopes.len()))
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_followed_only_as_it_was_begun_with() {
    let stage = Stage::new().await;
    assert_eq!(loaded(&stage.bucket, &stage.keys).await, Ok(0), "no such run");
    let plan = begun(&stage).await;
    assert_eq!(loaded(&stage.bucket, &stage.keys).await, Ok(2));
    let changed = "is not the plan that its run was begun with: it was changed since";
    for (body, expected) in [
        (plan.replace("\"label\": \"v2\"", "\"label\": \"v3\""), changed),
        (plan.replace("\"id\": \"create\"", "\"id\": \"begin\""), changed),
        (plan.clone() + " ", changed),
        (plan.replacen("\"v\": 1", "\"v\": 99", 1), "has format 99, and this shipit knows 1"),
        (plan.replacen("\"v\": 1", "\"v\": 0", 1), "has format 0, and this shipit knows 1"),
        (r#"{"v": 7, "nothing": "like today"}"#.to_owned(), "has format 7, and this shipit knows 1"),
        (plan[..plan.len() / 2].to_owned(), "is not a plan: EOF while parsing"),
        ("{}".to_owned(), "is not a plan: missing field"),
        (String::new(), "is not a plan"),
        ("\u{1b}[2J".to_owned(), "is not a plan"),
    ] {
        assert_ne!(body, plan);
        stage.overwrite(&stage.keys.plan(&run('a')), body).await;
        let said = loaded(&stage.bucket, &stage.keys).await.unwrap_err();
        assert!(said.contains(expected) && said.contains("/plan.json: "), "{expected}: {said}");
    }
    stage.bucket.client().delete_object().bucket("acme").key(stage.keys.plan(&run('a'))).send().await.unwrap();
    let said = loaded(&stage.bucket, &stage.keys).await.unwrap_err();
    assert!(said.ends_with("/plan.json: is not there"), "{said}");
}

/// Before the first entry nothing proves a plan but its own structure and its place.
#[tokio::test(start_paused = true)]
async fn a_plan_that_cannot_be_followed_is_refused_before_the_first_entry() {
    let stage = Stage::new().await;
    let plan = plan_text(&stage.keys);
    let without_sites = {
        let mut plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
        plan["sites"] = serde_json::json!([]);
        plan.to_string()
    };
    for (body, expected) in [
        (plan.replace("\"pipeline\": \"shop\"", "\"pipeline\": \"back\""), "is a plan of pipeline back in production"),
        (without_sites, "is no plan that can be followed: `web` names site 0, which is not there"),
    ] {
        assert_ne!(body, plan);
        stage.overwrite(&stage.keys.plan(&run('a')), Bytes::from(body)).await;
        let said = loaded(&stage.bucket, &stage.keys).await.unwrap_err();
        assert!(said.contains(expected), "{expected}: {said}");
    }
    stage.overwrite(&stage.keys.plan(&run('a')), plan).await;
    assert_eq!(loaded(&stage.bucket, &stage.keys).await, Ok(0));
}

#[tokio::test(start_paused = true)]
async fn a_journal_begins_with_its_plan() {
    let stage = Stage::new().await;
    stage.overwrite(&stage.keys.plan(&run('a')), plan_text(&stage.keys)).await;
    let (mut journal, _) = Journal::open(&stage.bucket, &stage.keys, &run('a')).await.unwrap();
    journal.append(at(0), 1, &[started(1)]).await.unwrap();
    let said = loaded(&stage.bucket, &stage.keys).await.unwrap_err();
    assert!(said.ends_with("does not begin a run: it names no plan"), "{said}");
}
