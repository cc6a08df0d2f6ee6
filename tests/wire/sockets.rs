//! What only a socket shows.

use std::time::Duration;

use aws_sdk_s3::error::SdkError;
use sandbox::faults::{Action, Kind, Rule, Target, When};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{serve, serve_bucket};

/// Sends raw bytes and returns what comes until the far end closes or is silent.
async fn talk(stream: &mut TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    drop(tokio::time::timeout(Duration::from_millis(300), read).await);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_dropped_answer_closes_the_connection() {
    let (sandbox, _, client) = serve_bucket().await;
    let target = Target {
        service: "s3".into(),
        operation: "PutObject".into(),
        resource: "bkt/k".into(),
        nth: 1,
        when: When::After,
        action: Action::Drop,
    };
    sandbox.add_fault(Rule { caller: None, kind: Kind::Target(target) });
    let lost = client.put_object().bucket("bkt").key("k").send().await.unwrap_err();
    assert!(matches!(lost, SdkError::DispatchFailure(_)), "{lost:?}");
    client.head_object().bucket("bkt").key("k").send().await.unwrap();
}

#[tokio::test]
async fn connections_are_kept() {
    let (_sandbox, address, _) = serve().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    for _ in 0..3 {
        let answer = talk(&mut stream, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
        assert!(answer.contains("<Code>AccessDenied</Code>"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_may_wait_to_be_asked_for_and_a_huge_one_is_not() {
    let (_sandbox, address, _) = serve().await;
    let head = |length: &str| {
        format!("PUT /b/k HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n")
    };
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert_eq!(talk(&mut stream, &head("2")).await, "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(talk(&mut stream, "hi").await.starts_with("HTTP/1.1 403 "));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let answer = talk(&mut stream, &head("9999999999")).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("EntityTooLarge"), "{answer}");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let target = "x-amz-target: CodeDeploy_20141006.X\r\ncontent-length: 9999999999";
    let answer = talk(&mut stream, &head("0").replace("content-length: 0", target)).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn nonsense_is_answered() {
    let (_sandbox, address, _) = serve().await;
    for text in [
        "\r\n\r\n",
        "GET",
        "\u{0}\u{1}\u{2}",
        "PUT /%zz%ff HTTP/1.1\r\nhost: \r\ncontent-length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: x\r\nauthorization: AWS4-HMAC-SHA256 Credential=////,SignedHeaders=,Signature=\r\n\
         x-amz-date: 20260101T000000Z\r\ncontent-length: 0\r\n\r\n",
        "GET /?X-Amz-Signature=&X-Amz-Expires=99999999999999999999 HTTP/1.1\r\nhost: x\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let answer = talk(&mut stream, text).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{text:?} {answer}");
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert!(talk(&mut stream, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.starts_with("HTTP/1.1 403"));
}
