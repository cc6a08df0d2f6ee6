//! Whatever lies in a store: every reader ends, soon, without a panic, and names an object of it. `SHIPIT_CASES=100000` tries
//! more than the few hundred that a test has time for.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::loading::{plan_text, planned};
use super::stage::{Stage, at, claim_of, holder, run};
use crate::event::decision::Wish;
use crate::event::record::{Cause, Outcome, Record, Side};
use crate::model::{Format, Name, RunId};
use crate::plan::StepId;
use crate::report::status::{LastRun, RunSeen, RunView};
use crate::report::{
    HistoryRow, Invocation, ResultDocument, StatusView, Style, ending, history_text, lines, status_text,
};
use crate::run::next::next;
use crate::run::reads::due;
use crate::run::view::View;
use crate::run::{State, reads};
use crate::store::claims::{self, Owner, Thing};
use crate::store::decisions::Ears;
use crate::store::head::{self, End, Live};
use crate::store::journal::{Journal, hex};
use crate::store::lease::claim;
use crate::store::summary::summarize;
use crate::store::{StoreError, decisions, fsck, lock, runs};

/// Most calls of all readers together; a store this small needs far fewer, even where all has to be read again.
const CALLS_MAX: u64 = 2_000;

/// What is done to an object.
#[derive(Clone, Debug)]
enum Change {
    Bytes(Vec<u8>),
    Cut(usize),
    Flip(usize, u8),
    Becomes(&'static str),
    Like(usize),
    /// A value somewhere in the document; with `true` the hashes are made to fit, as whoever wrote it would have.
    Value(usize, usize, bool),
    Gone,
}

/// Values that no document of ours holds there.
fn values() -> Vec<Value> {
    vec![
        json!(null),
        json!(0),
        json!(-1),
        json!(u64::MAX),
        json!(1e308),
        json!(""),
        json!("\u{0}\u{1b}[2J\u{202e}"),
        json!("9999-12-30T22:00:00.999999999Z"),
        json!("-009999-01-02T01:59:59Z"),
        json!("366d"),
        json!("0m"),
        json!("100%"),
        json!([]),
        json!({}),
        json!([{}, {}]),
        json!(true),
        json!("x".repeat(5000)),
        json!("create"),
        json!("restore"),
        json!(usize::MAX),
        json!(u32::MAX),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        2 => vec(any::<u8>(), 0..200).prop_map(Change::Bytes),
        2 => any::<usize>().prop_map(Change::Cut),
        3 => (any::<usize>(), 0..8_u8).prop_map(|(place, bit)| Change::Flip(place, bit)),
        2 => prop::sample::select(vec!["", "{}", "[]", "null", "0", "{\"v\":1}", "{\"v\":2}", "{\"v\":1e400}", "\u{feff}{}"])
            .prop_map(Change::Becomes),
        2 => any::<usize>().prop_map(Change::Like),
        8 => (any::<usize>(), any::<usize>(), any::<bool>()).prop_map(|(place, value, fits)| Change::Value(place, value, fits)),
        1 => Just(Change::Gone),
    ]
}

/// A store as it is on a busy day: a run that is over, one under way, one that never began.
async fn furnished() -> (Stage, Vec<(String, Bytes)>) {
    let stage = Stage::new().await;
    let (bucket, keys) = (&stage.bucket, &stage.keys);
    let plan = plan_text(keys);
    let web = Name::new("web").unwrap();
    for letter in ['a', 'b', 'c'] {
        stage.overwrite(&keys.plan(&run(letter)), plan.clone()).await;
    }
    let begun = |step: &str| Record::StepStarted { target: web.clone(), step: StepId::from(step) };
    let cause = Cause::new(Side::Condition, "alarm storefront-5xx is red");
    let back = Record::RollBackBegan { cause, targets: vec![web.clone()] };
    let ended = Record::RunEnded { outcome: Outcome::RolledBack, live: BTreeMap::new() };
    let (mut journal, _) = Journal::open(bucket, keys, &run('a')).await.unwrap();
    journal.append(at(0), 1, &[planned(&plan), begun("create")]).await.unwrap();
    for second in 1..11 {
        let watched = Record::Watched { target: web.clone(), step: "bake".into(), seconds: second };
        journal.append(at(60), 1, &[watched]).await.unwrap();
    }
    journal.append(at(90), 1, &[back, ended]).await.unwrap();
    let over = runs::load(bucket, keys, &run('a')).await.unwrap().unwrap();
    let (summary, live) = summarize(&over.plan, &over.state);
    head::add(bucket, keys, (&summary, End::of(&over.journal)), &live).await.unwrap();
    claim(bucket, keys, &claim_of('b'), &holder("ann")).await.unwrap();
    let (mut journal, _) = Journal::open(bucket, keys, &run('b')).await.unwrap();
    journal
        .append(at(100), 1, &[planned(&plan), Record::DriverStarted { token: 1, holder: "ann".into() }])
        .await
        .unwrap();
    journal.append(at(110), 1, &[begun("create"), begun("reroute"), begun("bake")]).await.unwrap();
    decisions::leave(bucket, keys, &run('b'), &Wish::Abort, "ann", at(120)).await.unwrap();
    for (thing, ships) in claims::wanted(&over.plan, |lane| Live {
        release: "v2".into(),
        revision: lane.revision.clone(),
        run: run('b'),
        since: at(100),
        origin: None,
    }) {
        let (pipeline, environment) = (over.plan.pipeline.clone(), over.plan.environment.clone());
        let owner = Owner { pipeline, environment, claim: claim_of('b'), ships };
        assert_eq!(claims::take(bucket, keys, &thing, &owner, None).await.unwrap(), None);
    }
    let mut objects = Vec::new();
    for key in bucket.list("team/").await.unwrap() {
        objects.push((key.clone(), bucket.get(&key).await.unwrap().unwrap().bytes));
    }
    (stage, objects)
}

/// The paths of all values in a document that hold nothing else.
fn places(value: &Value, path: &str, found: &mut Vec<String>) {
    let mut each = |name: &str, value: &Value| places(value, &format!("{path}/{name}"), found);
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| each(&name.replace('~', "~0").replace('/', "~1"), value))
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(place, value)| each(&place.to_string(), value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    found.push(path.to_owned());
}

/// An object after a change; nothing if it is gone.
fn changed(objects: &[(String, Bytes)], place: usize, change: &Change) -> Option<Vec<u8>> {
    let body = objects[place].1.to_vec();
    Some(match change {
        Change::Bytes(bytes) => bytes.clone(),
        Change::Cut(at) => body[..at % (body.len() + 1)].to_vec(),
        Change::Flip(at, bit) => {
            let mut body = body;
            let at = at % body.len();
            body[at] ^= 1 << bit;
            body
        }
        Change::Becomes(text) => text.as_bytes().to_vec(),
        Change::Like(other) => objects[other % objects.len()].1.to_vec(),
        Change::Value(at, value, _) => {
            let mut document: Value = serde_json::from_slice(&body).unwrap();
            let mut found = Vec::new();
            places(&document, "", &mut found);
            let (values, path) = (values(), &found[at % found.len()]);
            *document.pointer_mut(path).unwrap() = values[value % values.len()].clone();
            document.to_string().into_bytes()
        }
        Change::Gone => return None,
    })
}

/// Makes all hashes fit that a change has broken: of plans in first entries, of entries in those after them. Packs and the
/// head are taken away, because they would contradict.
async fn fit(stage: &Stage, letter: char) {
    let (bucket, keys) = (&stage.bucket, &stage.keys);
    let Ok(Some(plan)) = bucket.get(&keys.plan(&run(letter))).await else { return };
    let digest = hex(&Sha256::digest(&plan.bytes));
    let mut prev = String::new();
    for seq in 0..20 {
        let key = keys.journal_entry(&run(letter), seq);
        let Ok(Some(object)) = bucket.get(&key).await else { break };
        let Ok(mut entry) = serde_json::from_slice::<Value>(&object.bytes) else { break };
        if !entry.is_object() {
            break;
        }
        entry["prev"] = json!(prev);
        if seq == 0 && entry.pointer("/records/0/plan").is_some() {
            entry["records"][0]["plan"] = json!(digest);
        }
        let body = entry.to_string();
        prev = hex(&Sha256::digest(&body));
        stage.overwrite(&key, body).await;
    }
    for key in bucket.list(&keys.packs(&run(letter))).await.unwrap_or_default() {
        bucket.client().delete_object().bucket("acme").key(key).send().await.unwrap();
    }
}

/// What a reader says must be of an object in this store.
fn named<T>(got: Result<T, StoreError>) -> Option<T> {
    match got {
        Ok(got) => Some(got),
        Err(error) => {
            let (bucket, key) = error.object().unwrap_or_else(|| panic!("the fault of AWS: {error}"));
            assert!(bucket == "acme" && key.starts_with("team/"), "{error}");
            assert!(error.to_string().len() < 4000 && !error.to_string().contains('\u{1b}'), "{error}");
            None
        }
    }
}

/// What all reading commands do.
async fn read_all(stage: &Stage) {
    let (bucket, keys, now) = (&stage.bucket, &stage.keys, stage.clock.now());
    let invocation = Invocation::new("shop", "production");
    let mut rows = Vec::new();
    for name in bucket.folders(&keys.runs()).await.unwrap() {
        let Ok(id) = RunId::parse(&name) else { continue };
        let Some(Some(run)) = named(runs::load(bucket, keys, &id).await) else { continue };
        rows.push(HistoryRow::of(&run.plan, &run.state));
        let mut state = State::new(id.clone(), &run.plan);
        for envelope in &run.envelopes {
            lines(&run.plan, &state, envelope).iter().for_each(|line| drop(line.render(&Style::PLAIN)));
            state.apply(&run.plan, envelope.at, &envelope.record);
        }
        let (plan, state) = (&run.plan, &run.state);
        ending(plan, state, &invocation, false, Style::PLAIN);
        ResultDocument::of_run("deploy", plan, state, 0, None).text();
        let seen = RunSeen { plan, state, view: None };
        let view = RunView::of(seen, None, &invocation, now);
        let (pipeline, environment) = (plan.pipeline.clone(), plan.environment.clone());
        let (targets, notes) = (Vec::new(), Vec::new());
        status_text(
            &StatusView {
                v: Format::NOW,
                at: now,
                pipeline,
                environment,
                targets,
                run: Some(view),
                unread: None,
                last: LastRun::of(seen, &invocation),
                notes,
            },
            Style::PLAIN,
        );
        let mut view = View::new(plan);
        view.account(plan, state, now);
        due(plan, state, &view, now);
        reads::blind(plan, state, &mut view, now);
        let mut ears = Ears::default();
        named(ears.listen(bucket, keys, &id, &["abort".to_owned()]).await);
        next(plan, state, &view, ears.heard(), now);
        summarize(plan, state);
        let things: Vec<Thing> = plan.lanes().filter_map(|lane| Thing::of_lane(plan, lane)).collect();
        named(claims::look(bucket, keys, things).await);
    }
    history_text(&rows, now, Style::PLAIN);
    named(head::read(bucket, keys).await);
    if let Some(seen) = named(lock::read(bucket, keys).await)
        && let Some(claim) = seen.lock.claim
    {
        named(claims::standing(bucket, keys, &claim.run).await);
    }
    let found = fsck::check(bucket, keys, now, false).await.unwrap();
    assert!(found.findings.iter().all(|it| it.key.starts_with("team/")));
}

#[test]
fn whatever_lies_in_a_store_is_read_or_named() {
    let cases = std::env::var("SHIPIT_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(60);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let (stage, objects) = runtime.block_on(furnished());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = match std::env::var_os("SHIPIT_CASES") {
        Some(_) => TestRng::from_seed(RngAlgorithm::ChaCha, &[fastrand::u8(..); 32]),
        None => TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    };
    let mut runner = TestRunner::new_with_rng(config, rng);
    runner
        .run(&vec((any::<usize>(), change()), 1..3), |changes| {
            runtime.block_on(async {
                // First of all, because a case that failed has not come to its end.
                for (key, body) in &objects {
                    if stage.bucket.get(key).await.ok().flatten().is_none_or(|object| object.bytes != *body) {
                        stage.overwrite(key, body.clone()).await;
                    }
                }
                for (place, change) in &changes {
                    let place = place % objects.len();
                    let (key, _) = &objects[place];
                    match changed(&objects, place, change) {
                        Some(body) => stage.overwrite(key, body).await,
                        None => {
                            drop(stage.bucket.client().delete_object().bucket("acme").key(key).send().await.unwrap())
                        }
                    }
                    if matches!(change, Change::Value(_, _, true)) {
                        fit(&stage, 'a').await;
                        fit(&stage, 'b').await;
                    }
                }
                let calls = |stage: &Stage| stage.calls("GetObject") + stage.calls("ListObjectsV2");
                let before = calls(&stage);
                read_all(&stage).await;
                assert!(calls(&stage) - before < CALLS_MAX, "{} calls", calls(&stage) - before);
            });
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}
