//! Trouble on request.

use std::time::Duration;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::*;
use crate::faults::{Kind, Target, When};

fn target(operation: &str, nth: u64, when: When, action: Action) -> Kind {
    let (service, resource) = (String::new(), String::new());
    Kind::Target(Target { service, operation: operation.to_owned(), resource, nth, when, action })
}

#[tokio::test(start_paused = true)]
async fn throttling_in_the_words_of_each_family() {
    let (sandbox, user, config) = with_user();
    sandbox.add_fault(Rule { caller: Some(user.access_key_id().to_owned()), kind: Kind::Throttle(100.0) });
    let other = sandbox.add_user(ACCOUNT, "bob");
    let other = super::config(&sandbox, &other.access_key_id, &other.secret, None);
    let s3_error = s3(&config).list_buckets().send().await.unwrap_err();
    assert_eq!((s3_error.raw_response().unwrap().status().as_u16(), s3_error.code()), (503, Some("SlowDown")));
    let json = aws_sdk_codedeploy::Client::new(&config).list_applications().send().await.unwrap_err();
    assert_eq!((json.raw_response().unwrap().status().as_u16(), json.code()), (400, Some("ThrottlingException")));
    let query = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await.unwrap_err();
    assert_eq!((query.raw_response().unwrap().status().as_u16(), query.code()), (400, Some("Throttling")));
    assert_eq!(query.message(), Some("Rate exceeded"));
    let cbor = aws_sdk_cloudwatch::Client::new(&config).list_dashboards().send().await.unwrap_err();
    assert_eq!(cbor.code(), Some("Throttling"));
    s3(&other).list_buckets().send().await.unwrap();
    assert_eq!(sandbox.faults_hit(), 4);
    sandbox.clear_faults();
    s3(&config).list_buckets().send().await.unwrap();
    assert_eq!(sandbox.calls(user.access_key_id())["s3:ListBuckets"], 2);
}

/// How 400 puts end under `api-errors`, and how many of the failed ones took effect.
async fn weather(percent: f64) -> (Vec<String>, usize) {
    let (sandbox, client) = with_bucket().await;
    sandbox.add_fault(Rule { caller: None, kind: Kind::ApiErrors(percent) });
    let mut ends = Vec::new();
    for n in 0..400 {
        let put = client.put_object().bucket("bkt").key(format!("{n:03}")).send().await;
        ends.push(match put {
            Ok(_) => "ok".to_owned(),
            Err(SdkError::DispatchFailure(_)) => "reset".to_owned(),
            Err(error) => error.raw_response().unwrap().status().as_u16().to_string(),
        });
    }
    sandbox.clear_faults();
    let listed = client.list_objects_v2().bucket("bkt").send().await.unwrap();
    let stored: Vec<&str> = listed.contents().iter().filter_map(|object| object.key()).collect();
    let lost = (0..400).filter(|n| ends[*n] != "ok" && stored.contains(&format!("{n:03}").as_str())).count();
    (ends, lost)
}

#[tokio::test(start_paused = true)]
async fn api_errors_are_a_mix_and_the_same_each_time() {
    let (ends, lost) = weather(50.0).await;
    let count = |end: &str| ends.iter().filter(|it| *it == end).count();
    assert!((160..240).contains(&count("ok")), "{}", count("ok"));
    for end in ["500", "503", "reset"] {
        assert!(count(end) > 10, "{end} {}", count(end));
    }
    assert!((70..130).contains(&lost), "{lost} of the failed calls took effect");
    assert_eq!(weather(50.0).await.0, ends);
}

#[tokio::test(start_paused = true)]
async fn one_call_is_chosen() {
    let (sandbox, client) = with_bucket().await;
    let error = ApiError::new("ConditionalRequestConflict", "conflict").status(409);
    sandbox.add_fault(Rule { caller: None, kind: target("PutObject", 2, When::Before, Action::Error(error)) });
    sandbox.add_fault(Rule { caller: None, kind: target("PutObject", 3, When::After, Action::Drop) });
    let put = |key: &str| client.put_object().bucket("bkt").key(key).send();
    put("1").await.unwrap();
    assert_eq!(put("2").await.unwrap_err().code(), Some("ConditionalRequestConflict"));
    assert!(matches!(put("3").await.unwrap_err(), SdkError::DispatchFailure(_)));
    put("4").await.unwrap();
    let keys = client.list_objects_v2().bucket("bkt").send().await.unwrap();
    let keys: Vec<_> = keys.contents().iter().filter_map(|object| object.key()).collect();
    assert_eq!(keys, ["1", "3", "4"]);
    let log = sandbox.call_log();
    let line = |call: &Call| (call.operation.clone(), call.resource.clone(), call.fault, call.is_mutating());
    let lines: Vec<_> = log.iter().skip(1).map(line).collect();
    let call =
        |operation: &str, resource: &str, fault, is_mutating| (operation.into(), resource.into(), fault, is_mutating);
    assert_eq!(
        lines,
        [
            call("PutObject", "bkt/1", None, true),
            call("PutObject", "bkt/2", Some("error before"), true),
            call("PutObject", "bkt/3", Some("answer lost"), true),
            call("PutObject", "bkt/4", None, true),
            call("ListObjectsV2", "bkt", None, false),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_is_held() {
    let (sandbox, client) = with_bucket().await;
    for when in [When::Before, When::After] {
        sandbox.add_fault(Rule { caller: None, kind: target("PutObject", 1, when, Action::Hold) });
        let key = format!("{when:?}");
        let put = tokio::spawn(client.put_object().bucket("bkt").key(&key).send());
        sandbox.held().await;
        let is_there = client.head_object().bucket("bkt").key(&key).send().await.is_ok();
        assert_eq!(is_there, when == When::After);
        assert!(!put.is_finished());
        tokio::time::sleep(Duration::from_millis(10)).await;
        sandbox.release();
        put.await.unwrap().unwrap();
        sandbox.clear_faults();
    }
}
