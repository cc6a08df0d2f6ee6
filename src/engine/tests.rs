//! How a driver takes over, lets go, and is replaced. The world is empty but for the bucket.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{Driven, Driver, Pace, Site};
use crate::event::record::{Outcome, Record};
use crate::plan::Plan;
use crate::plan::build::build;
use crate::plan::sample::{fleet, input, name, pipeline};
use crate::probe::Prober;
use crate::run::{Reporters, RunStatus, State};
use crate::store::lease::{Taking, claim};
use crate::store::lock;
use crate::store::tests::stage::{Stage, at, claim_of, holder, run, started};
use crate::store::{Journal, Lease};
use ::sandbox::faults::{Action, When};

fn plan() -> Plan {
    let (pipeline, environment) = (pipeline(), name("production"));
    build(&input(&pipeline, &environment, fleet())).unwrap().plan
}

async fn lease(stage: &Stage, who: &str) -> Lease {
    let taking = claim(&stage.bucket, &stage.keys, &claim_of('a'), &holder(who)).await.unwrap();
    let Taking::Taken(lease) = taking else { panic!("{taking:?}") };
    *lease
}

async fn read(stage: &Stage) -> (Journal, State, Vec<Record>) {
    let (journal, envelopes) = Journal::open(&stage.bucket, &stage.keys, &run('a')).await.unwrap();
    let mut state = State::new(run('a'), &plan());
    envelopes.iter().for_each(|envelope| state.apply(&plan(), envelope.at, &envelope.record));
    (journal, state, envelopes.into_iter().map(|envelope| envelope.record).collect())
}

async fn driver(stage: &Stage, lease: Lease) -> (Driver, watch::Sender<bool>) {
    let (journal, state, _) = read(stage).await;
    let (stop, interrupt) = watch::channel(false);
    let driver = Driver {
        plan: Arc::new(plan()),
        state,
        sites: vec![Site { clients: stage.clients.clone() }],
        prober: Prober::new(stage.http.clone()),
        directory: std::path::PathBuf::new(),
        bucket: stage.bucket.clone(),
        keys: stage.keys.clone(),
        journal,
        lease,
        clock: stage.clock,
        reporters: Reporters::default(),
        pace: Pace::default(),
        interrupt,
        holder: "test".into(),
    };
    (driver, stop)
}

fn over() -> Record {
    Record::RunEnded { outcome: Outcome::RolledBack, live: [].into() }
}

/// Its driver was killed between its last entry and giving the claim back: nothing is written after an end.
#[tokio::test(start_paused = true)]
async fn a_run_that_is_over_is_only_given_back() {
    let stage = Stage::new().await;
    let lease = lease(&stage, "ann").await;
    let (mut journal, ..) = read(&stage).await;
    journal.append(at(0), 1, &[started(1), over()]).await.unwrap();
    let (driver, _stop) = driver(&stage, lease).await;
    let (driven, ..) = driver.drive().await;
    assert_eq!(driven.unwrap(), Driven::Ended(Outcome::RolledBack));
    assert_eq!(read(&stage).await.2, [started(1), over()]);
    let lock = lock::read(&stage.bucket, &stage.keys).await.unwrap().lock;
    assert_eq!((lock.claim, lock.lease), (None, None));
}

/// The last entry of the driver before, sent before the lease changed hands, arrives after the new one has read.
#[tokio::test(start_paused = true)]
async fn the_last_word_of_the_driver_before_is_taken_in() {
    for late in [over(), Record::Detached { why: "late".into() }] {
        let stage = Stage::new().await;
        lease(&stage, "ann").await.release(false).await.unwrap();
        let (mut journal, ..) = read(&stage).await;
        journal.append(at(0), 1, &[started(1)]).await.unwrap();
        let (driver, _stop) = driver(&stage, lease(&stage, "bob").await).await;
        journal.append(at(1), 1, std::slice::from_ref(&late)).await.unwrap();
        let (driven, state, _) = driver.drive().await;
        let (_, fold, records) = read(&stage).await;
        assert_eq!(records[..2], [started(1), late.clone()]);
        assert_eq!(state, fold, "nothing was missed");
        if late == over() {
            assert_eq!((driven.unwrap(), records.len()), (Driven::Ended(Outcome::RolledBack), 2));
        } else {
            // There is no deployment group here, so that the create is refused, and nothing was changed.
            assert_eq!(driven.unwrap(), Driven::Ended(Outcome::Refused));
            assert!(matches!(records[2], Record::DriverStarted { token: 2, .. }), "{records:?}");
        }
    }
}

/// Whoever has written and then finds somebody else's entry has been replaced.
#[tokio::test(start_paused = true)]
async fn a_younger_driver_ends_an_older_one() {
    let stage = Stage::new().await;
    let (driver, _stop) = driver(&stage, lease(&stage, "ann").await).await;
    let (mut other, ..) = read(&stage).await;
    other.append(at(0), 9, &[started(9)]).await.unwrap();
    let (driven, state, _) = driver.drive().await;
    assert_eq!(driven.unwrap(), Driven::Fenced);
    assert_eq!((state.token, read(&stage).await.2), (9, vec![started(9)]));
}

#[tokio::test(start_paused = true)]
async fn whoever_is_interrupted_says_so_and_gives_the_lease_back() {
    let stage = Stage::new().await;
    let (driver, stop) = driver(&stage, lease(&stage, "ann").await).await;
    stop.send(true).unwrap();
    let (driven, state, _) = driver.drive().await;
    assert_eq!(driven.unwrap(), Driven::Detached("interrupted".into()));
    assert_eq!(state.status, RunStatus::Detached);
    let records = read(&stage).await.2;
    assert!(matches!(records[..], [Record::DriverStarted { .. }, Record::Detached { .. }]), "{records:?}");
    let lock = lock::read(&stage.bucket, &stage.keys).await.unwrap().lock;
    assert!(lock.claim.is_some() && lock.lease.is_none());
}

/// A bucket that does not answer any more: the driver lets go of the run, and has changed nothing that is not written.
#[tokio::test(start_paused = true)]
async fn without_a_journal_nothing_is_done() {
    let stage = Stage::new().await;
    let (driver, _stop) = driver(&stage, lease(&stage, "ann").await).await;
    stage.disturb("PutObject", 10_000, When::Before, &Action::Drop);
    let began = tokio::time::Instant::now();
    let (driven, ..) = driver.drive().await;
    let Ok(Driven::Detached(why)) = driven else { panic!("{driven:?}") };
    assert!(why.starts_with("the store cannot be used: s3:PutObject failed"), "{why}");
    assert!(began.elapsed() < Duration::from_secs(120), "{:?}", began.elapsed());
    let calls = stage.sandbox.call_log();
    assert!(calls.iter().all(|call| call.service == "s3"), "no act before its record");
}
