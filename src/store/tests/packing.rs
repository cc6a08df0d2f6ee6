//! Long journals, packed: read with few calls, and never believed where the entries say otherwise.

use super::stage::{Stage, at, run, started};
use crate::store::journal::{Append, Journal};

async fn written(length: u64) -> (Stage, Journal) {
    let stage = Stage::new().await;
    let (mut journal, _) = Journal::open(&stage.bucket, &stage.keys, &run('a')).await.unwrap();
    for seq in 0..length {
        assert_eq!(journal.append(at(0), 1, &[started(seq)]).await.unwrap(), Append::Done(seq));
    }
    (stage, journal)
}

/// How many calls it takes to read a journal whole.
async fn calls_to_read(stage: &Stage, journal: &Journal) -> u64 {
    let calls = |stage: &Stage| stage.calls("GetObject") + stage.calls("ListObjectsV2");
    let before = calls(stage);
    let (read, envelopes) = Journal::open(&stage.bucket, &stage.keys, &run('a')).await.unwrap();
    assert_eq!((read.head(), read.length()), (journal.head(), journal.length()));
    assert!(envelopes.iter().enumerate().all(|(place, envelope)| envelope.seq == place as u64));
    calls(stage) - before
}

#[tokio::test(start_paused = true)]
async fn a_long_journal_is_read_with_few_calls() {
    for (length, most) in [(1, 2), (9, 10), (10, 11), (11, 3), (100, 20), (1034, 12)] {
        let (stage, journal) = written(length).await;
        let calls = calls_to_read(&stage, &journal).await;
        assert!(calls <= most, "{calls} calls for {length} entries");
    }
}

/// Whoever takes over in the middle packs on.
#[tokio::test(start_paused = true)]
async fn the_next_driver_packs_what_the_last_one_wrote() {
    let (stage, _) = written(95).await;
    let (mut next, _) = Journal::open(&stage.bucket, &stage.keys, &run('a')).await.unwrap();
    for seq in 95..102 {
        assert_eq!(next.append(at(0), 2, &[started(seq)]).await.unwrap(), Append::Done(seq));
    }
    assert!(stage.bucket.get(&stage.keys.pack(&run('a'), 100, 0)).await.unwrap().is_some());
    assert!(calls_to_read(&stage, &next).await <= 4);
}

/// A pack that is missing, broken, of another place or forged costs calls and nothing else.
#[tokio::test(start_paused = true)]
async fn a_pack_is_believed_as_far_as_it_is_proved() {
    for (what, body) in [
        ("gone", None),
        ("no json", Some("hello".to_owned())),
        ("empty", Some("{}".to_owned())),
        ("newer", Some(String::new())),
        ("other", Some(String::new())),
        ("forged", Some(String::new())),
    ] {
        let (stage, journal) = written(25).await;
        let key = stage.keys.pack(&run('a'), 10, 0);
        let text = stage.text(&key).await;
        let body = match what {
            "newer" => Some(text.replacen("\"v\":1", "\"v\":2", 1)),
            "other" => {
                Some(stage.text(&stage.keys.pack(&run('a'), 10, 10)).await.replace("\"first\":10", "\"first\":0"))
            }
            "forged" => Some(text.replace("\\\"holder\\\":\\\"test\\\"", "\\\"holder\\\":\\\"evil\\\"")),
            _ => body,
        };
        assert_ne!(body.as_ref(), Some(&text), "{what}");
        match body {
            Some(body) => stage.overwrite(&key, body).await,
            None => {
                stage.bucket.client().delete_object().bucket("acme").key(&key).send().await.unwrap();
            }
        }
        assert!(calls_to_read(&stage, &journal).await >= 12, "{what}");
    }
}

/// A pack that cannot be written holds nobody up.
#[tokio::test(start_paused = true)]
async fn a_journal_goes_on_without_packs() {
    use ::sandbox::faults::Action;
    let stage = Stage::new().await;
    stage.disturb_all("PutObject", "/packs/", Action::Drop);
    let (mut journal, _) = Journal::open(&stage.bucket, &stage.keys, &run('a')).await.unwrap();
    for seq in 0..25 {
        assert_eq!(journal.append(at(0), 1, &[started(seq)]).await.unwrap(), Append::Done(seq));
    }
    calls_to_read(&stage, &journal).await;
    assert!(stage.bucket.list(&stage.keys.packs(&run('a'))).await.unwrap().is_empty());
}
