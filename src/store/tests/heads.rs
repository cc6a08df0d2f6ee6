//! The head is a cache: whatever becomes of its object, readers are told what the journals say.

use std::collections::BTreeMap;

use super::loading::{plan_text, planned};
use super::stage::{Stage, at};
use crate::event::record::{Outcome, Record};
use crate::model::{Name, RunId};
use crate::store::head::{self, End, Head};
use crate::store::journal::Journal;
use crate::store::runs::{self, Loaded};
use crate::store::summary::summarize;

fn web() -> Name {
    Name::new("web").unwrap()
}

fn numbered(number: usize) -> RunId {
    RunId::parse(&format!("20261121-09{:02}{:02}-aaaa", number / 60, number % 60)).unwrap()
}

fn release(number: usize) -> String {
    format!("r{number}")
}

/// A run whose journal has come to its end, and nothing more; it left the alias with this revision id.
async fn over(stage: &Stage, number: usize, alias: Option<&str>) -> Loaded {
    let (run, keys) = (numbered(number), &stage.keys);
    let plan = plan_text(keys).replace("\"label\": \"v2\"", &format!("\"label\": \"{}\"", release(number)));
    stage.overwrite(&keys.plan(&run), plan.clone()).await;
    let (mut journal, _) = Journal::open(&stage.bucket, keys, &run).await.unwrap();
    let moved = alias.map(|id| Record::AliasMoved { target: web(), revision_id: id.to_owned() });
    let ended = Record::RunEnded { outcome: Outcome::Succeeded, live: BTreeMap::new() };
    let records: Vec<Record> = [planned(&plan)].into_iter().chain(moved).chain([ended]).collect();
    journal.append(at(i64::try_from(number).unwrap()), 1, &records).await.unwrap();
    runs::load(&stage.bucket, keys, &run).await.unwrap().unwrap()
}

async fn add(stage: &Stage, run: &Loaded) {
    let (summary, live) = summarize(&run.plan, &run.state);
    head::add(&stage.bucket, &stage.keys, (&summary, End::of(&run.journal)), &live).await.unwrap();
}

async fn read(stage: &Stage) -> Head {
    let (head, unreadable) = head::read(&stage.bucket, &stage.keys).await.unwrap();
    assert!(unreadable.is_empty(), "{unreadable:?}");
    head
}

/// What a head comes to: the release that is live, and the runs.
fn told(head: &Head) -> (String, Vec<RunId>) {
    let live = head.live.get(&web()).map(|live| live.release.clone()).unwrap_or_default();
    (live, head.runs.iter().map(|run| run.run.clone()).collect())
}

fn expected(numbers: impl DoubleEndedIterator<Item = usize> + Clone) -> (String, Vec<RunId>) {
    (release(numbers.clone().next_back().unwrap()), numbers.rev().map(numbered).collect())
}

#[tokio::test(start_paused = true)]
async fn the_head_keeps_the_last_runs_and_each_once() {
    let stage = Stage::new().await;
    assert_eq!(told(&read(&stage).await), (String::new(), Vec::new()));
    let mut early = None;
    for number in 0..53 {
        let run = over(&stage, number, None).await;
        add(&stage, &run).await;
        early = early.or(Some(run));
    }
    assert_eq!(told(&read(&stage).await), expected(3..53));
    add(&stage, &early.unwrap()).await;
    assert_eq!(told(&read(&stage).await), expected(3..53), "an old run said again changes nothing");
    let calls = |stage: &Stage| stage.calls("GetObject") + stage.calls("ListObjectsV2");
    let before = calls(&stage);
    read(&stage).await;
    assert_eq!(calls(&stage) - before, 3, "the head, the end of its newest run, the names of runs since");
}

/// Who moved an alias last is known as long as the run is; an id says nothing once another run has moved it.
#[tokio::test(start_paused = true)]
async fn the_head_knows_who_moved_an_alias() {
    let stage = Stage::new().await;
    for (number, id) in [(1, Some("a1")), (2, Some("a2")), (3, None)] {
        let run = over(&stage, number, id).await;
        add(&stage, &run).await;
    }
    let head = read(&stage).await;
    let mover = |id: &str| head.mover(&web(), id).map(|run| run.run.clone());
    assert_eq!([mover("a2"), mover("a1"), mover("a0")], [Some(numbered(2)), None, None]);
    assert_eq!(head.runs.iter().map(|run| run.moved.len()).sum::<usize>(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_loses_a_race_for_the_head_adds_to_it() {
    let stage = Stage::new().await;
    let (one, other) = (over(&stage, 1, None).await, over(&stage, 2, None).await);
    tokio::join!(add(&stage, &one), add(&stage, &other));
    assert_eq!(told(&read(&stage).await), expected(1..3));
    assert!(!head::refresh(&stage.bucket, &stage.keys).await.unwrap(), "both are in the object");
}

/// The driver was killed between the journal's last object and the head, or that write failed: once, or for several runs.
#[tokio::test(start_paused = true)]
async fn a_head_that_lags_is_read_on_from_the_journals() {
    for missed in [vec![1], vec![3], vec![2, 3], vec![0, 2], vec![0, 1, 2, 3]] {
        let stage = Stage::new().await;
        for number in 0..4 {
            let run = over(&stage, number, None).await;
            if !missed.contains(&number) {
                let text = stage.bucket.get(&stage.keys.head()).await.unwrap().map(|object| object.bytes);
                add(&stage, &run).await;
                assert_ne!(stage.bucket.get(&stage.keys.head()).await.unwrap().map(|it| it.bytes), text);
            }
            assert_eq!(told(&read(&stage).await), expected(0..number + 1), "{missed:?}");
        }
        // The next run says all of it.
        let run = over(&stage, 4, None).await;
        add(&stage, &run).await;
        assert!(!head::refresh(&stage.bucket, &stage.keys).await.unwrap(), "{missed:?}");
        assert_eq!(told(&read(&stage).await), expected(0..5), "{missed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_not_the_one_that_was_written_is_made_again() {
    let stage = Stage::new().await;
    let key = stage.keys.head();
    let mut old = String::new();
    for number in 0..3 {
        let run = over(&stage, number, None).await;
        add(&stage, &run).await;
        old = if number == 1 { stage.text(&key).await } else { old };
    }
    let sound = stage.text(&key).await;
    let flipped = sound.replacen("\"r1\"", "\"r7\"", 1);
    for body in [
        "",
        "hello",
        "{}",
        "[]",
        "null",
        &sound[..sound.len() / 2],
        &old,
        &flipped,
        &sound.replacen("\"v\":1", "\"v\":0", 1),
    ] {
        assert_ne!(body, sound);
        stage.overwrite(&key, body.to_owned()).await;
        assert_eq!(told(&read(&stage).await), expected(0..3), "{body}");
        assert_eq!(stage.text(&key).await, body, "a reader writes nothing");
        assert!(head::refresh(&stage.bucket, &stage.keys).await.unwrap(), "{body}");
        assert!(!head::refresh(&stage.bucket, &stage.keys).await.unwrap(), "{body}");
        assert_eq!(told(&serde_json::from_str(&stage.text(&key).await).unwrap()), expected(0..3), "{body}");
    }
    stage.bucket.client().delete_object().bucket("acme").key(&key).send().await.unwrap();
    assert_eq!(told(&read(&stage).await), expected(0..3));
}

#[tokio::test(start_paused = true)]
async fn a_newer_head_is_named_and_left_alone() {
    let stage = Stage::new().await;
    let run = over(&stage, 1, None).await;
    let newer = r#"{"v":2,"runs":"somewhere else by now"}"#;
    stage.overwrite(&stage.keys.head(), newer).await;
    let (summary, live) = summarize(&run.plan, &run.state);
    let added = head::add(&stage.bucket, &stage.keys, (&summary, End::of(&run.journal)), &live).await;
    for error in [
        added.unwrap_err(),
        head::read(&stage.bucket, &stage.keys).await.unwrap_err(),
        head::refresh(&stage.bucket, &stage.keys).await.unwrap_err(),
    ] {
        assert!(error.to_string().ends_with("head.json: has format 2, and this shipit knows 1"), "{error}");
    }
    assert_eq!(stage.text(&stage.keys.head()).await, newer);
}

/// What cannot be read is named beside what can; what never began, and what is no run, is passed over.
#[tokio::test(start_paused = true)]
async fn one_bad_run_hides_no_other() {
    let stage = Stage::new().await;
    for number in 0..4 {
        over(&stage, number, None).await;
    }
    let entry = stage.keys.journal_entry(&numbered(2), 0);
    stage.overwrite(&entry, "hello").await;
    stage.overwrite(&stage.keys.plan(&numbered(9)), plan_text(&stage.keys)).await;
    stage.overwrite(&format!("{}notes/x", stage.keys.runs()), "x").await;
    stage.overwrite(&stage.keys.runs(), "").await;
    let (head, unreadable) = head::read(&stage.bucket, &stage.keys).await.unwrap();
    assert_eq!(told(&head), (release(3), [3, 1, 0].map(numbered).to_vec()));
    assert_eq!(unreadable.iter().map(|it| it.run.clone()).collect::<Vec<_>>(), [numbered(2)]);
    assert!(unreadable[0].error.to_string().contains(&entry));
}
