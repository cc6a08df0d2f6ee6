//! REST-JSON finds its service by the path, and its callers are checked like all others.

use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_smithy_types::byte_stream::ByteStream;

use super::*;

async fn said(config: &SdkConfig) -> String {
    let error = Client::new(config).list_functions().send().await.unwrap_err();
    format!("{} {}", error.raw_response().unwrap().status().as_u16(), error.code().unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn strangers_and_forgers() {
    let (sandbox, user, fine) = with_user();
    let (key, secret) = (user.access_key_id(), user.secret_access_key());
    Client::new(&fine).list_functions().send().await.unwrap();
    let stranger = config(&sandbox, "AKIAAAAAAAAAAAAAAAAA", secret, None);
    assert_eq!(said(&stranger).await, "403 UnrecognizedClientException");
    let forger = config(&sandbox, key, "wrong", None);
    assert_eq!(said(&forger).await, "403 InvalidSignatureException");
    let late = Clock::starting_at(sandbox.world.wire.now() + jiff::SignedDuration::from_mins(6), 1.0);
    let late = fine.clone().into_builder().time_source(SharedTimeSource::new(WireTime(late))).build();
    assert_eq!(said(&late).await, "403 InvalidSignatureException");
    assert_eq!(sandbox.calls(key)["lambda:ListFunctions"], 1);
    let unsigned = Request::get("/2015-03-31/functions").header("host", "sandbox").body(Bytes::new()).unwrap();
    let refused = sandbox.handle(unsigned).await.unwrap();
    assert_eq!(refused.status(), 403);
    assert_eq!(refused.headers()["x-amzn-errortype"], "MissingAuthenticationTokenException");
    assert_eq!(refused.body().as_ref(), br#"{"message":"Missing Authentication Token"}"#);
}

#[tokio::test(start_paused = true)]
async fn a_bucket_may_be_called_like_a_path_of_the_service() {
    let (_, _, config) = with_user();
    let client = s3(&config);
    make_bucket(&client, "2015-03-31").await;
    let put = client.put_object().bucket("2015-03-31").key("functions");
    put.body(ByteStream::from_static(b"an object")).send().await.unwrap();
    let got = client.get_object().bucket("2015-03-31").key("functions").send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().into_bytes().as_ref(), b"an object");
    assert!(Client::new(&config).list_functions().send().await.unwrap().functions().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_it_does_not_know_it_says_itself() {
    let (_, _, config) = with_user();
    let client = Client::new(&config);
    let error = client.list_layers().send().await.unwrap_err();
    let raw = error.raw_response().unwrap();
    assert_eq!((raw.status().as_u16(), error.code()), (404, Some("UnknownOperationException")));
    assert!(raw.headers().get("x-amzn-requestid").is_some());
    let error = client.get_account_settings().send().await;
    assert!(error.is_ok(), "{error:?}");
}
