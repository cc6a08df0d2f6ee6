//! What people leave in the bucket.

use super::stage::{Stage, at, run};
use crate::event::decision::{Decision, Wish};
use crate::model::Name;
use crate::plan::StepId;
use crate::store::StoreError;
use crate::store::decisions::{Ears, leave, needs};
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
