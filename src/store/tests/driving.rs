//! Claim and lease: who owns an environment, who drives, and how that changes hands.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::stage::{Stage, claim_of, holder, run};
use crate::store::Lease;
use crate::store::holder::Holder;
use crate::store::lease::{BEAT, LAPSE, Taking, claim, take_over};
use crate::store::lock::{Lock, Seen, read, write};
use ::sandbox::faults::{Action, When};

async fn claimed(stage: &Stage, who: &str) -> Lease {
    match claim(&stage.bucket, &stage.keys, &claim_of('a'), &holder(who)).await.unwrap() {
        Taking::Taken(lease) => *lease,
        other => panic!("{other:?}"),
    }
}

async fn taking(stage: &Stage, who: &str, patience: Duration) -> Taking {
    take_over(&stage.bucket, &stage.keys, &run('a'), &holder(who), patience).await.unwrap()
}

async fn lock(stage: &Stage) -> Lock {
    read(&stage.bucket, &stage.keys).await.unwrap().lock
}

fn told(taking: &Taking) -> String {
    match taking {
        Taking::Taken(lease) => format!("taken, token {}", lease.token()),
        Taking::Claimed(claim, held) => {
            format!("claimed by {}, driven by {}", claim.run, held.as_ref().map_or("nobody", |held| &held.holder.who))
        }
        Taking::Driven(held) => format!("driven by {}", held.holder.who),
        Taking::Unclaimed => "unclaimed".to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn an_environment_belongs_to_one_unfinished_run() {
    let stage = Stage::new().await;
    let lease = claimed(&stage, "ann").await;
    assert_eq!(lease.token(), 1);
    let other = claim(&stage.bucket, &stage.keys, &claim_of('b'), &holder("bob")).await.unwrap();
    assert_eq!(told(&other), "claimed by 20261121-090000-aaaa, driven by ann");
    lease.release(false).await.unwrap();
    let other = claim(&stage.bucket, &stage.keys, &claim_of('b'), &holder("bob")).await.unwrap();
    assert_eq!(told(&other), "claimed by 20261121-090000-aaaa, driven by nobody", "paused is not over");
    let Taking::Taken(lease) = taking(&stage, "eve", Duration::ZERO).await else { panic!() };
    assert_eq!(lease.token(), 2);
    lease.release(true).await.unwrap();
    assert_eq!(told(&taking(&stage, "eve", Duration::ZERO).await), "unclaimed");
    let next = claim(&stage.bucket, &stage.keys, &claim_of('b'), &holder("bob")).await.unwrap();
    assert_eq!(told(&next), "taken, token 3", "tokens only grow");
}

#[tokio::test(start_paused = true)]
async fn a_race_for_a_claim_has_one_winner() {
    let stage = Stage::new().await;
    let (a, b) = (claim_of('a'), claim_of('b'));
    let (ann, bob) = (holder("ann"), holder("bob"));
    let (one, other) =
        tokio::join!(claim(&stage.bucket, &stage.keys, &a, &ann), claim(&stage.bucket, &stage.keys, &b, &bob));
    let mut both = [told(&one.unwrap()), told(&other.unwrap())];
    both.sort();
    assert!(both[0].starts_with("claimed by") && both[1] == "taken, token 1", "{both:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_driver_is_replaced_after_a_minute() {
    let stage = Stage::new().await;
    let mut old = claimed(&stage, "ann").await;
    let guard = old.guard();
    let began = Instant::now();
    assert_eq!(told(&taking(&stage, "bob", Duration::from_secs(3)).await), "driven by ann");
    assert!(began.elapsed() < Duration::from_secs(10));
    let began = Instant::now();
    let Taking::Taken(new) = taking(&stage, "bob", LAPSE + BEAT).await else { panic!() };
    assert!(began.elapsed() >= LAPSE && began.elapsed() < LAPSE + BEAT, "{:?}", began.elapsed());
    assert_eq!(new.token(), 2);
    assert!(guard.check().is_err(), "long before the lapse");
    assert!(!guard.is_lost(), "it does not know yet");
    assert!(!old.beat().await.unwrap());
    assert!(guard.is_lost());
    old.release(true).await.unwrap();
    let lock = lock(&stage).await;
    assert_eq!(
        (lock.lease.unwrap().holder.who, lock.claim.unwrap().run),
        ("bob".to_owned(), run('a')),
        "not theirs to give"
    );
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_beats_is_left_alone() {
    let stage = Stage::new().await;
    let mut lease = claimed(&stage, "ann").await;
    let guard = lease.guard();
    let beating = async {
        for _ in 0..12 {
            sleep(BEAT).await;
            assert!(lease.beat().await.unwrap());
            assert!(guard.check().is_ok());
        }
    };
    let (taking, ()) = tokio::join!(taking(&stage, "bob", LAPSE + BEAT), beating);
    assert_eq!(told(&taking), "driven by ann");
    assert_eq!(lock(&stage).await.token, 1);
}

/// A process of this machine that is gone need not be waited for.
#[tokio::test(start_paused = true)]
async fn a_driver_that_is_surely_gone_is_replaced_at_once() {
    let stage = Stage::new().await;
    let mut gone = Holder::this_process("ann");
    let Some(birth) = &mut gone.birth else { return };
    birth.push('0');
    assert!(matches!(claim(&stage.bucket, &stage.keys, &claim_of('a'), &gone).await.unwrap(), Taking::Taken(_)));
    let began = Instant::now();
    assert_eq!(told(&taking(&stage, "bob", Duration::ZERO).await), "taken, token 2");
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_lost_its_claim_is_not_driven() {
    let stage = Stage::new().await;
    assert_eq!(told(&taking(&stage, "bob", Duration::ZERO).await), "unclaimed");
    let Taking::Taken(_other) = claim(&stage.bucket, &stage.keys, &claim_of('b'), &holder("eve")).await.unwrap() else {
        panic!()
    };
    let expected = "claimed by 20261121-090000-bbbb, driven by eve";
    assert_eq!(told(&taking(&stage, "bob", Duration::ZERO).await), expected);
}

/// The beat took effect, its answer and every look after it were lost: the next beat finds its own.
#[tokio::test(start_paused = true)]
async fn a_beat_that_was_lost_altogether_costs_nothing() {
    let stage = Stage::new().await;
    let mut lease = claimed(&stage, "ann").await;
    stage.disturb("PutObject", 4, When::After, &Action::Drop);
    stage.disturb_all("GetObject", "lock.json", Action::Drop);
    lease.beat().await.unwrap_err();
    stage.sandbox.clear_faults();
    assert!(lease.beat().await.unwrap());
    assert!(lease.beat().await.unwrap());
    assert!(!lease.guard().is_lost());
    stage.disturb("PutObject", 4, When::After, &Action::Drop);
    stage.disturb_all("GetObject", "lock.json", Action::Drop);
    lease.beat().await.unwrap_err();
    stage.sandbox.clear_faults();
    lease.release(true).await.unwrap();
    let lock = lock(&stage).await;
    assert_eq!((lock.claim, lock.lease, lock.token), (None, None, 1));
}

#[tokio::test(start_paused = true)]
async fn a_guard_is_as_old_as_the_last_good_write() {
    let stage = Stage::new().await;
    let mut lease = claimed(&stage, "ann").await;
    let guard = lease.guard();
    for (wait, is_fresh) in [(0, true), (19, true), (1, false), (100, false)] {
        sleep(Duration::from_secs(wait)).await;
        assert_eq!(guard.check().is_ok(), is_fresh, "{wait} s later");
    }
    assert_eq!(guard.check().unwrap_err(), "the lease was not renewed for 120 s");
    assert!(lease.beat().await.unwrap());
    assert!(guard.check().is_ok());
    lease.release(false).await.unwrap();
    assert_eq!(guard.check().unwrap_err(), "the lease was given back");
}

/// What counts is when the write began: its answer may have taken a while.
#[tokio::test(start_paused = true)]
async fn a_slow_beat_renews_from_its_beginning() {
    let stage = Stage::new().await;
    let mut lease = claimed(&stage, "ann").await;
    let guard = lease.guard();
    stage.disturb("PutObject", 1, When::After, &Action::Hold);
    let beat = async {
        assert!(lease.beat().await.unwrap());
    };
    let slowly = async {
        stage.sandbox.held().await;
        sleep(Duration::from_secs(14)).await;
        stage.sandbox.release();
    };
    tokio::join!(beat, slowly);
    sleep(Duration::from_secs(7)).await;
    assert_eq!(guard.check().unwrap_err(), "the lease was not renewed for 21 s");
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_is_not_one_stops_everybody() {
    let stage = Stage::new().await;
    for (text, expected) in [("hello", "is not a lock"), ("{\"v\":9,\"token\":1,\"nonce\":\"\"}", "has format 9")] {
        stage.overwrite(&stage.keys.lock(), text).await;
        let error = claim(&stage.bucket, &stage.keys, &claim_of('a'), &holder("ann")).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

/// A lock that somebody deleted is nobody's: who drove loses it, and writes nothing.
#[tokio::test(start_paused = true)]
async fn a_lock_that_was_deleted_is_lost() {
    let stage = Stage::new().await;
    let mut lease = claimed(&stage, "ann").await;
    let before = read(&stage.bucket, &stage.keys).await.unwrap();
    stage.bucket.client().delete_object().bucket("acme").key(stage.keys.lock()).send().await.unwrap();
    assert!(!lease.beat().await.unwrap());
    assert!(lease.guard().is_lost());
    assert_eq!(read(&stage.bucket, &stage.keys).await.unwrap(), Seen::default());
    assert_eq!(write(&stage.bucket, &stage.keys, &before, &before.lock).await.unwrap(), None);
}
