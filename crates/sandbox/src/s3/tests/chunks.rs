//! Bodies in chunks: signed and unsigned, whole and broken.

use std::sync::{Arc, Mutex};

use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode};
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings};
use aws_smithy_runtime_api::client::http::{SharedHttpClient, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use proptest::prelude::*;

use super::*;
use crate::s3::{Ask, body};
use crate::wire::signature;

/// A connector that keeps what it should send.
#[derive(Clone, Debug, Default)]
struct Capture(Arc<Mutex<Option<Request<Bytes>>>>);

impl HttpConnector for Capture {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let kept = self.0.clone();
        HttpConnectorFuture::new(async move {
            let (parts, body) = request.try_into_http1x().unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            *kept.lock().unwrap() = Some(Request::from_parts(parts, body));
            Err(ConnectorError::io("kept".into()))
        })
    }
}

impl HttpClient for Capture {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn every_chunk_and_the_trailer_are_signed() {
    let (sandbox, client) = with_bucket().await;
    let capture = Capture::default();
    let config = client.config().to_builder().http_client(SharedHttpClient::new(capture.clone())).build();
    let file = std::env::temp_dir().join(format!("shipit-signed-{}", std::process::id()));
    std::fs::write(&file, vec![b'a'; 150_000]).unwrap();
    let body = ByteStream::read_from().path(&file).build().await.unwrap();
    let put = Client::from_conf(config).put_object().bucket("bkt").key("k").body(body).send().await;
    assert!(put.is_err());
    std::fs::remove_file(file).unwrap();
    let request = capture.0.lock().unwrap().take().unwrap();
    let text = String::from_utf8(request.body().to_vec()).unwrap();
    let signature = text.find("chunk-signature=").unwrap() + "chunk-signature=".len();
    let (last, trailer) = (text.rfind("aaaa").unwrap(), text.find("x-amz-trailer-signature:").unwrap() + 30);
    let checksum = text.find("x-amz-checksum-crc32:").unwrap() + "x-amz-checksum-crc32:".len();
    for (place, expected) in [
        (signature, "SignatureDoesNotMatch"),
        (signature + 200, "SignatureDoesNotMatch"),
        (last, "SignatureDoesNotMatch"),
        (trailer, "SignatureDoesNotMatch"),
        (checksum, "SignatureDoesNotMatch"),
    ] {
        let mut forged = text.clone().into_bytes();
        forged[place] = if forged[place] == b'0' { b'1' } else { b'0' };
        let (parts, _) = request.clone().into_parts();
        let answer = sandbox.handle(Request::from_parts(parts, forged.into())).await.unwrap();
        let answer = String::from_utf8_lossy(answer.body()).into_owned();
        assert!(answer.contains(expected), "{place} {answer}");
    }
    assert_eq!(sandbox.handle(request).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn streams_come_in_chunks_with_a_trailer() {
    let (_sandbox, client) = with_bucket().await;
    // Over TLS the SDK leaves chunks unsigned.
    let tls = client.config().to_builder().endpoint_url("https://sandbox").build();
    let file = std::env::temp_dir().join(format!("shipit-chunks-{}", std::process::id()));
    let content: Vec<u8> = (0..200_000u32).map(|n| n.to_le_bytes()[1]).collect();
    std::fs::write(&file, &content).unwrap();
    for (client, algorithm) in [
        (client.clone(), None),
        (client.clone(), Some(ChecksumAlgorithm::Sha256)),
        (Client::from_conf(tls), Some(ChecksumAlgorithm::Crc64Nvme)),
    ] {
        let body = ByteStream::read_from().path(&file).build().await.unwrap();
        let put = client.put_object().bucket("bkt").key("k").content_encoding("gzip").set_checksum_algorithm(algorithm);
        put.body(body).send().await.unwrap();
        let got = client.get_object().bucket("bkt").key("k").checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
        assert_eq!(got.content_encoding(), Some("gzip"), "the framing is not stored");
        assert!(got.body.collect().await.unwrap().into_bytes() == content);
    }
    std::fs::remove_file(file).unwrap();
}

/// A put in chunks, as it is on the wire.
struct Framed<'a> {
    kind: &'a str,
    trailer: &'a str,
    length: &'a str,
    body: &'a str,
}

#[test]
fn broken_frames_are_refused() {
    const UNSIGNED: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
    const SUM: &str = "x-amz-checksum-crc32";
    let read = |framed: Framed<'_>| {
        let request = Request::put("http://sandbox/bkt/k")
            .header("x-amz-content-sha256", framed.kind)
            .header("x-amz-trailer", framed.trailer)
            .header("x-amz-decoded-content-length", framed.length)
            .body(Bytes::from(framed.body.to_owned()))
            .unwrap();
        let ask = Ask::new(&request, "sandbox", "111122223333", "eu-west-1").unwrap();
        let read = body::read(&ask);
        read.map(|content| String::from_utf8(content.body.to_vec()).unwrap()).map_err(|error| error.code)
    };
    let framed = |length, body| read(Framed { kind: UNSIGNED, trailer: SUM, length, body });
    let good = "3\r\nabc\r\n2\r\nde\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
    assert_eq!(framed("5", good), Ok("abcde".to_owned()));
    assert_eq!(framed("4", good), Err("IncompleteBody".to_owned()));
    assert_eq!(framed("-1", good), Err("MissingContentLength".to_owned()));
    assert_eq!(framed("9999999999", good), Err("EntityTooLarge".to_owned()));
    for body in
        ["", "3", "3\r\nab", "3\r\nabcd\r\n", "zz\r\n", "ffffffffffffffff\r\nabc\r\n", "3\r\nabc\r\n", "-3\r\nabc\r\n"]
    {
        assert_eq!(framed("3", body), Err("IncompleteBody".to_owned()), "{body:?}");
    }
    for body in ["0\r\n\r\n", "0\r\nother:1\r\n\r\n", "0\r\nno colon\r\n\r\n"] {
        assert_eq!(framed("0", body), Err("MalformedTrailerError".to_owned()), "{body:?}");
    }
}

proptest! {
    #[test]
    fn no_request_makes_the_front_panic(
        path in "/[a-z%./0-9?&=+-]{0,40}",
        authorization in "(AWS4-HMAC-SHA256 )?[A-Za-z0-9/=, ;é-]{0,80}",
        date in "[0-9TZ]{0,20}",
        body in "[0-9a-f;\\r\\n:x-]{0,60}",
    ) {
        let request = Request::put(format!("http://sandbox{path}"))
            .header("authorization", authorization.as_bytes())
            .header("x-amz-date", date)
            .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
            .header("x-amz-decoded-content-length", "3")
            .body(Bytes::from(body))
            .unwrap();
        drop(signature::claim(&request));
        if let Ok(ask) = Ask::new(&request, "sandbox", "111122223333", "eu-west-1") {
            drop(body::read(&ask));
        }
    }
}
