//! What people leave in the bucket, and the head of an environment.

use std::collections::BTreeMap;

use super::stage::{Stage, at, run};
use crate::event::decision::{Decision, Wish};
use crate::event::record::Outcome;
use crate::model::{Name, Revision, RunId};
use crate::plan::StepId;
use crate::store::StoreError;
use crate::store::decisions::{Ears, leave, needs};
use crate::store::head::{Live, RunSummary, add, read};
use ::sandbox::faults::Action;
use ::sandbox::world::ApiError;

fn web() -> Name {
    Name::new("web").unwrap()
}

fn promote(step: &str) -> Wish {
    Wish::Promote { target: web(), step: StepId::from(step), full: false }
}

async fn decisions(stage: &Stage, known: &[String]) -> Vec<Decision> {
    let mut ears = Ears::default();
    ears.forget(known);
    listen(stage, &mut ears).await.unwrap();
    ears.heard().to_vec()
}

/// A look of a driver that expects an abort.
async fn listen(stage: &Stage, ears: &mut Ears) -> Result<(), StoreError> {
    ears.listen(&stage.bucket, &stage.keys, &run('a'), &["abort".to_owned()]).await
}

#[tokio::test(start_paused = true)]
async fn a_decision_is_left_once_and_read_until_it_is_known() {
    let stage = Stage::new().await;
    for (wish, by, is_new) in [
        (promote("bake"), "ann", true),
        (promote("bake"), "bob", false),
        (promote("approval"), "bob", true),
        (Wish::Abort, "eve", true),
        (Wish::Abort, "eve", false),
    ] {
        assert_eq!(leave(&stage.bucket, &stage.keys, &run('a'), &wish, by, at(0)).await.unwrap(), is_new, "{wish:?}");
    }
    let of = |name: &str, by: &str, what| Decision { name: name.into(), by: by.into(), what };
    let all = [
        of("abort", "eve", Wish::Abort),
        of("promote-web-approval", "bob", promote("approval")),
        of("promote-web-bake", "ann", promote("bake")),
    ];
    assert_eq!(decisions(&stage, &[]).await, all);
    assert_eq!(decisions(&stage, &["abort".to_owned()]).await, all[1..]);
    let mut other = Ears::default();
    other.listen(&stage.bucket, &stage.keys, &run('b'), &[]).await.unwrap();
    assert_eq!(other.heard(), [], "of another run");
}

/// Nothing that lies there can stop a run, or make its journal too large.
#[tokio::test(start_paused = true)]
async fn what_is_no_decision_is_passed_over() {
    let stage = Stage::new().await;
    assert!(leave(&stage.bucket, &stage.keys, &run('a'), &promote("bake"), "ann", at(0)).await.unwrap());
    let sound = stage.text(&stage.keys.decision(&run('a'), "promote-web-bake")).await;
    for (name, body) in [
        ("a", "hello".to_owned()),
        ("b", String::new()),
        ("c", sound.clone()),
        ("promote-web-finish", sound.replace("bake", "keep")),
        ("promote-web-keep", sound.replace("bake", "keep").replace("\"v\":1", "\"v\":5")),
        ("promote-web-x", sound.replace("bake", "x").replace("ann", &"a".repeat(3000))),
        ("promote-web-y", format!("{}{}", sound.replace("bake", "y"), " ".repeat(20_000))),
        ("promote-web-z", sound.replace("bake", "z").replace("promote\"", "destroy\"")),
        ("big", " ".repeat(17 << 20)),
        ("deep/promote-web-bake", sound.clone()),
    ] {
        stage.overwrite(&stage.keys.decision(&run('a'), name), body).await;
    }
    stage.overwrite(&format!("{}README.txt", stage.keys.decisions(&run('a'))), "x").await;
    let names: Vec<String> = decisions(&stage, &[]).await.into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["promote-web-bake"]);
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_may_not_be_read_hides_no_other() {
    let stage = Stage::new().await;
    for wish in [Wish::Abort, promote("bake")] {
        leave(&stage.bucket, &stage.keys, &run('a'), &wish, "ann", at(0)).await.unwrap();
    }
    stage.disturb_all("GetObject", "abort.json", Action::Error(ApiError::new("AccessDenied", "no").status(403)));
    let mut ears = Ears::default();
    listen(&stage, &mut ears).await.unwrap_err();
    assert_eq!(ears.heard().len(), 1);
    stage.sandbox.clear_faults();
    stage.disturb_all("GetObject", "abort.json", Action::Drop);
    listen(&stage, &mut Ears::default()).await.unwrap_err();
    stage.sandbox.clear_faults();
    stage.disturb_all("GetObject", "bake.json", Action::Error(ApiError::new("AccessDenied", "no").status(403)));
    listen(&stage, &mut ears).await.unwrap();
    listen(&stage, &mut Ears::default()).await.unwrap();
    // What has a known name is heard although nothing can be listed.
    stage.sandbox.clear_faults();
    stage.disturb_all("ListObjectsV2", "", Action::Error(ApiError::new("AccessDenied", "no").status(403)));
    let mut ears = Ears::default();
    let denied = listen(&stage, &mut ears).await.unwrap_err();
    assert_eq!(ears.heard().len(), 1);
    let needs = needs(&stage.bucket, &stage.keys, &run('a'), &denied).unwrap();
    assert!(needs.starts_with("s3:ListBucket on acme with the prefix team/shop/production/runs/"), "{needs}");
}

#[tokio::test(start_paused = true)]
async fn a_heap_of_decisions_is_taken_in_bit_by_bit() {
    let stage = Stage::new().await;
    for step in 0..45 {
        let wish = promote(&format!("step-{step:02}"));
        leave(&stage.bucket, &stage.keys, &run('a'), &wish, "ann", at(0)).await.unwrap();
    }
    let (mut ears, mut sizes) = (Ears::default(), Vec::new());
    for _ in 0..4 {
        listen(&stage, &mut ears).await.unwrap();
        sizes.push(ears.heard().len());
    }
    assert_eq!(sizes, [20, 40, 45, 45]);
    assert_eq!(stage.calls("GetObject"), 45, "each is read once");
    ears.forget(&["promote-web-step-00".to_owned()]);
    listen(&stage, &mut ears).await.unwrap();
    assert_eq!((ears.heard().len(), stage.calls("GetObject")), (44, 45));
}

/// Whoever may write there cannot keep anybody from being heard, nor make a driver read without end.
#[tokio::test(start_paused = true)]
async fn thousands_of_objects_that_are_no_decisions_cost_little() {
    let stage = Stage::new().await;
    for number in 0..1500 {
        let name = if number % 2 == 0 { format!("{number:04}") } else { format!("accept-{number:04}") };
        stage.overwrite(&stage.keys.decision(&run('a'), &name), "x").await;
    }
    let mut ears = Ears::default();
    listen(&stage, &mut ears).await.unwrap();
    let before = (stage.calls("ListObjectsV2"), stage.calls("GetObject"));
    assert!(before.0 == 1 && before.1 <= 21, "{before:?}");
    for wish in [Wish::Abort, promote("bake")] {
        leave(&stage.bucket, &stage.keys, &run('a'), &wish, "ann", at(0)).await.unwrap();
    }
    listen(&stage, &mut ears).await.unwrap();
    assert_eq!(ears.heard()[0].name, "abort", "the next look hears it");
    for _ in 0..60 {
        listen(&stage, &mut ears).await.unwrap();
    }
    let names: Vec<&str> = ears.heard().iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["abort", "promote-web-bake"]);
    let read = stage.calls("GetObject");
    listen(&stage, &mut ears).await.unwrap();
    assert_eq!(stage.calls("GetObject"), read, "nothing is read twice");
}

/// Something else under the name of a decision keeps nobody from deciding.
#[tokio::test(start_paused = true)]
async fn what_lies_under_a_decisions_name_is_replaced() {
    let stage = Stage::new().await;
    stage.overwrite(&stage.keys.decision(&run('a'), "abort"), "x").await;
    let mut ears = Ears::default();
    listen(&stage, &mut ears).await.unwrap();
    for is_new in [true, false] {
        let left = leave(&stage.bucket, &stage.keys, &run('a'), &Wish::Abort, "ann", at(0)).await.unwrap();
        assert_eq!(left, is_new);
    }
    listen(&stage, &mut ears).await.unwrap();
    assert_eq!(ears.heard().len(), 1);
}

fn summary(run: RunId) -> RunSummary {
    RunSummary {
        run,
        why: "deploy".into(),
        release: "v2".into(),
        by: "ann".into(),
        started: at(0),
        ended: Some(at(60)),
        outcome: Some(Outcome::Succeeded),
        cause: None,
        parent: None,
        back: None,
        took: BTreeMap::new(),
        moved: BTreeMap::new(),
        build: None,
        digests: Vec::new(),
        dirty: false,
        is_to_blame: false,
    }
}

fn live(run: &RunId) -> BTreeMap<Name, Live> {
    let revision = Revision { bucket: "acme".into(), key: "artifacts/x.zip".into(), version: None, etag: None };
    [(web(), Live { release: format!("of {run}"), revision, run: run.clone(), since: at(60), origin: None })].into()
}

fn numbered(number: usize) -> RunId {
    RunId::parse(&format!("20261121-09{:02}{:02}-aaaa", number / 60, number % 60)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_head_keeps_the_last_runs_and_each_once() {
    let stage = Stage::new().await;
    for number in 0..53 {
        let run = numbered(number);
        add(&stage.bucket, &stage.keys, &summary(run.clone()), &live(&run)).await.unwrap();
    }
    let again = summary(numbered(30));
    add(&stage.bucket, &stage.keys, &again, &live(&numbered(30))).await.unwrap();
    let (head, _) = read(&stage.bucket, &stage.keys).await.unwrap();
    let runs: Vec<RunId> = head.runs.iter().map(|summary| summary.run.clone()).collect();
    assert_eq!(runs, (3..53).rev().map(numbered).collect::<Vec<_>>());
    assert_eq!(head.live[&web()].release, format!("of {}", numbered(52)), "an old run said again changes nothing");
}

/// Who moved an alias last is known as long as the run is; an id says nothing once another run has moved it.
#[tokio::test(start_paused = true)]
async fn the_head_knows_who_moved_an_alias() {
    let stage = Stage::new().await;
    for (number, id) in [(1, Some("a1")), (2, Some("a2")), (3, None)] {
        let moved = id.map(|id| (web(), id.to_owned()));
        let summary = RunSummary { moved: moved.into_iter().collect(), ..summary(numbered(number)) };
        add(&stage.bucket, &stage.keys, &summary, &BTreeMap::new()).await.unwrap();
    }
    let (head, _) = read(&stage.bucket, &stage.keys).await.unwrap();
    let mover = |id: &str| head.mover(&web(), id).map(|run| run.run.clone());
    assert_eq!([mover("a2"), mover("a1"), mover("a0")], [Some(numbered(2)), None, None]);
    assert_eq!(head.runs.iter().map(|run| run.moved.len()).sum::<usize>(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_loses_a_race_for_the_head_adds_to_it() {
    let stage = Stage::new().await;
    let (one, other) = (numbered(1), numbered(2));
    let (summaries, lives) = ([summary(one.clone()), summary(other.clone())], [live(&one), live(&other)]);
    let (a, b) = tokio::join!(
        add(&stage.bucket, &stage.keys, &summaries[0], &lives[0]),
        add(&stage.bucket, &stage.keys, &summaries[1], &lives[1]),
    );
    a.unwrap();
    b.unwrap();
    assert_eq!(read(&stage.bucket, &stage.keys).await.unwrap().0.runs.len(), 2);
}

/// A cache: what cannot be read is made anew.
#[tokio::test(start_paused = true)]
async fn a_head_that_is_not_one_is_replaced() {
    let stage = Stage::new().await;
    stage.overwrite(&stage.keys.head(), "hello").await;
    add(&stage.bucket, &stage.keys, &summary(run('a')), &live(&run('a'))).await.unwrap();
    assert_eq!(read(&stage.bucket, &stage.keys).await.unwrap().0.runs.len(), 1);
}
