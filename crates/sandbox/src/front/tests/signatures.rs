//! Requests that may not pass, in the words of each family.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use http::Method;
use jiff::SignedDuration;
use std::time::Duration;

use super::*;

/// What the three families say to the same caller: S3, JSON, query.
async fn codes(config: &SdkConfig) -> [String; 3] {
    let s3 = s3(config).list_buckets().send().await.unwrap_err();
    let json = aws_sdk_codedeploy::Client::new(config).list_applications().send().await.unwrap_err();
    let query = aws_sdk_sts::Client::new(config).get_caller_identity().send().await.unwrap_err();
    let line = |status: u16, code: Option<&str>| format!("{status} {}", code.unwrap_or_default());
    [
        line(s3.raw_response().unwrap().status().as_u16(), s3.code()),
        line(json.raw_response().unwrap().status().as_u16(), json.code()),
        line(query.raw_response().unwrap().status().as_u16(), query.code()),
    ]
}

#[tokio::test(start_paused = true)]
async fn strangers_and_forgers() {
    let (sandbox, user, _) = with_user();
    let (key, secret) = (user.access_key_id(), user.secret_access_key());
    let stranger = config(&sandbox, "AKIAAAAAAAAAAAAAAAAA", secret, None);
    let expected = ["403 InvalidAccessKeyId", "400 UnrecognizedClientException", "403 InvalidClientTokenId"];
    assert_eq!(codes(&stranger).await, expected);
    let forger = config(&sandbox, key, "wrong", None);
    let expected = ["403 SignatureDoesNotMatch", "400 InvalidSignatureException", "403 SignatureDoesNotMatch"];
    assert_eq!(codes(&forger).await, expected);
    let with_token = config(&sandbox, key, secret, Some("made up".into()));
    let expected = ["400 InvalidToken", "400 UnrecognizedClientException", "403 InvalidClientTokenId"];
    assert_eq!(codes(&with_token).await, expected);
    let elsewhere = config(&sandbox, key, secret, None).into_builder().region(Region::new("mars-1")).build();
    let expected = ["400 AuthorizationHeaderMalformed", "400 InvalidSignatureException", "403 SignatureDoesNotMatch"];
    assert_eq!(codes(&elsewhere).await, expected);
}

#[tokio::test(start_paused = true)]
async fn clocks_that_are_off() {
    let (sandbox, _, config) = with_user();
    let ok = ["", "", ""];
    let late = ["", "400 InvalidSignatureException", "403 SignatureDoesNotMatch"];
    let too_late = ["403 RequestTimeTooSkewed", "400 InvalidSignatureException", "403 SignatureDoesNotMatch"];
    for (minutes, expected) in [(0, ok), (4, ok), (6, late), (-6, late), (16, too_late), (-16, too_late)] {
        let now = sandbox.world.wire.now() + SignedDuration::from_mins(minutes);
        let shifted = Clock::starting_at(now, 1.0);
        let config = config.clone().into_builder().time_source(SharedTimeSource::new(WireTime(shifted))).build();
        let s3 = s3(&config).list_buckets().send().await.err();
        let json = aws_sdk_codedeploy::Client::new(&config).list_git_hub_account_token_names().send().await.err();
        let query = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await.err();
        let line = |status: u16, code: Option<&str>| format!("{status} {}", code.unwrap_or_default());
        let said = [
            s3.map(|error| line(error.raw_response().unwrap().status().as_u16(), error.code())),
            json.map(|error| line(error.raw_response().unwrap().status().as_u16(), error.code()))
                .filter(|line| !line.ends_with("UnknownOperationException")),
            query.map(|error| line(error.raw_response().unwrap().status().as_u16(), error.code())),
        ];
        assert_eq!(said.map(Option::unwrap_or_default), expected, "{minutes} minutes");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_without_a_signature() {
    let sandbox = sandbox();
    let request = |content_type: &str, target: Option<&str>| {
        let mut request = Request::post("http://sandbox/").header("content-type", content_type);
        if let Some(target) = target {
            request = request.header("x-amz-target", target);
        }
        request.body(Bytes::from_static(b"Action=GetCallerIdentity")).unwrap()
    };
    for (request, status, expected) in [
        (request("application/x-www-form-urlencoded", None), 403, "<Code>MissingAuthenticationToken</Code>"),
        (
            request("application/x-amz-json-1.1", Some("CodeDeploy_20141006.X")),
            400,
            "MissingAuthenticationTokenException",
        ),
        (Request::get("http://sandbox/b/k").body(Bytes::new()).unwrap(), 403, "<Code>AccessDenied</Code>"),
    ] {
        let answer = sandbox.handle(request).await.unwrap();
        assert_eq!(answer.status(), status);
        assert!(String::from_utf8_lossy(answer.body()).contains(expected), "{answer:?}");
    }
}

/// Signs by hand with whatever is to be wrong.
fn signed(
    user: &Credentials,
    request: http::request::Builder,
    body: &str,
    service: &str,
    at: Timestamp,
) -> Request<Bytes> {
    let mut request = request.body(Bytes::from(body.to_owned())).unwrap();
    let identity = user.clone().into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name(service)
        .time(at.into())
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let headers: Vec<(String, String)> =
        request.headers().iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let body = SignableBody::Bytes(body.as_bytes());
    let uri = request.uri().to_string();
    let signable = SignableRequest::new(request.method().as_str(), uri, headers, body).unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    instructions.apply_to_request_http1x(&mut request);
    request
}

#[tokio::test(start_paused = true)]
async fn what_was_signed_is_what_counts() {
    let (sandbox, user, _) = with_user();
    let now = sandbox.world.wire.now();
    let form = "Action=GetCallerIdentity&Version=2011-06-15";
    let request = || {
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        Request::builder().method(Method::POST).uri("http://sandbox/").header("content-type", form)
    };
    let good = signed(&user, request(), form, "sts", now);
    assert_eq!(sandbox.handle(good.clone()).await.unwrap().status(), 200);
    let status = |request| async { sandbox.handle(request).await.unwrap().status().as_u16() };

    let mut other_body = good.clone();
    *other_body.body_mut() = Bytes::from_static(b"Action=AssumeRole");
    assert_eq!(status(other_body).await, 403);
    let mut other_query = good.clone();
    *other_query.uri_mut() = "http://sandbox/?x".parse().unwrap();
    assert_eq!(status(other_query).await, 403);
    let mut other_host = good.clone();
    other_host.headers_mut().insert("host", "elsewhere".parse().unwrap());
    assert_eq!(status(other_host).await, 403);
    let mut short = good.clone();
    let header = good.headers()["authorization"].to_str().unwrap();
    short.headers_mut().insert("authorization", header[..header.len() - 1].parse().unwrap());
    assert_eq!(status(short).await, 403);
    for broken in
        ["", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=a/b/c", "Bearer x", "AWS4-HMAC-SHA256 Credential=é"]
    {
        let mut request = good.clone();
        request.headers_mut().insert("authorization", http::HeaderValue::from_bytes(broken.as_bytes()).unwrap());
        let status = status(request).await;
        assert!((400..500).contains(&status), "{broken} {status}");
    }
    // Right in itself, but signed for another service than its form names.
    for service in ["sqs", "autoscaling", "s3"] {
        let answer = sandbox.handle(signed(&user, request(), form, service, now)).await.unwrap();
        let body = String::from_utf8_lossy(answer.body()).into_owned();
        assert!(body.contains("scoped to correct service: 'sts'"), "{body}");
        assert!(body.starts_with("<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"), "{body}");
    }
    let get = Request::builder().method(Method::GET).uri("http://sandbox/b");
    let answer = sandbox.handle(signed(&user, get, "", "sts", now)).await.unwrap();
    assert!(String::from_utf8_lossy(answer.body()).contains("AuthorizationHeaderMalformed"));
}

#[tokio::test(start_paused = true)]
async fn s3_wants_its_headers_signed_and_its_payload_named() {
    let (sandbox, user, _) = with_user();
    let now = sandbox.world.wire.now();
    let get = || Request::builder().method(Method::GET).uri("http://sandbox/");
    let answer = sandbox.handle(signed(&user, get(), "", "s3", now)).await.unwrap();
    assert!(String::from_utf8_lossy(answer.body()).contains("x-amz-content-sha256"), "{answer:?}");
    let digest = crate::wire::signature::digest(b"");
    let named = || get().header("x-amz-content-sha256", &digest);
    assert_eq!(sandbox.handle(signed(&user, named(), "", "s3", now)).await.unwrap().status(), 200);
    let mut smuggled = signed(&user, named(), "", "s3", now);
    smuggled.headers_mut().insert("x-amz-acl", "public-read".parse().unwrap());
    let answer = sandbox.handle(smuggled).await.unwrap();
    assert!(String::from_utf8_lossy(answer.body()).contains("<HeadersNotSigned>x-amz-acl<"), "{answer:?}");
    for (sha, code) in [("junk", "InvalidArgument"), (&digest.replace('e', "f"), "XAmzContentSHA256Mismatch")] {
        let request = get().header("x-amz-content-sha256", sha);
        let answer = sandbox.handle(signed(&user, request, "", "s3", now)).await.unwrap();
        assert!(String::from_utf8_lossy(answer.body()).contains(code), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn presigned_urls_work_until_they_expire() {
    let (sandbox, client) = with_bucket().await;
    client.put_object().bucket("bkt").key("a +ü").body(b"x".to_vec().into()).send().await.unwrap();
    let now = sandbox.world.wire.now();
    let good = PresigningConfig::builder().start_time(now.into()).expires_in(Duration::from_secs(60)).build().unwrap();
    let url = client.get_object().bucket("bkt").key("a +ü").presigned(good).await.unwrap().uri().to_owned();
    let fetch = |url: String| {
        let sandbox = sandbox.clone();
        async move { sandbox.handle(Request::get(url).body(Bytes::new()).unwrap()).await.unwrap() }
    };
    assert_eq!(fetch(url.clone()).await.body(), "x");
    let forged = fetch(url.replace("Expires=60", "Expires=600")).await;
    assert!(String::from_utf8_lossy(forged.body()).contains("SignatureDoesNotMatch"));
    tokio::time::sleep(Duration::from_secs(61)).await;
    let late = fetch(url).await;
    assert_eq!(late.status(), 403);
    assert!(String::from_utf8_lossy(late.body()).contains("<Message>Request has expired</Message><X-Amz-Expires>60<"));
}

#[tokio::test(start_paused = true)]
async fn a_bucket_is_reached_with_a_signature_for_its_region() {
    let (sandbox, user, _) = with_user();
    let there = config(&sandbox, user.access_key_id(), user.secret_access_key(), None);
    make_bucket(&s3(&there), "bkt").await;
    let here = there.into_builder().region(Region::new("eu-west-1")).build();
    let refusal = refused(s3(&here).list_objects_v2().bucket("bkt").send().await);
    assert_eq!(refusal, "400 AuthorizationHeaderMalformed Region=ap-northeast-2");
    let virtual_host = aws_sdk_s3::config::Builder::from(&here).region(Region::new(REGION));
    let client = aws_sdk_s3::Client::from_conf(virtual_host.endpoint_url("http://localhost:4566").build());
    client.put_object().bucket("bkt").key("k").send().await.unwrap();
    assert_eq!(sandbox.call_log().last().unwrap().resource, "bkt/k");
}
