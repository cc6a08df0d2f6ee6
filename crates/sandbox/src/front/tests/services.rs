//! Every protocol finds its service.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_smithy_types::byte_stream::ByteStream;

use super::*;

#[tokio::test(start_paused = true)]
async fn who_am_i() {
    let (_, _, config) = with_user();
    let identity = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await.unwrap();
    assert_eq!(identity.account(), Some(ACCOUNT));
    assert_eq!(identity.arn(), Some("arn:aws:iam::111122223333:user/ann"));
    assert!(identity.user_id().unwrap().starts_with("AIDA"));
}

#[tokio::test(start_paused = true)]
async fn a_role_acts_in_its_own_account_until_its_session_ends() {
    let (sandbox, user, config) = with_user();
    let sts = aws_sdk_sts::Client::new(&config);
    let role = "arn:aws:iam::444455556666:role/path/ship";
    let session = sts.assume_role().role_arn(role).role_session_name("s1").duration_seconds(900).send().await.unwrap();
    let role = session.credentials().unwrap().clone();
    let config =
        super::config(&sandbox, role.access_key_id(), role.secret_access_key(), Some(role.session_token().into()));
    let sts = aws_sdk_sts::Client::new(&config);
    let identity = sts.get_caller_identity().send().await.unwrap();
    assert_eq!(identity.arn(), Some("arn:aws:sts::444455556666:assumed-role/ship/s1"));
    assert_eq!(identity.account(), Some("444455556666"));
    assert_eq!(identity.user_id(), session.assumed_role_user().map(|user| user.assumed_role_id()));
    assert_eq!(sandbox.calls(user.access_key_id())["sts:GetCallerIdentity"], 1, "the session counts for the user");

    tokio::time::sleep(std::time::Duration::from_secs(901)).await;
    let error = sts.get_caller_identity().send().await.unwrap_err();
    assert_eq!(error.code(), Some("ExpiredToken"));
    let error = s3(&config).list_buckets().send().await.unwrap_err();
    assert_eq!(error.code(), Some("ExpiredToken"));
    let error = aws_sdk_codedeploy::Client::new(&config).list_applications().send().await.unwrap_err();
    assert_eq!(error.code(), Some("ExpiredTokenException"));
}

#[tokio::test(start_paused = true)]
async fn a_role_is_checked() {
    let (_, _, config) = with_user();
    let sts = aws_sdk_sts::Client::new(&config);
    for (arn, name, seconds) in [
        ("nonsense", "ok", 900),
        ("arn:aws:iam::1:role/x", "ok", 900),
        ("arn:aws:iam::444455556666:role/x", "a b", 900),
        ("arn:aws:iam::444455556666:role/x", "ok", 899),
    ] {
        let call = sts.assume_role().role_arn(arn).role_session_name(name).duration_seconds(seconds).send().await;
        assert_eq!(call.unwrap_err().code(), Some("ValidationError"), "{arn} {name} {seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_operations_are_refused_in_the_words_of_each_family() {
    let (_, _, config) = with_user();
    let json = aws_sdk_codedeploy::Client::new(&config).list_git_hub_account_token_names().send().await.unwrap_err();
    assert_eq!(json.code(), Some("UnknownOperationException"));
    let query =
        aws_sdk_sts::Client::new(&config).get_access_key_info().access_key_id("AKIAAAAAAAAAAAAAAAAA").send().await;
    let query = query.unwrap_err();
    assert_eq!(query.code(), Some("InvalidAction"));
    assert_eq!(query.message(), Some("Could not find operation GetAccessKeyInfo for version 2011-06-15"));
    let cbor = aws_sdk_cloudwatch::Client::new(&config).list_dashboards().send().await.unwrap_err();
    assert_eq!(cbor.code(), Some("UnknownOperationException"));
}

#[tokio::test(start_paused = true)]
async fn s3_stores_and_gives_back() {
    let (_, client) = with_bucket().await;
    let put = client.put_object().bucket("bkt").key("a b/ü//x+y=.zip").metadata("k", "v");
    let put = put.body(ByteStream::from_static(b"hello")).send().await.unwrap();
    assert_eq!(put.e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    assert!(put.checksum_crc32().is_some());
    let got = client.get_object().bucket("bkt").key("a b/ü//x+y=.zip").send().await.unwrap();
    assert_eq!(got.metadata().unwrap()["k"], "v");
    assert_eq!(got.last_modified().unwrap().secs(), 1_893_456_000, "world time");
    assert_eq!(got.body.collect().await.unwrap().into_bytes(), "hello");
    let error = client.head_object().bucket("bkt").key("nope").send().await.unwrap_err();
    assert!(error.as_service_error().unwrap().is_not_found());
    let error = client.get_object().bucket("bkt").key("nope").send().await.unwrap_err();
    assert_eq!(error.code(), Some("NoSuchKey"));
    let error = client.get_object().bucket("nope").key("k").send().await.unwrap_err();
    assert_eq!(error.code(), Some("NoSuchBucket"));
}
