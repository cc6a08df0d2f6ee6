//! Appending, reading back, being fenced, and journals that somebody touched.

use super::stage::{Stage, at, run, started};
use crate::event::record::Record;
use crate::store::journal::{Append, Journal};
use ::sandbox::faults::{Action, When};

async fn open(stage: &Stage) -> (Journal, Vec<u64>) {
    let (journal, envelopes) = Journal::open(&stage.bucket, &stage.keys, &run('a')).await.unwrap();
    (journal, envelopes.iter().map(|envelope| envelope.seq).collect())
}

/// A journal with three entries of one, two and one records.
async fn written() -> (Stage, Journal) {
    let stage = Stage::new().await;
    let (mut journal, _) = open(&stage).await;
    for (seq, records) in [vec![started(1)], vec![started(1), started(1)], vec![started(2)]].iter().enumerate() {
        let seq = seq as u64;
        assert_eq!(journal.append(at(60), seq, records).await.unwrap(), Append::Done(seq));
    }
    (stage, journal)
}

fn entry(stage: &Stage, seq: u64) -> String {
    stage.keys.journal_entry(&run('a'), seq)
}

#[tokio::test(start_paused = true)]
async fn what_was_written_is_read_back_in_order() {
    let (stage, journal) = written().await;
    let (read, envelopes) = Journal::open(&stage.bucket, &stage.keys, &run('a')).await.unwrap();
    let read_back: Vec<(u64, &Record)> = envelopes.iter().map(|envelope| (envelope.seq, &envelope.record)).collect();
    let (one, two) = (started(1), started(2));
    assert_eq!(read_back, [(0, &one), (1, &one), (1, &one), (2, &two)]);
    assert!(envelopes.iter().all(|envelope| envelope.at == at(60) && envelope.run == run('a')));
    assert_eq!(read.head(), journal.head());
    assert_eq!(read.head().len(), 64);
}

#[tokio::test(start_paused = true)]
async fn many_entries_are_read_in_order() {
    let stage = Stage::new().await;
    let (mut journal, _) = open(&stage).await;
    for seq in 0..30 {
        assert_eq!(journal.append(at(0), 1, &[started(seq)]).await.unwrap(), Append::Done(seq));
    }
    assert_eq!(open(&stage).await.1, (0..30).collect::<Vec<u64>>());
}

#[tokio::test(start_paused = true)]
async fn the_second_writer_of_a_number_is_fenced_and_can_catch_up() {
    let (stage, mut first) = written().await;
    let (mut second, _) = open(&stage).await;
    assert_eq!(second.append(at(70), 3, &[started(3)]).await.unwrap(), Append::Done(3));
    assert_eq!(first.append(at(71), 2, &[started(2)]).await.unwrap(), Append::Fenced);
    assert_eq!(first.append(at(72), 2, &[started(2)]).await.unwrap(), Append::Fenced, "again and again");
    let missed = first.catch_up().await.unwrap();
    assert_eq!(missed.iter().map(|it| (it.seq, it.at)).collect::<Vec<_>>(), [(3, at(70))]);
    assert_eq!(first.head(), second.head());
    assert_eq!(first.catch_up().await.unwrap(), []);
    assert_eq!(first.append(at(73), 4, &[started(4)]).await.unwrap(), Append::Done(4));
    assert_eq!(second.append(at(74), 3, &[]).await.unwrap(), Append::Fenced);
}

/// Two drivers at once: one is first.
#[tokio::test(start_paused = true)]
async fn a_race_has_one_winner() {
    let (stage, mut first) = written().await;
    let (mut second, _) = open(&stage).await;
    let (one, other) = ([started(1)], [started(2)]);
    let (one, other) = tokio::join!(first.append(at(0), 1, &one), second.append(at(0), 2, &other));
    let won = [one.unwrap(), other.unwrap()];
    assert!(won.contains(&Append::Fenced) && won.contains(&Append::Done(3)), "{won:?}");
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_somebody_touched_is_not_read() {
    let rewritten = "does not follow from the entry before it: the journal was rewritten";
    for (what, expected) in [
        ("first changed", rewritten),
        ("last changed", ""),
        ("not json", "is not a journal entry"),
        ("empty", "is not a journal entry"),
        ("cut", "is not a journal entry"),
        ("of another run", rewritten),
        ("moved", rewritten),
        ("newer", "has format 7, and this shipit knows 1"),
        ("older", "has format 0, and this shipit knows 1"),
        ("of no time", "is of no time of ours"),
        ("half", "is a part of a turn whose parts before it are not there"),
        ("gap", "journal/00000000000000000001.json: is not there"),
        ("far", "journal/00000000000000000003.json: is not there"),
        ("strangers", ""),
    ] {
        let (stage, _) = written().await;
        let text = |seq| {
            let key = entry(&stage, seq);
            let stage = &stage;
            async move { stage.text(&key).await }
        };
        match what {
            "first changed" => stage.overwrite(&entry(&stage, 0), text(0).await.replace("test", "evil")).await,
            "last changed" => stage.overwrite(&entry(&stage, 2), text(2).await.replace("test", "evil")).await,
            "not json" => stage.overwrite(&entry(&stage, 1), "hello").await,
            "empty" => stage.overwrite(&entry(&stage, 1), "").await,
            "cut" => {
                let half = text(2).await;
                stage.overwrite(&entry(&stage, 2), half[..half.len() / 2].to_owned()).await;
            }
            "of another run" => {
                let other = text(2).await.replace(run('a').to_string().as_str(), run('b').to_string().as_str());
                stage.overwrite(&entry(&stage, 2), other).await;
            }
            "moved" => stage.overwrite(&entry(&stage, 3), text(2).await).await,
            "newer" => stage.overwrite(&entry(&stage, 2), text(2).await.replace("\"v\":1", "\"v\":7")).await,
            "older" => stage.overwrite(&entry(&stage, 2), text(2).await.replace("\"v\":1", "\"v\":0")).await,
            "of no time" => stage.overwrite(&entry(&stage, 2), text(2).await.replace("2026-", "9026-")).await,
            "far" => stage.overwrite(&entry(&stage, 10_000_000_000), text(2).await).await,
            "half" => {
                let half =
                    text(2).await.replace("\"records\"", "\"part\":{\"turn\":\"x\",\"number\":2,\"of\":2},\"records\"");
                stage.overwrite(&entry(&stage, 2), half).await;
            }
            "gap" => {
                stage.bucket.client().delete_object().bucket("acme").key(entry(&stage, 1)).send().await.unwrap();
            }
            _ => {
                for name in
                    ["", "notes.txt", "00000000000000000003", "00000000000000000003.json/x", "000000000000x.json"]
                {
                    stage.overwrite(&format!("{}{name}", stage.keys.journal(&run('a'))), "x").await;
                }
            }
        }
        let opened = Journal::open(&stage.bucket, &stage.keys, &run('a')).await;
        match opened {
            // Only its hash, as it was printed, shows that the last entry is another one.
            Ok((journal, _)) => assert!(expected.is_empty() && journal.head().len() == 64, "{what}"),
            Err(error) => assert!(!expected.is_empty() && error.to_string().contains(expected), "{what}: {error}"),
        }
    }
}

/// A turn of three records of which only two fit into one object, and one that fits into none.
fn long_turn() -> Vec<Record> {
    let long = |size: usize| Record::Detached { why: "x".repeat(size) };
    vec![long(100_000), long(120_000), started(8), long(60_000), long(300_000), started(9)]
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_too_large_for_one_object_has_several() {
    let (stage, mut journal) = written().await;
    let puts = stage.calls("PutObject");
    assert_eq!(journal.append(at(9), 1, &long_turn()).await.unwrap(), Append::Done(6));
    assert_eq!(stage.calls("PutObject") - puts, 4);
    assert_eq!(journal.append(at(9), 1, &[started(1)]).await.unwrap(), Append::Done(7));
    let (read, envelopes) = Journal::open(&stage.bucket, &stage.keys, &run('a')).await.unwrap();
    let turn: Vec<Record> = envelopes[4..].iter().map(|envelope| envelope.record.clone()).collect();
    assert_eq!(turn, [long_turn(), vec![started(1)]].concat());
    let seqs: Vec<u64> = envelopes[4..].iter().map(|envelope| envelope.seq).collect();
    assert_eq!(seqs, [6, 6, 6, 6, 6, 6, 7], "the number of its last part, as its driver was told");
    assert_eq!(read.head(), journal.head());
}

/// A driver that dies between two parts has done nothing because of them: they count for nobody.
#[tokio::test(start_paused = true)]
async fn a_turn_that_broke_off_never_was() {
    for written_parts in 0..=4 {
        let (stage, mut first) = written().await;
        let (mut slow, _) = open(&stage).await;
        first.append(at(9), 1, &long_turn()).await.unwrap();
        for seq in 3 + written_parts..7 {
            stage.bucket.client().delete_object().bucket("acme").key(entry(&stage, seq)).send().await.unwrap();
        }
        let whole: &[u64] = if written_parts == 4 { &[6; 6] } else { &[] };
        let (mut next, seqs) = open(&stage).await;
        assert_eq!(seqs, [&[0, 1, 1, 2], whole].concat(), "{written_parts}");
        // Another driver goes on, with turns of either kind; whoever reads on sees the same.
        let seq = 3 + written_parts;
        assert_eq!(slow.catch_up().await.unwrap().len(), whole.len());
        assert_eq!(next.append(at(10), 2, &[started(2)]).await.unwrap(), Append::Done(seq));
        assert_eq!(next.append(at(11), 2, &long_turn()).await.unwrap(), Append::Done(seq + 4));
        let expected = [vec![started(2)], long_turn()].concat();
        let caught: Vec<Record> = slow.catch_up().await.unwrap().into_iter().map(|it| it.record).collect();
        assert_eq!(caught, expected, "{written_parts}");
        let (read, envelopes) = Journal::open(&stage.bucket, &stage.keys, &run('a')).await.unwrap();
        let read_back: Vec<Record> = envelopes.into_iter().skip(4 + whole.len()).map(|it| it.record).collect();
        assert_eq!(read_back, expected, "{written_parts}");
        assert_eq!([read.head(), slow.head()], [next.head(); 2]);
    }
}

/// Whoever is replaced between two parts of a turn notices at the next part, and writes no more.
#[tokio::test(start_paused = true)]
async fn a_driver_that_is_replaced_within_a_turn_is_fenced() {
    let (stage, mut old) = written().await;
    stage.overwrite(&entry(&stage, 4), "another driver's").await;
    let puts = stage.calls("PutObject");
    assert_eq!(old.append(at(9), 1, &long_turn()).await.unwrap(), Append::Fenced);
    assert_eq!(stage.calls("PutObject") - puts, 2);
}

/// What could not be read back is not written.
#[tokio::test(start_paused = true)]
async fn an_object_that_is_too_large_is_not_written() {
    let (stage, mut journal) = written().await;
    let large = Record::Detached { why: "x".repeat(17 << 20) };
    let error = journal.append(at(0), 1, &[large]).await.unwrap_err();
    assert!(error.to_string().contains("would be larger than 16 MiB"), "{error}");
    assert_eq!(journal.append(at(0), 1, &[started(1)]).await.unwrap(), Append::Done(3));
    assert_eq!(open(&stage).await.1, [0, 1, 1, 2, 3]);
}

/// A store that is gone for a moment is tried again with the same bytes; one that stays away is an error.
#[tokio::test(start_paused = true)]
async fn an_append_outlasts_a_short_silence() {
    for (when, action) in [
        (When::Before, Action::Drop),
        (When::Before, Action::Unavailable(503)),
        (When::Before, Action::Throttle),
        (When::After, Action::Drop),
        (When::After, Action::Unavailable(500)),
    ] {
        let (stage, mut journal) = written().await;
        stage.disturb("PutObject", 10, when, &action);
        assert_eq!(journal.append(at(0), 1, &[started(1)]).await.unwrap(), Append::Done(3), "{when:?} {action:?}");
        assert_eq!(open(&stage).await.1, [0, 1, 1, 2, 3]);
    }
    let (stage, mut journal) = written().await;
    stage.disturb("PutObject", 1000, When::Before, &Action::Drop);
    journal.append(at(0), 1, &[started(1)]).await.unwrap_err();
    stage.sandbox.clear_faults();
    assert_eq!(open(&stage).await.1, [0, 1, 1, 2]);
}
