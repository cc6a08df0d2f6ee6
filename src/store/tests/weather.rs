//! Answers that are lost after the effect of each conditional write: every one is recognised as ours.

use bytes::Bytes;

use super::loading::plan_text;
use super::stage::{Stage, at, claim_of, holder, run, started};
use crate::event::decision::Wish;
use crate::plan::Plan;
use crate::run::State;
use crate::store::decisions::leave;
use crate::store::head;
use crate::store::journal::{Append, Journal};
use crate::store::lease::{Taking, claim};
use crate::store::lock;
use crate::store::objects::Put;
use crate::store::summary::summarize;
use ::sandbox::faults::{Action, When};
use ::sandbox::world::ApiError;

/// The first answer is lost and the SDK's own retry meets our write; or all four are.
const LOST: [(u64, Action); 4] =
    [(1, Action::Drop), (4, Action::Drop), (1, Action::Unavailable(500)), (4, Action::Unavailable(503))];

#[tokio::test(start_paused = true)]
async fn objects() {
    for (times, action) in LOST {
        let stage = Stage::new().await;
        let lose = || stage.disturb("PutObject", times, When::After, &action);
        lose();
        let Put::Done(etag) = stage.bucket.put_if_absent("x", Bytes::from("one")).await.unwrap() else { panic!() };
        lose();
        let Put::Done(next) = stage.bucket.put_if_match("x", Bytes::from("two"), &etag).await.unwrap() else {
            panic!()
        };
        stage.sandbox.clear_faults();
        assert_eq!(stage.bucket.get("x").await.unwrap().unwrap().etag, next);
        assert_eq!(stage.bucket.put_if_absent("x", Bytes::from("three")).await.unwrap(), Put::Lost);
        assert_eq!(stage.bucket.put_if_match("x", Bytes::from("three"), &etag).await.unwrap(), Put::Lost);
        assert_eq!(stage.bucket.put_if_match("gone", Bytes::from("three"), &etag).await.unwrap(), Put::Lost);
        assert_eq!(stage.text("x").await, "two");
    }
}

/// Somebody else's write is not taken for ours, even when every answer to us is lost.
#[tokio::test(start_paused = true)]
async fn what_others_wrote_is_theirs() {
    for (times, action) in LOST {
        let stage = Stage::new().await;
        stage.overwrite("x", "theirs").await;
        stage.disturb("PutObject", times, When::After, &action);
        let put = stage.bucket.put_if_absent("x", Bytes::from("ours")).await;
        assert!(!matches!(put, Ok(Put::Done(_))), "{put:?}");
        stage.sandbox.clear_faults();
        assert_eq!(stage.text("x").await, "theirs");
    }
}

/// The SDK does not retry a conflict of two writes under way.
#[tokio::test(start_paused = true)]
async fn conflicts_are_tried_again() {
    let stage = Stage::new().await;
    let conflict = Action::Error(ApiError::new("ConditionalRequestConflict", "conflict").status(409));
    stage.disturb("PutObject", 5, When::Before, &conflict);
    assert!(matches!(stage.bucket.put_if_absent("x", Bytes::from("one")).await.unwrap(), Put::Done(_)));
    stage.disturb("PutObject", 5, When::After, &conflict);
    assert!(matches!(stage.bucket.put_if_absent("y", Bytes::from("one")).await.unwrap(), Put::Done(_)));
    stage.disturb("PutObject", 100, When::Before, &conflict);
    assert_eq!(stage.bucket.put_if_absent("z", Bytes::from("one")).await.unwrap(), Put::Lost);
}

#[tokio::test(start_paused = true)]
async fn everything_that_is_built_on_them() {
    for (times, action) in LOST {
        let stage = Stage::new().await;
        let plan: Plan = serde_json::from_str(&plan_text(&stage.keys)).unwrap();
        let lose = || stage.disturb("PutObject", times, When::After, &action);
        let (bucket, keys) = (&stage.bucket, &stage.keys);
        lose();
        let Taking::Taken(mut lease) = claim(bucket, keys, &claim_of('a'), &holder("ann")).await.unwrap() else {
            panic!("{times} {action:?}")
        };
        assert_eq!(lease.token(), 1);
        lose();
        assert!(lease.beat().await.unwrap());
        let (mut journal, _) = Journal::open(bucket, keys, &run('a')).await.unwrap();
        for seq in 0..3 {
            lose();
            assert_eq!(journal.append(at(0), 1, &[started(1)]).await.unwrap(), Append::Done(seq));
        }
        lose();
        assert!(leave(bucket, keys, &run('a'), &Wish::Abort, "ann", at(0)).await.unwrap());
        let (summary, _) = summarize(&plan, &State::new(run('a'), &plan));
        lose();
        head::add(bucket, keys, (&summary, head::End::of(&journal)), &[].into()).await.unwrap();
        lose();
        lease.release(true).await.unwrap();
        stage.sandbox.clear_faults();
        let (read_back, envelopes) = Journal::open(bucket, keys, &run('a')).await.unwrap();
        assert_eq!((envelopes.len(), read_back.head()), (3, journal.head()));
        let lock = lock::read(bucket, keys).await.unwrap().lock;
        assert_eq!((lock.token, lock.claim, lock.lease), (1, None, None));
        assert!(stage.text(&keys.head()).await.contains(run('a').as_str()));
    }
}
