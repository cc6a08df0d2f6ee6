//! `fsck`: what is wrong is said by object, what can be is put right, and the second time there is nothing to do.

use std::collections::BTreeMap;

use super::loading::{plan_text, planned};
use super::stage::{Stage, at, claim_of, holder, run, started};
use crate::event::record::{Outcome, Record};
use crate::store::claims::{self, Owner};
use crate::store::fsck::{Fault, check};
use crate::store::head::{self, Live};
use crate::store::journal::Journal;
use crate::store::lease::{Taking, claim};
use crate::store::{lock, runs};

/// A run that is over, whose driver died right after its last entry.
async fn over(stage: &Stage) {
    let (bucket, keys) = (&stage.bucket, &stage.keys);
    let plan = plan_text(keys);
    stage.overwrite(&keys.plan(&run('a')), plan.clone()).await;
    let taken = claim(bucket, keys, &claim_of('a'), &holder("ann")).await.unwrap();
    assert!(matches!(taken, Taking::Taken(_)));
    let (mut journal, _) = Journal::open(bucket, keys, &run('a')).await.unwrap();
    journal.append(at(0), 1, &[planned(&plan)]).await.unwrap();
    for token in 0..10 {
        journal.append(at(1), 1, &[started(token)]).await.unwrap();
    }
    let loaded = runs::load(bucket, keys, &run('a')).await.unwrap().unwrap();
    let live = |lane: &crate::plan::Lane| Live {
        release: "v2".into(),
        revision: lane.revision.clone(),
        run: run('a'),
        since: at(0),
        origin: None,
    };
    for (thing, ships) in claims::wanted(&loaded.plan, live) {
        let (pipeline, environment) = (loaded.plan.pipeline.clone(), loaded.plan.environment.clone());
        let owner = Owner { pipeline, environment, claim: claim_of('a'), ships };
        assert_eq!(claims::take(bucket, keys, &thing, &owner, None).await.unwrap(), None);
    }
    let ended = Record::RunEnded { outcome: Outcome::Succeeded, live: BTreeMap::new() };
    journal.append(at(2), 1, &[ended]).await.unwrap();
}

/// What is said, in a word and the end of the key each.
async fn said(stage: &Stage, days: i64, repair: bool) -> Vec<String> {
    let found = check(&stage.bucket, &stage.keys, at(days * 86_400), repair).await.unwrap();
    let word = |fault: &Fault| match fault {
        Fault::Broken(error) => error.to_string(),
        Fault::Stale => "stale".to_owned(),
        Fault::LeftOver(_) => "left over".to_owned(),
        Fault::Unlike => "unlike".to_owned(),
        Fault::Upload(_) => "upload".to_owned(),
        Fault::Foreign => "foreign".to_owned(),
        Fault::Unseen(error) => error.to_string(),
    };
    let end = |key: &str| key.rsplit('/').next().unwrap().to_owned();
    let mended = |is_repaired: bool| if is_repaired { ", put right" } else { "" };
    let line =
        |it: &crate::store::fsck::Finding| format!("{}: {}{}", end(&it.key), word(&it.fault), mended(it.is_repaired));
    found.findings.iter().map(line).collect()
}

#[tokio::test(start_paused = true)]
async fn an_empty_store_is_sound() {
    let stage = Stage::new().await;
    assert_eq!(said(&stage, 0, true).await, Vec::<String>::new());
    assert!(stage.bucket.list("").await.unwrap().is_empty(), "nothing was written");
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_driver_left_is_put_right_once() {
    let stage = Stage::new().await;
    over(&stage).await;
    let open = ["head.json: stale", "lock.json: left over", "claim.json: left over"];
    let unmended = said(&stage, 0, false).await;
    assert_eq!(unmended, open);
    assert_eq!(said(&stage, 0, false).await, open, "looking changes nothing");
    assert_eq!(said(&stage, 0, true).await, open.map(|line| format!("{line}, put right")));
    let before = stage.bucket.list("team/").await.unwrap();
    let puts = stage.calls("PutObject");
    assert_eq!(said(&stage, 0, true).await, Vec::<String>::new());
    assert_eq!((stage.bucket.list("team/").await.unwrap(), stage.calls("PutObject")), (before, puts));
    assert_eq!(lock::read(&stage.bucket, &stage.keys).await.unwrap().lock.claim, None);
    let (head, _) = head::read(&stage.bucket, &stage.keys).await.unwrap();
    assert_eq!(head.runs.len(), 1);
    let key = stage.bucket.list(&stage.keys.targets()).await.unwrap().remove(0);
    assert!(stage.text(&key).await.contains("\"release\":\"v2\""), "what the run made live is kept");
}

#[tokio::test(start_paused = true)]
async fn every_object_is_looked_at() {
    let stage = Stage::new().await;
    over(&stage).await;
    said(&stage, 0, true).await;
    let keys = &stage.keys;
    let upload = stage.bucket.client().create_multipart_upload().bucket("acme").key(keys.artifact("ab"));
    upload.send().await.unwrap();
    let sound = stage.text(&keys.pack(&run('a'), 10, 0)).await;
    for (key, body) in [
        (keys.pack(&run('a'), 10, 0), "hello"),
        (format!("{}notes.txt", keys.home()), "x"),
        (keys.journal(&run('a')), ""),
        (keys.plan(&run('b')), "{}"),
        (keys.head(), r#"{"v":9}"#),
        (format!("{}111122223333/eu-west-1/function/x/claim.json", keys.targets()), "x"),
    ] {
        stage.overwrite(&key, body).await;
    }
    let found = said(&stage, 0, true).await;
    let starts = [
        "notes.txt: foreign",
        ": foreign",
        "00000000000000000000.json: unlike, put right",
        "plan.json: s3://acme/team/shop/production/runs/20261121-090000-bbbb/plan.json: is not a plan: missing field",
        "head.json: s3://acme/team/shop/production/head.json: has format 9",
        "claim.json: s3://acme/team/targets/111122223333/eu-west-1/function/x/claim.json: is not the claim of a target",
    ];
    assert_eq!(found.len(), starts.len(), "{found:?}");
    for (found, start) in found.iter().zip(starts) {
        assert!(found.starts_with(start), "{start}: {found}");
    }
    assert_eq!(stage.text(&keys.pack(&run('a'), 10, 0)).await, sound);
    assert_eq!(stage.text(&keys.head()).await, r#"{"v":9}"#, "a newer head is left alone");
    let later = said(&stage, 2, true).await;
    assert_eq!(later.last().map(String::as_str), Some("ab.zip: upload, put right"));
    assert!(!said(&stage, 2, true).await.iter().any(|line| line.contains("upload")));
}
